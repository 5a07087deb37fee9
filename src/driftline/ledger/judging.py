"""From sums to a verdict on a model's worth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.sequences import LEAST_RARER, LEAST_ROWS, asymptotic
from driftline.ledger.trialrows import BASELINE, MODEL
from driftline.ledger.untold import untold
from driftline.ledger.verdict import PERIOD, Arm, Verdict
from driftline.ledger.verdict_words import words

if TYPE_CHECKING:
    from driftline.ledger.trials import Trials
    from driftline.ledger.verdict import Answer, Bounded

__all__ = ["Found", "decisions_needed", "judge"]

LEAST_PART = 0.05
"""The smallest effect worth knowing, as part of the usual size of an outcome."""
MOST_ROWS = 1e9
"""More decisions than this nobody waits for."""
_ONE = 1 << UNIT_BITS


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to judge by.

    Attributes
    ----------
    baseline
        Name of the baseline's arm.
    trials
        All trials so far.
    rows, total, squares
        Values (see `contrast`) that count, their sum and that of their squares.
    interval
        Of the effect; infinite where nothing is known.
    rarer
        Rows that the scatter of the smaller arm rests on: see `contrast.rarer`.
    span
        Time in which the trials came, microseconds.
    least_effect
        The smallest one worth knowing; None: `LEAST_PART`.
    alpha, best_at
        Of the interval that is waited for: see `sequences.asymptotic`.
    """

    baseline: str
    trials: Trials
    rows: int
    total: float
    squares: float
    interval: tuple[float, float]
    rarer: float
    span: int
    least_effect: float | None
    alpha: float
    best_at: float

    @property
    def effect(self) -> float | None:
        """Mean of the values; None of none."""
        return self.total / self.rows if self.rows > 0 else None


def judge(found: Found) -> Verdict:
    """Return the verdict on what was found; 0.3 ms."""
    verdict = _unknown(found) or _known(found)
    return replace(verdict, text=words(verdict, found.rarer))


def _unknown(found: Found) -> Verdict | None:
    why = untold(found.trials, found.baseline)
    if why is None:
        return None
    baseline, model = _arms(found)
    means = baseline.mean, model.mean
    return Verdict(
        "cannot be known from these data",
        baseline,
        model,
        found.rows,
        reason=why.reason,
        advice=why.advice,
        association=None if means[0] is None or means[1] is None else means[1] - means[0],
        refused=dict(found.trials.refused),
    )


def _known(found: Found) -> Verdict:
    low, high = found.interval
    answer: Answer = "better" if low > 0 else "worse" if high < 0 else "cannot tell yet"
    least = _least_effect(found)
    open_ = answer == "cannot tell yet"
    return Verdict(
        answer,
        *_arms(found),
        found.rows,
        effect=found.effect,
        low=_finite(low),
        high=_finite(high),
        per_period=_per_period(found),
        least_effect=least,
        more_at_effect=decisions_needed(found, found.effect) if open_ else None,
        more_at_least=decisions_needed(found, least) if open_ else None,
        refused=dict(found.trials.refused),
    )


def decisions_needed(found: Found, effect: float | None) -> int | None:
    """Return about how many more decisions tell an effect of some size in half of the cases.

    As many as it takes for the interval, at the scatter seen, to reach no farther than the effect,
    and for either arm to have rows enough of the rarer outcome. None where nothing is known of
    that, or where it takes more than `MOST_ROWS`.
    """
    if not effect or found.rows <= 0 or found.rarer <= 0:
        return None
    mean = found.total / found.rows
    variance = found.squares / found.rows - mean * mean
    if variance <= 0:
        return None
    rows = np.geomspace(max(found.rows, LEAST_ROWS), MOST_ROWS, 600)
    _, half = asymptotic(rows, 0 * rows, rows * variance, alpha=found.alpha, best_at=found.best_at)
    enough = (half <= abs(effect)) & (found.rarer * rows / found.rows >= LEAST_RARER)
    if not enough.any():
        return None
    return max(math.ceil(float(rows[enough.argmax()])) - found.rows, 0)


def _arms(found: Found) -> tuple[Arm, Arm]:
    return _arm(found.trials, BASELINE, found.baseline), _arm(found.trials, MODEL, "model")


def _arm(trials: Trials, arm: int, name: str) -> Arm:
    sums = trials.plain[arm]
    return Arm(name, sums.rows, sums.y / _ONE, trials.arm(arm).rows, trials.effective(arm))


def _least_effect(found: Found) -> float | None:
    if found.least_effect is not None:
        return found.least_effect
    rows = sum(each.rows for each in found.trials.plain)
    squares = sum(each.yy for each in found.trials.plain) / _ONE
    return LEAST_PART * math.sqrt(squares / rows) if rows > 0 < squares else None


def _per_period(found: Found) -> Bounded | None:
    if found.effect is None or found.span <= 0:
        return None
    rate = sum(each.rows for each in found.trials.plain) * PERIOD / found.span
    low, high = (_finite(bound * rate) for bound in found.interval)
    return found.effect * rate, low, high


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
