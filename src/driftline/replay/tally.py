"""What a replay counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

__all__ = ["Tally"]

SLOTS_HELD = 200_000


class _PaneCounts(msgspec.Struct):
    """The counts in a pane message; the decoder skips the rest."""

    model: str
    start: int
    events: dict[str, int] = {}
    late: int = 0
    dead: int = 0
    duplicates: int = 0
    unknown: int = 0


_DECODE = msgspec.json.Decoder(_PaneCounts).decode


class Tally:
    """Sums over all panes: each event is in exactly one of the counts.

    Attributes
    ----------
    events
        Events that count, by type.
    late, duplicates, dead
        Events too late for their slot, predictions that came twice, elements that could not be
        read.
    unknown_fields
        Top-level fields that are no part of their event's type.
    slots
        Slots of a model with events in them.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.late = 0
        self.duplicates = 0
        self.dead = 0
        self.unknown_fields = 0
        self.slots = 0
        self._seen: dict[str, dict[int, int]] = {}

    @property
    def models(self) -> list[str]:
        """Models with events."""
        return list(self._seen)

    def add(self, pane: bytes) -> None:
        """Count one message of the `panes` topic that is a pane."""
        found = _DECODE(pane)
        self.events.update(found.events)
        self.late += found.late
        self.dead += found.dead
        self.duplicates += found.duplicates
        self.unknown_fields += found.unknown
        if found.events:
            rows = found.events.get("prediction", 0) + found.events.get("features", 0)
            self._count_slot(found.model, found.start, rows)

    def merge(self, other: Tally) -> None:
        """Add the counts of other models."""
        self.events.update(other.events)
        self.late += other.late
        self.duplicates += other.duplicates
        self.dead += other.dead
        self.unknown_fields += other.unknown_fields
        self.slots += other.slots
        self._seen.update(other._seen)

    @property
    def rows(self) -> dict[str, dict[int, int]]:
        """Predictions and features events by model and start of slot, of the last 200,000 slots."""
        return self._seen

    def _count_slot(self, model: str, start: int, rows: int) -> None:
        seen = self._seen.setdefault(model, {})
        if start in seen:
            seen[start] += rows
            return
        seen[start] = rows
        self.slots += 1
        if len(seen) > SLOTS_HELD:
            # Sources advance together in event time: the older half will not be met again.
            later = sorted(seen)[SLOTS_HELD // 2 :]
            self._seen[model] = {start: seen[start] for start in later}

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {
            "events": dict(sorted(self.events.items())),
            "dead_letters": self.dead,
            "late": self.late,
            "duplicates": self.duplicates,
            "unknown_fields": self.unknown_fields,
            "slots": self.slots,
        }
