"""Panes of a law: from their exact law where that is known, else from drawn events.

Where rows are independent, the counts of a column in a slot are multinomial with the true
probabilities of the reference's bins, which the law's own distribution function gives (never the
reference's frequencies: their error is the luck of the reference, which has to be there). Columns
are independent of one another, so given the counts every order of a column's rows is as likely as
any other: who reads co-moments gets them from rows that were shuffled column by column. That is
exactly what folding drawn events would count, at a fraction of the cost; but sums, extremes and
samples are not drawn. Detectors that read these get panes folded from events by the pipeline's own
`fold`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from driftline.bench.detectors.law import EVENTS, Traffic, times
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.stats import Pane, fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from driftline.bench.detectors.law import Law
    from driftline.bench.detectors.marginals import Marginal
    from driftline.stats import Reference
    from driftline.stats.comoments import Scoring

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]

__all__ = ["Needs", "Way", "draw_panes", "fold_events", "way_of"]

Needs = Literal["counts", "pairs", "values"]
"""What detectors read of a pane: its counts alone, co-moments too, or anything that is in it."""
Way = Literal["exact", "counted", "folded"]
"""How panes come about: from their exact law, by counting drawn values, from folded events."""

BLOCK = 50
"""Slots drawn at once: some megabytes of values, so that they stay in the processor's cache."""
GUIDE_BITS = 12
"""Of a drawn number, that nearly always tell its bin; the table of 100 columns fits the cache."""
REST = np.uint32(32 - GUIDE_BITS)
OPEN = 255
"""In place of a code: the first bits do not tell it alone. Columns have fewer bins."""
_SOURCE = Source("bench", 0)
_NONE = np.empty(0, dtype=np.int64)


def way_of(law: Law, needs: Needs) -> Way:
    """Choose the cheapest way that gives the detectors what they read."""
    if needs == "values":
        return "folded"
    return "exact" if law.dependence is None else "counted"


def draw_panes(
    law: Law,
    reference: Reference,
    rng: np.random.Generator,
    first: int,
    slots: int,
    needs: Needs,
    sample: int = 0,
) -> Iterator[Pane]:
    """Draw the panes of one stream, slot after slot.

    Parameters
    ----------
    first
        Its first slot, counted from `driftline.bench.detectors.law.FIRST`.
    sample
        Rows that a folded pane keeps.
    """
    way = way_of(law, needs)
    if way == "folded":
        yield from _folded(law, reference, rng, first, slots, sample)
        return
    scoring = reference.scoring if needs == "pairs" else None
    draw = (_Exact if way == "exact" else _Counted)(law, reference, rng)
    for start in range(first, first + slots, BLOCK):
        counts, codes = draw(start, min(BLOCK, first + slots - start), scoring)
        for at, own in enumerate(counts):
            pane = Pane.empty(reference, 0)
            pane.counts, pane.featured = own, EVENTS
            pane.events["prediction"] = EVENTS
            if scoring is None:
                pane.comoments = None
            elif pane.comoments is not None:
                pane.comoments.add(scoring.scores[codes[at]].T, scoring)
            yield pane


class _Exact:
    """Multinomial counts with the true probabilities of the reference's bins."""

    def __init__(self, law: Law, reference: Reference, rng: np.random.Generator) -> None:
        self._law, self._rng = law, rng
        sizes = np.diff(reference.starts)
        width = int(sizes.max())
        self._real = np.arange(width) < sizes[:, None]
        cycle = 1 if law.season is None else law.season.shifts.shape[0]
        self._masses = np.zeros((cycle, sizes.size, width))
        for i, (marginal, column) in enumerate(zip(law.marginals, reference.columns, strict=True)):
            shift = None if law.season is None else law.season.shifts[:, i]
            self._masses[:, i, : sizes[i]] = marginal.masses(column, shift)
        self._sizes = sizes
        share = np.cumsum(self._masses / self._masses.sum(axis=2, keepdims=True), axis=2)
        # Ends of the bins among 32-bit numbers; what is beyond the last of them never comes.
        self._ends = np.clip(np.rint(share * 2**32) - 1, 0, 2**32 - 1).astype(np.uint32)
        self._guide = _guide(self._ends[0]) if cycle == 1 else None

    def __call__(self, first: int, slots: int, scoring: Scoring | None) -> tuple[Counts, Counts]:
        """Return flat counts, int64 of shape (slots, bins of all columns), and flat codes.

        Codes are those of the columns that are compared, shape (slots, `EVENTS`, d), in an order
        that is as likely as any other; none where nobody compares.
        """
        at = (first + np.arange(slots)) % self._masses.shape[0]
        if scoring is None:
            return self._rng.multinomial(EVENTS, self._masses[at])[:, self._real], _NONE
        apart = np.setdiff1d(np.arange(self._masses.shape[1]), scoring.columns)
        counts = np.empty((slots, *self._masses.shape[1:]), dtype=np.int64)
        counts[:, apart] = self._rng.multinomial(EVENTS, self._masses[np.ix_(at, apart)])
        codes, counts[:, scoring.columns] = self._rows(scoring.columns, at)
        return counts[:, self._real], codes + scoring.begins

    def _rows(self, columns: Counts, at: Counts) -> tuple[npt.NDArray[np.uint8], Counts]:
        """Draw codes row by row, and count them; probabilities are exact to 2**-32.

        A third of the time that it takes to draw counts, and then an order.
        """
        drawn = self._rng.integers(0, 2**32, (at.size, EVENTS, columns.size), dtype=np.uint32)
        if self._guide is not None:
            codes = self._guided(columns, drawn, self._guide)
        else:
            width = int(self._sizes[columns].max())
            ends = self._ends[at][:, columns, : width - 1].transpose(2, 0, 1).copy()
            codes = np.zeros(drawn.shape, dtype=np.uint8)
            for end in ends:
                codes += (drawn > end[:, None]).view(np.uint8)
        bins = self._masses.shape[2]
        flat = np.arange(at.size * columns.size).reshape(at.size, 1, -1) * bins + codes
        counts = np.bincount(flat.ravel(), minlength=at.size * columns.size * bins)
        return codes, counts.reshape(at.size, columns.size, bins)

    def _guided(
        self, columns: Counts, drawn: npt.NDArray[np.uint32], guide: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8]:
        """Look codes up by the first bits, and count the ends below only where these leave it open.

        A guide table (Chen and Asau 1974).
        """
        place = (drawn >> REST) + (columns << GUIDE_BITS).astype(np.uint32)
        codes = guide.ravel().take(place)
        open_ = np.flatnonzero(codes.ravel() == OPEN)
        ends = self._ends[0][columns[open_ % columns.size]]
        codes.ravel()[open_] = np.count_nonzero(drawn.ravel()[open_, None] > ends, axis=1)
        return codes


