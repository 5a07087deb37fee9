"""Marks: how far event time has come in each source partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.events.record import Source

NEVER = -(2**62)
"""The mark of a source from which nothing has been read."""
FOREVER = 2**62
"""The mark of a source that has ended."""


def encode_mark(source: Source, mark: int, *, idle: bool = False, quiet_for: int = 0) -> bytes:
    """Write a mark for the `panes` topic.

    Parameters
    ----------
    idle
        Nothing more can be read for now; `mark` is wall time, not an event's.
    quiet_for
        Wall time in microseconds since the last event was read.
    """
    return orjson.dumps(
        {
            "v": 1,
            "is": "mark",
            "source": str(source),
            "mark": mark,
            "idle": idle,
            "quiet_for": quiet_for,
        }
    )


class Marks:
    """The marks of all sources; the low mark is what all that are not idle have passed.

    A source of which nothing was heard holds the low mark back: its owner either reads events or
    says that it is idle, so silence means that the owner is missing. An idle source holds nothing
    back; when all are idle, the earliest of their wall times counts.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._busy: dict[str, int] = {str(source): NEVER for source in sources}
        self._idle: dict[str, tuple[int, int]] = {}
        self._low = NEVER

    def update(self, body: dict[str, Any]) -> None:
        """Take up one decoded mark message; one from a source that is no input is passed over."""
        source, mark = body["source"], int(body["mark"])
        if source not in self._busy and source not in self._idle:
            return
        if body["idle"]:
            self._busy.pop(source, None)
            self._idle[source] = (mark, int(body["quiet_for"]))
        else:
            self._idle.pop(source, None)
            self._busy[source] = max(mark, self._busy.get(source, NEVER))
        # It falls when a source comes back with older events; slots that have closed stay closed.
        self._low = self._current()

    def _current(self) -> int:
        if self._busy:
            return min(self._busy.values())
        return min((mark for mark, _ in self._idle.values()), default=NEVER)

    @property
    def low(self) -> int:
        """The low mark, microseconds since the epoch."""
        return self._low

    @property
    def idle(self) -> bool:
        """Whether nothing can be read from any source for now."""
        return not self._busy

    @property
    def quiet_for(self) -> int:
        """Wall time, microseconds, since any event was read; 0 while some source is busy."""
        return 0 if self._busy else min((quiet for _, quiet in self._idle.values()), default=0)

    def silent_until(self, silence: int) -> int:
        """Return the time until which a model without events can be called silent.

        While some source moves, that is event time. When all are idle it is wall time, but only
        once nothing has come for `silence` of wall time: the end of an old topic is not an outage.
        """
        if self._busy:
            return min(self._busy.values())
        return self._current() if self.quiet_for >= silence else NEVER

    def waiting_for(self) -> list[str]:
        """Sources that hold the low mark back."""
        low = self._current()
        return sorted(source for source, mark in self._busy.items() if mark == low)

    def snapshot(self) -> dict[str, Any]:
        """Return all marks as JSON values."""
        idle = {source: list(pair) for source, pair in self._idle.items()}
        return {"busy": dict(self._busy), "idle": idle, "low": self._low}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up saved marks; sources that are no inputs now are forgotten, new ones hold back."""
        for source in {**self._busy, **self._idle}:
            self._busy.pop(source, None)
            self._idle.pop(source, None)
            if source in state["idle"]:
                mark, quiet = state["idle"][source]
                self._idle[source] = (int(mark), int(quiet))
            else:
                self._busy[source] = int(state["busy"].get(source, NEVER))
        self._low = int(state["low"])
