"""Slots joined into blocks that are large enough to have correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from driftline.detect.state import pack, unpack
from driftline.stats.comoments import STEPS, Comoments, Marginals, correlations, covariances
from driftline.stats.dependence import BLOCK_ROWS

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.protocol import Slot
    from driftline.stats import Reference
    from driftline.stats.comoments import Scoring
    from driftline.stats.dependence import Dependence

Counts = npt.NDArray[np.int64]

SHIFT, STRETCH = 0.5, 2.0
"""A column whose mean score has moved by this (in sd), or whose variance of scores has changed by
this factor, sits out: bins that hold everything or nothing correlate with nothing."""
SEASONS = 3.0
"""Standard deviations of the slots' own means in the reference that are granted to a shift."""
LEAST_ROWS = 20
"""Rows of a pair below which a block tells nothing of it."""


class Block(NamedTuple):
    """What some slots say of each pair of columns.

    Attributes
    ----------
    start, slots
        Start of the first slot, microseconds, and how many there are.
    r, rows
        Correlations, and the rows that tell them, float64 of shape (pairs,). A pair that cannot be
        judged has no rows, and the correlation of the reference.
    shift
        By how much each column's own mean score lies off the reference's, in sd, shape (columns,).
    """

    start: int
    slots: int
    r: Floats
    rows: Floats
    shift: Floats


class Blocks:
    """Adds up slots until they have `BLOCK_ROWS` rows; nothing is held where every slot has."""

    def __init__(self, reference: Reference, scoring: Scoring, dependence: Dependence) -> None:
        self._scoring = scoring
        self._variance = np.maximum(dependence.variance, 1e-6) * STEPS**2
        usual = Marginals.of_counts(reference.padded_counts, scoring)
        self._mean = usual.mean
        self._sd = np.sqrt(usual.variance)
        self._reach = np.maximum(SHIFT, SEASONS * np.sqrt(reference.rho[scoring.columns]))
        self._r = np.tanh(dependence.level[: scoring.pairs])
        self._start = self._slots = 0
        self._counts = np.zeros_like(reference.padded_counts)
        self._comoments = Comoments.empty(scoring)

    def add(self, slot: Slot) -> Block | None:
        """Add a slot; return a block once it is full, or None."""
        own = slot.pane.comoments
        if own is None:
            return None
        if not self._slots:
            self._start = slot.start
        self._slots += 1
        whole = self._slots == 1 and own.rows.max() >= BLOCK_ROWS
        if not whole:
            self._counts = self._counts + slot.counts
            self._comoments.merge(own)
            if self._comoments.rows.max() < BLOCK_ROWS:
                return None
        # Read once for all detectors whose blocks end here. Known by these very counts: a drill
        # shows its shadow others, with the same co-moments.
        read = own.read
        if read is None or read[0] is not slot.pane.counts or read[1].start != self._start:
            counts, comoments = (slot.counts, own) if whole else (self._counts, self._comoments)
            block = self._read(counts, comoments, self._start, self._slots)
            own.read = read = slot.pane.counts, block
        self._slots = 0
        if not whole:
            self._counts = np.zeros_like(self._counts)
            self._comoments = Comoments.empty(self._scoring)
        found: Block = read[1]
        return found

    def _read(self, counts: Counts, comoments: Comoments, start: int, slots: int) -> Block:
        scoring = self._scoring
        marginals = Marginals.of_counts(counts, scoring)
        shift = marginals.mean - self._mean
        away = np.abs(shift) > self._reach * self._sd
        stretch = marginals.variance / self._variance
        away |= (stretch > STRETCH) | (stretch < 1 / STRETCH)
        rows = comoments.rows.astype(np.float64)
        own = covariances(comoments, marginals, scoring)
        r = correlations(own, marginals.variance, scoring)
        apart = rows < LEAST_ROWS
        if away.any():
            apart |= away[scoring.first] | away[scoring.second]
        if apart.any():
            r[apart], rows[apart] = self._r[apart], 0.0
        return Block(start, slots, r, rows, shift / np.maximum(self._sd, 1e-9))

    def snapshot(self) -> dict[str, Any] | None:
        """Return the state as JSON values and bytes; None between blocks."""
        if not self._slots:
            return None
        return {
            "start": self._start,
            "slots": self._slots,
            # Of fewer rows than make a block: they are small.
            "counts": pack(self._counts.astype(np.uint32)),
            "rows": pack(self._comoments.rows.astype(np.uint8)),
            "products": pack(self._comoments.products.astype(np.int32)),
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Take up what `snapshot` gave."""
        self._start = self._slots = 0
        self._counts = np.zeros_like(self._counts)
        self._comoments = Comoments.empty(self._scoring)
        if state is None:
            return
        pairs = np.empty(self._scoring.pairs)
        self._start, self._slots = state["start"], state["slots"]
        counts = unpack(state["counts"], self._counts.astype(np.uint32))
        self._counts = counts.astype(np.int64)
        self._comoments = Comoments(
            unpack(state["rows"], pairs.astype(np.uint8)).astype(np.int64),
            unpack(state["products"], pairs.astype(np.int32)).astype(np.int64),
        )
