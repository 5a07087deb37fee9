"""A stretch of a source, observed by itself: what a process is given, and what it gives back.

Panes know their slot, and slots do not know each other: a file in order of time, cut where a slot
ends, gives the same panes as the whole. A partition, which is in no such order, is cut anywhere:
each stretch takes up the checkpoint that the one before it left, as a worker does after a restart.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from driftline.events.codec import Decoder
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.marks import encode_mark
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import Layouts
from driftline.replay.driver import CHUNK_RECORDS
from driftline.replay.judge import Step, step_of

if TYPE_CHECKING:
    from driftline.contract import Book
    from driftline.events.record import Source
    from driftline.pipeline.references import References
    from driftline.replay.feed import Feed

__all__ = ["Observed", "Plan", "Stretch", "observe", "read_plan", "write_plan"]

NOTE = b'"kind":"lifecycle/'
ACT = b'"is":"act"'
HEAD_BYTES = 2_048
"""Of a pane, in which its kind stands behind its model."""


class Plan(NamedTuple):
    """What is the same for all stretches of a replay.

    Attributes
    ----------
    book
        By which the sources are observed.
    references
        As they are before anything has been read.
    """

    book: Book
    references: References
    sources: list[Source]
    span: tuple[int | None, int | None]
    reject_unknown: bool

    def decoder(self, feed: Feed) -> Decoder:
        """Return what reads a feed's records."""
        layouts = Layouts(self.book, self.references, reject_unknown=self.reject_unknown)
        return Decoder(feed.spec, feed.source, layouts)


class Stretch(NamedTuple):
    """Some records of a source.

    Attributes
    ----------
    place
        Of the source among the replay's.
    number
        Of the stretch in its source.
    begins
        Event time from which on it has to be judged, microseconds.
    start
        Where the stretch before it left a partition; None in a file, which is cut between slots.
    final
        Whether the source ends with it.
    """

    place: int
    number: int
    feed: Feed
    begins: int
    start: Checkpoint | None
    final: bool

    @property
    def name(self) -> str:
        """What it is called among the stretches of its replay."""
        return f"{self.place:05}-{self.number:06}"


class Observed(msgspec.Struct, array_like=True):
    """What a stretch came to.

    Attributes
    ----------
    known
        How many of the references made on the way were known to who observed it.
    skipped
        Events outside of the span.
    noted
        Whether lifecycle events are in it: they may change what is normal.
    offset, mark, at, high
        Of the `Checkpoint` that it leaves.
    """

    steps: list[Step]
    known: int
    skipped: int
    noted: bool
    offset: int
    mark: int
    at: int
    high: int

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the next stretch of a partition begins."""
        return Checkpoint(self.offset, self.mark, self.at, self.high)


def write_plan(plan: Plan, folder: Path) -> None:
    """Put a plan where those who observe will find it."""
    (folder / "plan").write_bytes(pickle.dumps(plan))


def read_plan(folder: Path) -> Plan:
    """Return a plan of one's own: what is learnt on the way is learnt by this one alone."""
    plan: Plan = pickle.loads((folder / "plan").read_bytes())  # noqa: S301 - we wrote it
    return plan


class _Known:
    """The plan of a folder, with as many of the references made on the way as were asked for."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.plan = read_plan(self.folder)
        self.learnt = 0

    def learn(self, known: int) -> Plan:
        for number in range(self.learnt, known):
            self.plan.references.add((self.folder / f"reference-{number}").read_bytes())
        self.learnt = max(self.learnt, known)
        return self.plan


_known = lru_cache(maxsize=2)(_Known)


def observe(folder: str, known: int, stretch: Stretch) -> bytes:
    """Observe a stretch, and return an encoded `Observed`.

    Parameters
    ----------
    folder
        With the plan, and the references made on the way, ``reference-0`` and so on.
    known
        How many of these there are.
    """
    return msgspec.msgpack.encode(_observe(_known(folder).learn(known), known, stretch))


def _observe(plan: Plan, known: int, stretch: Stretch) -> Observed:
    feed, start = stretch.feed, stretch.start
    observer = Observe(
        feed.source,
        feed.spec,
        plan.book,
        plan.references,
        start,
        span=plan.span,
        reject_unknown=plan.reject_unknown,
    )
    read_to = 0 if start is None else start.at
    steps = []
    again = 0
    try:
        while records := feed.read(CHUNK_RECORDS):
            # Those that the stretch before has read come first, in a batch of their own.
            fresh = records[0].offset >= read_to
            emission = observer.on_batch(records)
            emission.dead = [each for each in emission.dead if each.offset >= read_to]
            if not fresh:
                # Slots that were closed then are not told again; what people did would be.
                emission.panes = []
                again = observer.skipped
            steps.append(step_of(emission, feed, observer.mark, len(records) if fresh else 0))
        at, left = observer.mark, observer.checkpoint()
        if stretch.final or start is None:
            emission = observer.finish()
            if not stretch.final:
                # All its slots are whole, and the source goes on.
                emission.mark = encode_mark(feed.source, at)
            steps.append(step_of(emission, feed, at, 0))
    finally:
        feed.close()
    heads = (pane[:HEAD_BYTES] for step in steps for _, pane in step.panes)
    noted = any(NOTE in head or ACT in head for head in heads)
    skipped = observer.skipped - again
    return Observed(steps, known, skipped, noted, left.offset, left.mark, left.at, left.high)
