"""Distances between a window and the reference, from counts on the reference's bins.

Every function takes counts laid out as ``[interior bins…, unseen, missing]``, of shape
(..., bins + 2), and works over the leading axes, so that all columns of a model cost a handful of
array operations. Rows of different widths may be padded with zeros before the last two places: a
bin that is empty on both sides takes no part. A side without a single row gives NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from driftline.stats.spans import Spans

__all__ = [
    "ChiSquared",
    "chi_squared",
    "hellinger",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "psi",
    "quantiles",
    "split_unseen",
    "total_variation",
    "wasserstein",
]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SMOOTHING = 0.5
"""Added to each bin that either side has used (Jeffreys), so that no logarithm meets a zero.

Bins that both sides left empty get none: with small windows they would add a bias of their own
(two of them make a PSI of 0.05 at 100 rows against 10,000).
"""


class ChiSquared(NamedTuple):
    """Pearson's test that two samples come from one distribution.

    Attributes
    ----------
    statistic
        Float64 of shape (...).
    df
        Degrees of freedom: used bins less one, int64 of shape (...).
    p_value
        Probability of a statistic at least as large without any change, in [0, 1].
    """

    statistic: Floats
    df: Counts
    p_value: Floats


def _shares(reference: Counts, window: Counts) -> tuple[Floats, Floats]:
    used = (reference + window) > 0
    # An empty side must not become a distribution by smoothing alone.
    filled = (reference.sum(-1) > 0) & (window.sum(-1) > 0)
    nothing = np.where(filled, 0.0, np.nan)[..., None]
    p = np.where(used, reference + SMOOTHING, 0.0)
    q = np.where(used, window + SMOOTHING, 0.0)
    with np.errstate(invalid="ignore"):
        return (
            p / np.maximum(p.sum(-1, keepdims=True), SMOOTHING) + nothing,
            q / np.maximum(q.sum(-1, keepdims=True), SMOOTHING) + nothing,
        )


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    """Kullback-Leibler divergence in nats, 0 · log 0 being 0."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray((p * np.log(ratio)).sum(-1))


def psi(reference: Counts, window: Counts) -> Floats:
    """Return the population stability index, ``Σ (p - q) ln(p / q)``; 0 and up, no upper bound.

    Without any change its mean is about ``(1 / n_reference + 1 / n_window) * (bins - 1)``: the
    customary limits of 0.1 and 0.2 mean nothing for windows of a hundred rows.

    Returns
    -------
    float64 of shape (...)
    """
    p, q = _shares(reference, window)
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray(((p - q) * np.log(ratio)).sum(-1))


def jensen_shannon(reference: Counts, window: Counts) -> Floats:
    """Return the Jensen-Shannon distance (the divergence's root) to base 2, in [0, 1].

    Returns
    -------
    float64 of shape (...)
    """
    p, q = _shares(reference, window)
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.asarray(np.sqrt(np.maximum(divergence / np.log(2), 0.0)))


def hellinger(reference: Counts, window: Counts) -> Floats:
    """Return the Hellinger distance, ``sqrt(Σ (√p - √q)² / 2)``, in [0, 1].

    Returns
    -------
    float64 of shape (...)
    """
    p, q = _shares(reference, window)
    return np.asarray(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum(-1) / 2))


def total_variation(reference: Counts, window: Counts) -> Floats:
    """Return the total variation distance, ``Σ |p - q| / 2``, in [0, 1], without smoothing.

    It is the share of rows that would have to change their bin.

    Returns
    -------
    float64 of shape (...)
    """
    p = reference / _rows(reference)[..., None]
    q = window / _rows(window)[..., None]
    return np.asarray(np.abs(p - q).sum(-1) / 2)


def chi_squared(reference: Counts, window: Counts) -> ChiSquared:
    """Pearson's two-sample chi-squared test over all used bins, without continuity correction.

    Returns
    -------
    ChiSquared
        NaN, 0 and NaN where one side is empty; 0, 0 and 1 where only one bin is used.
    """
    from scipy.special import chdtrc

    n, m = _rows(reference), _rows(window)
    both = reference + window
    used = both > 0
    gap = np.sqrt(m / n)[..., None] * reference - np.sqrt(n / m)[..., None] * window
    parts = np.divide(gap * gap, both, out=np.zeros_like(gap), where=used)
    filled = np.isfinite(n) & np.isfinite(m)
    statistic = np.where(filled, parts.sum(-1), np.nan)
    df = np.where(filled, np.maximum(used.sum(-1) - 1, 0), 0)
    p_value = np.where(df > 0, chdtrc(np.maximum(df, 1), statistic), np.where(filled, 1.0, np.nan))
    return ChiSquared(statistic, df, p_value)


def split_unseen(
    unseen: Counts, spans: Spans, minimum: Floats, maximum: Floats
) -> tuple[Floats, Floats]:
    """Tell how many values outside the reference's range lie below it, and how many above.

    Counts do not say; the window's own range does where only one side was crossed. Where both
    were, half of them are put on either side.

    Parameters
    ----------
    unseen
        int64 of shape (...).
    minimum, maximum
        Of the window's values, float64 of shape (...); NaN where there are none.

    Returns
    -------
    below, above
        float64 of shape (...).
    """
    under = minimum < spans.low[..., 0]
    over = maximum > spans.high[..., -1]
    half, whole = unseen / 2, unseen * 1.0
    below = np.where(under & over, half, np.where(under, whole, 0.0))
    return np.asarray(below), np.asarray(whole - below)


