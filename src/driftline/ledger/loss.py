"""Errors of a regression before labels come: how large they are by what is predicted (DLE).

Direct loss estimation (NannyML), with the prediction as the only thing that a loss depends on: of
labelled rows of a calm period the mean of ``|error|`` and of error² by prediction, then what that
comes to for the predictions of a window.

It rests on errors being as large at one prediction as they were then. Measured on 20,000 labelled
rows, after a shift of the inputs by .7 standard deviations: where the error's spread grows with the
prediction MAE and RMSE are foretold with a bias below 1 %; where predictions have a long tail
(lognormal) and the shift is up that tail, of -1 % and -4 %, and of -1 % and -6 % on 1,000 rows,
where the RMSE's error is told half as large as it is. Where the spread grows with a feature that
has moved, and that the prediction does not follow, nothing of it is seen (an MAE of .81 foretold,
1.34 came). Nor is concept drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.curve import Curve, even_cells
from driftline.ledger.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.ledger.profile import ErrorProfile

__all__ = ["Losses"]


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean losses by prediction.

    Attributes
    ----------
    absolute, squared, fourth
        Mean of ``|error|``, error² and error⁴; of the last the noise is not known, and 0.
    """

    absolute: Curve
    squared: Curve
    fourth: Curve

    @classmethod
    def learn(cls, profile: ErrorProfile) -> Losses | None:
        """Learn from the labelled rows of a calm period; None where there are none."""
        x, rows, *powers = profile.table()
        if not rows.size:
            return None
        starts = even_cells(rows, fine_ends=True)
        n = np.add.reduceat(rows, starts)
        centre = np.add.reduceat(x * rows, starts) / n
        means = [np.add.reduceat(each, starts) / n for each in powers]
        # A loss of power p has the variance of its square, the power 2p.
        spread = [np.maximum(means[at + 1] - means[at] ** 2, 0.0) for at in (0, 1)]
        noise = [each / np.maximum(n - 1, 1) for each in spread] + [np.zeros(n.size)]
        cells, ends = np.arange(n.size), (float(x[0]), float(x[-1]))
        return cls(*(Curve(centre, m, cells, v, *ends) for m, v in zip(means, noise, strict=True)))

    def beyond(self, predictions: ErrorProfile) -> float:
        """Share of rows predicted outside of all that was learnt from: their losses are guesses."""
        table = predictions.table()
        rows = table.rows.sum()
        if not rows:
            return 0.0
        return float(table.rows[self.absolute.beyond(table.predicted)].sum() / rows)

    def estimate(
        self, predictions: ErrorProfile, names: Iterable[str]
    ) -> dict[str, Estimate | None]:
        """Return what ``mae`` and ``rmse`` to expect; None for every other metric, or of no rows.

        Parameters
        ----------
        predictions
            Of which only weights by prediction are read: with labels or without.
        """
        x, rows, *_ = predictions.table()
        total = float(rows.sum())
        if not total:
            return dict.fromkeys(names)
        share = rows / total
        means = [curve(x) for curve in (self.absolute, self.squared, self.fourth)]

        def mean(at: int, curve: Curve) -> Estimate:
            spread = np.maximum(means[at + 1] - means[at] ** 2, 0.0)
            return Estimate(
                float(share @ means[at]),
                float(np.sqrt(share @ spread / total)),
                float(np.sqrt(curve.variance(x, share))),
            )

        mae, mse = mean(0, self.absolute), mean(1, self.squared)
        root = float(np.sqrt(mse.value))
        half = 0.5 / root if root else 0.0
        rmse = Estimate(root, mse.sampling * half, mse.calibration * half)
        return {name: {"mae": mae, "rmse": rmse}.get(name) for name in names}
