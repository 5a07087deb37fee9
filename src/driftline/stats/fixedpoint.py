"""Exact sums of real values: fixed point on the reference's scale, split so nothing overflows.

Floating-point sums depend on the order of addition; panes must not. A value x becomes the integer
``q = rint((x - center) / unit)``, clipped to ±2**39 (eight million reference standard deviations),
and is split as ``q = high * 2**20 + low``. The five sums of high, low and their products then stay
inside int64 for 2**25 values, and merging panes is integer addition: associative and commutative
bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

SPLIT_BITS = 20
_SPLIT = float(2**SPLIT_BITS)
_CLIP = float(2 ** (2 * SPLIT_BITS - 1) - 1)
_LOW = float(2 ** (SPLIT_BITS - 1))
SUMS = 5


def fixed_point_sums(
    values: npt.NDArray[np.float64],
    centers: npt.NDArray[np.float64],
    units: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Sum groups of rows exactly.

    Parameters
    ----------
    values
        float64 of shape (n, d), n > 0; NaN contributes nothing.
    centers, units
        float64 of shape (d,).
    starts
        First row of each group, ascending, the first being 0; int64 of shape (groups,).

    Returns
    -------
    int64 of shape (groups, 5, d): Σhigh, Σlow, Σhigh², Σhigh·low, Σlow².
    """
    # Units are powers of two, so this product is the quotient, exactly.
    q = values - centers
    q *= 1 / units
    np.rint(q, out=q)
    q[np.isnan(q)] = 0.0
    largest = max(float(q.max(initial=0.0)), -float(q.min(initial=0.0)))
    rows, width = values.shape
    if largest <= _LOW and starts.size == 1 and rows <= _FLOAT_ROWS:
        # Nothing lies further out than eight reference sd, as is usual: every high part is nought.
        out = np.zeros((1, SUMS, width), dtype=np.int64)
        out[0, 1] = q.sum(axis=0)
        out[0, 4] = np.einsum("ij,ij->j", q, q)
        return out
    if largest > _CLIP:
        np.clip(q, -_CLIP, _CLIP, out=q)
    high = np.rint(q / _SPLIT)
    low = q - high * _SPLIT
    out = np.empty((starts.size, SUMS, width), dtype=np.int64)
    if rows <= _FLOAT_ROWS or starts.size > 1:
        out[:, 0] = _reduce(high, starts)
        out[:, 1] = _reduce(low, starts)
        out[:, 2] = _reduce(high * high, starts)
        out[:, 3] = _reduce(high * low, starts)
        out[:, 4] = _reduce(low * low, starts)
        return out
    h, l = high.astype(np.int64), low.astype(np.int64)  # noqa: E741
    out[0, 0], out[0, 1] = h.sum(axis=0), l.sum(axis=0)
    out[0, 2], out[0, 3], out[0, 4] = (h * h).sum(axis=0), (h * l).sum(axis=0), (l * l).sum(axis=0)
    return out


# Products are below 2**38, so a float64 sum of up to 2**15 of them is an exact integer, and adding
# floats is several times faster than adding int64 products.
_FLOAT_ROWS = 2**15


def _reduce(
    matrix: npt.NDArray[np.float64], starts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    if starts.size == 1 and matrix.shape[0] <= _FLOAT_ROWS:
        return matrix.sum(axis=0, keepdims=True).astype(np.int64)
    if matrix.shape[0] <= _FLOAT_ROWS:
        return np.add.reduceat(matrix, starts, axis=0).astype(np.int64)
    return np.add.reduceat(matrix.astype(np.int64), starts, axis=0)


def mean_and_sd(
    sums: npt.NDArray[Any], count: int, center: float, unit: float
) -> tuple[float | None, float | None]:
    """Return mean and standard deviation (divisor n) of `count` values from their five sums.

    Parameters
    ----------
    sums
        The five sums of one column, shape (5,), int64 or Python integers.

    Notes
    -----
    Computed with Python's unbounded integers, then rounded once: the same panes give the same bits.
    """
    if count <= 0:
        return None, None
    high, low, hh, hl, ll = (int(s) for s in sums)
    total = (high << SPLIT_BITS) + low
    squares = (hh << (2 * SPLIT_BITS)) + (hl << (SPLIT_BITS + 1)) + ll
    step = float(unit)
    spread = squares * count - total * total
    return float(center) + (total / count) * step, (max(spread, 0) ** 0.5 / count) * step
