"""The contracts that are compared, and which of them can share what has been observed."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import structs, to_builtins

from driftline.contract import Book, load
from driftline.contract.canonical import canonical
from driftline.contract.variants import parse_grid, variants
from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from driftline.contract import Contract

__all__ = ["MOST", "Candidate", "candidates_of", "differences", "groups_of"]

MOST = 16
"""Contracts side by side: more than that nobody reads, and each keeps detectors of its own."""


@dataclass(frozen=True)
class Candidate:
    """One way to watch the models.

    Attributes
    ----------
    letter
        A for what `--contract` says; what it is called where there is little room.
    name
        The file, or the values that a grid has put in.
    """

    letter: str
    name: str
    book: Book


def candidates_of(
    contracts: Sequence[Path], compare: Sequence[Path], grid: Sequence[str]
) -> list[Candidate]:
    """Return the contracts to compare, those of `--contract` first.

    Raises
    ------
    UsageError
        A file is about models that `--contract` does not name, there are too many, or two are of
        the same effect.
    driftline.contract.ContractError
        A file has faults.
    """
    first = load(contracts)
    if not len(first):
        msg = "--compare and --grid: expected a --contract to compare with, got none"
        raise UsageError(msg)
    named = [(", ".join(path.name for path in contracts), first)]
    for path in compare:
        other = load([path])
        strange = sorted(set(other.models) - set(first.models))
        if strange:
            msg = (
                f"--compare {path}: expected a contract of {', '.join(first.models)}, "
                f"got one of {', '.join(strange)}"
            )
            raise UsageError(msg)
        named.append((str(path), _replaced(first, other)))
    if grid:
        if len(contracts) != 1 or len(first) != 1:
            msg = f"--grid: expected one contract to vary, got {len(first)}"
            raise UsageError(msg)
        named += [
            (each.name, Book((each.contract,)))
            for each in variants(contracts[0], parse_grid(grid), MOST - 1)
        ]
    if len(named) > MOST:
        msg = f"--compare: expected at most {MOST} contracts in all, got {len(named)}"
        raise UsageError(msg)
    found: list[Candidate] = []
    for letter, (name, book) in zip(ascii_uppercase, _unlike(named, grid=bool(grid)), strict=False):
        found.append(Candidate(letter, name, book))
    return found


def _replaced(first: Book, other: Book) -> Book:
    return Book(tuple(other.of(each.model) if each.model in other else each for each in first))


def _unlike(named: list[tuple[str, Book]], *, grid: bool) -> list[tuple[str, Book]]:
    """Return those that differ; of a grid the values that stand in the file go without saying."""
    found: list[tuple[str, Book]] = []
    seen: dict[tuple[str, ...], str] = {}
    for name, book in named:
        effect = tuple(canonical(contract) for contract in book)
        if effect in seen and not grid:
            msg = f"--compare {name}: expected another contract, got the effect of {seen[effect]}"
            raise UsageError(msg)
        if effect not in seen:
            seen[effect] = name
            found.append((name, book))
    if len(found) < 2:
        msg = "--grid: expected values that the contract does not have, got only those"
        raise UsageError(msg)
    short = [name.rpartition("/")[2] for name, _ in found]
    return [
        (brief if short.count(brief) == 1 else name, book)
        for brief, (name, book) in zip(short, found, strict=True)
    ]


def differences(first: Candidate, other: Candidate) -> list[tuple[str, str, str]]:
    """Return the fields in which two differ: path, and both values as in YAML."""
    found = []
    for one, two in zip(first.book, other.book, strict=True):
        before, after = (dict(_flat("", orjson.loads(canonical(each)))) for each in (one, two))
        prefix = f"{one.model}: " if len(first.book) > 1 else ""
        found += [
            (prefix + path, before.get(path, "–"), after.get(path, "–"))
            for path in sorted({**before, **after})
            if before.get(path) != after.get(path)
        ]
    return found


def _flat(path: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [pair for key, held in value.items() for pair in _flat(f"{path}.{key}", held)]
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return [(path.removeprefix("."), text)]


def groups_of(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Return the candidates in groups that read the events alike: each group reads them once."""
    groups: dict[bytes, list[Candidate]] = {}
    for candidate in candidates:
        key = orjson.dumps([_observed(contract) for contract in candidate.book])
        groups.setdefault(key, []).append(candidate)
    return list(groups.values())


def _observed(contract: Contract) -> Any:
    """Return all of a contract that panes, references and the ledger depend on."""
    features = contract.features and {
        name: structs.replace(plan, tolerance=None, importance=1.0)
        for name, plan in contract.features.items()
    }
    joined = [contract.quality, contract.skew, contract.ledger, contract.decision]
    told = [
        contract.model,
        contract.slot,
        contract.lateness,
        contract.max_ahead,
        contract.sample,
        contract.reference,
        features,
        contract.segments,
        joined if contract.joins else None,
    ]
    return to_builtins(told)
