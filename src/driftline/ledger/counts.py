"""Weights by integer code: the exact, mergeable stuff that scorecards are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.ledger.pairs import Integers

__all__ = ["COARSE_BITS", "MOST_CODES", "NO_COUNTS", "Counts", "summed"]

MOST_CODES = 2**16
"""Different codes kept; with more, codes are rounded to multiples of ``2**COARSE_BITS``."""
COARSE_BITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Whole-number weights by code; adding is associative and commutative, bit for bit.

    With more than `MOST_CODES` different codes they are rounded, and stay so. For weights that are
    all positive that depends on the union of the codes alone, never on the order in which it was
    made. (Where weights are taken back, it may depend on the order whether exactly so many codes
    were ever there at once.)

    Attributes
    ----------
    codes
        Ascending, each once, int64 of shape (k,).
    weights
        Never 0, int64 of shape (k,); below 0 where more was taken back than is here.
    coarse
        Whether codes have been rounded.
    """

    codes: Integers
    weights: Integers
    coarse: bool = False

    @classmethod
    def of(cls, codes: Integers, weights: Integers) -> Counts:
        """Sum weights by code, in whatever order they come; both of shape (n,)."""
        return cls(*summed(codes, weights)).bounded()

    @classmethod
    def union(cls, parts: Iterable[Counts]) -> Counts:
        """Return the sum of several."""
        found = [part for part in parts if part.codes.size or part.coarse]
        if not found:
            return NO_COUNTS
        if len(found) == 1:
            return found[0]
        coarse = any(part.coarse for part in found)
        if coarse:
            found = [part.rounded() for part in found]
        codes = np.concatenate([part.codes for part in found])
        weights = np.concatenate([part.weights for part in found])
        return cls(*summed(codes, weights, in_runs=True), coarse).bounded()

    def __add__(self, other: Counts) -> Counts:
        more, less = (self, other) if self.codes.size >= other.codes.size else (other, self)
        if less.codes.size * 8 > more.codes.size or (less.coarse and not more.coarse):
            return Counts.union((more, less))
        return more._with(less.rounded() if more.coarse else less)

    def _with(self, less: Counts) -> Counts:
        """Add far fewer codes: 0.1 ms to 60 thousand, a fifth of what merging both would take."""
        if not less.codes.size:
            return self
        at = np.searchsorted(self.codes, less.codes)
        known = self.codes.take(at, mode="clip") == less.codes
        weights = self.weights.copy()
        weights[at[known]] += less.weights[known]
        codes = np.insert(self.codes, at[~known], less.codes[~known])
        weights = np.insert(weights, at[~known], less.weights[~known])
        if not weights.all():
            there = weights != 0
            codes, weights = codes[there], weights[there]
        return Counts(codes, weights, self.coarse).bounded()

    @property
    def total(self) -> int:
        """Sum of all weights."""
        return int(self.weights.sum())

    def bounded(self) -> Counts:
        """Return these counts, rounded where there are too many codes."""
        return self if self.codes.size <= MOST_CODES else self.rounded()

    def rounded(self) -> Counts:
        """Return these counts with codes rounded to multiples of ``2**COARSE_BITS``."""
        if self.coarse:
            return self
        half = 1 << (COARSE_BITS - 1)
        codes = ((self.codes + half) >> COARSE_BITS) << COARSE_BITS
        return Counts(*summed(codes, self.weights, in_runs=True), coarse=True)

    def to_values(self) -> list[Any]:
        """Return [coarse, codes as steps from one to the next, weights]: JSON values."""
        return [self.coarse, np.diff(self.codes, prepend=0).tolist(), self.weights.tolist()]

    @classmethod
    def from_values(cls, values: list[Any]) -> Counts:
        """Return what `to_values` wrote."""
        coarse, steps, weights = values
        codes = np.cumsum(np.array(steps, dtype=np.int64))
        return cls(codes, np.array(weights, dtype=np.int64), bool(coarse))


def summed(
    codes: Integers, weights: Integers, *, in_runs: bool = False
) -> tuple[Integers, Integers]:
    """Return the different codes, ascending, and the sum of each one's weights where not 0.

    Parameters
    ----------
    in_runs
        Whether the codes are a few ascending runs, which are quicker to merge than to sort.
    """
    if not codes.size:
        return codes, weights
    order = np.argsort(codes, kind="stable" if in_runs else "quicksort")
    codes, weights = codes[order], weights[order]
    first = np.empty(codes.size, dtype=np.bool_)
    first[0] = True
    np.not_equal(codes[1:], codes[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    sums = np.add.reduceat(weights, starts)
    codes = codes[starts]
    if sums.all():
        return codes, sums
    there = sums != 0
    return codes[there], sums[there]


NO_COUNTS = Counts(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
