"""One number a slot and column for river's detectors: the mean of all its rows, in its own sd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from driftline.detect.state import pack, unpack
from driftline.detect.values import TAIL, usual_ranks

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.law import Laws
    from driftline.detect.values import Scale
    from driftline.stats import Pane, Reference


class SlotMeans:
    """Turns a slot's counts into what a detector steps on, for all columns at once.

    The normal scores of a slot's rows are averaged, all rows and not the sample alone, and divided
    by the standard deviation that such an average has while nothing changes: that of n rows which
    share the reference's overdispersion, over slots with its correlation time. Where slots depend
    on one another over several of them (tau), so many make one value: detectors take their values
    for independent. Values beyond the reference's range count as its extremes on the side to which
    the slot's own extremes lie further out, levels never seen as the rarest there could be.

    Parameters
    ----------
    scale
        ``standard``: standard deviations. ``rank``: the share of stationary slots that lie below,
        in [0, 1]. ``error``: 1 where the slot lies outside the central 90 % of these, else 0.

    Attributes
    ----------
    span
        Slots that make one value, int64 of shape (columns,).
    """

    def __init__(self, reference: Reference, laws: Laws, scale: Scale) -> None:
        p, self._score = laws.interior, laws.score
        self._scale = scale
        self._center = (p * self._score).sum(axis=1)
        variance = (p * self._score**2).sum(axis=1) - self._center**2
        # A constant column has no spread; any unit will do for what is always nought.
        self._variance = np.where(variance > 1e-12, variance, 1.0) * reference.tau
        self._rho = reference.rho
        self.span = np.maximum(1, np.rint(reference.tau)).astype(np.int64)
        self._farthest = laws.farthest
        self._numeric = reference.numeric
        columns = [reference.columns[i] for i in reference.numeric]
        self._low = np.array([c.minimum for c in columns])
        self._high = np.array([c.maximum for c in columns])
        count = len(reference.columns)
        self._sum, self._spread = np.zeros(count), np.zeros(count)
        self._slots = np.zeros(count, dtype=np.int64)

    def __call__(self, usual: npt.NDArray[Any], pane: Pane) -> Floats:
        """Take one slot.

        Parameters
        ----------
        usual
            Its counts, freed of the season, shape (columns, width) as `Reference.pad` lays out.
        pane
            For its extremes.

        Returns
        -------
        Shape (columns,); NaN where no value is due. 0.03 ms for 100 columns.
        """
        inside = usual[:, :-2]
        unseen = usual[:, -2]
        rows = inside.sum(axis=1) + unseen
        total = np.einsum("cb,cb->c", inside, self._score) - rows * self._center
        if unseen.any():
            total = total + unseen * self._farthest * self._side(pane)
        self._sum += total
        self._spread += self._variance * rows * (1 + np.maximum(rows - 1, 0) * self._rho)
        self._slots += rows > 0
        due = self._slots >= self.span
        value = np.full(due.size, np.nan)
        np.divide(self._sum, np.sqrt(self._spread), out=value, where=due)
        self._sum[due], self._spread[due], self._slots[due] = 0.0, 0.0, 0
        return self._scaled(value)

    def usual(self) -> Floats:
        """Return what stationary slots give; see `driftline.detect.values.usual_ranks`."""
        return self._scaled(ndtri(usual_ranks()))

    def _scaled(self, value: Floats) -> Floats:
        if self._scale == "rank":
            return np.asarray(ndtr(value))
        if self._scale == "error":
            rank = ndtr(-np.abs(value))
            return np.where(np.isnan(rank), np.nan, rank < TAIL)
        return value

    def _side(self, pane: Pane) -> Floats:
        side = np.ones(self._slots.size)
        below = self._low - pane.minimum > pane.maximum - self._high
        side[self._numeric[below]] = -1.0
        return side

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes; 24 bytes a column."""
        return {name: pack(getattr(self, name)) for name in _FIELDS}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        for name in _FIELDS:
            setattr(self, name, unpack(state.get(name, {}), getattr(self, name)))


_FIELDS = ("_sum", "_spread", "_slots")
