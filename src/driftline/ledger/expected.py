"""What a metric is expected to be of rows whose chances are known, and how it hangs on them.

Each function takes the rows scored for one class and returns the metric that their labels should
give (the expectation of its sums; of a ratio, the ratio of expectations), with the derivative by
the chance of one row. Two things follow from that one derivative: how far the labels scatter the
metric about its expectation, and how far an error in the chances carries it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.ledger.scorecard import SCORE_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.ledger.pairs import Floats

__all__ = ["BY_CLASS", "Expected", "Scored", "surprise"]

_SURE = 0.5 / SCORE_STEPS
"""Probabilities are kept this far from 0 and 1 under a logarithm, as in `ledger.probability`."""


class Scored(NamedTuple):
    """Rows scored for one class, by score.

    Attributes
    ----------
    score
        Ascending, each once, shape (k,).
    other, own
        Rows predicted to be of another class, and of this one, shape (k,).
    chance
        Chance that a row of that score is of the class, shape (k,).
    """

    score: Floats
    other: Floats
    own: Floats
    chance: Floats

    @property
    def rows(self) -> Floats:
        """Rows of each score, shape (k,)."""
        return self.other + self.own

    @property
    def present(self) -> Floats:
        """Rows of each score expected to be of the class, shape (k,)."""
        return self.rows * self.chance

    @property
    def scatter(self) -> Floats:
        """Variance of the rows of each score that are of the class, shape (k,)."""
        return self.present * (1 - self.chance)

    @property
    def scattering(self) -> Floats:
        """Derivative of `scatter` by `present`, shape (k,)."""
        return 1 - 2 * self.chance


class Expected(NamedTuple):
    """An expected metric, and its derivative by the chance of one row.

    Attributes
    ----------
    value
        The metric.
    other, own
        Derivative by the chance of a row predicted to be of another class, and of this one, by
        score, each of shape (k,) or a number.
    """

    value: float
    other: Floats | float
    own: Floats | float


def accuracy(x: Scored) -> Expected | None:
    """Share of right predictions, the class against all others."""
    rows = float(x.rows.sum())
    if not rows:
        return None
    right = float((x.own * x.chance + x.other * (1 - x.chance)).sum())
    return Expected(right / rows, -1 / rows, 1 / rows)


def precision(x: Scored) -> Expected | None:
    """Of those predicted to be of the class, the share that are."""
    own = float(x.own.sum())
    return Expected(float((x.own * x.chance).sum()) / own, 0.0, 1 / own) if own else None


def recall(x: Scored) -> Expected | None:
    """Of those of the class, the share that were predicted to be."""
    present = float(x.present.sum())
    if not present:
        return None
    value = float((x.own * x.chance).sum()) / present
    return Expected(value, -value / present, (1 - value) / present)


def f1(x: Scored) -> Expected | None:
    """Harmonic mean of precision and recall."""
    both = float(x.own.sum() + x.present.sum())
    if not both:
        return None
    value = 2 * float((x.own * x.chance).sum()) / both
    return Expected(value, -value / both, (2 - value) / both)


def auc(x: Scored) -> Expected | None:
    """Chance that a row of the class scores above one that is not, ties counted half."""
    present = x.present
    absent = x.rows - present
    p, n = float(present.sum()), float(absent.sum())
    # A row is never a pair with itself, which products of expectations would make of it.
    itself = float(x.scatter.sum())
    pairs = p * n - itself
    if pairs <= 0:
        return None
    below = np.cumsum(absent) - absent / 2
    above = p - np.cumsum(present) + present / 2
    value = (float(present @ below) - itself / 2) / pairs
    bend = x.scattering
    slope = (below - above - bend / 2 - value * (n - p - bend)) / pairs
    return Expected(value, slope, slope)


def average_precision(x: Scored) -> Expected | None:
    """Precision at each row of the class, from the highest score down, averaged."""
    present = x.present[::-1]
    p = float(present.sum())
    if not p:
        return None
    rows = np.cumsum(x.rows[::-1])
    found = np.cumsum(present) / rows
    # A row that is of the class counts itself among those found: its square is itself.
    value = float(present @ found + (x.scatter[::-1] / rows).sum()) / p
    after = np.cumsum((present / rows)[::-1])
    slope = (found[::-1] + after + x.scattering / rows[::-1] - value) / p
    return Expected(value, slope, slope)


def brier(x: Scored) -> Expected | None:
    """Mean squared difference of score and truth, for this class alone."""
    rows = float(x.rows.sum())
    if not rows:
        return None
    loss = x.present * (1 - x.score) ** 2 + (x.rows - x.present) * x.score**2
    slope = (1 - 2 * x.score) / rows
    return Expected(float(loss.sum()) / rows, slope, slope)


def surprise(x: Scored) -> Expected | None:
    """Mean of -ln(score), to which rows that are not of the class add nothing.

    Summed over many classes it is the log loss.
    """
    rows = float(x.rows.sum())
    if not rows:
        return None
    slope = -np.log(np.clip(x.score, _SURE, 1 - _SURE)) / rows
    return Expected(float((x.present * slope).sum()), slope, slope)


def log_loss(x: Scored) -> Expected | None:
    """Mean of -ln of the probability of what came, the class or not the class."""
    rows = float(x.rows.sum())
    if not rows:
        return None
    score = np.clip(x.score, _SURE, 1 - _SURE)
    hit, miss = -np.log(score) / rows, -np.log1p(-score) / rows
    value = float((x.present * hit + (x.rows - x.present) * miss).sum())
    return Expected(value, hit - miss, hit - miss)


BY_CLASS: dict[str, Callable[[Scored], Expected | None]] = {
    "accuracy": accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "auc": auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
}
"""Metrics of a binary task, by the contract's names, on its positive class."""
