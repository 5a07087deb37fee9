"""A file of JSON lines, in the order of event time, with memory for an index only."""

from __future__ import annotations

import json
import mmap
from array import array
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.events.time import parse_ts_column
from driftline.replay.errors import SourceError
from driftline.replay.feed import UNKNOWN, filled, sorted_order
from driftline.replay.naming import type_of_stem
from driftline.replay.packed import unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from driftline.replay.naming import NamedFile

    _Int64 = npt.NDArray[np.int64]

__all__ = ["LinesFeed", "open_lines"]

PARSED_AT_ONCE = 50_000


class _Head(msgspec.Struct):
    """What is needed of a line to put it in order; the decoder skips the rest."""

    ts: str | int | float | None = None
    model: msgspec.Raw = msgspec.Raw()
    type: msgspec.Raw = msgspec.Raw()


class _Index:
    """Where each line stands, and when its event was."""

    def __init__(self) -> None:
        self.start, self.size, self.row = array("q"), array("q"), array("q")
        self.with_model = self.with_type = self.readable = 0
        self.envelopes = False
        self._waiting: list[Any] = []
        self._parsed: list[npt.NDArray[np.int64]] = []
        self._one = msgspec.json.Decoder(_Head)
        self._many = msgspec.json.Decoder(list[_Head])

    def add(self, row: int, start: int, line: bytes) -> None:
        self.row.append(row)
        self.start.append(start)
        self.size.append(len(line))
        head = self._head(line)
        self._waiting.append(head.ts if head else None)
        if head:
            self.readable += 1
            self.with_model += bool(bytes(head.model))
            self.with_type += bool(bytes(head.type))
        if len(self._waiting) >= PARSED_AT_ONCE:
            self._parse()

    def _head(self, line: bytes) -> _Head | None:
        try:
            if line.startswith(b"["):
                self.envelopes = True
                return next(iter(self._many.decode(line)), None)
            return self._one.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _careful_head(line)

    def _parse(self) -> None:
        us, faulty = parse_ts_column(self._waiting)
        us[faulty] = UNKNOWN
        self._parsed.append(us)
        self._waiting = []

    def times(self) -> npt.NDArray[np.int64]:
        if self._waiting:
            self._parse()
        return np.concatenate(self._parsed) if self._parsed else np.empty(0, dtype=np.int64)


def _careful_head(line: bytes) -> _Head | None:
    """Read what the fast decoder refuses (NaN is no JSON) but the codec may not."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None  # the codec will say what is wrong with it
    event = body[0] if isinstance(body, list) and body else body
    if not isinstance(event, dict):
        return None
    ts = event.get("ts")
    told = {name: msgspec.Raw(b"1") for name in ("model", "type") if name in event}
    return _Head(ts if isinstance(ts, str | int | float) else None, **told)


class LinesFeed:
    """Feed of a file of JSON lines, or of a stretch of its lines; a process can send it to another.

    Made by `open_lines`.

    Attributes
    ----------
    times
        Event time of each line, microseconds, ascending (a line without one has that of the line
        before it), int64 of shape (n,); None in a stretch.
    whole_rows
        Whether each line holds one event, and no array of them.
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        spec: InputSpec,
        index: tuple[_Int64, _Int64, _Int64],
        *,
        times: _Int64 | None = None,
        whole_rows: bool = True,
        first: int = 0,
    ) -> None:
        self.source = source
        self.spec = spec
        self.times = times
        self.whole_rows = whole_rows
        self._path = path
        self._start, self._size, self._row = index
        self._first = first
        self.total = int(self._start.size)
        self._next = 0
        self._map: mmap.mmap | None = None

    def part(self, first: int, last: int) -> LinesFeed:
        """Return the feed of a stretch, with the offsets that its lines have here."""
        cut = slice(first, last)
        index = self._start[cut], self._size[cut], self._row[cut]
        return LinesFeed(self._path, self.source, self.spec, index, first=self._first + first)

    def at(self, offset: int) -> Record:
        """Return one line."""
        at = offset - self._first
        start = int(self._start[at])
        return Record(offset, None, self._mapped()[start : start + int(self._size[at])])

    def read(self, most: int) -> Sequence[Record]:
        """Return the next `most` lines."""
        first, last = self._next, min(self._next + most, self.total)
        self._next = last
        data = self._mapped()
        start, end = self._start[first:last], self._start[first:last] + self._size[first:last]
        return [
            Record(offset, None, data[low:high])
            for offset, (low, high) in enumerate(
                zip(start.tolist(), end.tolist(), strict=True), self._first + first
            )
        ]

    def seek(self, at: int) -> None:
        """Go on with the record of an offset."""
        self._next = at - self._first

    def origin(self, offset: int) -> int:
        """Return the number of a line, from 0."""
        return int(self._row[offset - self._first])

    def close(self) -> None:
        """Close the file; reading goes on from the beginning."""
        if self._map is not None:
            self._map.close()
        self._map, self._next = None, 0

    def _mapped(self) -> mmap.mmap:
        if self._map is None:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None, "_next": 0}


def open_lines(named: NamedFile, model: str | None, spool: Path) -> LinesFeed:
    """Return the feed of a .jsonl file, or of one that is packed (.gz, .zst).

    Parameters
    ----------
    model
        Model of all its events where no line names one.
    spool
        Folder for what is unpacked; whoever made it removes it.

    Notes
    -----
    Measured: 1.3 µs a line of 550 bytes for the index, 32 bytes of memory each.

    Raises
    ------
    SourceError
        The file is empty, or neither its lines nor its name say of what type they are.
    UnreadableError
        It cannot be unpacked.
    """
    path = unpacked(named.path, spool)
    index = _Index()
    with path.open("rb") as file:
        at = 0
        for row, line in enumerate(file):
            bare = line.rstrip()
            if bare:
                index.add(row, at, bare)
            at += len(line)
    if not index.start:
        msg = f"{named.path}: expected events, got an empty file"
        raise SourceError(msg)
    # Lines that all say their type are taken at their word, whatever the file is named.
    kind = None if index.with_type == index.readable > 0 else named.type
    if named.type is None and index.readable and not index.with_type:
        kind = type_of_stem(named.name)
        if kind is None:
            msg = (
                f"{named.path}: expected a field type in its lines, or the type before its "
                f"name: predictions={named.path}"
            )
            raise SourceError(msg)
    fixed = {"model": model} if model and not index.with_model else {}
    times = filled(index.times())
    order = sorted_order(times)
    arrays = [np.frombuffer(each, dtype=np.int64) for each in (index.start, index.size, index.row)]
    if order is not None:
        arrays, times = [each[order] for each in arrays], times[order]
    return LinesFeed(
        path,
        Source(named.name, 0),
        InputSpec(named.name, kind, fixed=fixed),
        (arrays[0], arrays[1], arrays[2]),
        times=times,
        whole_rows=not index.envelopes,
    )
