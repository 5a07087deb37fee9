"""How much is run, and what it will take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.bench.detectors.changes import BEFORE
from driftline.bench.detectors.delay import MANY, SETTLED
from driftline.bench.detectors.laws import FEATURES
from driftline.bench.detectors.promise import Stream, find, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.bench.detectors.delay import Batch

__all__ = ["FULL", "QUICK", "Size", "forecast"]


@dataclass(frozen=True)
class Size:
    """How much is run.

    Attributes
    ----------
    slots, streams
        For each law at one page in 4,000 slots: slots, and references drawn.
    months, month_streams
        For each law at one page in 30 days: model-months, and references drawn.
    references, runs
        For each change: references drawn, and runs on each, for one column and for ten.
    foretold
        References that each change is foretold on.
    by_hand
        Runs of each detector by hand on each change, and stretches for its false detections.
    windows
        Windows of each change that the libraries judge.
    """

    slots: int
    streams: int
    months: float
    month_streams: int
    references: int
    runs: int
    foretold: int
    by_hand: int
    windows: int


FULL = Size(
    slots=400_000,
    streams=40,
    months=20,
    month_streams=40,
    references=20,
    runs=5,
    foretold=5,
    by_hand=10,
    windows=20,
)
QUICK = Size(
    slots=4_000,
    streams=2,
    months=0.1,
    month_streams=2,
    references=2,
    runs=2,
    foretold=1,
    by_hand=1,
    windows=5,
)

SEEN_SLOTS = 40
"""Slots from a change to its page, on average over all changes."""


def forecast(streams: Sequence[Stream], batches: Sequence[Batch], processes: int) -> str:
    """Measure what slots and references cost here, and say what all will take."""
    detectors = (streams or batches)[0].detectors
    wanted = [_like(stream.law) for stream in streams] + ["normal" for _ in batches]
    slot_s, row_s = {}, {}
    for law in dict.fromkeys(wanted):
        trial = watch(Stream(law, 0, 200, 0, detectors))
        slot_s[law] = (trial.draw_s + trial.detect_s) / 200
        row_s[law] = trial.reference_s / find(law).rows
    seconds = 0.0
    for stream in streams:
        law = _like(stream.law)
        seconds += slot_s[law] * stream.slots + row_s[law] * find(stream.law).rows
    for batch in batches:
        runs = batch.runs * len(batch.changes) * len(MANY)
        slots = runs * (sum(SETTLED) / 2 + SEEN_SLOTS)
        seconds += slot_s["normal"] * slots + row_s["normal"] * BEFORE.rows
    return (
        f"{sum(stream.slots for stream in streams):,} stationary slots in {len(streams)} streams, "
        f"changes on {len(batches)} references: about {seconds / processes / 60:.1f} minutes on "
        f"{processes} cores that have nothing else to do, peers apart"
    )


def _like(name: str) -> str:
    """Return a law whose slots and rows cost the same."""
    law = find(name)
    if len(law.marginals) != FEATURES:
        return name
    if law.season is not None:
        return "daily"
    return "normal" if law.dependence is None else "ar.5"
