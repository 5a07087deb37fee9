"""One file of spooled envelopes: appended to, read in order, removed when all of it has arrived.

A record is its checksum (CRC-32 of all that follows), the length of its value, the number of
events, the length of the topic's name, the name, and the value. What a crash cut off, or a disk
changed, ends the file there.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Segment", "Stored"]

_SUM = struct.Struct("<I")
_HEAD = struct.Struct("<IIH")
PREFIX = _SUM.size + _HEAD.size
LARGEST = 2**26
"""Longer than any envelope: a length beyond it is no length."""


class Stored(NamedTuple):
    """A record as it was read; `end` is where the next one begins."""

    topic: str
    value: bytes
    events: int
    end: int


class _Flight:
    """A record that was read and has not arrived yet."""

    __slots__ = ("arrived", "end", "events")

    def __init__(self, end: int, events: int) -> None:
        self.end = end
        self.events = events
        self.arrived = False


class Segment:
    """One file.

    Parameters
    ----------
    start
        Where to read from; what lies before has arrived.

    Attributes
    ----------
    size
        Bytes of whole records.
    unread
        Events that were not read yet.
    arrived_to
        Offset up to which everything has arrived.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        self.number = int(path.stem)
        self._read_at = self.arrived_to = start
        self._flights: deque[_Flight] = deque()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.unread = 0
        self.size = self._walk(start)
        self.writing = False

    @property
    def fd(self) -> int:
        """Its open file."""
        return self._fd

    @property
    def read_over(self) -> bool:
        """Whether reading has come to its end."""
        return self._read_at >= self.size

    @property
    def drained(self) -> bool:
        """Whether all of it has been read and has arrived."""
        return self.read_over and not self._flights

    def _walk(self, start: int) -> int:
        """Count what is there; return where the last whole record ends."""
        there, at = os.fstat(self._fd).st_size, start
        while at + PREFIX <= there:
            length, events, name = _HEAD.unpack(os.pread(self._fd, _HEAD.size, at + _SUM.size))
            end = at + PREFIX + name + length
            if length > LARGEST or end > there:
                break
            self.unread += events
            at = end
        return at

    def append(self, topic: str, value: bytes, events: int) -> None:
        """Add a record.

        Raises
        ------
        OSError
            The disk is full or broken; the file is as it was before.
        """
        name = topic.encode()
        rest = _HEAD.pack(len(value), events, len(name)) + name + value
        left = memoryview(_SUM.pack(zlib.crc32(rest)) + rest)
        size = len(left)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += size
        self.unread += events

    def read(self) -> Stored | None:
        """Return the next record; None where there is none, or none that can be read.

        A record that is damaged takes all that follow it with it: `unread` says how many.
        """
        at = self._read_at
        if at >= self.size:
            return None
        head = os.pread(self._fd, PREFIX, at)
        if len(head) == PREFIX:
            (check,) = _SUM.unpack_from(head)
            length, events, name = _HEAD.unpack_from(head, _SUM.size)
            if length <= LARGEST:
                body = os.pread(self._fd, name + length, at + PREFIX)
                if zlib.crc32(body, zlib.crc32(head[_SUM.size :])) == check:
                    end = self._read_at = at + PREFIX + name + length
                    self.unread -= events
                    self._flights.append(_Flight(end, events))
                    return Stored(body[:name].decode(), body[name:], events, end)
        self._read_at = self.size
        return None

    def arrive(self, end: int) -> bool:
        """Note that the record that ends there has arrived; return whether the start moved on."""
        for flight in self._flights:
            if flight.end == end:
                flight.arrived = True
                break
        moved = False
        while self._flights and self._flights[0].arrived:
            self.arrived_to = self._flights.popleft().end
            moved = True
        return moved

    def give_up_unread(self) -> int:
        """Leave out what was not read yet; return how many events that are."""
        lost, self.unread = self.unread, 0
        self._read_at = self.size
        return lost

    def close(self) -> None:
        """Write it through to the disk and close it."""
        os.fsync(self._fd)
        os.close(self._fd)

    def remove(self) -> None:
        """Close and delete it."""
        os.close(self._fd)
        self.path.unlink(missing_ok=True)
