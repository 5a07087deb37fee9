"""Claims that wait to be summed: columns by what is claimed, as there may be many thousands."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.ledger.entry import Claim, Told

__all__ = ["Claims", "Columns"]


@dataclass(slots=True)
class Columns:
    """The fields of n claims (`driftline.ledger.entry.Claim`), and how often each is counted."""

    prediction: list[Any] = field(default_factory=list)
    label: list[Any] = field(default_factory=list)
    decision: list[Any] = field(default_factory=list)
    outcome: list[Any] = field(default_factory=list)
    served: list[Any] = field(default_factory=list)
    trained: list[Any] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def extend(self, other: Columns) -> None:
        """Put another's rows behind."""
        self.prediction += other.prediction
        self.label += other.label
        self.decision += other.decision
        self.outcome += other.outcome
        self.served += other.served
        self.trained += other.trained
        self.times += other.times

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.times)


class Claims(defaultdict[str, Columns]):
    """Columns by what is claimed.

    Rows and not objects: of a claim only what it is about is left, which Python's collector need
    not look at again. With an object each it took 2.5 µs of the 12 of an entry.
    """

    def __init__(self, claims: Iterable[tuple[Claim, int]] = ()) -> None:
        super().__init__(Columns)
        for claim, times in claims:
            self.add(claim, times)

    def add(self, claim: Claim, times: int) -> None:
        """Take a claim, and how often it is counted."""
        what, _, prediction, label, decision, outcome, served, trained = claim
        columns = self[what]
        columns.prediction.append(prediction)
        columns.label.append(label)
        columns.decision.append(decision)
        columns.outcome.append(outcome)
        columns.served.append(served)
        columns.trained.append(trained)
        columns.times.append(times)

    def predicted(self, made: list[Told]) -> None:
        """Take predictions that were made, once each."""
        nothing = [None] * len(made)
        ones = [1] * len(made)
        self["predicted"].extend(Columns(made, nothing, nothing, nothing, nothing, nothing, ones))
