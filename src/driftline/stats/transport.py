"""Carrying counts from one law to another, moving as little as may be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def monotone(source: Floats, target: Floats) -> Floats:
    """Return the transport between laws on ordered bins that keeps the order.

    Parameters
    ----------
    source, target
        Laws over the bins, shape (..., bins), padding 0 at the end.

    Returns
    -------
    float64 of shape (..., bins, bins): row b says which parts of bin b go where, each row's sum
    is 1, and ``source @ transport`` is the target. The optimal one for every convex cost (Monge).
    """
    starts, goals = np.cumsum(source, axis=-1) - source, np.cumsum(target, axis=-1)
    goals[goals > 1 - 1e-9] = 2.0  # what rounding has left over goes to the last bin with mass
    # What part of each bin has its quantiles below the end of each goal.
    below = goals[..., None, :] - starts[..., :, None]
    below /= np.maximum(source, 1e-300)[..., :, None]
    return np.diff(np.clip(below, 0.0, 1.0, out=below), axis=-1, prepend=0.0)


def couple(source: Floats, target: Floats) -> Floats:
    """Return the transport between laws on levels that leaves as much as it can where it is.

    Parameters and result as in `monotone`; the maximal coupling.
    """
    stay = np.minimum(source, target)
    lack = target - stay
    total = np.maximum(lack.sum(axis=-1, keepdims=True), 1e-300)
    part = (source - stay)[..., :, None] * (lack / total)[..., None, :]
    bins = np.arange(source.shape[-1])
    part[..., bins, bins] += stay
    return _whole_rows(part)


def whole(counts: Floats) -> npt.NDArray[np.int64]:
    """Round counts of shape (rows, cells): running sums along a row are off by half at most."""
    ends = np.rint(np.cumsum(counts, axis=1)).astype(np.int64)
    return np.diff(ends, axis=1, prepend=0)


def _whole_rows(part: Floats) -> Floats:
    """Make each row a law; a bin without mass keeps what comes."""
    total = part.sum(axis=-1, keepdims=True)
    empty = total <= 1e-12
    eye = np.broadcast_to(np.eye(part.shape[-1]), part.shape)
    return np.asarray(np.where(empty, eye, part / np.where(empty, 1.0, total)))
