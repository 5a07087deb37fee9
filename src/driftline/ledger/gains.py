"""What joined pairs say against a promised quality: gains whose mean is 0 or less while it is kept.

A promise, that a metric is at least or at most some bound, is turned into a gain of each row: how
much worse than promised it was. A metric that is a mean (accuracy, Brier, MAE) needs its bound
subtracted; a ratio is multiplied out, as F1 is at least f if and only if the mean of
``f (2 TP + FP + FN) - 2 TP`` is at most 0. What is a function of many rows (AUC, the macro averages
of many classes) is told by blocks: `driftline.ledger.blocks`. A gain has a least value, so that
``1 + bet · gain`` stays positive and its mean at most 1: that is all that `ledger.promised` asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from driftline.detect.state import pack, unpack
from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.residuals import Residuals, error_values
from driftline.ledger.scorecard import OTHER, SCORE_STEPS

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers
    from driftline.ledger.reading import ClassSums, Reading

FARTHEST = 10.0
"""No error counts for more than this multiple of the promise: a single wild label rings no alarm.
Cutting makes errors smaller, so it can hide a broken promise and never feign one."""
_SURE = 0.5 / SCORE_STEPS


@dataclass(frozen=True, slots=True)
class Stake:
    """What one step has to say.

    Attributes
    ----------
    gains
        Of each different kind of row (or of each block), shape (k,).
    rows
        How many rows of that kind there are, below 0 where they are taken back, shape (k,).
    total, weight
        The metric's numerator and denominator over these rows: sums that give its value later on.
    """

    gains: Floats
    rows: Floats
    total: float
    weight: float


class Gains(Protocol):
    """How one metric is told against its bound.

    Attributes
    ----------
    least
        The least gain that is possible, below 0.
    slow
        The smallest bet worth making: the best one on a loss of quality that is just worth a page.
    """

    least: float
    slow: float

    def read(self, of: Any, scale: float) -> Stake | None:
        """Return what some pairs say; None while there are too few, which are then kept.

        Parameters
        ----------
        of
            A `Reading` of scorecards, or `Residuals`.
        scale
            Rows for each thousandth of weight.
        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """Return what was learnt, as JSON values and bytes."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        ...


class Unlearning:
    """Gains that learn nothing."""

    def snapshot(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up nothing."""


class Shares(Unlearning):
    """Accuracy, and precision, recall and F1 of one class.

    A wrong row gains the bound, half of it for F1; a right one loses what is left to 1. Rows that
    the metric does not look at say nothing.
    """

    def __init__(self, metric: str, bound: float) -> None:
        self._metric, self._bound = metric, bound
        self.least = bound - 1
        self.slow = 0.1 / bound

    def read(self, of: Reading, scale: float) -> Stake | None:
        """Return what some pairs say; None where none of them is of concern."""
        right, wrong = self._counts(of)
        if right + wrong <= 0:
            return None
        part = 0.5 if self._metric == "f1" else 1.0
        gains = np.array([self._bound - 1, self._bound * part])
        rows = np.array([right, wrong]) * scale
        return Stake(gains, rows, right, right + part * wrong)

    def _counts(self, of: Reading) -> tuple[int, int]:
        if self._metric == "accuracy":
            right = sum(each.hits for each in of.sums.values())
            return right, of.card.weight - right
        sums = of.sums.get(of.positive)
        if sums is None:
            return 0, 0
        right, whole = ratio(self._metric, sums)
        return right, whole - right


def ratio(metric: str, sums: ClassSums) -> tuple[int, int]:
    """Return the hits, and of how many rows; for F1, of those predicted, labelled or both."""
    whole = {
        "precision": sums.predicted,
        "recall": sums.labelled,
        "f1": sums.predicted + sums.labelled - sums.hits,
    }
    return sums.hits, whole[metric]


