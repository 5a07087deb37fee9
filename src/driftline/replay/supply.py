"""Sources as stretches: files cut between slots, partitions one stretch after the other."""

from __future__ import annotations

from itertools import pairwise
from math import lcm
from typing import TYPE_CHECKING, Protocol

import numpy as np

from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.marks import NEVER
from driftline.pipeline.observe import DEFAULT_SLOT
from driftline.replay.feed import UNKNOWN
from driftline.replay.folder import FolderFile
from driftline.replay.stretch import Observed, Stretch

if TYPE_CHECKING:
    from driftline.events.codec import Decoder
    from driftline.events.mapping import InputSpec
    from driftline.events.record import Record
    from driftline.replay.feed import Feed
    from driftline.replay.stretch import Plan
    from driftline.replay.topics import PartitionFeed

__all__ = ["FileSupply", "PartitionSupply", "SortedFeed", "Supply", "supply_of"]

RECORDS = 32_000
"""Of a stretch: some seven MB of panes on their way, and a fifth of a second of work."""
FIRST = 8_000
"""Of the first one: what a warm-up learns from is needed before all else."""
TRIED = 50
"""Slots at whose end a cut is tried before a file is left whole from there on."""
REREAD = 4
"""A stretch is that many times as long as what it has to read again, so that this stays cheap."""


class SortedFeed(Protocol):
    """What cutting asks of a file's feed."""

    spec: InputSpec
    total: int
    times: np.ndarray | None
    whole_rows: bool

    def part(self, first: int, last: int) -> Feed:
        """Return the feed of some of its rows."""
        ...

    def at(self, offset: int) -> Record:
        """Return one row."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Supply(Protocol):
    """The stretches of one source, in order."""

    place: int
    begins: int
    """Event time before which it has nothing, microseconds; `NEVER` where that is not known."""

    def next(self) -> Stretch | None:
        """Return the next stretch, or None where there is none (yet)."""
        ...

    def done(self, observed: Observed) -> None:
        """Take what a stretch has left to the next one."""
        ...

    def judged(self) -> None:
        """Learn that all steps of the earliest stretch have been judged: nobody reads it again."""
        ...

    @property
    def ended(self) -> bool:
        """Whether all stretches have been given out."""
        ...


def supply_of(feed: Feed, place: int, plan: Plan) -> Supply:
    """Return the supply of a feed."""
    if isinstance(feed, FolderFile):
        return FolderSupply(feed, place, plan)
    if getattr(feed, "times", None) is None:
        return PartitionSupply(feed, place)  # type: ignore[arg-type]
    return FileSupply(feed, place, plan)


class FileSupply:
    """Stretches of a file: each begins with a slot of every model."""

    def __init__(self, feed: Feed, place: int, plan: Plan) -> None:
        self.place = place
        times = feed.times  # type: ignore[attr-defined]
        self.begins = int(times[0]) if times[0] != UNKNOWN else NEVER
        cuts = [0, *cuts_of(feed, plan), feed.total]  # type: ignore[arg-type]
        self._stretches = [
            Stretch(
                place,
                number,
                feed.part(first, last),  # type: ignore[attr-defined]
                int(times[first]) if number else self.begins,
                None,
                last == feed.total,
            )
            for number, (first, last) in enumerate(pairwise(cuts))
        ]
        self._given = 0

    def next(self) -> Stretch | None:
        """Return the next stretch, or None after the last."""
        if self.ended:
            return None
        self._given += 1
        return self._stretches[self._given - 1]

    def done(self, observed: Observed) -> None:
        """Do nothing: stretches of a file do not depend on each other."""

    def judged(self) -> None:
        """Do nothing: whoever opened the file closes it."""

    @property
    def ended(self) -> bool:
        """Whether all stretches have been given out."""
        return self._given == len(self._stretches)


class FolderSupply:
    """Stretches of a file of a folder, which is open only while they are given out."""

    def __init__(self, feed: FolderFile, place: int, plan: Plan) -> None:
        self.place = place
        self.begins = feed.begins
        self._feed = feed
        self._plan = plan
        self._open: FileSupply | None = None
        self._left = 0
        self._closed = False

    def next(self) -> Stretch | None:
        """Return the next stretch, or None after the last."""
        if self._closed or self.ended:
            return None
        if self._open is None:
            self._open = FileSupply(self._feed.open(), self.place, self._plan)
        self._left += 1
        return self._open.next()

    def done(self, observed: Observed) -> None:
        """Do nothing: stretches of a file do not depend on each other."""

    def judged(self) -> None:
        """Let go of the file once all its stretches have been judged."""
        self._left -= 1
        if self.ended and not self._left:
            self._open, self._closed = None, True
            self._feed.close()

    @property
    def ended(self) -> bool:
        """Whether all stretches have been given out."""
        return self._closed or (self._open is not None and self._open.ended)


def cuts_of(feed: SortedFeed, plan: Plan) -> list[int]:
    """Return the rows at which a file may be cut, ascending, without its ends.

    A cut stands where a slot of every model begins, between two rows that can both be read: then no
    pane, no late event and no place of a dead letter depends on what lies on its other side.
    """
    times = feed.times
    if times is None or not feed.whole_rows:
        return []
    common = lcm(DEFAULT_SLOT, *(contract.slot for contract in plan.book))
    low, high = plan.span
    decoder = plan.decoder(feed)  # type: ignore[arg-type]
    cuts: list[int] = []
    wanted = FIRST
    rows = int(times.size)
    while wanted < rows:
        cut = None
        edge = int(times[wanted]) // common * common
        for _ in range(TRIED):
            row = int(np.searchsorted(times, edge))
            if row >= rows:
                return cuts
            inside = (low is None or times[row - 1] >= low) and (high is None or times[row] < high)
            if row > (cuts[-1] if cuts else 0) and inside and _readable(decoder, feed, row):
                cut = row
                break
            edge = int(times[row]) // common * common + common
        if cut is None:
            return cuts
        cuts.append(cut)
        wanted = max(cut + 1, wanted + RECORDS)
    return cuts


def _readable(decoder: Decoder, feed: SortedFeed, row: int) -> bool:
    """Tell whether the rows on both sides of a cut are events."""
    return row > 0 and all(
        not (found := decoder.decode([feed.at(each)])).dead and len(found.frames) == 1
        for each in (row - 1, row)
    )


class PartitionSupply:
    """Stretches of a partition: each begins where the one before it has ended."""

    def __init__(self, feed: PartitionFeed, place: int) -> None:
        self.place = place
        self.begins = NEVER
        self._feed = feed
        self._number = 0
        self._at = feed.span.start
        self._left: Checkpoint | None = Checkpoint(self._at, at=self._at)

    def next(self) -> Stretch | None:
        """Return the next stretch, once what came of the one before it is there."""
        if self._left is None or self.ended:
            return None
        start, self._left = self._left, None
        again = self._at - start.offset
        end = min(self._feed.span.end, self._at + max(RECORDS, REREAD * again))
        feed = self._feed.part(start.offset, self._at, end)
        self._at = end
        begins = start.high if start.high != NEVER else NEVER
        self._number += 1
        return Stretch(self.place, self._number - 1, feed, begins, start, self.ended)

    def done(self, observed: Observed) -> None:
        """Take the checkpoint that a stretch has left."""
        self._left = observed.checkpoint

    def judged(self) -> None:
        """Do nothing: a partition is nothing that is held."""

    @property
    def ended(self) -> bool:
        """Whether all stretches have been given out."""
        return self._number > 0 and self._at >= self._feed.span.end
