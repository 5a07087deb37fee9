"""How large a change is, apart from how certain it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.law import Laws, Tolerances

_MEAN_ABSOLUTE = (2 / np.pi) ** 0.5


@dataclass(frozen=True)
class Effects:
    """Sizes of the change of k columns, all of shape (k,); noise is already taken off `net`.

    Attributes
    ----------
    size
        Shape (k, 3): of values (Wasserstein-1 in reference sd on the normal-score scale, or total
        variation), of the unseen rate, of the missing rate (differences, signed).
    net
        Shape (k, 3): what is left of |size| beside the size that chance alone would show.
    shift, stretch
        Change of the mean normal score, and ratio of its standard deviations.
    """

    size: Floats
    net: Floats
    shift: Floats
    stretch: Floats

    def row(self, k: int) -> Effects:
        """Return those of the k-th column alone."""
        one = slice(k, k + 1)
        return Effects(self.size[one], self.net[one], self.shift[one], self.stretch[one])


class EffectScale:
    """Measures counts of a stretch of slots against the reference's laws.

    Attributes
    ----------
    tolerance
        Shape (columns, 3), in the order of `Effects.size`.
    chance
        Size that one row's chance shows, shape (columns, 3); that of n rows is a root of n smaller.
    """

    def __init__(self, laws: Laws, tolerances: Tolerances) -> None:
        self.laws = laws
        self.numeric = np.array([c.numeric for c in laws.columns])
        steps = np.diff(laws.score, axis=1)
        for i, column in enumerate(laws.columns):
            steps[i, column.bins - 1 :] = 0.0
        cumulated = np.cumsum(laws.interior, axis=1)[:, :-1]
        self._steps, self._cumulated = steps, cumulated
        wasserstein = (np.sqrt(np.clip(cumulated * (1 - cumulated), 0, None)) * steps).sum(axis=1)
        variation = 0.5 * np.sqrt(laws.interior * (1 - laws.interior)).sum(axis=1)
        self.chance = _MEAN_ABSOLUTE * np.stack(
            [
                np.where(self.numeric, wasserstein, variation),
                np.sqrt(laws.unseen * (1 - laws.unseen)),
                np.sqrt(laws.missing * (1 - laws.missing)),
            ],
            axis=1,
        )
        mean = (laws.interior * laws.score).sum(axis=1)
        self._mean = mean
        self._sd = np.sqrt(np.maximum((laws.interior * laws.score**2).sum(axis=1) - mean**2, 1e-12))
        columns = len(laws.columns)
        self.tolerance = np.stack(
            [
                laws.tolerance,
                np.full(columns, tolerances.unseen),
                np.full(columns, tolerances.missing),
            ],
            axis=1,
        )

    def measure(
        self, columns: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], inflation: Floats
    ) -> Effects:
        """Compare counts with the reference.

        Parameters
        ----------
        columns
            Positions, shape (k,).
        counts
            Padded counts, shape (k, width).
        inflation
            By how much natural variability inflates the variance of counts, shape (k,).
        """
        laws = self.laws
        x = counts[:, :-2].astype(np.float64)
        inside = x.sum(axis=1)
        unseen, missing = counts[:, -2].astype(np.float64), counts[:, -1].astype(np.float64)
        present = inside + unseen
        rows = np.maximum(present + missing, 1.0)
        shares = x / np.maximum(inside, 1.0)[:, None]
        f = np.where(inside[:, None] > 0, shares, laws.interior[columns])
        gap = np.abs(np.cumsum(f, axis=1)[:, :-1] - self._cumulated[columns])
        wasserstein = (gap * self._steps[columns]).sum(axis=1)
        variation = 0.5 * np.abs(f - laws.interior[columns]).sum(axis=1)
        size = np.empty((columns.size, 3))
        size[:, 0] = np.where(self.numeric[columns], wasserstein, variation)
        size[:, 1] = unseen / np.maximum(present, 1.0) - laws.unseen[columns]
        size[~laws.judges_unseen[columns], 1] = 0.0
        size[:, 2] = missing / rows - laws.missing[columns]
        noise = self.noise(columns, np.maximum(inside, 1.0), inflation)
        net = np.sqrt(np.maximum(size**2 - noise**2, 0.0))
        z = laws.score[columns]
        mean = (f * z).sum(axis=1)
        sd = np.sqrt(np.maximum((f * z * z).sum(axis=1) - mean**2, 0.0))
        return Effects(size, net, mean - self._mean[columns], sd / self._sd[columns])

    def noise(self, columns: npt.NDArray[np.int64], rows: Floats, inflation: Floats) -> Floats:
        """Return the sizes that chance alone would show in the mean, shape (k, 3)."""
        share = np.sqrt(inflation / rows + 1 / self.laws.rows[columns])
        return np.asarray(self.chance[columns] * share[:, None])
