"""observe: one source partition, from raw records to closed panes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.contract import Contract
from driftline.events.codec import Decoder
from driftline.events.record import UNATTRIBUTED
from driftline.ledger.packing import Packer
from driftline.pipeline.acts import encode_act, is_act
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.emission import Emission
from driftline.pipeline.grouping import Group, group_rows
from driftline.pipeline.lifecycle import LIFECYCLE, kind_of, note_of
from driftline.pipeline.marks import FOREVER, NEVER, encode_mark
from driftline.pipeline.order import SourceOrder
from driftline.pipeline.references import Layouts
from driftline.pipeline.repeats import Repeats
from driftline.stats import Pane, PaneKey, RawRows, encode_pane, fold
from driftline.stats.pane import count_names
from driftline.stats.segments import OTHER_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.contract import Book
    from driftline.events.frame import DeadLetter, Frame, Segment
    from driftline.events.mapping import InputSpec
    from driftline.events.record import RawRecord, Source
    from driftline.pipeline.references import References

DEFAULT_SLOT = Contract(model="").slot
MAX_SEGMENTS = 64
"""Segments of one model in one slot of one partition; further ones are counted as one."""
MAX_NOTES = 200
"""Lifecycle events of one model told apart in one slot of one partition; others are counted."""


@dataclass(slots=True)
class _Open:
    """An open pane, and where the source must be read from again to rebuild it."""

    pane: Pane
    close_at: int
    first_offset: int
    mark_before: int


class Observe:
    """Fold the records of one source partition into panes, and close them by its own event time.

    Pure and synchronous: what comes out depends on the records and their order alone, never on how
    they were cut into batches. Lateness is judged event by event against the running maximum of
    ``ts`` in this source. Its only state is what an uncommitted stretch of the source can rebuild.

    Parameters
    ----------
    start
        Where an earlier owner of this partition stood; None to begin at the beginning.
    span
        Count only events with ``from <= ts < to`` (microseconds; None is open); others are
        `skipped` and touch nothing.
    ledger_partitions
        Of the topic `ledger`.

    Attributes
    ----------
    events
        Events read in the span, by type; `late` and `duplicates` are among them.
    skipped
        Events outside of the span.
    """

    def __init__(
        self,
        source: Source,
        spec: InputSpec,
        book: Book,
        references: References,
        start: Checkpoint | None = None,
        *,
        reject_unknown: bool = False,
        span: tuple[int | None, int | None] = (None, None),
        ledger_partitions: int = 1,
    ) -> None:
        self.source = source
        self._book = book
        self._references = references
        self._lifecycle = spec.type == LIFECYCLE
        self._decoder = Decoder(
            spec, source, Layouts(book, references, reject_unknown=reject_unknown)
        )
        start = start or Checkpoint(0)
        self._mark = start.mark
        self._position = start.offset
        self._resume_at, self._resume_high = start.at, start.high
        self._span = span
        self._open: dict[PaneKey, _Open] = {}
        self._segments: dict[tuple[str, str, int], set[Segment]] = {}
        self._unplaced: list[DeadLetter] = []
        self._acts: list[tuple[bytes, bytes]] = []
        self._repeats = Repeats()
        self._packer = Packer(book, source, ledger_partitions)
        self._sent = NEVER
        # Once a slot is enough: a mark is a message to every partition of `panes`.
        self._tick = min([DEFAULT_SLOT, *(contract.slot for contract in book)])
        self.skipped = 0
        self.events: Counter[str] = Counter()
        self.late = 0
        self.duplicates = 0

    @property
    def mark(self) -> int:
        """Largest event time read so far, microseconds; `NEVER` at first."""
        return self._mark

    @property
    def settled(self) -> bool:
        """Whether it is an input of lifecycle events, and has handed on all that it has read."""
        return self._lifecycle and not self._open and not self._unplaced

    def on_batch(self, records: Sequence[RawRecord]) -> Emission:
        """Take in the next records of this source, in order."""
        if not records:
            return Emission()
        decoded = self._decoder.decode(records)
        frames = [f for f in map(self._within_span, decoded.frames) if f is not None]
        self._position = records[-1].offset + 1
        order = SourceOrder(frames, self._mark, self._resume_at, self._resume_high)
        for number, frame in enumerate(frames):
            self._count(frame, *order.of(number))
        for dead in decoded.dead:
            self._place(dead, order.mark_at(dead.offset))
        if self._unplaced and order.first is not None:
            self._place_waiting(order.first)  # whatever batch it came in
        self._mark = order.mark
        if self._position >= self._resume_at and self._resume_high > self._mark:
            # An earlier owner had let wall time pass here; what comes now is judged by that.
            self._mark = self._resume_high
        return self._emit(decoded.dead)

    def on_idle(self, wall: int, quiet_for: int = 0) -> Emission:
        """Let event time pass as wall time: the source is known to be empty.

        Slots that wall time has passed are closed, and stay closed for what comes later.

        Parameters
        ----------
        wall
            Wall time, microseconds since the epoch.
        quiet_for
            Wall time since the last event was read, microseconds.
        """
        if self._unplaced:
            self._place_waiting(0 if wall == FOREVER else wall)
        passed = [h.close_at for h in self._open.values() if h.close_at <= wall]
        # As far as slots are closed by it and no further: what comes later may well be history.
        self._mark = max(self._mark, *passed) if passed else self._mark
        emission = self._emit([])
        emission.mark = encode_mark(self.source, wall, idle=True, quiet_for=quiet_for)
        # The first batch after this must say at once that the source is back.
        self._sent = NEVER
        return emission

    def finish(self) -> Emission:
        """Close everything: the source has ended for good (replay)."""
        return self.on_idle(FOREVER)

    def checkpoint(self) -> Checkpoint:
        """Return what may be committed once everything emitted so far is durable."""
        offset, mark = self._position, self._mark
        for held in self._open.values():
            if held.first_offset < offset:
                offset, mark = held.first_offset, held.mark_before
        for dead in self._unplaced:
            if dead.offset < offset:
                offset, mark = dead.offset, NEVER
        at = max(self._position, self._resume_at)
        return Checkpoint(offset, mark, at, max(self._mark, self._resume_high))

    def _within_span(self, frame: Frame) -> Frame | None:
        low, high = self._span
        if low is None and high is None:
            return frame
        keep = np.ones(frame.rows, dtype=np.bool_)
        if low is not None:
            keep &= frame.ts >= low
        if high is not None:
            keep &= frame.ts < high
        self.skipped += int(keep.size - keep.sum())
        if keep.all():
            return frame
        return frame.take(np.flatnonzero(keep)) if keep.any() else None

    def _count(
        self, frame: Frame, running: npt.NDArray[np.int64], before: npt.NDArray[np.int64]
    ) -> None:
        contract = self._book.of(frame.model)
        slot = frame.ts // contract.slot * contract.slot
        arrival = running // contract.slot * contract.slot
        late = slot + contract.slot + contract.lateness <= running
        if frame.type == LIFECYCLE:
            # What somebody has done is no statistic: it counts when it comes, however late.
            slot, late = np.where(late, arrival, slot), np.zeros_like(late)
        self.events[frame.type] += frame.rows
        # What was read before the restart is in the ledger.
        self._packer.add(frame, np.where(late, arrival, slot), frame.offset >= self._resume_at)
        kind = frame.type
        rows = np.arange(frame.rows)
        if late.any():
            self.late += int(late.sum())
            for start in np.unique(arrival[late]).tolist():
                here = np.flatnonzero(late & (arrival == start))
                held = self._held(frame.model, (), kind, start, frame, here, before)
                held.pane.late += here.size
            rows = rows[~late[rows]]
        if kind == "prediction" and frame.ids is not None and rows.size:
            repeated = self._repeats.find(frame.model, slot, frame.ids, rows)
            if repeated.size:
                self.duplicates += repeated.size
                for start in np.unique(slot[repeated]).tolist():
                    here = repeated[slot[repeated] == start]
                    held = self._held(frame.model, (), kind, start, frame, here, before)
                    held.pane.duplicates += here.size
                rows = np.setdiff1d(rows, repeated, assume_unique=True)
        if kind == "features" and "source" in frame.values:
            training = np.array([s == "training" for s in frame.values["source"]], dtype=np.bool_)
            offline = rows[training[rows]]
            # A row recomputed offline is a twin of one that was served: it must not count twice.
            self._count_only(frame, "training", slot, offline, before)
            rows = rows[~training[rows]]
        if kind in {"prediction", "features"}:
            self._fold(frame, slot, rows, before)
        elif kind == LIFECYCLE:
            self._note(frame, slot, before)
        else:
            self._count_only(frame, kind, slot, rows, before)
        for there in frame.unknown_fields.values():
            for start in np.unique(slot[there]).tolist():
                here = there[(slot[there] == start) & ~late[there]]
                if here.size:
                    held = self._held(frame.model, (), kind, start, frame, here, before)
                    held.pane.unknown_fields += here.size

    def _count_only(
        self,
        frame: Frame,
        kind: str,
        slot: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        before: npt.NDArray[np.int64],
    ) -> None:
        for start in np.unique(slot[rows]).tolist():
            here = rows[slot[rows] == start]
            events = self._held(frame.model, (), kind, start, frame, here, before).pane.events
            events[kind] = events.get(kind, 0) + here.size

    def _note(
        self, frame: Frame, slot: npt.NDArray[np.int64], before: npt.NDArray[np.int64]
    ) -> None:
        """Count lifecycle events, each that says something of its own in a pane of its own."""
        for row, start in enumerate(slot.tolist()):
            if is_act(frame, row):
                act = encode_act(frame, row, self.source, start)
                self._acts.append((frame.model.encode(), act))
                continue
            kind = kind_of(frame, row)
            if PaneKey(frame.model, (), kind, start) not in self._open:
                about = frame.model, start
                noted = [k for k in self._open if (k.model, k.start) == about and note_of(k.kind)]
                kind = kind if len(noted) < MAX_NOTES else LIFECYCLE
            here = np.array([row])
            events = self._held(frame.model, (), kind, start, frame, here, before).pane.events
            events[LIFECYCLE] = events.get(LIFECYCLE, 0) + 1

    def _fold(
        self,
        frame: Frame,
        slot: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        before: npt.NDArray[np.int64],
    ) -> None:
        if not rows.size:
            return
        binned: list[tuple[Group, _Open]] = []
        for group in group_rows(slot, frame.segments, rows):
            segment = self._bounded_segment(frame.model, frame.type, group)
            held = self._held(
                frame.model, segment, frame.type, group.start, frame, group.rows, before
            )
            pane = held.pane
            pane.events[frame.type] = pane.events.get(frame.type, 0) + group.rows.size
            for name, counted in (("version", pane.versions), ("arm", pane.arms)):
                if frame.type == "prediction" and name in frame.values:
                    count_names(counted, frame.values[name], group.rows)
            if pane.reference is None:
                pane.raw.append(RawRows.of(self.source, frame, group.rows))
            else:
                binned.append((group, held))
        # Panes of one batch nearly always share one reference; it changes once in a model's life.
        for reference in {id(h.pane.reference): h.pane.reference for _, h in binned}.values():
            assert reference is not None
            mine = [(g, h) for g, h in binned if h.pane.reference is reference]
            starts = np.cumsum([0, *(g.rows.size for g, _ in mine[:-1])])
            order = np.concatenate([g.rows for g, _ in mine])
            folded = fold(frame, reference, self.source, order, starts)
            for number, (_, held) in enumerate(mine):
                folded.add_to(held.pane, number)

    def _bounded_segment(self, model: str, kind: str, group: Group) -> Segment:
        if not group.segment:
            return group.segment
        seen = self._segments.setdefault((model, kind, group.start), set())
        if group.segment not in seen and len(seen) >= MAX_SEGMENTS:
            return OTHER_SEGMENT
        seen.add(group.segment)
        return group.segment

    def _held(
        self,
        model: str,
        segment: Segment,
        kind: str,
        start: int,
        frame: Frame,
        rows: npt.NDArray[np.int64],
        before: npt.NDArray[np.int64],
    ) -> _Open:
        first = int(rows[0])
        return self._pane(
            PaneKey(model, segment, kind, start), int(frame.offset[first]), int(before[first])
        )

    def _pane(self, key: PaneKey, offset: int, mark_before: int) -> _Open:
        held = self._open.get(key)
        if held is None:
            contract = self._book.of(key.model)
            reference = self._references.at(key.model, key.start)
            held = self._open[key] = _Open(
                Pane.empty(reference, contract.sample),
                key.start + contract.slot + contract.lateness,
                offset,
                mark_before,
            )
        elif offset < held.first_offset:
            held.first_offset, held.mark_before = offset, mark_before
        return held

    def _place(self, dead: DeadLetter, mark: int) -> None:
        """Count a dead letter in the slot that its source stood in when it came."""
        when = mark
        if mark == NEVER:
            if dead.timestamp is None or dead.timestamp < 0:
                self._unplaced.append(dead)
                return
            when = dead.timestamp * 1000
        model = dead.model or topic_model(self.source)
        start = when // self._book.of(model).slot * self._book.of(model).slot
        self._pane(PaneKey(model, (), "dead", start), dead.offset, mark).pane.dead += 1

    def _place_waiting(self, when: int) -> None:
        for dead in self._unplaced:
            model = dead.model or topic_model(self.source)
            start = when // self._book.of(model).slot * self._book.of(model).slot
            self._pane(PaneKey(model, (), "dead", start), dead.offset, NEVER).pane.dead += 1
        self._unplaced.clear()

    def _emit(self, dead: list[DeadLetter]) -> Emission:
        acts, self._acts = self._acts, []
        emission = Emission(panes=list(acts), ledger=self._packer.take(), dead=dead)
        closed = [key for key, held in self._open.items() if held.close_at <= self._mark]
        # Slots in ascending order: detect tells a repeat by a source's slots never going back.
        closed.sort(key=lambda key: (key.start, key))
        for key in closed:
            held = self._open.pop(key)
            self._segments.pop((key.model, key.kind, key.start), None)
            self._repeats.forget(key.model, key.start)
            if held.close_at <= self._resume_high:
                continue  # published before the restart; this one may lack the events before it
            name = key.model.encode()
            emission.panes.extend((name, m) for m in encode_pane(key, self.source, held.pane))
        # An act waits for the time it came at.
        if closed or acts or self._mark // self._tick > self._sent // self._tick:
            emission.mark = encode_mark(self.source, self._mark)
            self._sent = self._mark
        return emission


def topic_model(source: Source) -> str:
    """Name under which a source's unattributable dead letters are counted."""
    return f"{UNATTRIBUTED}{source.topic}"
