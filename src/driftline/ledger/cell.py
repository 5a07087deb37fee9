"""What joining has brought: sums over the claims of one model, one slot and one quality window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.ledger.delays import Delays
from driftline.ledger.exposure import Exposure
from driftline.ledger.residuals import Residuals
from driftline.ledger.rows import read_rows
from driftline.ledger.scorecard import Scorecard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from driftline.ledger.entry import Claim
    from driftline.ledger.pairs import Pairs
    from driftline.ledger.rows import Read
    from driftline.ledger.task import Task

__all__ = ["Card", "Cell", "sum_claims"]

Card = Scorecard | Residuals
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
        Predictions, labelled or not; empty for a regression.
    delays
        How long first labels took.
    counts
        Whole numbers by name: ``predicted``, ``labelled``, and what made no difference (``again``,
        ``repeated``, ``too late``), ``waiting`` labels, and rows that make no sense, by reason.
    """

    card: Card
    exposure: Exposure = field(default_factory=Exposure.empty)
    delays: Delays = field(default_factory=Delays)
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, task: Task) -> Cell:
        """Return the sums of nothing."""
        return cls(Residuals.empty() if task.regression else Scorecard.empty())

    def __bool__(self) -> bool:
        """Return whether it differs from the sums of nothing."""
        if self.counts:
            return True
        nothing = Cell(type(self.card).empty())
        return self.to_values() != nothing.to_values()

    def merge(self, other: Cell) -> None:
        """Add the sums of another cell, of the same task."""
        self.card.merge(other.card)  # type: ignore[arg-type]
        self.exposure.merge(other.exposure)
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
            "delays": self.delays.to_values(),
            "counts": dict(sorted(self.counts.items())),
        }

    @classmethod
    def from_values(cls, task: Task, values: dict[str, Any]) -> Cell:
        """Return what `to_values` wrote."""
        kind = Residuals if task.regression else Scorecard
        return cls(
            kind.from_values(values["card"]),
            Exposure.from_values(values["exposure"]),
            Delays.from_values(values["delays"]),
            dict(values["counts"]),
        )


def sum_claims(task: Task, claims: Iterable[tuple[Claim, int]]) -> Cell:
    """Sum claims of one model, slot and window, each with how often it is counted."""
    cell = Cell.empty(task)
    made: list[tuple[Claim, int]] = []
    paired: list[tuple[Claim, int]] = []
    rows = {"predicted": made, "first": paired, "paired": paired}
    for claim, times in claims:
        if claim.what in rows:
            rows[claim.what].append((claim, times))
        else:
            cell.count(claim.what, times)
    if made:
        _add_made(cell, task, made)
    if paired:
        _add_paired(cell, task, paired)
    return cell


def _add_made(cell: Cell, task: Task, made: list[tuple[Claim, int]]) -> None:
    """Sum predictions; any label will do to have them read as pairs are."""
    read = _read(task, made, label=0.0 if task.regression else "1")
    cell.count("predicted", sum(times for _, times in made))
    if not task.regression:
        cell.exposure.merge(Exposure.of_pairs(read.pairs))


def _add_paired(cell: Cell, task: Task, paired: list[tuple[Claim, int]]) -> None:
    read = _read(task, paired)
    cell.card.merge(_card(task, read.pairs))  # type: ignore[arg-type]
    for reason, refused in read.refused.items():
        known = reason in cell.counts or len(cell.counts) < MOST_REASONS
        cell.count(reason if known else "…", sum(paired[row][1] for row in refused.tolist()))
    if read.unscored:
        cell.count("score: expected a probability from 0 to 1", read.unscored)
    first = np.array([claim.what == "first" for claim, _ in paired], dtype=np.bool_)[read.rows]
    pairs = read.pairs.take(np.flatnonzero(first))
    cell.count("labelled", int(pairs.sign.sum(dtype=np.int64)))
    took = [claim.label[0] - claim.prediction[0] for claim, _ in paired]  # type: ignore[index]
    classes = [["all"] * len(pairs)] * 2 if task.regression else [pairs.predicted, pairs.label]
    delay = np.array(took, dtype=np.int64)[read.rows][first]
    cell.delays.merge(Delays.of(*classes, delay, pairs.sign))  # type: ignore[arg-type]


def _card(task: Task, pairs: Pairs) -> Card:
    return Residuals.of(pairs) if task.regression else Scorecard.of(pairs)


def _read(
    task: Task, claims: Sequence[tuple[Claim, int]], label: float | str | None = None
) -> Read:
    """Read claims as rows; each counts as often as it says (once or, taken back, minus once)."""
    bodies = [c.prediction[1] for c, _ in claims if c.prediction is not None]
    labels: list[Any] = [label] * len(bodies)
    weights: list[Any] | None = None
    if label is None:
        labels = [c.label[1][0] for c, _ in claims if c.label is not None]
        weights = [c.label[1][1] for c, _ in claims if c.label is not None]
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
        sign=np.array([times for _, times in claims], dtype=np.int8),
    )
