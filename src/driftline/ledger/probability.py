"""Metrics of probabilities: of the positive class, or of every class of many.

All are sums over the different probabilities of a scorecard, at most some ten thousand, whatever
the number of pairs. Probabilities are rounded to 2**-20 there (to 2**-14 in a table with more than
2**16 different ones). In such a coarse table of 200 thousand pairs AUC, log loss and Brier score
were 1e-7 from those of the probabilities as given, average precision 2e-5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.scorecard import OTHER, SCORE_STEPS, ScoreTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.ledger.pairs import Floats, Integers
    from driftline.ledger.reading import Reading

__all__ = ["BINS", "auc", "average_precision", "brier", "calibration_error", "log_loss"]

BINS = 10
"""Of the calibration error; each holds a tenth of the weight."""
_SURE = 0.5 / SCORE_STEPS
"""Probabilities count as at least this in a log loss, and at most as one minus this: what is within
half a step of 0 cannot be told from 0. So no pair costs more than 14.6."""


def auc(reading: Reading) -> float | None:
    """Area under the ROC curve; of many classes the average of each one against the rest.

    The probability that one that is of the class was given a larger probability than one that is
    not, ties by half (Hanley and McNeil 1982).
    """
    return _average(reading, _auc)


def _auc(table: ScoreTable) -> float | None:
    absent, present = table.absent.sum(), table.present.sum()
    if absent <= 0 or present <= 0:
        return None
    twice_below = 2 * np.cumsum(table.absent) - table.absent
    pairs = (table.present.astype(np.float64) * twice_below).sum()
    return float(pairs / (2.0 * float(absent) * float(present)))


def average_precision(reading: Reading) -> float | None:
    """Precision at each threshold, weighted by the recall it adds (not interpolated)."""
    return _average(reading, _average_precision)


def _average_precision(table: ScoreTable) -> float | None:
    present = table.present[::-1]
    if present.sum() <= 0:
        return None
    weight = np.cumsum(present + table.absent[::-1])
    precision = np.cumsum(present) / np.maximum(weight, 1)
    return float((present * precision).sum() / present.sum())


def log_loss(reading: Reading) -> float | None:
    """Mean of -ln(probability of the class that came)."""
    if reading.binary:
        chance = _sure(reading.table.probability)
        cost = _dot(reading.table.present, np.log(chance))
        cost += _dot(reading.table.absent, np.log1p(-chance))
        return _mean(-cost, _weight(reading.table))
    tables = [reading.card.table(name) for name in sorted(reading.card.present)]
    cost = sum(_dot(table.present, np.log(_sure(table.probability))) for table in tables)
    return _mean(-cost, sum(int(table.present.sum()) for table in tables))


def brier(reading: Reading) -> float | None:
    """Mean squared distance of the probability from what came: 0 or 1.

    Of many classes the sum of it over the classes, as Brier (1950) has it: from 0 to 2. Undefined
    where there are more classes than a scorecard tells apart.
    """
    if reading.binary:
        return _mean(_squares(reading.table), _weight(reading.table))
    if OTHER in reading.card.present:
        return None
    tables = reading.tables.values()
    # Every pair has its own class's probability once.
    weight = sum(int(table.present.sum()) for table in tables)
    return _mean(sum(map(_squares, tables)), weight)


def _squares(table: ScoreTable) -> float:
    chance = table.probability
    return _dot(table.absent, chance**2) + _dot(table.present, (1 - chance) ** 2)


def calibration_error(reading: Reading) -> float | None:
    """Mean distance of the probability from the share that came, over `BINS` bins of equal weight.

    Equal widths would put nearly all predictions of a rare class into one bin. Of many classes the
    average of each one by itself: the adaptive calibration error of Nixon, Dusenberry, Zhang,
    Jerfel, Tran (2019), Measuring calibration in deep learning. A probability never falls into two
    bins. Chance alone adds to it: perfect probabilities p in n pairs show about
    sqrt(2 p (1 - p) BINS / (pi n)).
    """
    return _average(reading, _calibration_error)


def _calibration_error(table: ScoreTable) -> float | None:
    weight = table.absent + table.present
    whole = int(weight.sum())
    if whole <= 0:
        return None
    twice_middle = 2 * np.cumsum(weight) - weight
    place = np.clip(twice_middle * BINS // (2 * whole), 0, BINS - 1)
    said = np.bincount(place, weights=weight * table.probability, minlength=BINS)
    came = np.bincount(place, weights=table.present, minlength=BINS)
    return float(np.abs(said - came).sum() / whole)


def _average(reading: Reading, of: Callable[[ScoreTable], float | None]) -> float | None:
    """Return a metric of the positive class, or its mean over the classes that have it."""
    if reading.binary:
        return of(reading.table)
    found = [value for table in reading.tables.values() if (value := of(table)) is not None]
    return sum(found) / len(found) if found else None


def _dot(weights: Integers, values: Floats) -> float:
    # Not by BLAS, whose threads would add in an order of their own.
    return float((weights * values).sum())


def _sure(chance: Floats) -> Floats:
    return np.clip(chance, _SURE, 1 - _SURE)


def _weight(table: ScoreTable) -> int:
    return int(table.absent.sum() + table.present.sum())


def _mean(total: float, weight: int) -> float | None:
    return float(total / weight) if weight > 0 else None
