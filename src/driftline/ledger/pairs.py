"""Pairs: predictions and the labels that came for them, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Floats", "Integers", "Pairs"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """n joined rows of one task: classes are text on both sides, or both sides are numbers.

    Attributes
    ----------
    predicted
        Class as text (see `driftline.ledger.classes`), or a finite number for regression, (n,).
    score
        Probability of the positive class of a binary task, NaN where there is none, (n,).
    shares
        Probability by class where the prediction was an object of classes, NaN where the object
        does not name the class; empty where no prediction was one. Each of shape (n,).
    label
        Class as text, or a finite number, (n,).
    weight
        Weight of the label, 1 by default, (n,).
    sign
        +1, or -1 where an earlier pair is taken back, (n,).
    """

    predicted: list[str] | Floats
    score: Floats
    shares: dict[str, Floats]
    label: list[str] | Floats
    weight: Floats
    sign: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return int(self.sign.size)

    def take(self, rows: Integers) -> Pairs:
        """Return some of the rows, in the order given."""
        return Pairs(
            predicted=_some(self.predicted, rows),
            score=self.score[rows],
            shares={name: share[rows] for name, share in self.shares.items()},
            label=_some(self.label, rows),
            weight=self.weight[rows],
            sign=self.sign[rows],
        )


def _some(values: list[str] | Floats, rows: Integers) -> list[str] | Floats:
    if isinstance(values, np.ndarray):
        return values[rows]
    picked: Sequence[int] = rows.tolist()
    return [values[row] for row in picked]
