"""Laws of the size of errors: what a calm stretch taught, scaled, and mixed with copied labels.

Sizes are counted on a logarithmic scale, where a change of scale is a shift and errors of labels
that copy the prediction (none at all, or a small noise about it) are a second hump to the left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import erf

from driftline.ledger.residuals import error_values

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats
    from driftline.ledger.residuals import Residuals

__all__ = ["BINS", "LEAST_SCALE", "MOST_COPIED", "Laws", "copied_laws", "scale_of", "sizes"]

_PER_OCTAVE = 8
_LOW, _HIGH = -10, 6
BINS = (_HIGH - _LOW) * _PER_OCTAVE
"""Bins of log2(|error| / scale), an eighth each, from -10 to 6; the outer ones take what lies
beyond, and the first one errors of 0."""
_EDGES = np.linspace(_LOW, _HIGH, BINS + 1)[1:-1]
_SHIFT_STEPS = 32
"""Scales tried in an octave: between two of them a window of 2,000 rows loses 0.2 of evidence."""
LEAST_SCALE = 0.3
"""Errors that shrink all alike, down to this part of the calm ones, are no sign of a loop: the
noise of labels has its seasons, and models get better."""
_MOST_SCALE = 8.0
MOST_COPIED = 0.1
"""Nor are copied labels up to this share of the rows: some always happen to be, and a calm stretch
of some hundred rows tells no less."""
COPIED = (0.3, 0.5, 0.75, 0.95)
"""Shares of rows with copied labels that are looked for."""
SIZES = (0.35, 0.18, 0.06, 0.015, 0.0)
"""Errors of copied labels that are looked for, beside the calm ones."""
KEPT = (0.76, 1.0, 1.32)
"""Scales of the other rows: their labels owe the prediction nothing, so they err as before."""
_PRIOR_ROWS = 20.0
"""Rows' worth of normal errors that a calm law holds: errors near 0 are rare, and few were seen."""
_FLOOR = 2e-3
"""Part of a law that is spread evenly, so that nothing is impossible."""
_MEDIAN = 0.6744897501960817
"""Median of |z|, z standard normal."""


class Laws(NamedTuple):
    """Logarithms of the probability of each bin.

    Attributes
    ----------
    kept
        Without a loop: the calm law at every scale, with few copied labels or none; (k, BINS).
    copied
        With one, shape (alternatives, BINS).
    """

    kept: Floats
    copied: Floats


def scale_of(card: Residuals) -> float | None:
    """Return the median size of the errors that are not 0; None where there are none."""
    codes, weights = np.abs(card.errors.codes), card.errors.weights
    order = np.argsort(codes, kind="stable")
    codes, weights = codes[order], np.where(codes[order] == 0, 0, weights[order])
    below = np.cumsum(weights)
    if not below.size or below[-1] <= 0:
        return None
    at = min(int(np.searchsorted(below, below[-1] / 2)), codes.size - 1)
    found = float(error_values(codes[at : at + 1])[0])
    return found if found > 0 else None


def sizes(card: Residuals, scale: float) -> Floats:
    """Count a window's errors by size, in rows, shape (BINS,)."""
    if card.rows <= 0 or card.weight <= 0:
        return np.zeros(BINS)
    size = np.abs(error_values(card.errors.codes)) / scale
    with np.errstate(divide="ignore"):
        at = np.searchsorted(_EDGES, np.log2(size), side="right")
    rows = card.errors.weights * (card.rows / card.weight)
    # A row that is taken back in another window than it came in may leave less than nothing.
    return np.maximum(np.bincount(at, weights=rows, minlength=BINS), 0.0)


def copied_laws(calm: Floats) -> Laws:
    """Work out all laws from the sizes of a calm stretch.

    Parameters
    ----------
    calm
        Counts of its errors, as `sizes` gives them on the stretch's own `scale_of`; (BINS,).

    Returns
    -------
    About 1,700 laws, of 1.7 MB; takes some 10 ms.
    """
    below = _calm(calm)
    edges = np.concatenate([[-np.inf], _EDGES, [np.inf]])
    steps = np.arange(
        round(np.log2(LEAST_SCALE) * _SHIFT_STEPS), round(np.log2(_MOST_SCALE) * _SHIFT_STEPS) + 1
    )
    scaled = np.stack([_shifted(below, step / _SHIFT_STEPS) for step in steps])
    humps = np.stack([_hump(edges, size) for size in SIZES])
    kept = [scaled]
    for share in (MOST_COPIED / 2, MOST_COPIED):
        kept += [(1 - share) * scaled + share * hump for hump in humps]
    rest = np.stack([_shifted(below, float(np.log2(scale))) for scale in KEPT])
    copied = [
        (1 - share) * law + share * hump for share in COPIED for hump in humps for law in rest
    ]
    return Laws(_log(np.concatenate(kept)), _log(np.stack(copied)))


def _log(laws: Floats) -> Floats:
    return np.asarray(np.log((1 - _FLOOR) * laws + _FLOOR / BINS))


def _calm(counts: Floats) -> Floats:
    """Return the distribution function of the calm law at the inner edges, smoothed."""
    rows = float(counts.sum())
    # Silverman's rule for a law that is about an octave wide.
    width = 1.06 * max(rows, 1.0) ** -0.2 * _PER_OCTAVE
    reach = np.arange(-int(4 * width) - 1, int(4 * width) + 2)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    none, some = counts[0], counts.copy()
    # What was copied before stays in its bin: there is nothing between no error and a small one.
    some[0] = 0.0
    padded = np.convolve(some, kernel / kernel.sum())
    smooth = padded[reach.size // 2 : reach.size // 2 + BINS]
    smooth = smooth * (some.sum() / max(float(smooth.sum()), 1e-12))
    smooth[0] += none
    edges = np.concatenate([[-np.inf], _EDGES, [np.inf]])
    law = (smooth + _PRIOR_ROWS * _hump(edges, 1.0)) / (rows + _PRIOR_ROWS)
    return np.cumsum(law)[:-1]


def _shifted(below: Floats, octaves: float) -> Floats:
    """Return a law, given by its distribution function at the inner edges, on another scale."""
    moved = np.interp(_EDGES - octaves, _EDGES, below)
    return np.diff(moved, prepend=0.0, append=1.0)


def _hump(edges: Floats, size: float) -> Floats:
    """Return the law of normal errors with the median `size`, in units of the scale; (BINS,)."""
    if size <= 0:
        law = np.zeros(BINS)
        law[0] = 1.0
        return law
    return np.diff(erf(2.0**edges * (_MEDIAN / size / 2**0.5)))
