"""Panes of a law: from their exact law where that is known, else from drawn events.

Where rows are independent, the counts of a column in a slot are multinomial with the true
probabilities of the reference's bins, which the law's own distribution function gives (never the
reference's frequencies: their error is the luck of the reference, which has to be there). Columns
are independent of one another as well. That is exactly what folding drawn events would count, at a
fraction of the cost; but sums, extremes and samples are not drawn. Detectors that read these get
panes folded from events by the pipeline's own `fold`.
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

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]

__all__ = ["Way", "draw_panes", "way_of"]

Way = Literal["exact", "counted", "folded"]
"""How panes come about: counts from their exact law, counts of drawn values, folded events."""

BLOCK = 50
"""Slots drawn at once: some megabytes of values, so that they stay in the processor's cache."""
_SOURCE = Source("bench", 0)


def way_of(law: Law, *, counts_suffice: bool) -> Way:
    """Choose the cheapest way that gives the detectors what they read."""
    if not counts_suffice:
        return "folded"
    return "exact" if law.dependence is None else "counted"


def draw_panes(
    law: Law,
    reference: Reference,
    rng: np.random.Generator,
    first: int,
    slots: int,
    way: Way,
    sample: int,
) -> Iterator[Pane]:
    """Draw the panes of one stream, slot after slot.

    Parameters
    ----------
    first
        Its first slot, counted from `driftline.bench.detectors.law.FIRST`.
    sample
        Rows that a folded pane keeps.
    """
    if way == "folded":
        yield from _folded(law, reference, rng, first, slots, sample)
        return
    draw = _Exact(law, reference, rng) if way == "exact" else _Counted(law, reference, rng)
    for start in range(first, first + slots, BLOCK):
        for counts in draw(start, min(BLOCK, first + slots - start)):
            pane = Pane.empty(reference, 0)
            pane.counts, pane.featured = counts, EVENTS
            pane.events["prediction"] = EVENTS
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

    def __call__(self, first: int, slots: int) -> Counts:
        """Return flat counts, int64 of shape (slots, bins of all columns)."""
        at = (first + np.arange(slots)) % self._masses.shape[0]
        drawn = self._rng.multinomial(EVENTS, self._masses[at])
        return drawn[:, self._real]


class _Counted:
    """Counts of drawn values of columns that hold numbers only."""

    def __init__(self, law: Law, reference: Reference, rng: np.random.Generator) -> None:
        self._traffic = Traffic(law, rng)
        sizes = np.diff(reference.starts)
        bins = int(sizes.max()) - 2
        self._edges = np.full((bins + 1, sizes.size), np.inf)
        for i, column in enumerate(reference.columns):
            self._edges[: column.bins + 1, i] = column.edges
        inner = np.arange(bins) < (sizes - 2)[:, None]
        none = np.zeros((sizes.size, 1), dtype=np.bool_)
        self._inner, self._real = inner, np.concatenate([inner, ~none, ~none], axis=1)

    def __call__(self, first: int, slots: int) -> Counts:
        """Return flat counts, int64 of shape (slots, bins of all columns)."""
        values = self._traffic.block(first, slots * EVENTS).reshape(slots, EVENTS, -1)
        # Comparing with each edge takes 13 ns a value, searching for its bin 60.
        least = [
            (values >= edge).view(np.uint8).sum(axis=1, dtype=np.uint8) for edge in self._edges
        ]
        reached = np.stack(least, axis=-1).astype(np.int64)
        inside = np.where(self._inner, reached[..., :-1] - reached[..., 1:], 0)
        unseen = EVENTS - inside.sum(axis=-1, keepdims=True)
        counts = np.concatenate([inside, unseen, np.zeros_like(unseen)], axis=-1)
        return counts[:, self._real]


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
