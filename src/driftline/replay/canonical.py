"""Outputs in canonical order: by event time, then model, then incident, then id.

Live or replayed, in one process or many, the same events give the same files. Values are sorted on
disk: what is held in memory does not grow with how many there are.
"""

from __future__ import annotations

import heapq
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from driftline.errors import DriftlineError
from driftline.events.time import read_ts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Key", "Sorted", "event_key", "is_live", "window_key"]

HELD_BYTES = 64 * 2**20
MERGED_AT_ONCE = 200
"""Runs that are open files at the same time."""


class Key(NamedTuple):
    """What an output is sorted by."""

    time: int
    model: str
    group: str
    number: int
    name: str


class _Data(msgspec.Struct):
    model: str | None = None
    incident: str | None = None
    number: int = 0
    live: bool = False


class _Event(msgspec.Struct):
    id: str
    time: str
    data: _Data


class _Window(msgspec.Struct):
    id: str
    model: str
    end: str | None = None
    as_of: str | None = None


_EVENTS = msgspec.json.Decoder(_Event)
_WINDOWS = msgspec.json.Decoder(_Window)


def event_key(value: bytes) -> Key:
    """Return the key of an alert or a feedback event.

    Raises
    ------
    DriftlineError
        It is neither.
    """
    try:
        event = _EVENTS.decode(value)
    except msgspec.DecodeError as error:
        msg = f"expected an alert or a feedback event, got {value[:60]!r}"
        raise DriftlineError(msg) from error
    about = event.data
    return Key(read_ts(event.time), about.model or "", about.incident or "", about.number, event.id)


def is_live(value: bytes) -> bool:
    """Return whether a feedback event is of what only a running worker can see."""
    return b'"live":true' in value and _EVENTS.decode(value).data.live


def window_key(value: bytes) -> Key:
    """Return the key of a window.

    Raises
    ------
    DriftlineError
        It is none.
    """
    try:
        window = _WINDOWS.decode(value)
    except msgspec.DecodeError as error:
        msg = f"expected a window, got {value[:60]!r}"
        raise DriftlineError(msg) from error
    end = window.end or window.as_of
    if end is None:
        msg = f"expected a window with an end, got {value[:60]!r}"
        raise DriftlineError(msg)
    told = 0 if window.as_of is None else read_ts(window.as_of)
    return Key(read_ts(end), window.model, "", told, window.id)


class Sorted:
    """Take values in any order, and write them in order of their keys, each once.

    Parameters
    ----------
    spool
        Folder for sorted runs; whoever made it removes it.

    Attributes
    ----------
    differing
        Values that came again under the key of an earlier, different one; the first is kept.
        Anything but 0 is a fault of the pipeline.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._held: list[tuple[Key, bytes]] = []
        self._size = 0
        self._runs: list[Path] = []
        self.differing = 0

    def add(self, key: Key, value: bytes) -> None:
        """Take one value: a line of JSON, without a newline in it."""
        self._held.append((key, value))
        self._size += len(value) + 200
        if self._size >= HELD_BYTES:
            self._write_run()

    def extend(self, values: Iterable[tuple[Key, bytes]]) -> None:
        """Take many values."""
        for key, value in values:
            self.add(key, value)

    def spill(self) -> list[Path]:
        """Put all that is held on disk, and return the sorted runs, for `adopt`."""
        if self._held:
            self._write_run()
        return self._runs

    def adopt(self, runs: Iterable[Path]) -> None:
        """Take the runs of another, made before anything that is added from now on."""
        self._runs += runs

    def write(self, path: Path) -> int:
        """Write all values as lines; return how many there are."""
        count = 0
        with path.open("wb") as out:
            for value in self._merged():
                out.write(value)
                out.write(b"\n")
                count += 1
        return count

    def _merged(self) -> Iterator[bytes]:
        self._held.sort(key=_by_key)
        last: tuple[Key, bytes] | None = None
        while len(self._runs) > MERGED_AT_ONCE:
            self._merge_runs()
        files = [path.open("rb") for path in self._runs]
        try:
            runs: list[Iterable[tuple[Key, bytes]]] = [*map(_read_run, files), self._held]
            for key, value in heapq.merge(*runs, key=_by_key):
                if last is not None and key == last[0]:
                    self.differing += value != last[1]
                    continue
                last = key, value
                yield value
        finally:
            for file in files:
                file.close()

    def _write_run(self) -> None:
        self._held.sort(key=_by_key)
        self._runs.append(_write_run(self._spool, self._held))
        self._held.clear()
        self._size = 0

    def _merge_runs(self) -> None:
        """Merge the oldest runs into one that stays the oldest: the first of equals is kept."""
        oldest, self._runs = self._runs[:MERGED_AT_ONCE], self._runs[MERGED_AT_ONCE:]
        files = [path.open("rb") for path in oldest]
        merged = heapq.merge(*map(_read_run, files), key=_by_key)
        self._runs.insert(0, _write_run(self._spool, merged))
        for file, path in zip(files, oldest, strict=True):
            file.close()
            path.unlink()


def _by_key(item: tuple[Key, Any]) -> Key:
    return item[0]


def _write_run(spool: Path, items: Iterable[tuple[Key, bytes]]) -> Path:
    with NamedTemporaryFile(dir=spool, suffix=".run", delete=False) as out:
        for key, value in items:
            out.write(orjson.dumps(list(key)))
            out.write(b"\n")
            out.write(value)
            out.write(b"\n")
    return spool / out.name


def _read_run(file: IO[bytes]) -> Iterator[tuple[Key, bytes]]:
    for key, value in zip(file, file, strict=True):  # two lines a value
        yield Key(*orjson.loads(key)), value[:-1]
