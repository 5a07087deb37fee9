"""A mean by one number, learnt from rows: cells of even weight, straight lines between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.ledger.pairs import Floats, Integers

__all__ = ["Curve", "even_cells"]

CELLS = 4.0
"""Cells of a single row. More follow the rows more closely, chance included."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean of something by x, and how well it is known.

    Attributes
    ----------
    x
        Mean x of each cell, ascending, shape (k,), k > 0.
    y
        The mean there, shape (k,).
    block
        Which cells share one estimate of the mean, ascending from 0, shape (k,).
    noise
        Variance of each block's estimate, shape (blocks,).
    least, most
        The smallest and largest x of all rows learnt from.
    """

    x: Floats
    y: Floats
    block: Integers
    noise: Floats
    least: float
    most: float

    def __call__(self, x: Floats) -> Floats:
        """Return the mean at each x; beyond the outermost cells it stays what it is there."""
        return np.interp(x, self.x, self.y)

    def beyond(self, x: Floats) -> npt.NDArray[np.bool_]:
        """Whether each x lies outside of all that was learnt from: its mean is then a guess."""
        return (x < self.least) | (x > self.most)

    def variance(self, x: Floats, leverage: Floats) -> float:
        """Return the variance of ``Σ leverage · curve(x)`` that finitely many rows leave."""
        last = self.x.size - 1
        pull = np.zeros(last + 1)
        if last == 0:
            pull[0] = leverage.sum()
        else:
            left = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, last - 1)
            into = np.clip((x - self.x[left]) / (self.x[left + 1] - self.x[left]), 0.0, 1.0)
            pull += np.bincount(left, leverage * (1 - into), last + 1)
            pull += np.bincount(left + 1, leverage * into, last + 1)
        return float((np.bincount(self.block, pull) ** 2 * self.noise).sum())


def even_cells(rows: Floats, *, fine_ends: bool = False) -> Integers:
    """Return where each cell starts, of neighbours that together weigh about the same.

    There are at most ``4 · rows ** (1/3)`` cells: they narrow as fast as a mean of their rows can
    tell them apart.

    Parameters
    ----------
    rows
        Rows of each x, above 0, shape (n,), n > 0.
    fine_ends
        Whether cells get smaller towards either end, down to a few rows (by the arcsine, as in the
        t-digest of Dunning 2021): for a mean that may run up to infinity there.
    """
    total = rows.sum()
    middle = (np.cumsum(rows) - rows / 2) / total
    if fine_ends:
        middle = np.arcsin(2 * middle - 1) / np.pi + 0.5
    cell = (middle * np.ceil(CELLS * np.cbrt(total))).astype(np.int64)
    return np.flatnonzero(np.diff(cell, prepend=-1))