def kolmogorov_smirnov(reference: Counts, window: Counts, below: npt.ArrayLike = 0) -> Floats:
    """Return the largest gap between the two distribution functions of a numeric column, in [0, 1].

    Read at the bin edges only, so it is at most the statistic of the raw values. Missing values
    take no part.

    Parameters
    ----------
    below
        How many of the window's unseen values lie below the first edge (`split_unseen`), shape
        (...). The reference itself has none outside its range.

    Returns
    -------
    float64 of shape (...)
    """
    start, inner = _gaps(
        reference[..., :-2], window[..., :-2], _values(reference), _values(window), below
    )
    return np.asarray(np.maximum(np.abs(start), np.abs(inner).max(-1)))


def wasserstein(
    reference: Counts, window: Counts, spans: Spans, minimum: Floats, maximum: Floats
) -> Floats:
    """Return the Wasserstein-1 (earth mover's) distance of a numeric column, in its own units.

    Values are taken to lie inside their bins as `spans` says, and those outside the reference's
    range evenly between it and the window's own extreme. Divide by the reference's standard
    deviation for a number that compares across columns. Missing values take no part.

    Parameters
    ----------
    minimum, maximum
        Of the window's values, float64 of shape (...).

    Returns
    -------
    float64 of shape (...)
    """
    below, _ = split_unseen(window[..., -2], spans, minimum, maximum)
    start, inner = _gaps(
        spans.spread(reference[..., :-2]),
        spans.spread(window[..., :-2]),
        _values(reference),
        _values(window),
        below,
    )
    before = np.concatenate([start[..., None], inner[..., :-1]], axis=-1)
    inside = _area(before, inner, spans.high - spans.low).sum(-1)
    between = (np.abs(inner[..., :-1]) * (spans.low[..., 1:] - spans.high[..., :-1])).sum(-1)
    head = np.abs(start) * _reach(spans.low[..., 0] - minimum) / 2
    tail = np.abs(inner[..., -1]) * _reach(maximum - spans.high[..., -1]) / 2
    return np.asarray(inside + between + head + tail)


def quantiles(
    counts: Counts, spans: Spans, minimum: Floats, maximum: Floats, probabilities: Floats
) -> Floats:
    """Return quantiles of a numeric column, interpolated inside its bins.

    Parameters
    ----------
    counts
        int64 of shape (..., bins + 2).
    minimum, maximum
        Of the same values, float64 of shape (...): no quantile leaves them.
    probabilities
        float64 of shape (k,), ascending in [0, 1].

    Returns
    -------
    float64 of shape (..., k); NaN where there is no value.
    """
    below, above = split_unseen(counts[..., -2], spans, minimum, maximum)
    first, last = spans.low[..., :1], spans.high[..., -1:]
    floor, ceiling = np.asarray(minimum)[..., None], np.asarray(maximum)[..., None]
    mass = _join(below[..., None], spans.spread(counts[..., :-2]), above[..., None])
    low = _join(np.fmin(floor, first), spans.low, last)
    high = _join(first, spans.high, np.fmax(ceiling, last))
    reached = np.cumsum(mass, axis=-1)
    total = reached[..., -1:]
    wanted = probabilities * total
    # The first piece whose cumulated mass reaches what is wanted (and that holds anything at all).
    least = np.maximum(wanted, np.finfo(np.float64).tiny)
    place = (reached[..., None, :] < least[..., :, None]).sum(-1)
    place = np.minimum(place, mass.shape[-1] - 1)
    held = np.take_along_axis(mass, place, axis=-1)
    gone = np.take_along_axis(reached, place, axis=-1) - held
    inside = np.divide(wanted - gone, held, out=np.zeros_like(wanted), where=held > 0)
    left = np.take_along_axis(low, place, axis=-1)
    right = np.take_along_axis(high, place, axis=-1)
    value = left + np.clip(inside, 0.0, 1.0) * (right - left)
    return np.where(total > 0, np.clip(value, floor, ceiling), np.nan)


def _rows(counts: Counts) -> Floats:
    rows = counts.sum(-1).astype(np.float64)
    return np.where(rows > 0, rows, np.nan)


def _values(counts: Counts) -> Floats:
    return _rows(counts[..., :-1])


def _gaps(
    reference: npt.NDArray[np.number],
    window: npt.NDArray[np.number],
    n: Floats,
    m: Floats,
    below: npt.ArrayLike,
) -> tuple[Floats, Floats]:
    """Difference of the distribution functions before the first piece and after each piece."""
    start = -np.asarray(below) / m
    moved = np.cumsum(reference, axis=-1) / n[..., None] - np.cumsum(window, axis=-1) / m[..., None]
    return start, moved + start[..., None]


def _area(a: Floats, b: Floats, width: Floats) -> Floats:
    """Integral over `width` of the absolute value of a line from a to b."""
    size = np.abs(a) + np.abs(b)
    crossing = np.divide(a * a + b * b, size, out=np.zeros_like(size), where=size > 0)
    return np.asarray(np.where(a * b >= 0, size, crossing) * width / 2)


def _reach(length: Floats) -> Floats:
    return np.where(np.isfinite(length), np.maximum(length, 0.0), 0.0)


def _join(*parts: Floats) -> Floats:
    shape = np.broadcast_shapes(*(p.shape[:-1] for p in parts))
    return np.concatenate([np.broadcast_to(p, shape + p.shape[-1:]) for p in parts], axis=-1)
