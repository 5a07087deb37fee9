"""Warm-up: a model without a reference, until enough rows have come to build one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.frame import segment_of
from driftline.events.record import Source
from driftline.stats import (
    ABSENT,
    Pane,
    RawRows,
    Reference,
    bin_raw,
    is_prediction_column,
    with_segments,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.events.frame import Segment

MAX_ROWS = 200_000
"""Rows kept for a reference; a busier slot than this is thinned by position."""


class WarmUp:
    """Raw rows of closed slots, kept until they are enough.

    Parameters
    ----------
    needed
        Rows that are enough.
    segments
        How many segments the reference keeps apart, at most.
    """

    def __init__(self, model: str, slot: int, needed: int, segments: int) -> None:
        self._model = model
        self._slot = slot
        self._needed = needed
        self._segments = segments
        self._held: list[tuple[int, Segment, RawRows]] = []
        self.rows = 0

    def hold(self, start: int, segments: Mapping[Segment, Pane]) -> None:
        """Keep the raw rows of a closed slot."""
        for segment, pane in sorted(segments.items()):
            for raw in sorted(pane.raw, key=lambda r: (r.source, r.kind, r.offset[0], r.index[0])):
                self._held.append((start, segment, raw))
                self.rows += raw.rows

    def build(self) -> Reference | None:
        """Return the reference once there are rows enough, else None."""
        if self.rows < self._needed:
            return None
        blocks = [raw for _, _, raw in self._held]
        # Blocks are in one order whatever the batches were, so the reference depends on rows alone.
        step = -(-self.rows // MAX_ROWS)
        names = sorted({name for raw in blocks for name in raw.columns})
        columns = {
            name: [value for raw in blocks for value in _told(raw, name)][::step] for name in names
        }
        ts = np.array([moment for raw in blocks for moment in raw.ts], dtype=np.int64)[::step]
        reference = Reference.build(self._model, columns, ts=ts, slot=self._slot)
        of = [segment for _, segment, raw in self._held for _ in raw.ts][::step]
        most = self._segments
        return with_segments(reference, columns, of, most=most, ts=ts, slot=self._slot)

    def binned(self, reference: Reference) -> list[tuple[int, Segment, Pane]]:
        """Return the held rows as panes of statistics (their events were counted before)."""
        out = []
        for start, segment, raw in self._held:
            pane = Pane.empty(reference, 0)
            bin_raw(pane, raw, reference)
            out.append((start, segment, pane))
        return out

    def snapshot(self) -> list[Any]:
        """Return the held rows as JSON values."""
        return [
            [
                start,
                [list(pair) for pair in segment],
                str(raw.source),
                raw.kind,
                raw.ts,
                raw.offset,
                raw.index,
                {name: list(values) for name, values in raw.columns.items()},
                raw.featured,
                raw.invalid,
            ]
            for start, segment, raw in self._held
        ]

    def restore(self, state: list[Any]) -> None:
        """Take up what `snapshot` gave."""
        self._held = [
            (start, segment_of(segment), RawRows(Source.parse(source), *rest))
            for start, segment, source, *rest in state
        ]
        self.rows = sum(raw.rows for _, _, raw in self._held)


def _told(raw: RawRows, name: str) -> Sequence[Any]:
    """What a block says of one column: a value, None for missing, or ABSENT for nothing at all."""
    if is_prediction_column(name):
        if raw.kind != "prediction":
            return [ABSENT] * raw.rows
        return raw.columns.get(name) or [None] * raw.rows
    values = raw.columns.get(name) or [None] * raw.rows
    if raw.featured is None:
        return values
    return [v if there else ABSENT for v, there in zip(values, raw.featured, strict=True)]
