"""What waits on disk while the broker is away: a folder of segments that belongs to one process.

The folder holds a lock as long as its process lives, whichever way it ends. Folders whose lock is
free were left by processes that are gone; whoever finds one takes it over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import uuid
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from driftline.publish.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from driftline.publish.segment import Stored

__all__ = ["Place", "Spool", "abandoned"]

LOCK, CURSOR, SUFFIX = "lock", "cursor", ".spool"
FIRST = 1_000_000
"""Number of the first segment; what was on its way when the process ends is put before it."""
SEGMENT_BYTES = 4 * 2**20
"""A full segment is left for the next; it is what is dropped at a time when disk runs out."""
_CURSOR = struct.Struct("<QQ")


class Place(NamedTuple):
    """Where an envelope stands on disk."""

    spool: Spool
    segment: Segment
    end: int
    events: int


class Spool:
    """A folder of segments, locked.

    Parameters
    ----------
    folder
        Exists, and `lock` is its open lock.

    Attributes
    ----------
    events
        Events that are there and have not arrived: read ones too.
    recovered
        Events that were there when it was opened.
    """

    def __init__(self, folder: Path, lock: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._cursor = os.open(folder / CURSOR, os.O_RDWR | os.O_CREAT, 0o600)
        self._segments = deque(self._found())
        # Never used twice: the cursor names a segment by its number.
        self._next = max(FIRST, self._told()[0] + 1, *(s.number + 1 for s in self._segments))
        self.events = self.recovered = sum(each.unread for each in self._segments)

    @classmethod
    def make(cls, parent: Path, segment_bytes: int = SEGMENT_BYTES) -> Spool:
        """Make a folder of this process's own below `parent`."""
        name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        hidden = parent / f".{name}"
        hidden.mkdir(parents=True)
        lock = os.open(hidden / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Seen by others from here on, and locked already.
        return cls(hidden.rename(parent / name), lock, segment_bytes)

    @classmethod
    def adopt(cls, folder: Path) -> Spool | None:
        """Take over a folder; None where its process lives, or somebody else was quicker."""
        try:
            lock = os.open(folder / LOCK, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(folder, lock)
        except OSError:
            os.close(lock)
            return None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def fds(self) -> list[int]:
        """Open files: a fork's child closes its copies."""
        return [self._lock, self._cursor, *(segment.fd for segment in self._segments)]

    @property
    def unread(self) -> int:
        """Events that were not read yet."""
        return sum(segment.unread for segment in self._segments)

    def append(self, topic: str, value: bytes, events: int) -> None:
        """Add an envelope behind all others.

        Raises
        ------
        OSError
            It could not be written; nothing has changed.
        """
        last = self._segments[-1] if self._segments else None
        if last is None or not last.writing or last.size >= self._segment_bytes:
            if last is not None and last.writing:
                os.fsync(last.fd)
            new = self._segment(self._next)
            self._next += 1
            if last is not None:
                last.writing = False
            new.writing = True
            self._segments.append(new)
            last = new
        last.append(topic, value, events)
        self.events += events

    def open_first(self) -> Segment:
        """Return a new segment before all others, for `add_first`."""
        first = self._segments[0].number - 1 if self._segments else self._next - 1
        segment = self._segment(first)
        self._segments.appendleft(segment)
        self._point(segment, 0)
        return segment

    def add_first(self, segment: Segment, topic: str, value: bytes, events: int) -> None:
        """Add an envelope to the segment that `open_first` made.

        Raises
        ------
        OSError
            It could not be written; nothing has changed.
        """
        segment.append(topic, value, events)
        self.events += events

    def read(self) -> tuple[Stored, Place] | None:
        """Return the next envelope that was not read yet."""
        for segment in self._segments:
            stored = segment.read()
            if stored is not None:
                return stored, Place(self, segment, stored.end, stored.events)
            if segment.unread:
                return None
        return None

    def arrive(self, place: Place) -> None:
        """Note that an envelope has arrived; what has arrived as a whole is removed."""
        self.events -= place.events
        moved = place.segment.arrive(place.end)
        self._tidy()
        if moved and self._segments and self._segments[0] is place.segment:
            self._point(place.segment, place.segment.arrived_to)

    def damaged(self) -> int:
        """Leave out what cannot be read; return how many events that are."""
        lost = 0
        for segment in self._segments:
            if segment.unread and segment.read_over:
                lost += segment.give_up_unread()
        self.events -= lost
        self._tidy()
        return lost

    def drop_oldest(self) -> int:
        """Leave out the oldest segment that holds something unread; return how many events."""
        for segment in self._segments:
            if segment.unread:
                segment.writing = False
                lost = segment.give_up_unread()
                self.events -= lost
                self._tidy()
                return lost
        return 0

    def close(self) -> None:
        """Leave the folder to whoever comes next; remove it where nothing is in it."""
        for segment in self._segments:
            segment.close()
        os.close(self._cursor)
        if not self.events:
            for name in (*(s.path.name for s in self._segments), CURSOR, LOCK):
                (self.folder / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        os.close(self._lock)

    def _told(self) -> tuple[int, int]:
        told = os.pread(self._cursor, _CURSOR.size, 0)
        return _CURSOR.unpack(told) if len(told) == _CURSOR.size else (0, 0)

    def _found(self) -> Iterator[Segment]:
        number, start = self._told()
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if not path.stem.isdigit() or int(path.stem) < number:
                path.unlink(missing_ok=True)
                continue
            yield Segment(path, start if int(path.stem) == number else 0)

    def _segment(self, number: int) -> Segment:
        return Segment(self.folder / f"{number:016d}{SUFFIX}")

    def _point(self, segment: Segment, offset: int) -> None:
        """Remember up to where everything has arrived; only saves a successor some repeats."""
        os.pwrite(self._cursor, _CURSOR.pack(segment.number, offset), 0)

    def _tidy(self) -> None:
        """Remove segments from the front that have arrived as a whole."""
        while self._segments:
            first = self._segments[0]
            if not first.drained:
                return
            self._segments.popleft()
            first.remove()


def abandoned(parent: Path) -> Iterator[Spool]:
    """Take over what processes that are gone have left below `parent`, oldest first."""
    try:
        folders = sorted(
            (path for path in parent.iterdir() if path.is_dir() and path.name[0] != "."),
            key=lambda path: path.stat().st_mtime,
        )
    except OSError:
        return
    for folder in folders:
        spool = Spool.adopt(folder)
        if spool is not None:
            yield spool