class Losses(Unlearning):
    """Log loss and Brier score, of two classes or of many.

    Of a Brier score of many classes, tables do not tell which probabilities stood in one row; the
    row's gain is the mean over classes of ``classes · loss - bound``, and as the logarithm is
    concave, betting on each class by itself wins no more than betting on the row.
    """

    def __init__(self, metric: str, bound: float) -> None:
        self._metric, self._bound = metric, bound
        self.least = -bound
        self.slow = 0.03 / bound

    def read(self, of: Reading, scale: float) -> Stake | None:
        """Return what some pairs say; None where none has a probability."""
        losses, weights, classes = self._losses(of)
        weight = weights.sum() / classes
        if weight <= 0:
            return None
        total = float((losses * weights).sum() / classes)
        gains = np.asarray(np.minimum(losses, FARTHEST * self._bound) - self._bound)
        rows = np.asarray(weights * (scale / classes))
        return Stake(gains, rows, total, float(weight))

    def _losses(self, of: Reading) -> tuple[Floats, Integers, int]:
        logs = self._metric == "log_loss"
        if of.binary:
            tables, classes = [of.table], 1
        elif logs:
            # All of it lies with the class that came, further classes too.
            tables = [of.card.table(name) for name in sorted(of.card.present)]
            classes = 1
        else:
            # Of classes beyond those told apart no probabilities are kept.
            tables = [] if OTHER in of.card.present else list(of.tables.values())
            classes = max(len(tables), 1)
        losses, weights = [np.empty(0)], [np.empty(0, dtype=np.int64)]
        whole = sum(int(table.present.sum()) for table in tables)
        for table in tables:
            chance = table.probability
            came = -np.log(np.clip(chance, _SURE, 1 - _SURE)) if logs else (1 - chance) ** 2
            losses.append(classes * came)
            weights.append(table.present)
            if of.binary or not logs:
                not_so = -np.log1p(-np.clip(chance, _SURE, 1 - _SURE)) if logs else chance**2
                losses.append(classes * not_so)
                weights.append(table.absent)
            if not (of.binary or logs):
                # Classes that a prediction did not name had no probability, and cost nothing.
                losses.append(np.zeros(1))
                unnamed = whole - int(table.present.sum() + table.absent.sum())
                weights.append(np.array([unnamed]))
        return np.concatenate(losses), np.concatenate(weights), classes


class Errors(Unlearning):
    """MAE, RMSE and MAPE.

    Of relative errors only the sum is known: a step is then a single row, which gains its mean.
    """

    def __init__(self, metric: str, bound: float) -> None:
        self._metric = metric
        self._squares = metric == "rmse"
        self._bound = bound**2 if self._squares else bound
        self._most = FARTHEST**2 if self._squares else FARTHEST
        self.least = -self._bound
        self.slow = 0.03 / self._bound

    def read(self, of: Residuals, scale: float) -> Stake | None:
        """Return what some pairs say; None where they have no such error."""
        if self._metric == "mape":
            if of.relative_weight <= 0 or of.relative < 0:
                return None
            total = of.relative / (1 << UNIT_BITS)
            sizes, rows = np.array([total / of.relative_weight]), np.ones(1)
            weight = of.relative_weight
        else:
            exact = of.squared if self._squares else of.absolute
            total, weight = exact / (1 << UNIT_BITS), of.weight
            sizes = np.abs(error_values(of.errors.codes))
            if self._squares:
                sizes **= 2
            rows = np.asarray(of.errors.weights * scale)
            told = float((sizes * of.errors.weights).sum())
            if told > 0 and total > 0:
                # Codes are good to 1/256; made to add up to the exact sum they lean no way.
                sizes *= min(max(total / told, 0.98), 1.02)
        gains = np.minimum(sizes, self._most * self._bound) - self._bound
        return Stake(gains, rows, total, float(weight))


class Calibration:
    """Calibration error of the positive class, by bins of probability.

    In bin b the outcome lies above the probability by d(b) in the mean; the error is the mean of
    |d|. With signs s(b) of 1, 0 or -1 the mean of ``s (outcome - probability)`` is never above it,
    and equal to it for the right signs. Signs are learnt from the steps before: so the error is not
    overstated, as that of a window is, where chance alone is always somewhere off.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self.least = -1 - bound
        self.slow = 0.1
        self._drift = np.zeros(CUTS.size + 1)
        self._spread = np.zeros(CUTS.size + 1)

    def read(self, of: Reading, scale: float) -> Stake | None:
        """Return what some pairs say, and learn from them for the next."""
        chance, absent, present = of.table.probability, of.table.absent, of.table.present
        weight = int(absent.sum() + present.sum())
        if weight <= 0:
            return None
        place = np.searchsorted(CUTS, chance, side="right")
        sign = np.where(np.abs(self._drift) > np.sqrt(self._spread), np.sign(self._drift), 0.0)
        sign = sign[place]
        above = np.concatenate([sign * -chance, sign * (1 - chance)])
        weights = np.concatenate([absent, present])
        bins = self._drift.size
        fade = np.exp(-weight * scale / MEMORY_ROWS)
        drift = np.bincount(place, present * (1 - chance) - absent * chance, bins)
        spread = np.bincount(place, (present + absent) * chance * (1 - chance), bins)
        self._drift = self._drift * fade + drift * scale
        self._spread = np.maximum(self._spread * fade + spread * scale, 0.0)
        total = float((above * weights).sum())
        return Stake(above - self._bound, weights * scale, total, float(weight))

    def snapshot(self) -> dict[str, Any]:
        """Return what was learnt, as JSON values and bytes."""
        return {"drift": pack(self._drift), "spread": pack(self._spread)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._drift = unpack(state.get("drift", {}), self._drift)
        self._spread = unpack(state.get("spread", {}), self._spread)


CUTS = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99])
"""Bins of probability, narrow at both ends: those of a rare class lie there."""
MEMORY_ROWS = 5000.0
"""Rows from which the signs of a calibration error are learnt."""
