"""One model in detect: its open slots, windows, detectors and incidents."""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from driftline.contract import HOUR
from driftline.detect import Liveness, StateError, Unread
from driftline.events.record import Source
from driftline.incidents import ANNOUNCING, Context, Incidents, Served, Told, drill_message
from driftline.pipeline.acts import Acts
from driftline.pipeline.drill import Drills
from driftline.pipeline.follow_up import FollowUp
from driftline.pipeline.lifecycle import DRIFT_ACCEPTED, PRACTICE_ACCEPTED, note_of
from driftline.pipeline.output import Output
from driftline.pipeline.progress import Progress
from driftline.pipeline.references import reference_message
from driftline.pipeline.renewal import Renewal
from driftline.pipeline.saved import read_panes, read_slot, save_panes, save_slot
from driftline.pipeline.slots import OpenSlot
from driftline.pipeline.standing import MONTH, Standing
from driftline.pipeline.warmup import WarmUp
from driftline.pipeline.watched import Watched
from driftline.stats import (
    Pane,
    Sample,
    Windows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Contract
    from driftline.detect import Finding, Slot
    from driftline.events.frame import Segment
    from driftline.pipeline.references import References
    from driftline.stats import PaneMessage, Reference

FORMAT = 4
RECENT_SLOTS = 64
"""Slots whose panes are kept to describe what an alert is about."""
MOVING_SLOTS = 60
"""Slots (an hour at least) after a reference has followed another one, in which panes may have been
binned before observe had heard of it: it is ahead by the lateness, and by what partitions lag."""
MAX_OPEN_SLOTS = 100_000
"""Slots of one model that may wait for a lagging source; beyond it the process stops."""


class Model:
    """All that detect keeps of one model. Pure: panes and marks in, messages out.

    Slots close in ascending order, each once, when every source has passed them; a pane that comes
    twice is dropped, and one that comes for a closed slot is counted as late.
    """

    def __init__(self, name: str, contract: Contract, references: References) -> None:
        self.name = name
        self._contract = contract
        self._references = references
        self._open: dict[int, OpenSlot] = {}
        self._closed_to = -(2**62)
        self._progress = Progress()
        self._overdue = Pane.empty(None, 0)
        self._watched: Watched | None = None
        self._warmup = self._new_warm_up()
        self._renewal = Renewal(contract)
        self._windows = Windows(name, contract.windows)
        self.liveness = Liveness(contract)
        self._unread = Unread(contract)
        self._drills = Drills(contract)
        self._follow_up = FollowUp(contract)
        self._incidents = Incidents(contract)
        self._acts = Acts()
        # A slot that begins before t has been closed once the low mark is this far past t.
        self._behind = contract.lateness + contract.slot
        self._recent: deque[tuple[int, Pane]] = deque(maxlen=RECENT_SLOTS)
        self._topics: set[str] = set()
        self._notes: set[str] = set()
        self._served = Served()
        self.offset = -1
        """Offset of the last `panes` message in this state."""

    @property
    def next_close(self) -> int:
        """Low mark at which something is to be done next, microseconds."""
        slot = min(self._open, default=2**62) + self._contract.slot
        closing = min(slot, self._windows.next_end, self._follow_up.due) + self._contract.lateness
        return min(closing, self._acts.due)

    @property
    def deadline(self) -> int:
        """Event time at which time alone has something to tell, microseconds."""
        return min(self.liveness.deadline, self._incidents.due + self._behind)

    @property
    def warming_up(self) -> int:
        """Rows held while there is no reference yet."""
        return self._warmup.rows

    @property
    def standing(self) -> Standing:
        """How the model stands now."""
        incidents = self._incidents
        pages = incidents.pages_since(self._closed_to - MONTH)
        judged = self._watched is not None
        return Standing(self.name, incidents.severities, pages, not judged, self._drills.due)

    def on_pane(self, message: PaneMessage) -> None:
        """Merge one pane of one source partition into its slot."""
        key = message.key
        beyond = self._progress.repeats(message)
        if beyond is not None:
            self._overdue.late += beyond
            return
        told = {key.kind} if note_of(key.kind) is not None else set()
        if key.start < self._closed_to:
            # Its source had been thought idle. What came too late is counted, in the next slot.
            self._overdue.late += message.pane.rows + message.pane.late
            self._overdue.dead += message.pane.dead
            self._overdue.duplicates += message.pane.duplicates
            self._notes |= told
            return
        slot = self._slot(key.start)
        slot.merge(key.segment, message.pane)
        slot.topics.add(message.source.topic)
        slot.notes |= told

    def on_joined(self, body: dict[str, Any]) -> None:
        """Take what a partition of the ledger has joined in a slot: a decoded message."""
        joined = self._follow_up.read(body)
        if joined is not None:
            # Its inputs had been thought idle, if that slot has closed: it counts in the next one.
            self._slot(max(joined.start, self._closed_to)).join(joined.cells)

    def on_act(self, body: dict[str, Any]) -> None:
        """Take what somebody does about an incident: a decoded message."""
        self._acts.add(body)

    def _slot(self, start: int) -> OpenSlot:
        slot = self._open.get(start)
        if slot is None:
            if len(self._open) >= MAX_OPEN_SLOTS:
                msg = (
                    f"{self.name}: expected at most {MAX_OPEN_SLOTS} slots waiting for a lagging "
                    "source, got more: choose a longer slot, or see which source lags"
                )
                raise StateError(msg)
            slot = self._open[start] = OpenSlot()
        return slot

    def close(self, low: int) -> Output:
        """Close every slot and window that all sources have passed, in order, and act meanwhile."""
        out = Output()
        done = low - self._contract.lateness
        for start in sorted(s for s in self._open if s + self._contract.slot <= done):
            self._act(start + self._behind, out)
            self._pass(start, out)
            self._publish_windows(start, out, passed=True)
            self._close_slot(start, self._open.pop(start), out)
        self._act(low + 1, out)
        self._publish_windows(done, out, passed=False)
        return out

    def _act(self, until: int, out: Output) -> None:
        """Take the acts before a time: of the slots, those that could be closed by then count."""
        for act in self._acts.take(until):
            self._pass(act.at - self._behind, out)
            self._topics.add(Source.parse(act.source).topic)
            context = self._context(act.at - self._contract.lateness)
            out.add(self._incidents.on_act(act.kind, act.at, act.told, context))

    def _publish_windows(self, until: int, out: Output, *, passed: bool) -> None:
        out.windows.extend((key, value) for _, key, value in self._windows.close(until))
        self._follow_up.tell(until, out, passed=passed, drifted=self._incidents.drifting)

    def _close_slot(self, start: int, slot: OpenSlot, out: Output) -> None:
        end = start + self._contract.slot
        reference = self._references.at(self.name, start)
        segments = slot.on(reference, moving=self._is_moving(start))
        if len(segments) == 1 and () in segments:
            overall = segments[()]
        else:
            overall = Pane.empty(reference, self._contract.sample)
            for _, pane in sorted(segments.items()):
                overall.merge(pane)
        overall.merge(self._overdue)
        self._overdue = Pane.empty(None, 0)
        self._closed_to = end
        out.closed.append(end)
        self._topics |= slot.topics
        self._windows.add(start, (), overall)
        for segment, pane in sorted(segments.items()):
            if segment:
                self._windows.add(start, segment, pane)
        findings: list[Finding] = self.liveness.on_slot(start, end, overall)
        findings += self._unread.on_slot(start, end, overall)
        findings += self._follow_up.step(start, end, slot.joined)
        notes = slot.notes | self._notes
        if any(note.what == PRACTICE_ACCEPTED for note in map(note_of, notes) if note):
            findings += self._follow_up.on_practice_accepted(end)
        if reference is None:
            self._warm_up(start, segments, out)
        elif overall.rows:
            watched = self._watch(reference)
            findings += self._detect(watched, watched.slot(start, end, overall), segments, out)
        self._served = Served(overall.events.get("prediction", 0), overall.versions, overall.arms)
        self._report(findings, end, out)
        self._note(notes, end, out)

    def _is_moving(self, start: int) -> bool:
        """Return whether observe may not have known the reference of a slot in time."""
        followed = self._references.followed(self.name, start)
        return followed is not None and start < followed + max(
            HOUR, MOVING_SLOTS * self._contract.slot
        )

    @property
    def _reference(self) -> Reference | None:
        """What the last slot was judged by."""
        return self._watched.reference if self._watched is not None else None

    def _watch(self, reference: Reference) -> Watched:
        if self._watched is None or self._watched.reference is not reference:
            self._watched = Watched(self._contract, reference)
            self._renewal.on_reference(reference)
        return self._watched

    def _detect(
        self, watched: Watched, slot: Slot, segments: dict[Segment, Pane], out: Output
    ) -> list[Finding]:
        drilled = None
        if not self._renewal.collecting:
            # Before the detectors take it: a drill that begins here copies them as they are.
            drilled = self._drills.step(slot, watched.detectors, self._incidents.troubled)
        findings = watched.step(slot, segments)
        for segment, evidence in watched.standing.items():
            self._windows.note(slot.start, segment, evidence)
        if drilled is not None:
            out.feedback.append(drill_message(drilled, self._contract))
            findings += [drilled.finding] if drilled.finding is not None else []
        findings = self._renewal.unmuted(findings)
        self._renew(slot, segments, out)
        slot.pane.sample, slot.pane.comoments = Sample.empty(0, 0), None
        self._recent.append((slot.start, slot.pane))
        return findings

    def _note(self, notes: set[str], end: int, out: Output) -> None:
        """Take what a slot has told of the model, and let its reference move on after that."""
        self._notes.clear()
        for note in filter(None, map(note_of, sorted(notes))):
            told = Told(end, None if note.what == DRIFT_ACCEPTED else note.about, note.by, note.why)
            out.feedback.extend(self._incidents.on_lifecycle(note.what, told))
            if note.what in ANNOUNCING:
                self._follow_up.on_replaced(note.what, end)
        out.windows.extend(self._incidents.history(end))
        for change in self._renewal.take(notes, self._reference, end, self._incidents.beside):
            if self._reference is None and change.feature is None:
                # What was collected before is of what has been replaced.
                self._warmup = self._new_warm_up()

    def _renew(self, slot: Slot, segments: dict[Segment, Pane], out: Output) -> None:
        reference = self._renewal.collect(slot, segments)
        if reference is None:
            return
        version = self._renewal.version
        self._renewal.done()
        self._references.hold(reference, slot.end, version)
        out.references.append(reference_message(reference, slot.end, version))

    def _new_warm_up(self) -> WarmUp:
        contract = self._contract
        return WarmUp(self.name, contract.slot, contract.reference.events, contract.segments.most)

    def _warm_up(self, start: int, segments: dict[Segment, Pane], out: Output) -> None:
        self._warmup.hold(start, segments)
        reference = self._warmup.build()
        if reference is None:
            return
        holds_from = start + self._contract.slot
        self._references.hold(reference, holds_from)
        out.references.append(reference_message(reference, holds_from))
        for slot, segment, pane in self._warmup.binned(reference):
            self._windows.add(slot, (), pane)
            if segment:
                self._windows.add(slot, segment, pane)
        self._warmup = self._new_warm_up()

    def on_time(self, until: int) -> Output:
        """Report what follows from event time having reached `until` (microseconds) without events.

        What is published names the moment at which a silence became one, not `until`: how far time
        had come when somebody looked must not show.
        """
        out = Output()
        self._pass(until - self._behind, out)
        return out

    def _pass(self, moment: int, out: Output) -> None:
        """Tell what time alone has done by a moment: what falls silent, what is due."""
        for finding in self.liveness.on_time(moment + self._behind):
            self._report([finding], finding.detected_at, out)
        if self._incidents.due <= moment:
            out.add(self._incidents.on_time(self._context(moment)))

    def _report(self, findings: Sequence[Finding], now: int, out: Output) -> None:
        out.add(self._incidents.step(findings, self._context(now)))

    def _context(self, now: int) -> Context:
        return Context(
            now=now,
            reference=self._reference,
            recent=self._recent,
            topics=tuple(sorted(self._topics)),
            served=self._served,
        )

    def snapshot(self) -> bytes:
        """Return the whole state; `restore` of a new object continues bit for bit alike."""
        state = {
            "format": FORMAT,
            "contract": self._contract.fingerprint,
            "reference": self._reference.id if self._reference else None,
            "offset": self.offset,
            "closed_to": self._closed_to,
            "overdue": save_panes({((), ""): self._overdue}),
            "topics": sorted(self._topics),
            "notes": sorted(self._notes),
            "progress": self._progress.snapshot(),
            "open": [[start, save_slot(slot)] for start, slot in sorted(self._open.items())],
            "recent": [[start, save_panes({((), ""): pane})] for start, pane in self._recent],
            "windows": self._windows.snapshot(),
            "evidence": self._windows.evidence(),
            "warmup": self._warmup.snapshot(),
            "renewal": self._renewal.snapshot(),
            **(self._watched.snapshot() if self._watched is not None else {}),
            "liveness": self.liveness.snapshot(),
            "unread": self._unread.snapshot(),
            "drills": self._drills.snapshot(),
            "follow_up": self._follow_up.snapshot(),
            "incidents": self._incidents.snapshot(),
            "acts": self._acts.snapshot(),
        }
        # Raw rows of a warm-up are bulky text; a message has a largest size.
        return zlib.compress(msgspec.msgpack.encode(state), 1)

    def restore(self, data: bytes) -> None:
        """Take up what `snapshot` gave.

        Raises
        ------
        StateError
            Not such a state, or one of another format.
        """
        try:
            state = msgspec.msgpack.decode(zlib.decompress(data))
            if state["format"] != FORMAT:
                msg = f"state of {self.name}: expected format {FORMAT}, got {state['format']!r}"
                raise StateError(msg)
            self._restore(state)
        except (zlib.error, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            msg = f"state of {self.name}: cannot be read: {type(error).__name__}: {error}"
            raise StateError(msg) from error

    def _restore(self, state: dict[str, Any]) -> None:
        find = self._references.find
        self.offset = state["offset"]
        self._closed_to = state["closed_to"]
        self._overdue = read_panes(state["overdue"], self.name, find)[(), ""]
        self._topics, self._notes = set(state["topics"]), set(state["notes"])
        self._progress.restore(state["progress"])
        task = self._follow_up.task_of(state["follow_up"])
        self._open = {
            start: read_slot(saved, self.name, find, task) for start, saved in state["open"]
        }
        self._recent.extend(
            (start, read_panes(panes, self.name, find)[(), ""]) for start, panes in state["recent"]
        )
        self._windows.restore(state["windows"], find, state.get("evidence", ()))
        self._warmup.restore(state["warmup"])
        self.liveness.restore(state["liveness"])
        self._unread.restore(state["unread"])
        self._incidents.restore(state["incidents"])
        self._acts.restore(state["acts"])
        self._follow_up.restore(state["follow_up"])
        if state["reference"] is None:
            self._drills.restore(state["drills"], None)
            self._renewal.restore(state["renewal"], None)
            return
        reference = find(self.name, state["reference"])
        if reference is None:
            msg = f"its reference {state['reference']} is not on the references topic"
            raise ValueError(msg)
        self._watched = Watched(self._contract, reference)
        self._watched.restore(state)
        self._drills.restore(state["drills"], reference)
        self._renewal.restore(state["renewal"], reference)