def _guide(ends: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Return the code that the first bits stand for, shape (columns, 2**GUIDE_BITS); or `OPEN`."""
    first = np.arange(2**GUIDE_BITS, dtype=np.uint32) << REST
    last = first | np.uint32((1 << int(REST)) - 1)
    low, high = (np.array([np.searchsorted(own, at) for own in ends]) for at in (first, last))
    return np.where(low == high, low, OPEN).astype(np.uint8)


class _Counted:
    """Counts of drawn values of columns that hold numbers only."""

    def __init__(self, law: Law, reference: Reference, rng: np.random.Generator) -> None:
        self._traffic = Traffic(law, rng)
        self._starts = reference.starts
        bins = np.array([column.bins for column in reference.columns])
        self._bins = bins.astype(np.uint8)
        self._edges = np.full((int(bins.max()) + 1, bins.size), np.inf)
        for i, column in enumerate(reference.columns):
            self._edges[: column.bins + 1, i] = column.edges

    def __call__(self, first: int, slots: int, scoring: Scoring | None) -> tuple[Counts, Counts]:
        """Return flat counts and flat codes, see `_Exact`; codes in the order of the rows."""
        values = self._traffic.block(first, slots * EVENTS)
        # Comparing with every edge takes 10 ns a value, searching for its bin 35.
        reached = np.zeros(values.shape, dtype=np.uint8)
        for edge in self._edges:
            reached += values >= edge
        reached -= 1  # below the first edge: 255, which is unseen as well
        codes = np.minimum(reached, self._bins) + self._starts[:-1]
        width = int(self._starts[-1])
        flat = codes.reshape(slots, -1) + width * np.arange(slots)[:, None]
        counts = np.bincount(flat.ravel(), minlength=slots * width).reshape(slots, width)
        if scoring is None:
            return counts, _NONE
        return counts, codes.reshape(slots, EVENTS, -1)[..., scoring.columns]


def _folded(
    law: Law,
    reference: Reference,
    rng: np.random.Generator,
    first: int,
    slots: int,
    sample: int,
) -> Iterator[Pane]:
    traffic = Traffic(law, rng)
    for start in range(first, first + slots, BLOCK):
        some = min(BLOCK, first + slots - start)
        yield from fold_events(law, reference, traffic.block(start, some * EVENTS), start, sample)


def fold_events(
    law: Law, reference: Reference, values: Floats, first: int, sample: int
) -> Iterator[Pane]:
    """Fold drawn rows, `EVENTS` a slot, as the pipeline folds what comes from a topic."""
    rows = values.shape[0]
    cells = zip(law.names, law.marginals, values.T, strict=True)
    number = np.arange(rows, dtype=np.int64) + first * EVENTS
    frame = Frame(
        model=reference.model,
        type="prediction",
        ts=times(law, first, rows),
        offset=number,
        index=np.zeros(rows, dtype=np.int64),
        columns={name: _cells(marginal, column) for name, marginal, column in cells},
        kinds=reference.kinds,
    )
    starts = np.arange(0, rows, EVENTS, dtype=np.int64)
    folded = fold(frame, reference, _SOURCE, np.arange(rows, dtype=np.int64), starts)
    for slot in range(starts.size):
        pane = Pane.empty(reference, sample)
        folded.add_to(pane, slot)
        pane.events["prediction"] = EVENTS
        pane.sample.sort()
        yield pane


def _cells(marginal: Marginal, column: Floats) -> Sequence[object]:
    return marginal.cells(column)
