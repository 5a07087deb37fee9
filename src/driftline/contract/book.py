"""Contracts from files, and the book of all that a process knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from driftline.contract.errors import ContractError, Fault
from driftline.contract.form import CONTRACT
from driftline.contract.kinds import FAULTY
from driftline.contract.nodes import Findings, documents, short
from driftline.contract.types import Contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import yaml

__all__ = ["Book", "Entry", "load", "parse", "survey"]


@dataclass(frozen=True, slots=True)
class Book:
    """All contracts of a process, one a model; it never changes.

    Attributes
    ----------
    contracts
        Sorted by model. Raises `ValueError` for two of one model.
    """

    contracts: tuple[Contract, ...] = ()
    _by_model: dict[str, Contract] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.contracts, key=lambda contract: contract.model))
        by_model = {contract.model: contract for contract in ordered}
        if len(by_model) < len(ordered):
            msg = f"one contract a model, got {[contract.model for contract in ordered]}"
            raise ValueError(msg)
        object.__setattr__(self, "contracts", ordered)
        object.__setattr__(self, "_by_model", by_model)

    @property
    def models(self) -> tuple[str, ...]:
        """Models that have a contract, sorted."""
        return tuple(self._by_model)

    def of(self, model: str) -> Contract:
        """Return a model's contract, or one of defaults alone where nobody has written any."""
        return self._by_model.get(model) or Contract(model=model)

    @property
    def joins(self) -> bool:
        """Whether any model's predictions are joined with what comes later."""
        return any(contract.joins for contract in self.contracts)

    def __contains__(self, model: object) -> bool:
        return model in self._by_model

    def __iter__(self) -> Iterator[Contract]:
        return iter(self.contracts)

    def __len__(self) -> int:
        return len(self.contracts)


@dataclass(frozen=True, slots=True)
class Entry:
    """A contract without faults, and where it starts."""

    contract: Contract
    file: str
    line: int


def parse(text: str, name: str) -> Contract:
    """Read the one contract that a text holds.

    Parameters
    ----------
    text
        YAML, one document.
    name
        Name of the file, for faults; a relative `reference.path` starts at its directory. Nothing
        is read from there.

    Raises
    ------
    ContractError
        With every fault of the text.
    """
    findings = Findings(name)
    entries = _read(text, findings)
    if not findings.faults and len(entries) != 1:
        second = entries[1]
        findings.add_at((second.line, 1), "$", "one document", f"{len(entries)} documents")
    if findings.faults:
        raise ContractError(findings.ordered())
    return entries[0].contract


def load(paths: Iterable[str | Path]) -> Book:
    """Read all contracts of all files; a file may hold several documents.

    Raises
    ------
    ContractError
        With every fault of every file: files that cannot be read, and two contracts for one model,
        included.
    """
    entries, faults = survey(paths)
    if faults:
        raise ContractError(faults)
    return Book(tuple(entry.contract for entry in entries))


def survey(paths: Iterable[str | Path]) -> tuple[list[Entry], list[Fault]]:
    """Read all files; return the contracts without faults, and every fault.

    A file that is named twice is read once. Of two contracts for one model the first counts.
    """
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    files = {Path(path).resolve(): Path(path) for path in reversed(list(paths))}
    for path in reversed(files.values()):
        findings = Findings(str(path))
        text = _text(path, findings)
        for entry in [] if text is None else _read(text, findings):
            model = entry.contract.model
            if model in entries:
                first = entries[model]
                got = f"a second one for {short(model)} (first at {first.file}:{first.line})"
                findings.add_at((entry.line, 1), "$.model", "one contract a model", got)
            else:
                entries[model] = entry
        faults.extend(findings.ordered())
    return list(entries.values()), faults


def _text(path: Path, findings: Findings) -> str | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        findings.add_at(None, "$", "a file that can be read", why, f"cannot be read: {why}")
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        got = f"the byte 0x{data[error.start]:02X}"
        findings.add_at((line, column), "$", "UTF-8", got)
        return None


def _read(text: str, findings: Findings) -> list[Entry]:
    entries = []
    number = 0
    for number, node in enumerate(documents(text, findings), 1):  # noqa: B007 - counted
        contract = _contract(node, findings)
        if contract is not None:
            entries.append(Entry(contract, findings.file, node.start_mark.line + 1))
    if number == 0 and not findings.faults:
        findings.add_at((1, 1), "$", "a contract", "an empty file")
    return entries


def _contract(node: yaml.Node, findings: Findings) -> Contract | None:
    contract = CONTRACT.read(node, "$", findings)
    if contract is FAULTY:
        return None
    stated = frozenset(key.value for key, _ in node.value)
    result: Contract = msgspec.structs.replace(contract, stated=stated)
    return result
