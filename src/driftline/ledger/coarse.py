"""What a segment keeps of scores and errors: fewer codes than the whole.

Of many rows the whole keeps every probability in steps of a millionth. Were each of its segments to
do the same, a snapshot would be many times as large. A segment's codes are rounded: those of a
probability to `SCORE_BITS` leading bits of its distance from the nearer end, so that rare classes
are told apart as well as common ones. Each code is rounded by itself: sums of rounded codes are
rounded sums, bit for bit. What is made of classes or of exact sums stays exact.

Notes
-----
Measured on 100,000 rows with scores from beta(2, 5), beta(.3, .3) and, of a rare class,
beta(.5, 500): AUC, log loss and Brier score lie within 1e-4 of those of the whole's codes, the
calibration error within 4e-4, average precision within 3e-3. Codes fall from 38,000 to 520, from
80,000 to 1,360 and from 7,000 to 400.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.counts import Counts
from driftline.ledger.exposure import Exposure
from driftline.ledger.profile import ErrorProfile
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import SCORE_STEPS, Scorecard

if TYPE_CHECKING:
    from driftline.ledger.pairs import Integers

__all__ = ["coarse_card", "coarse_exposure", "coarse_scores"]

SCORE_BITS = 6
"""Of a probability: 32 steps to each halving of its distance from 0 or 1."""
_ERROR_SHIFT = 3
"""Of an error: 16 steps to a power of two, where the whole has 128."""
_PREDICTION_SHIFT = 5
"""Of a number that was predicted: 32 steps to a power of two, where the whole has 1,024."""


def coarse_card(card: Scorecard | Residuals) -> Scorecard | Residuals:
    """Return a card with rounded codes."""
    if isinstance(card, Residuals):
        found = Residuals.empty()
        found.merge(card)
        found.errors = Counts.of(_rounded(card.errors.codes, _ERROR_SHIFT), card.errors.weights)
        return found
    return Scorecard(
        card.rows,
        dict(card.confusion),
        *map(_coarse_table, (card.scores, card.absent, card.present)),
    )


def _coarse_table(table: dict[str, Counts]) -> dict[str, Counts]:
    rounded = {
        name: Counts.of(coarse_scores(counts.codes), counts.weights)
        for name, counts in table.items()
    }
    # Codes that become one may take each other back.
    return {name: counts for name, counts in rounded.items() if counts.codes.size}


def coarse_exposure(exposure: Exposure | ErrorProfile) -> Exposure | ErrorProfile:
    """Return an exposure with rounded codes; of a regression, how often what was predicted."""
    if isinstance(exposure, Exposure):
        card = coarse_card(exposure.card)
        assert isinstance(card, Scorecard)
        return Exposure(card)
    weights = exposure.weights
    rounded = Counts.of(_rounded(weights.codes, _PREDICTION_SHIFT), weights.weights)
    return ErrorProfile(exposure.rows, rounded)


def coarse_scores(codes: Integers) -> Integers:
    """Return probabilities in steps of 1 / `SCORE_STEPS`, rounded; int64 of the same shape."""
    near = np.minimum(codes, SCORE_STEPS - codes)
    bits = np.frexp(near.astype(np.float64))[1].astype(np.int64)
    shift = np.maximum(bits - SCORE_BITS, 0)
    rounded = ((near + (np.left_shift(1, shift) >> 1)) >> shift) << shift
    return np.where(codes == near, rounded, SCORE_STEPS - rounded)


def _rounded(codes: Integers, shift: int) -> Integers:
    """Return codes of either sign rounded to multiples of a power of two."""
    size = ((np.abs(codes) + (1 << (shift - 1))) >> shift) << shift
    return np.where(codes < 0, -size, size)
