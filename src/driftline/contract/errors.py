"""Faults of contract files: values first, one error that carries them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a contract file.

    Attributes
    ----------
    file
        The file as it was named by the caller.
    line, column
        Where it stands, from 1; None where the fault has no place in the text (no such file).
    path
        Where it stands in the document: ``$.features.age.tolerance``.
    expected, got
        What belongs there and what is there, each short enough for one line.
    problem
        Takes the place of "expected …, got …" in `message` where that would read badly.
    """

    file: str
    line: int | None
    column: int | None
    path: str
    expected: str
    got: str
    problem: str = ""

    @property
    def message(self) -> str:
        """Path and fault, without the place."""
        return f"{self.path}: {self.problem or f'expected {self.expected}, got {self.got}'}"

    @property
    def place(self) -> str:
        """``file:line:column``, which terminals and editors turn into a link."""
        return self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        """Return one clear line."""
        return f"{self.place}: {self.message}"


class ContractError(DriftlineError):
    """Contracts that cannot be used; ``str`` is the list of all faults, one a line.

    Operator action: correct the files; ``driftline contract check FILE...`` lists the same faults.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
