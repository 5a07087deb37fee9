"""What a detector of river is fed: the sample's values on some scale, or means of slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.detect.betting import Floats
    from driftline.stats import Column

Scale = Literal["standard", "rank", "error"]
Values = Literal["raw", "standard", "rank", "error", "mean", "few"]
"""What is fed: every sampled value as it came (``raw``) or on a scale; ``mean``: one value a slot,
see `driftline.detect.river_means.SlotMeans`; ``few``: at most `FEW` values a slot, evenly spread
over the sample. The last two are on the detector's own scale."""

FEW = 5
USUAL = 100
"""Values that stand for the reference. ADWIN cannot cut before it holds twice its bound's
logarithm, some 40 values; with more it takes longer to forget a reference that is a little off."""
TAIL = 0.05
"""Share of the reference on either side that counts as an error: outside its central 90 %."""


class Feed:
    """Maps one column's sampled values to what its detector steps on.

    Parameters
    ----------
    column
        The reference's column.
    values
        ``raw``: the number as it came (a categorical's: the code of its bin). ``standard``:
        reference standard deviations from the reference mean. ``rank``: share of the reference
        below the value, in [0, 1]. ``error``: 1 outside the reference's central 90 %, else 0; a
        column that holds two values is fed as 0 and 1 as it is. Categoricals have no numbers: their
        levels stand for their mid-rank by falling frequency, a level never seen for 1.
    """

    def __init__(self, column: Column, values: Scale | Literal["raw"]) -> None:
        self._column = column
        self._values = values
        inside = column.counts[: column.bins].astype(np.float64)
        mass = inside / max(1.0, float(inside.sum()))
        self._below = np.concatenate([[0.0], np.cumsum(mass)])
        self._mass = mass
        # A constant column has no spread: its own magnitude is the only scale there is.
        self.scale = column.sd if column.sd > 0 else max(abs(column.median), 1.0)
        self._two = (column.numeric and column.bins == 2) or column.kind == "boolean"

    def __call__(self, sample: Floats) -> Floats:
        """Return what to feed for finite values of the sample, shape (k,)."""
        if self._values == "raw":
            return sample
        if self._values == "standard" and self._column.numeric:
            return (sample - self._column.mean) / self.scale
        if self._values == "error" and self._two:
            if self._column.numeric:
                return (self._column.bin_numbers(sample) != 0).astype(np.float64)
            return sample
        rank = self._rank(sample)
        if self._values == "error":
            outside = (rank < TAIL) | (rank > 1 - TAIL)
            return outside.astype(np.float64)
        return rank

    def usual(self) -> Floats:
        """Return what the reference itself would feed, `USUAL` values: see `usual_ranks`.

        Nothing on the scales in the column's own units: the outermost bins do not tell how far out
        their values lie.
        """
        if self._values in {"raw", "standard"}:
            return np.empty(0)
        column, rank = self._column, usual_ranks()
        at = np.clip(np.searchsorted(self._below, rank, side="right") - 1, 0, column.bins - 1)
        if not column.numeric:
            return self(at.astype(np.float64))
        into = np.clip((rank - self._below[at]) / np.maximum(self._mass[at], 1e-300), 0.0, 1.0)
        return self(column.edges[at] * (1 - into) + column.edges[at + 1] * into)

    def _rank(self, sample: Floats) -> Floats:
        column = self._column
        if column.kind == "boolean":
            return sample
        if not column.numeric:
            codes = sample.astype(np.int64)
            return np.append(self._below[:-1] + self._mass / 2, 1.0)[np.minimum(codes, column.bins)]
        at = np.clip(np.searchsorted(column.edges, sample, side="right") - 1, 0, column.bins - 1)
        low, high = column.edges[at], column.edges[at + 1]
        with np.errstate(over="ignore"):
            into = np.clip((sample - low) / np.maximum(high - low, 1e-300), 0.0, 1.0)
        rank = self._below[at] + into * self._mass[at]
        # Beyond the extremes everything is as rare as can be.
        rank = np.where(sample < column.minimum, 0.0, np.where(sample > column.maximum, 1.0, rank))
        return np.asarray(np.clip(rank, 0.0, 1.0))


class Feeds:
    """`Feed` of all columns at once: in small slots numpy's calls cost more than the values."""

    def __init__(self, columns: Sequence[Column], values: Scale | Literal["raw"]) -> None:
        self._raw = values == "raw"
        plain = [i for i, c in enumerate(columns) if values == "standard" and c.numeric]
        self._plain = np.array(plain, dtype=np.int64)
        scales = [Feed(columns[i], values).scale for i in plain]
        self._means = np.array([columns[i].mean for i in plain])
        self._scales = np.array(scales)
        others = [] if self._raw else sorted(set(range(len(columns))) - set(plain))
        self._others = [(i, Feed(columns[i], values)) for i in others]

    def __call__(self, sample: Floats) -> Floats:
        """Map a sample, float64 of shape (k, columns); NaN stays NaN."""
        fed = sample.copy()
        if self._plain.size:
            fed[:, self._plain] = (fed[:, self._plain] - self._means) / self._scales
        for i, feed in self._others:
            there = np.isfinite(sample[:, i])
            if there.all():
                fed[:, i] = feed(sample[:, i])
            elif there.any():
                fed[there, i] = feed(sample[there, i])
        return fed


def usual_ranks() -> Floats:
    """Return the ranks of `USUAL` stationary values: evenly spread, in shuffled order.

    A detector of river takes the first values that it sees for normal. Fed with these first it
    works from the first slot on, and starts from the reference, whatever came before.
    """
    return np.random.default_rng(0).permutation((np.arange(USUAL) + 0.5) / USUAL)


def few(rows: int) -> npt.NDArray[np.int64]:
    """Return the positions of at most `FEW` rows, evenly spread over so many."""
    if rows <= FEW:
        return np.arange(rows)
    return (2 * np.arange(FEW) + 1) * rows // (2 * FEW)
