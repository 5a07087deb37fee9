"""Co-moments: how columns move together, in exact integers that merge bit for bit.

A value counts as the normal score of its reference bin, in fixed point: scale does not matter, an
outlier weighs no more than its bin, and sums of products are integers, which a matrix product gives
exactly, in whatever order it adds, while they stay below what its floats hold. Means and variances
need no sums of their own: the counts of the bins have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.stats.column import is_prediction_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.stats.column import Column

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

EXACT_ROWS = 256
"""Rows whose products single precision adds up exactly: it holds whole numbers below 2**24."""
MAX_PAIRED = 100
"""Columns that take part at most: a pane's co-moments grow with their square."""
STEPS = 32
"""Fixed-point steps in one unit of the normal score; scores stay below 8, products below 2**16."""
LEAST_VARIED = 0.1
"""Share of values outside a column's fullest bin, at least. What moves in one row of a hundred has
no correlation in a slot, and a reference has not met most of its coincidences."""
ENDS = 6.0
"""Where the outermost bins end, as normal scores."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Scoring:
    """Which columns of a reference are compared in pairs, and what each of their bins counts as.

    Attributes
    ----------
    columns
        Positions in the reference, ascending, int64 of shape (d,), d at least 2.
    begins
        Where each one's flat bin codes begin, same shape.
    scores
        By flat bin code of the whole reference, and one more for "does not count", float32 of
        shape (starts[-1] + 1,): whole numbers; NaN for unseen, missing and columns apart.
    table
        The same, laid out as padded counts without unseen and missing: float64 of shape
        (d, widest bins), padding 0.
    first, second
        Positions in `columns` of the members of each pair, int64 of shape (pairs,).
    """

    columns: Integers
    begins: Integers
    scores: Singles
    table: Floats
    first: Integers
    second: Integers

    @cached_property
    def powers(self) -> Floats:
        """Zeroth, first and second powers of `table`, shape (3, d, widest bins)."""
        return np.stack([np.ones_like(self.table), self.table, self.table**2])

    @cached_property
    def upper(self) -> Integers:
        """Where each pair lies in a flat matrix of shape (d, d)."""
        return np.asarray(self.first * self.columns.size + self.second)

    @property
    def pairs(self) -> int:
        """Number of pairs: d (d - 1) / 2."""
        return int(self.first.size)

    @classmethod
    def of(cls, columns: Sequence[Column], starts: Integers) -> Scoring | None:
        """Choose among a reference's columns; None where there are not two to compare.

        Numeric and boolean features take part that are not nearly constant; the prediction itself
        does not. Of more than `MAX_PAIRED` those do that are most often present, and of these the
        first by name.
        """
        ranked = []
        scores = np.full(int(starts[-1]) + 1, np.nan, dtype=np.float32)
        table = np.zeros((len(columns), max(c.bins for c in columns)))
        for at, column in enumerate(columns):
            inside = column.counts[: column.bins]
            present = int(inside.sum())
            if column.kind == "categorical" or is_prediction_column(column.name) or not present:
                continue
            if int(inside.max()) > (1 - LEAST_VARIED) * present:
                continue
            table[at, : column.bins] = bin_scores(inside)
            ranked.append((-present, at))
        if len(ranked) < 2:
            return None
        chosen = sorted(at for _, at in sorted(ranked)[:MAX_PAIRED])
        for at in chosen:
            bins = columns[at].bins
            scores[starts[at] : starts[at] + bins] = table[at, :bins]
        first, second = np.triu_indices(len(chosen), 1)
        where = np.array(chosen, dtype=np.int64)
        return cls(where, starts[where], scores, table[where], first, second)

    def score(
        self, codes: Sequence[Integers], places: Sequence[list[int] | slice], rows: int
    ) -> Floats:
        """Return the scores of reference rows, shape (d, rows), NaN where there is none.

        Parameters
        ----------
        codes
            Bin codes of every column of the reference, of the rows that tell of it.
        places
            Which rows those are.
        """
        out = np.full((self.columns.size, rows), np.nan)
        for own, column, begin in zip(out, self.columns, self.begins, strict=True):
            own[places[column]] = self.scores[begin + codes[column]]
        return out


def bin_scores(counts: Integers) -> Floats:
    """Return the mean normal score of each bin, in whole steps, from counts of shape (bins,)."""
    share = (counts + 0.5) / (counts.sum() + 0.5 * counts.size)
    inner = np.clip(np.cumsum(share)[:-1], 1e-9, 1 - 1e-9)
    cuts = [-ENDS, *map(_NORMAL.inv_cdf, inner.tolist()), ENDS]
    density = np.array([_NORMAL.pdf(cut) for cut in cuts])
    return np.asarray(np.rint(STEPS * (density[:-1] - density[1:]) / share))


@dataclass(slots=True)
class Comoments:
    """Sums over the rows in which both columns of a pair are present (unseen is not).

    Attributes
    ----------
    rows
        Such rows, int64 of shape (pairs,).
    products
        Sum of the products of the scores, in squared steps, int64 of shape (pairs,).
    read
        What a detector has worked out from them, for the next one that asks the same.
    """

    rows: Integers
    products: Integers
    read: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def empty(cls, scoring: Scoring) -> Comoments:
        """Return co-moments of no rows."""
        return cls(*np.zeros((2, scoring.pairs), dtype=np.int64))

    def add(self, scored: Singles, scoring: Scoring, *, complete: bool = False) -> None:
        """Add rows.

        Parameters
        ----------
        scored
            Their scores, float32 of shape (d, n), NaN where there is none.
        complete
            True where it is known that there is no NaN, which need not be looked for then.
        """
        self.rows += scored.shape[1]
        if not complete and np.isnan(scored.ravel(order="K").sum()):
            there = ~np.isnan(scored)
            gaps = ~there.all(axis=0)
            both = there[:, gaps].astype(np.float32)
            self.rows += (both @ both.T).take(scoring.upper).astype(np.int64)
            self.rows -= np.count_nonzero(gaps)
            scored = np.where(there, scored, np.float32(0))
        for begin in range(0, scored.shape[1], EXACT_ROWS):
            some = scored[:, begin : begin + EXACT_ROWS]
            self.products += (some @ some.T).take(scoring.upper).astype(np.int64)

    def merge(self, other: Comoments) -> None:
        """Add the rows of others."""
        self.read = None
        self.rows = self.rows + other.rows
        self.products = self.products + other.products


@dataclass(frozen=True)
class Marginals:
    """What each column does by itself: float64 of shape (d,), in squared steps and steps.

    ``present`` are the rows that have a score.
    """

    present: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def of_counts(cls, counts: Integers, scoring: Scoring) -> Marginals:
        """Read them from padded counts, int64 of shape (columns of the reference, width)."""
        inside = counts[scoring.columns, :-2].astype(np.float64)
        return cls.of_sums(*np.einsum("ib,kib->ki", inside, scoring.powers))

    @classmethod
    def of_sums(cls, present: Floats, total: Floats, squares: Floats) -> Marginals:
        """Work them out from sums of scores and of their squares."""
        rows = np.maximum(present, 1.0)
        mean = total / rows
        return cls(present, mean, np.maximum(squares / rows - mean**2, 0.0))


def covariances(comoments: Comoments, marginals: Marginals, scoring: Scoring) -> Floats:
    """Return the covariance of each pair in squared steps, shape (pairs,); 0 where no rows are.

    Rows count in which both are present. They are centred by the means of each column's own rows:
    the difference is of second order, and saves two more sums for each pair.
    """
    mean = marginals.mean
    found = comoments.products / np.maximum(comoments.rows, 1)
    found -= mean.take(scoring.first) * mean.take(scoring.second)
    return np.asarray(np.where(comoments.rows > 0, found, 0.0))


def correlations(covariance: Floats, variance: Floats, scoring: Scoring) -> Floats:
    """Return the correlation of each pair, in [-1, 1]; 0 where one is constant.

    Parameters
    ----------
    covariance, variance
        Shape (..., pairs) and (..., d).
    """
    sd = np.sqrt(np.where(variance > 0, variance, np.inf))
    found = covariance / (sd.take(scoring.first, axis=-1) * sd.take(scoring.second, axis=-1))
    return np.asarray(np.clip(found, -1.0, 1.0, out=found))
