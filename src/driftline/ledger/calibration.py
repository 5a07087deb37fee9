"""What a score is worth: the share of its rows that turn out to be of the class.

An isotonic fit (Zadrozny and Elkan 2002) of labelled counts by score. Fitted to every score by
itself it chases chance and makes a model look better than it is: of 300 labelled rows it claims an
AUC .02 too high. So neighbouring scores are first put together to cells of even weight, the fit is
made over cells, and between cells it runs straight. Measured on three laws of miscalibration, with
scores that have shifted since, the bias of estimated accuracy and AUC is then at most .005 at 300
labelled rows and .003 at 2,000 (plain isotonic: .025 and .009), at the same or a smaller root mean
square error (of a model without any skill both claim an AUC of .53 to .54 at 300). Platt's two
parameters do better where they hold, and cost .02 to .05 of accuracy on synthetic_car_loan, where
they do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import isotonic_regression

from driftline.ledger.curve import Curve, even_cells

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats

__all__ = ["calibrate"]


def calibrate(score: Floats, absent: Floats, present: Floats) -> Curve:
    """Return the chance of a class by score, which never falls.

    Its noise takes the pooled blocks of the fit for independent binomial shares, with half a row of
    either kind added so that a pure block is not called certain (Krichevsky and Trofimov 1981).
    What the choice of the blocks adds is left out.

    Parameters
    ----------
    score
        Different scores in ascending order, shape (n,), n > 0.
    absent, present
        Labelled rows with that score that are not of the class, and that are, shape (n,); their sum
        is above 0 everywhere.
    """
    starts = even_cells(absent + present)
    rows = np.add.reduceat(absent + present, starts)
    found = np.add.reduceat(present, starts)
    fit = isotonic_regression(found / rows, weights=rows)
    pooled = np.add.reduceat(rows, fit.blocks[:-1])
    share = (np.add.reduceat(found, fit.blocks[:-1]) + 0.5) / (pooled + 1)
    return Curve(
        x=np.add.reduceat(score * (absent + present), starts) / rows,
        y=fit.x,
        block=np.repeat(np.arange(pooled.size), np.diff(fit.blocks)),
        noise=share * (1 - share) / pooled,
        least=float(score[0]),
        most=float(score[-1]),
    )
