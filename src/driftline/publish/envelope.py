"""Envelopes: many events of one model and type in one message, a JSON array.

The codec decodes such an array at one go, with the type it has learnt of that model; an array of
several models it would have to take apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.events.parse import split_envelope

if TYPE_CHECKING:
    from driftline.publish.spool import Place

__all__ = ["Envelope", "Packer"]


@dataclass(slots=True)
class Envelope:
    """One message.

    Attributes
    ----------
    place
        Where it stands in the spool, for one that came from there.
    born
        Its number in its lane.
    """

    topic: str
    value: bytes
    events: int
    place: Place | None = None
    born: int = 0

    def halves(self) -> list[Envelope]:
        """Return two smaller ones, or none where there is only one event."""
        parts = (split_envelope(self.value, self.events) or []) if self.events > 1 else []
        middle = len(parts) // 2
        return [
            Envelope(self.topic, joined(part, len(part)), len(part))
            for part in (parts[:middle], parts[middle:])
            if part
        ]


class _Open:
    """An envelope that is being filled; parts are one or more events each."""

    __slots__ = ("events", "parts", "size", "topic")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.parts: list[bytes] = []
        self.events = 0
        self.size = 2


class Packer:
    """Gathers encoded events until an envelope is full.

    Parameters
    ----------
    events, size
        Most events, and most bytes, in one. An event that is larger stands alone.
    """

    def __init__(self, events: int, size: int) -> None:
        self.events = events
        self.size = size
        self._open: dict[tuple[str, str], _Open] = {}

    @property
    def held(self) -> bool:
        """Whether anything waits."""
        return bool(self._open)

    def add(self, topic: str, model: str, data: bytes, events: int = 1) -> Envelope | None:
        """Add an event, or several separated by commas; return an envelope that is full now."""
        key = (topic, model)
        held, full = self._open.get(key), None
        if held is not None and (
            held.size + len(data) + 1 > self.size or held.events + events > self.events
        ):
            full, held = self._close(key), None
        if held is None:
            held = self._open[key] = _Open(topic)
        held.parts.append(data)
        held.size += len(data) + 1
        held.events += events
        if full is None and held.events >= self.events:
            return self._close(key)
        return full

    def close(self) -> list[Envelope]:
        """Return all that wait as envelopes."""
        return [self._close(key) for key in list(self._open)]

    def _close(self, key: tuple[str, str]) -> Envelope:
        held = self._open.pop(key)
        return Envelope(held.topic, joined(held.parts, held.events), held.events)


def joined(parts: list[bytes], events: int) -> bytes:
    """Return one event as it is, several as an array."""
    return parts[0] if events == 1 else b"[" + b",".join(parts) + b"]"
