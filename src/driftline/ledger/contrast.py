"""The difference that acting on the model makes, row by row and free of who was chosen (AIPW).

Of a row in arm A (1: the model's) with outcome y and weight w, the inverse of the probability of
its arm, the value is ``f1 - f0 + A w (y - f1) - (1 - A) w (y - f0)``. Its mean is the difference
between acting on the model always and never, whatever f is expected, as long as that was known
before the outcome: a good f only makes it scatter less. Robins, Rotnitzky and Zhao (1994),
Estimation of regression coefficients when some regressors are not always observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.trialrows import BASELINE, MODEL
from driftline.ledger.trials import BANDS

if TYPE_CHECKING:
    from driftline.ledger.trials import Stratum, Trials

__all__ = ["Contrast", "Expectation", "contrast", "contrasts", "expectation", "rarer"]

SHRINK = 20
"""Rows of a score band at which its own mean counts as much as that of its arm."""
_ROUNDING = 2.0**-48
"""More than rounding each row's terms can do to a sum of fourth powers, relative to them."""

Expectation = tuple[tuple[float, ...], tuple[float, ...]]
"""Outcomes expected by arm and score band."""


class Contrast(NamedTuple):
    """Rows, and the sums of their values and of the squares of these."""

    rows: int
    total: float
    squares: float


def expectation(trials: Trials) -> Expectation:
    """Return the mean outcome of each arm and score band, drawn towards that of the arm.

    0 for an arm without rows. 0.05 ms.
    """
    arms = []
    for arm in (BASELINE, MODEL):
        whole = trials.arm(arm)
        if whole.rows <= 0 or whole.w <= 0:
            arms.append((0.0,) * (BANDS + 1))
            continue
        mean, prior = whole.wy / whole.w, SHRINK * whole.w // whole.rows
        found = []
        for band in range(BANDS + 1):
            own = trials.strata.get((arm, band))
            # Less than nothing is left where rows were taken back that never came.
            if own is None or own.w <= 0:
                found.append(mean)
            else:
                part = own.w / (own.w + prior)
                found.append(part * (own.wy / own.w) + (1 - part) * mean)
        arms.append(tuple(found))
    return arms[BASELINE], arms[MODEL]


def contrast(sums: Stratum, arm: int, without: float, with_: float) -> Contrast:
    """Sum the values of the rows of one stratum, exactly but for the last rounding.

    Parameters
    ----------
    without, with_
        Outcome expected in the baseline's arm and in the model's.
    """
    step = with_ - without
    error = _first(sums, with_ if arm == MODEL else without)
    signed = error if arm == MODEL else -error
    second = _second(sums, with_ if arm == MODEL else without)
    squares = sums.rows * step * step + 2 * step * signed + second
    return Contrast(sums.rows, sums.rows * step + signed, squares)


def contrasts(trials: Trials, expected: Expectation) -> Contrast:
    """Sum the values of all rows that are used; 0.1 ms."""
    rows, total, squares = 0, 0.0, 0.0
    for (arm, band), sums in sorted(trials.strata.items()):
        found = contrast(sums, arm, expected[BASELINE][band], expected[MODEL][band])
        rows, total, squares = rows + found.rows, total + found.total, squares + found.squares
    return Contrast(rows, total, squares)


def rarer(trials: Trials, arm: int) -> float:
    """Return how many rows of an arm its scatter really rests on.

    What makes a sum of a hundred rows far from normal is that a few of them make up all its
    scatter: a rare sale, a rare loss, a rare large weight. Counted are the rows among which the
    squares would be spread as they are if all were alike, ``(Σ r²)² / Σ r⁴`` with r the weighted
    deviation from the mean (a third of the rows of a normal law, about those of the rarer outcome
    of a rate); and no more than do not have the commonest of the outcomes 0 and 1. Of outcomes more
    than a thousand standard deviations from 0 fewer are counted, as rounding cannot be told from
    scatter there.
    """
    whole, tails = trials.arm(arm), trials.tails[arm]
    if whole.rows <= 0 or whole.w <= 0:
        return 0.0
    mean = whole.wy / whole.w
    second = max(_second(whole, mean), 0.0)
    p, q = mean.as_integer_ratio()
    fourth = (
        tails.w4y4 * q**4
        - 4 * p * q**3 * tails.w4y3
        + 6 * (p * q) ** 2 * tails.w4y2
        - 4 * p**3 * q * tails.w4y
        + p**4 * tails.w4
    ) / (q**4 << UNIT_BITS)
    noise = _ROUNDING * (tails.w4y4 / _ONE + mean**4 * (tails.w4 / _ONE))
    spread = max(fourth, 0.0) + noise
    alike = second * second / spread if spread > 0 else 0.0
    return max(min(alike, float(whole.rows - max(whole.zeros, whole.ones))), 0.0)


_ONE = 1 << UNIT_BITS


def _first(sums: Stratum, about: float) -> float:
    """Return Σ w (y - about)."""
    p, q = about.as_integer_ratio()
    return (sums.wy * q - p * sums.w) / (q << UNIT_BITS)


def _second(sums: Stratum, about: float) -> float:
    """Return Σ w² (y - about)²."""
    p, q = about.as_integer_ratio()
    return (sums.wwyy * q * q - 2 * p * q * sums.wwy + p * p * sums.ww) / (q * q << UNIT_BITS)
