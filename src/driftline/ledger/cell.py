"""What joining has brought: sums over the claims of one model, one slot and one quality window."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from driftline.ledger.delays import Delays
from driftline.ledger.exposure import Exposure
from driftline.ledger.profile import ErrorProfile
from driftline.ledger.residuals import Residuals
from driftline.ledger.rows import read_rows
from driftline.ledger.scorecard import Scorecard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from driftline.ledger.entry import Claim
    from driftline.ledger.pairs import Integers
    from driftline.ledger.rows import Read
    from driftline.ledger.task import Task

__all__ = ["Card", "Cell", "sum_claims"]

Key = TypeVar("Key")
Card = Scorecard | Residuals
UNSCORED = "score: expected a probability from 0 to 1"
MOST_REASONS = 20
"""Kinds of rows that make no pair, told apart in one cell; further ones are counted as one."""


@dataclass(slots=True)
class Cell:
    """Sums that merge bit for bit in any order.

    Attributes
    ----------
    card
        Predictions with their labels.
    exposure
        Predictions, labelled or not: of a regression by what was predicted.
    profile
        Of a regression, errors by what was predicted.
    delays
        How long first labels took.
    counts
        Whole numbers by name: ``predicted``, ``labelled``, and what made no difference (``again``,
        ``repeated``, ``too late``), ``waiting`` labels, and rows that make no sense, by reason.
    """

    card: Card
    exposure: Exposure | ErrorProfile
    profile: ErrorProfile = field(default_factory=ErrorProfile.empty)
    delays: Delays = field(default_factory=Delays)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, task: Task) -> Cell:
        """Return the sums of nothing."""
        if task.regression:
            return cls(Residuals.empty(), ErrorProfile.empty())
        return cls(Scorecard.empty(), Exposure.empty())

    def __bool__(self) -> bool:
        """Return whether it differs from the sums of nothing."""
        if self.counts:
            return True
        nothing = Cell(type(self.card).empty(), type(self.exposure).empty())
        return self.to_values() != nothing.to_values()

    def merge(self, other: Cell) -> None:
        """Add the sums of another cell, of the same task."""
        self.card.merge(other.card)  # type: ignore[arg-type]
        self.exposure.merge(other.exposure)  # type: ignore[arg-type]
        self.profile.merge(other.profile)
        self.delays.merge(other.delays)
        for name, count in other.counts.items():
            self.count(name, count)

    def count(self, name: str, count: int) -> None:
        """Add to one of the counts; what has come to nothing is forgotten."""
        total = self.counts.get(name, 0) + count
        if total:
            self.counts[name] = total
        else:
            self.counts.pop(name, None)

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal sums give equal bytes."""
        return {
            "card": self.card.to_values(),
            "exposure": self.exposure.to_values(),
            "profile": self.profile.to_values(),
            "delays": self.delays.to_values(),
            "counts": dict(sorted(self.counts.items())),
        }

    @classmethod
    def from_values(cls, task: Task, values: dict[str, Any]) -> Cell:
        """Return what `to_values` wrote."""
        empty = cls.empty(task)
        return cls(
            empty.card.from_values(values["card"]),
            empty.exposure.from_values(values["exposure"]),
            ErrorProfile.from_values(values["profile"]),
            Delays.from_values(values["delays"]),
            dict(values["counts"]),
        )


def sum_claims(task: Task, groups: Mapping[Key, Sequence[tuple[Claim, int]]]) -> dict[Key, Cell]:
    """Sum claims group by group, each claim as often as it is counted.

    Groups are read together and summed apart: there may be many of a few rows.
    """
    cells = {key: Cell.empty(task) for key in groups}
    owners = list(cells.values())
    made, paired = _Rows(), _Rows()
    rows = {"predicted": made, "first": paired, "paired": paired}
    for number, claims in enumerate(groups.values()):
        for claim, times in claims:
            if claim.what in rows:
                rows[claim.what].add(number, claim, times)
            else:
                owners[number].count(claim.what, times)
    if made.claims:
        _add_made(owners, task, made)
    if paired.claims:
        _add_paired(owners, task, paired)
    return cells


@dataclass(slots=True)
class _Rows:
    """Claims that are to be read, and which group each is of."""

    groups: list[int] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, group: int, claim: Claim, times: int) -> None:
        self.groups.append(group)
        self.claims.append(claim)
        self.times.append(times)


def _add_made(cells: list[Cell], task: Task, made: _Rows) -> None:
    """Sum predictions; any label will do to have them read as pairs are."""
    for group, times in zip(made.groups, made.times, strict=True):
        cells[group].count("predicted", times)
    read = _read(task, made, label=0.0 if task.regression else "1")
    for group, rows in _split(made, read.rows):
        pairs = read.pairs.take(rows)
        if task.regression:
            cells[group].exposure = ErrorProfile.of(replace(pairs, label=pairs.predicted))
        else:
            cells[group].exposure = Exposure.of_pairs(pairs)


def _add_paired(cells: list[Cell], task: Task, paired: _Rows) -> None:
    read = _read(task, paired)
    for reason, refused in {**read.refused, UNSCORED: read.unscored}.items():
        for row in refused.tolist():
            counts = cells[paired.groups[row]].counts
            known = reason in counts or len(counts) < MOST_REASONS
            cells[paired.groups[row]].count(reason if known else "…", paired.times[row])
    told = [(c.label, c.prediction, c.what == "first") for c in paired.claims]
    took = np.array([b[0] - a[0] for b, a, _ in told if a and b], dtype=np.int64)[read.rows]
    first = np.array([is_first for _, _, is_first in told], dtype=np.bool_)[read.rows]
    for group, rows in _split(paired, read.rows):
        cell, pairs = cells[group], read.pairs.take(rows)
        if task.regression:
            cell.card, cell.profile = Residuals.of(pairs), ErrorProfile.of(pairs)
        else:
            cell.card = Scorecard.of(pairs)
        own = rows[first[rows]]
        if own.size < rows.size:
            pairs = read.pairs.take(own)
        cell.count("labelled", int(pairs.sign.sum(dtype=np.int64)))
        guess, truth = pairs.predicted, pairs.label
        if isinstance(guess, np.ndarray) or isinstance(truth, np.ndarray):
            guess = truth = ["all"] * own.size
        cell.delays = Delays.of(guess, truth, took[own], pairs.sign)


def _split(rows: _Rows, read: Integers) -> Iterator[tuple[int, Integers]]:
    """Yield each group with its places among the rows that were read."""
    groups = np.array(rows.groups, dtype=np.int64)[read]
    order = np.argsort(groups, kind="stable")
    found, starts = np.unique(groups[order], return_index=True)
    yield from zip(found.tolist(), np.split(order, starts[1:]), strict=True)


def _read(task: Task, rows: _Rows, label: float | str | None = None) -> Read:
    """Read claims; with a `label` as if it were that of all of them."""
    bodies = [claim.prediction[1] for claim in rows.claims if claim.prediction is not None]
    labels: list[Any] = [label] * len(bodies)
    weights: list[Any] | None = None
    if label is None:
        told = [claim.label[1] for claim in rows.claims if claim.label is not None]
        labels, weights = [each[0] for each in told], [each[1] for each in told]
    names = sorted({name for body in bodies if body[2] for name, _ in body[2]})
    shares = {
        name: [dict(body[2]).get(name) if body[2] else None for body in bodies] for name in names
    }
    return read_rows(
        task,
        [body[0] for body in bodies],
        labels,
        score=[body[1] for body in bodies],
        shares=shares,
        weight=weights,
        sign=np.array(rows.times, dtype=np.int8),
    )
