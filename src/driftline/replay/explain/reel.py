"""Events around a moment out of a long source: found by bisection, taken in a bounded number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from driftline.contract.types import HOUR
from driftline.events.codec import Decoder
from driftline.events.layouts import AnyModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from driftline.events.frame import Frame
    from driftline.events.mapping import InputSpec
    from driftline.events.record import RawRecord, Source

__all__ = ["Around", "Reel", "Stretch", "stretch_around"]

MOST_RECORDS = 30_000
"""On either side of a change, over all sources: 20 features of them take half a second each."""
CUTS = 24
"""Places, evenly spread, at which a longer stretch is looked at."""
PEEK = 16
"""Records looked at to learn which time it is at a place."""


class Reel(Protocol):
    """A source that can be read from any place, its events about in the order of their time."""

    @property
    def source(self) -> Source:
        """What the records belong to."""
        ...

    @property
    def spec(self) -> InputSpec:
        """How they are read."""
        ...

    @property
    def ends(self) -> tuple[int, int]:
        """The first place, and the one behind the last."""
        ...

    def read(self, at: int, most: int) -> Sequence[RawRecord]:
        """Return up to `most` records from a place on; none at the end."""
        ...

    def origin(self, offset: int) -> int:
        """Return where a record stood: its row in the file from 0, or its Kafka offset."""
        ...


class Around(NamedTuple):
    """Event time to look at, microseconds: from `first` over the change to `last`."""

    first: int
    change: int
    last: int


class Stretch(NamedTuple):
    """What was taken of one source.

    Attributes
    ----------
    frames
        Events of all models, as they came.
    cover
        From when to when, microseconds, all that came was taken: pieces that do not overlap.
    whole
        Whether nothing between the ends was left out.
    gone
        Whether the source begins only after the first moment asked for.
    """

    source: Source
    frames: list[Frame]
    cover: list[tuple[int, int]]
    whole: bool
    gone: bool


class _Times:
    """Tells which time it is at a place."""

    def __init__(self, reel: Reel, decoder: Decoder) -> None:
        self._reel = reel
        self._decoder = decoder

    def at(self, place: int) -> int | None:
        """Return the event time of the first that can be read from there on; None: none can."""
        frames = self._decoder.decode(self._reel.read(place, PEEK)).frames
        return min((int(frame.ts[0]) for frame in frames), default=None)

    def bisect(self, moment: int, low: int, high: int) -> int:
        """Return the first place whose event is not before a moment."""
        while low < high:
            middle = (low + high) // 2
            time = self.at(middle)
            if time is None or time >= moment:
                high = middle
            else:
                low = middle + 1
        return low


def stretch_around(reel: Reel, around: Around, slack: int, most: int = MOST_RECORDS) -> Stretch:
    """Take events from before a change until after it.

    Parameters
    ----------
    slack
        How far events may be out of order, microseconds.
    most
        Records to take on either side, about; of more, `CUTS` pieces that are spread evenly.

    Notes
    -----
    Some 50 reads to find the places, then one for every piece.
    """
    decoder = Decoder(reel.spec, reel.source, AnyModel(HOUR))
    times = _Times(reel, decoder)
    low, high = reel.ends
    first = times.bisect(around.first - slack, low, high)
    change = times.bisect(around.change, first, high)
    last = times.bisect(around.last + slack, change, high)
    begun = times.at(low) if first == low < high else None
    frames: list[Frame] = []
    cover: list[tuple[int, int]] = []
    whole = True
    sides = (first, change, around.first, around.change), (change, last, around.change, around.last)
    for start, end, begins, ends in sides:
        whole &= end - start <= most
        pieces = _pieces(start, end, most)
        for at, size in pieces:
            held: list[Frame] = []
            for records in _read(reel, at, min(end, at + size)):
                held += decoder.decode(records).frames
            frames += held
            seen = _span(held)
            # Before the first event of a side, and after its last one, there was none.
            low = begins if at == start else seen[0]
            high = ends if at + size >= end else seen[1]
            if low < high:
                cover.append((low, high))
        if not pieces:
            cover.append((begins, ends))
    gone = high <= low or (begun is not None and begun > around.change)
    return Stretch(reel.source, frames, cover, whole, gone)


def _span(frames: Sequence[Frame]) -> tuple[int, int]:
    if not frames:
        return 0, 0
    return min(int(f.ts.min()) for f in frames), max(int(f.ts.max()) for f in frames)


def _pieces(start: int, end: int, most: int) -> list[tuple[int, int]]:
    """Return places and sizes that cover a stretch, or as much of it as may be taken."""
    if end - start <= most:
        return [(start, end - start)] if end > start else []
    size = max(1, most // CUTS)
    # Pieces stand at both ends: what just followed the change is the most telling.
    return [(int(at), size) for at in np.linspace(start, end - size, CUTS)]


def _read(reel: Reel, at: int, end: int) -> Iterator[Sequence[RawRecord]]:
    while at < end:
        records = [each for each in reel.read(at, end - at) if each.offset < end]
        if not records:
            return
        yield records
        at = records[-1].offset + 1
