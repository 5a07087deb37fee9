"""A shift put into real panes: what a drill shows to the shadow of the detectors."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from driftline.detect.shifts import plant, quiet
from driftline.stats.fixedpoint import fixed_point_sums
from driftline.stats.transport import couple, monotone

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.contract import FeaturePlan, PlantedShift
    from driftline.detect.betting import Floats
    from driftline.stats import Column, Pane, Reference, Sample


def makes_sense(shift: PlantedShift, column: Column, plan: FeaturePlan) -> bool:
    """Return whether a shift can be planted into a column, and would be worth a page there."""
    trifle = plan.tolerance if shift.what in {"mean", "mix"} else None
    if plan.importance <= 0 or (trifle is not None and abs(shift.size) <= trifle):
        return False
    return plant(column, shift, 1) is not None


class Planted:
    """One shift of one column, as a transport of rows between the cells of its histogram.

    The rows of a pane stay what they are, but for as many as the shift carries from one bin to
    another (to a value nobody has met, to a missing one); which ones is drawn, from a seed that is
    the model, the column and the slot. A mean is carried in order, as an added constant would; of
    anything else as many rows as possible stay where they are.

    Parameters
    ----------
    name
        A column of the reference for which the shift `makes_sense`.
    """

    def __init__(self, reference: Reference, name: str, shift: PlantedShift) -> None:
        self._at = reference.index[name]
        self._reference = reference
        column = reference.columns[self._at]
        self._column = column
        before, after = quiet(column), plant(column, shift, 1)
        if after is None:
            msg = f"{name}: expected a shift that fits the column, got {shift.what}"
            raise ValueError(msg)
        self._up = shift.size > 0
        # Values beyond the range stand at the end to which a mean moves.
        cells = np.arange(column.bins + 2)
        order = cells if self._up else np.roll(cells[:-1], 1)
        if not self._up:
            order = np.append(order, cells[-1])
        carried = monotone if shift.what == "mean" else couple
        self._carry = np.empty((cells.size, cells.size))
        self._carry[np.ix_(order, order)] = carried(before[order], after[order])

    def into(self, pane: Pane, start: int) -> Pane:
        """Return a copy of a slot's pane with the shift in it; the pane itself is not touched.

        Parameters
        ----------
        start
            Start of the slot, microseconds.
        """
        about = f"{self._reference.model}|{self._column.name}|{start}"
        seed = int.from_bytes(hashlib.sha256(about.encode()).digest()[:8])
        rng = np.random.default_rng(seed)
        counts = pane.counts.copy()
        cells = slice(*self._reference.starts[self._at : self._at + 2].tolist())
        counts[cells] = rng.multinomial(counts[cells], self._carry).sum(axis=0)
        sample = self._resample(pane.sample, rng)
        moved = replace(pane, counts=counts, sample=sample)
        if self._column.numeric and sample.rows:
            self._resum(moved, pane.sample.values[:, self._at], sample.values[:, self._at])
        return moved

    def _resample(self, sample: Sample, rng: np.random.Generator) -> Sample:
        column, old = self._column, sample.values[:, self._at]
        if column.numeric:
            cell = column.bin_numbers(old)
        else:
            cell = np.where(np.isnan(old), column.bins + 1, old).astype(np.int64)
        reached = np.cumsum(self._carry, axis=1)[cell]
        goal = (rng.random(cell.size)[:, None] > reached[:, :-1]).sum(axis=1)
        values = sample.values.copy()
        values[:, self._at] = np.where(goal == cell, old, self._inside(goal, rng))
        return replace(sample, values=values)

    def _inside(self, cell: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
        """Draw a value in each cell."""
        column = self._column
        if not column.numeric:
            return np.where(cell > column.bins, np.nan, cell.astype(np.float64))
        share = rng.random(cell.size)
        bins = np.minimum(cell, column.bins - 1)
        low, high = column.edges[bins], column.edges[bins + 1]
        values = np.clip(low + share * (high - low), low, np.nextafter(high, low))
        far = share * (column.sd or 1.0)
        end = column.edges[-1] + far if self._up else np.nextafter(column.edges[0], -np.inf) - far
        values = np.where(cell == column.bins, end, values)
        return np.where(cell > column.bins, np.nan, values)

    def _resum(self, pane: Pane, before: Floats, after: Floats) -> None:
        """Let sums and extremes of the pane say what the sample says, raised to all rows."""
        k = int(np.searchsorted(self._reference.numeric, self._at))
        first = np.zeros(1, dtype=np.int64)
        center, unit = self._reference.centers[k : k + 1], self._reference.units[k : k + 1]
        was, now = (
            fixed_point_sums(values[:, None], center, unit, first)[0, :, 0]
            for values in (before, after)
        )
        pane.sums = pane.sums.copy()
        pane.sums[:, k] += np.rint((now - was) * (pane.sample.seen / pane.sample.rows)).astype(
            np.int64
        )
        pane.minimum, pane.maximum = pane.minimum.copy(), pane.maximum.copy()
        finite = after[np.isfinite(after)]
        if finite.size:
            pane.minimum[k] = min(pane.minimum[k], finite.min())
            pane.maximum[k] = max(pane.maximum[k], finite.max())
