"""The spools of a process as one queue: what earlier processes left, then its own."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING

from driftline.publish.envelope import Envelope
from driftline.publish.spool import SEGMENT_BYTES, Spool, abandoned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from driftline.publish.counters import Tally

__all__ = ["Backlog"]

SEGMENTS = 8
"""At least so many make up the bound, so that making room drops no more than an eighth of it."""


class Backlog:
    """Envelopes on disk, first in, first out.

    Parameters
    ----------
    most_bytes
        Beyond this the oldest segment is dropped and counted.
    """

    def __init__(self, folder: Path, most_bytes: int, tally: Tally) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._tally = tally
        self._own: Spool | None = None
        self._spools: list[Spool] = []

    def take_over(self) -> None:
        """Adopt what processes that are gone have left."""
        for spool in abandoned(self._folder):
            self._tally.recovered += spool.recovered
            self._spools.insert(len(self._spools) - (self._own is not None), spool)
        self._drop_empty()

    @property
    def events(self) -> int:
        """Events that are on disk and have not arrived."""
        return sum(spool.events for spool in self._spools)

    @property
    def unread(self) -> bool:
        """Whether there is anything that is not on its way already."""
        return any(spool.unread for spool in self._spools)

    @property
    def fds(self) -> list[int]:
        """Open files of all spools."""
        return [fd for spool in self._spools for fd in spool.fds]

    def append(self, envelope: Envelope) -> None:
        """Add an envelope behind all others, making room for it.

        Raises
        ------
        OSError
            It could not be written.
        """
        size = len(envelope.value)
        while self._size() + size > self._most_bytes and self.unread:
            lost = next(filter(None, (spool.drop_oldest() for spool in self._spools)), 0)
            self._tally.dropped["spool_full"] += lost
        self._mine().append(envelope.topic, envelope.value, envelope.events)

    def put_first(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        """Add envelopes that were on their way, before all others; return those it cannot take."""
        left = deque(envelopes)
        with contextlib.suppress(OSError):
            if left:
                first = self._spools[0] if self._spools else self._mine()
                segment = first.open_first()
                while left:
                    first.add_first(segment, left[0].topic, left[0].value, left[0].events)
                    left.popleft()
        return list(left)

    def read(self) -> Envelope | None:
        """Return the next envelope that is not on its way already."""
        for spool in self._spools:
            while spool.unread:
                found = spool.read()
                if found is not None:
                    stored, place = found
                    return Envelope(stored.topic, stored.value, stored.events, place)
                self._tally.dropped["spool_damaged"] += spool.damaged()
        return None

    def arrive(self, envelope: Envelope) -> None:
        """Note that an envelope has arrived, or is given up."""
        if envelope.place is not None:
            envelope.place.spool.arrive(envelope.place)
            if not envelope.place.spool.events:
                self._drop_empty()

    def close(self) -> None:
        """Close all; what is not sent waits for the next process."""
        for spool in self._spools:
            spool.close()
        self._spools = []
        self._own = None

    def forget(self) -> None:
        """In a fork's child: let go of the parent's files without touching them."""
        for fd in self.fds:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _size(self) -> int:
        return sum(spool.size for spool in self._spools)

    def _mine(self) -> Spool:
        if self._own is None:
            size = max(1, min(SEGMENT_BYTES, self._most_bytes // SEGMENTS))
            self._own = Spool.make(self._folder, size)
            self._spools.append(self._own)
        return self._own

    def _drop_empty(self) -> None:
        for spool in [s for s in self._spools if not s.events and s is not self._own]:
            self._spools.remove(spool)
            spool.close()
