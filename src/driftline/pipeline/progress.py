"""Which panes of a model have come from each source partition: one that comes again is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.frame import segment_of

if TYPE_CHECKING:
    from driftline.stats import PaneMessage

__all__ = ["Progress"]


class Progress:
    """What came last of each source: it closes its slots in ascending order."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, dict[tuple[Any, ...], int]]] = {}

    def repeats(self, message: PaneMessage) -> int | None:
        """Take a pane; return None where it is new, else how many rows it holds beyond the first.

        An idle source was closed, its owner died before it could say so, and more had come by then:
        what the pane holds beyond the one that was merged is late.
        """
        key, pane = message.key, message.pane
        about = (key.segment, key.kind, message.part)
        start, seen = self._last.get(str(message.source), (-(2**62), {}))
        if key.start < start:
            return 0
        if key.start > start:
            seen = {}
        held = pane.rows + pane.late + pane.dead + pane.duplicates
        before = seen.get(about)
        seen[about] = max(held, before or 0)
        self._last[str(message.source)] = (key.start, seen)
        return None if before is None else max(0, held - before)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            source: [start, sorted(seen.items())] for source, (start, seen) in self._last.items()
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._last = {
            source: (start, {(segment_of(about[0]), *about[1:]): held for about, held in seen})
            for source, (start, seen) in state.items()
        }
