"""Acts on their way from observe to detect: what people do about incidents, by whom and when.

An act goes out with the batch it comes in and waits for no slot to close: it changes no statistic,
and whoever has acknowledged a page wants to see that. In detect it waits until every source has
come to its time, and then counts after the slots that could be closed by then
(`driftline.incidents.acts`). So it makes no difference when it was read.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from driftline.detect import StateError
from driftline.incidents import ACTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.events.frame import Frame
    from driftline.events.record import Source

__all__ = ["Acts", "Waiting", "encode_act", "is_act"]

FIELDS = ("incident", "by", "why", "since", "until", "verdict")
LONGEST = 256
"""Characters of a field that are kept."""
MOST = 100_000
"""Acts on one model that may wait for a lagging source; beyond it the process stops."""
NEVER = 2**62


def is_act(frame: Frame, row: int) -> bool:
    """Return whether a lifecycle event is about incidents."""
    return frame.values["kind"][row] in ACTS


def encode_act(frame: Frame, row: int, source: Source, start: int) -> bytes:
    """Write an act for the `panes` topic.

    Parameters
    ----------
    start
        Of the slot that it is counted in, microseconds.
    """
    told = {name: frame.values[name][row] for name in FIELDS if name in frame.values}
    return orjson.dumps(
        {
            "v": 1,
            "is": "act",
            "model": frame.model,
            "source": str(source),
            "offset": int(frame.offset[row]),
            "index": int(frame.index[row]),
            "start": start,
            "at": int(frame.ts[row]),
            "kind": frame.values["kind"][row],
            "told": {name: _kept(value) for name, value in told.items() if value is not None},
            "events": {"lifecycle": 1},
        }
    )


def _kept(value: Any) -> str | int | float:
    if isinstance(value, bool):
        return "true" if value else "false"  # a verdict, as JSON has it
    return value if isinstance(value, int | float) else str(value)[:LONGEST]


class Waiting(NamedTuple):
    """An act that waits for its time; the first fields put acts in order."""

    at: int
    source: str
    offset: int
    row: int
    kind: str
    told: dict[str, Any]


class Acts:
    """The acts on one model whose time has not come, in order of time; each counts once."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._taken: dict[str, tuple[int, int]] = {}

    def add(self, body: dict[str, Any]) -> None:
        """Take a decoded message; one that came before is passed over.

        Raises
        ------
        StateError
            Too many wait.
        """
        source, place = body["source"], (body["offset"], body["index"])
        if place <= self._taken.get(source, (-1, -1)):
            return
        self._taken[source] = place
        if len(self._waiting) >= MOST:
            msg = (
                f"{body['model']}: expected at most {MOST} acts on incidents waiting for a lagging "
                "source, got more: see which source lags, or who writes them"
            )
            raise StateError(msg)
        act = Waiting(body["at"], source, *place, body["kind"], body["told"])
        heapq.heappush(self._waiting, act)

    @property
    def due(self) -> int:
        """Time of the first one, microseconds."""
        return self._waiting[0].at if self._waiting else NEVER

    def take(self, until: int) -> Iterator[Waiting]:
        """Return those whose time is before `until`, microseconds, and let them go."""
        while self._waiting and self._waiting[0].at < until:
            yield heapq.heappop(self._waiting)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "waiting": [list(act) for act in sorted(self._waiting)],
            "taken": {source: list(place) for source, place in self._taken.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._waiting = [Waiting(*act) for act in state["waiting"]]
        self._taken = {source: (at, index) for source, (at, index) in state["taken"].items()}
