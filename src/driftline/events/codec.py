"""The decoder: raw records of one source in, frames and dead letters out.

Every element takes the fast path first (`plan`, `block`): a struct type learnt from the model's
earlier events decodes it straight into typed values. What that refuses takes the careful path
(`careful`), which decides what it means or names its fault. Both give the same frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from driftline.events.assemble import frames_of_events, merge_frames
from driftline.events.block import build_frame, row_keys, spread
from driftline.events.careful import Reader
from driftline.events.errors import Fault
from driftline.events.fields import EVENT_TYPES
from driftline.events.frame import DeadLetter, Decoded
from driftline.events.gather import Gathered
from driftline.events.keys import count_keys
from driftline.events.limits import Limits
from driftline.events.parse import BLANK, nulled, parse_element, split_envelope
from driftline.events.plan import Plan
from driftline.events.rows import Block, Rows, places_of
from driftline.events.wording import ROOT, inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from driftline.events.assemble import Placed
    from driftline.events.frame import EventType, Frame
    from driftline.events.layouts import Layouts
    from driftline.events.mapping import InputSpec
    from driftline.events.record import RawRecord, Source

__all__ = ["Decoder", "Limits"]

Key = tuple[str, "EventType"]
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
PLANS = 2_000
"""Plans held at most; a topic with more models than this learns the forgotten ones again."""
RETRIES = 8
WORTH_A_RETRY = 16
"""Elements that must be left for a plan just taught to be tried on them."""
GOT_CHARS = 200
CHUNK = 200
"""Elements decoded before their values are moved to columns: while they are still in the cache.
(20 features: 1.4 µs an event with 200, 2.2 with 5,000.)"""


@dataclass(slots=True)
class _Work:
    """What one call has come to so far."""

    frames: dict[Key, list[Frame]] = field(default_factory=dict)
    events: dict[Key, list[Placed]] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    open: set[Key] = field(default_factory=set)


class Decoder:
    """Decode the records of one source.

    Parameters
    ----------
    spec
        What the input's events are and where they keep their fields.
    source
        Named in dead letters.
    layouts
        Expected columns by model; asked once a call for each model that comes.
    limits
        What one event may ask for.
    """

    def __init__(
        self, spec: InputSpec, source: Source, layouts: Layouts, limits: Limits | None = None
    ) -> None:
        self._spec = spec
        self._source = source
        self._layouts = layouts
        self._limits = limits or Limits()
        self._reader = Reader(spec, layouts, self._limits)
        self._plans: dict[Key, Plan] = {}
        model = spec.fields.get("model", "model").rpartition(".")[2]
        type_ = spec.fields.get("type", "type").rpartition(".")[2]
        self._model_at = _peek(model)
        self._type_at = _peek(type_)

    def decode(self, records: Sequence[RawRecord]) -> Decoded:
        """Decode a batch of records, given in the order of their offsets.

        Whatever the bytes are, each element ends in one row of one frame or in one dead letter.
        How the records were cut into batches makes no difference to either.

        Returns
        -------
        Decoded
            One frame for each model and type (more only beyond `Limits.cells`), ordered by their
            first rows, and dead letters in source order.
        """
        work = _Work()
        elements, envelopes = self._sort_out(records, work)
        if envelopes.data:
            single = len(elements.data)
            self._read_envelopes(envelopes, elements, work)
            if 0 < single < len(elements.data):
                elements = elements.sorted()
        if elements.data:
            self._read_elements(elements, work)
        return self._finish(work)

    def _sort_out(self, records: Sequence[RawRecord], work: _Work) -> tuple[Rows, Rows]:
        """Tell single events, envelopes, and what is nothing at all apart."""
        values = [record.value for record in records]
        odd = [i for i, value in enumerate(values) if not value or value[0] != 0x7B]
        offsets = [record.offset for record in records]
        stamps = [-1 if (stamp := record.timestamp) is None else stamp for record in records]
        envelopes = Rows()
        single: list[Any] = values
        if not odd:
            return Rows(single, offsets, [None] * len(values), stamps), envelopes
        plain = sorted(set(range(len(values))).difference(odd))
        elements = Rows(single, offsets, [None] * len(values), stamps).pick(plain)
        for i in odd:
            value = values[i]
            if value is None:
                fault = Fault(ROOT, "an event", "a tombstone (null value)", code="empty")
                self._bury(work, b"", offsets[i], None, stamps[i], fault)
            elif value.lstrip(BLANK)[:1] == b"[":
                envelopes.add(value, offsets[i], None, stamps[i])
            else:
                elements.add(value, offsets[i], None, stamps[i])
        return elements, envelopes

    def _read_envelopes(self, rows: Rows, elements: Rows, work: _Work) -> None:
        """Read arrays of events at one go where all are alike; hand on the elements of others."""
        left: Iterator[int] | range = range(len(rows.data))
        for key, at in self._by_key(rows).items():
            plan = self._ready(key, work)
            if plan is not None:
                refused = self._fast(plan, rows.pick(at), work, many=True)
                done = set(at).difference(at[i] for i in refused)
                left = iter([i for i in left if i not in done])
        for i in left:
            data, offset, stamp = rows.data[i], rows.offset[i], rows.stamp[i]
            try:
                for index, part in enumerate(self._split(data)):
                    elements.add(part, offset, index, stamp)
            except Fault as fault:
                self._bury(work, data, offset, None, stamp, fault)

    def _split(self, data: bytes) -> list[bytes]:
        limits = self._limits
        if len(data) > limits.envelope_bytes:
            expected = f"at most {limits.envelope_bytes} bytes"
            raise Fault(ROOT, expected, f"{len(data)} bytes", code="too_large")
        parts = split_envelope(data, limits.envelope_events)
        if parts is None:
            # The array itself is broken: parsing it says where.
            parse_element(data, limits.depth + 1)
            got = "an array whose brackets do not match"
            raise Fault(ROOT, "JSON", got, code="not_json")
        return parts

    def _read_elements(self, rows: Rows, work: _Work) -> None:
        """Read elements: the fast path where there is a plan, else the careful one."""
        for key, at in self._by_key(rows).items():
            part = rows if len(at) == len(rows.data) else rows.pick(at)
            for _ in range(RETRIES):
                plan = self._ready(key, work)
                if plan is not None:
                    part = part.pick(self._fast(plan, part, work, many=False))
                part = self._careful(part, key, work)
                if not part.data:
                    break
            else:
                self._careful(part, None, work)

    def _by_key(self, rows: Rows) -> dict[Key | None, Sequence[int]]:
        """Guess each element's model and type, without trusting the guess."""
        if len(self._plans) == 1:
            # Its types verify model and type; what it refuses is looked at one by one.
            return {next(iter(self._plans)): range(len(rows.data))}
        found: dict[Any, list[int]] = {}
        fixed = self._spec.fixed.get("model")
        for i, data in enumerate(rows.data):
            model = fixed if fixed is not None else _first(self._model_at, data)
            type_ = self._spec.type or _first(self._type_at, data)
            found.setdefault((model, type_), []).append(i)
        keys: dict[Key | None, Sequence[int]] = {}
        strange: list[int] = []
        for (model, type_), at in found.items():
            name = model if isinstance(model, str) or model is None else _text(model)
            kind = type_ if isinstance(type_, str) or type_ is None else _text(type_)
            if name is not None and kind in EVENT_TYPES:
                keys[name, kind] = at
            else:
                strange += at
        if strange:
            keys[None] = sorted(strange)
        return keys

    def _ready(self, key: Key | None, work: _Work) -> Plan | None:
        """Return a plan that can be used now."""
        plan = None if key is None else self._plans.get(key)
        if plan is None or key is None:
            return None
        if key not in work.open:
            if not self._layouts.accepts(plan.model):
                return None
            work.open.add(key)
        plan.refresh(self._layouts.kinds(plan.model))
        return plan if plan.decode is not None else None

    def _fast(self, plan: Plan, rows: Rows, work: _Work, *, many: bool) -> list[int]:
        """Decode what the plan takes; return the positions of the rest."""
        limits = self._limits
        refused: list[int] = []
        block = Block(Gathered(plan.root))
        decode: Any = plan.decode_many if many else plan.decode
        # A message of several events is bounded by its parts, not known one by one here.
        longest = min(limits.element_bytes, limits.envelope_bytes if many else limits.element_bytes)
        for start in range(0, len(rows.data), CHUNK):
            structs: list[Any] = []
            for i, data in enumerate(rows.data[start : start + CHUNK], start):
                try:
                    found = decode(data)
                except _REFUSED:
                    found = _mended(decode, data)
                    if found is None:
                        refused.append(i)
                        continue
                    block.mended.add(len(block.units))
                if len(data) > longest or (many and len(found) > limits.envelope_events):
                    refused.append(i)
                    block.mended.discard(len(block.units))
                elif many:
                    structs += found
                    block.take(i, len(found))
                    if len(structs) >= CHUNK:
                        block.gathered.add(structs)
                        structs = []
                else:
                    structs.append(found)
                    block.units.append(i)
            block.gathered.add(structs)
            if block.gathered.rows * max(1, plan.columns) > limits.cells:
                refused += self._columns(plan, rows, block, work)
                block = Block(Gathered(plan.root))
        refused += self._columns(plan, rows, block, work)
        return sorted(refused)

    def _columns(self, plan: Plan, rows: Rows, block: Block, work: _Work) -> list[int]:
        """Make a frame of decoded rows; return positions of what has to be read carefully."""
        refused: list[int] = []
        ahead = self._layouts.max_ahead(plan.model)
        while block.gathered.rows:
            mended = [row for unit in block.mended for row in block.rows_of(unit)]
            columns = spread(plan, block.gathered, mended)
            places = places_of(rows, block)
            frame = build_frame(plan, columns, places, ahead, self._limits)
            if frame is None:
                wrong = block.units_of(columns.bad)
            elif count_keys([rows.data[i] for i in block.units]) != columns.keys:
                wrong = {
                    unit
                    for unit, i in enumerate(block.units)
                    if _doubtful(block.gathered, block.rows_of(unit), rows.data[i])
                }
            else:
                wrong = set()
            if frame is not None and not wrong:
                work.frames.setdefault((plan.model, plan.type), []).append(frame)
                plan.note(frame.rows, columns.idle)
                return refused
            refused += [block.units[unit] for unit in wrong]
            block = block.without(wrong)
        return refused

    def _careful(self, rows: Rows, key: Key | None, work: _Work) -> Rows:
        """Read one by one; stop early, with the rest, when the plan for `key` has learnt."""
        for at, data in enumerate(rows.data):
            offset, index, stamp = rows.offset[at], rows.index[at], rows.stamp[at]
            try:
                event = self._reader.read(data, stamp)
            except Fault as fault:
                self._bury(work, data, offset, index, stamp, fault)
                continue
            found = event.model, event.type
            work.events.setdefault(found, []).append((event, offset, index or 0))
            learnt = event.type != "lifecycle" and self._plan(found).learn(event)
            if learnt and found == key and len(rows.data) - at > WORTH_A_RETRY:
                return rows.pick(range(at + 1, len(rows.data)))
        return Rows()

    def _plan(self, key: Key) -> Plan:
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS:
                del self._plans[next(iter(self._plans))]
            model, type_ = key
            shape = self._reader.shape(type_)
            plan = self._plans[key] = Plan(model, type_, shape, self._spec.fixed, self._limits)
        return plan

    def _bury(
        self,
        work: _Work,
        data: bytes,
        offset: int,
        index: int | None,
        stamp: int,
        fault: Fault,
    ) -> None:
        model = self._spec.fixed.get("model") or fault.model
        if model is None:
            seen = _first(self._model_at, data[:65_536])
            model = None if seen is None else _text(seen)
        if model is not None and not self._layouts.known(model):
            model = model if fault.model and self._layouts.accepts(model) else None
        work.dead.append(
            DeadLetter(
                source=self._source,
                offset=offset,
                index=index or 0,
                timestamp=None if stamp < 0 else stamp,
                value=data,
                path=inside(index, fault.path),
                expected=fault.expected,
                got=fault.got[:GOT_CHARS],
                model=model,
                code=fault.code,
            )
        )

    def _finish(self, work: _Work) -> Decoded:
        for key, events in work.events.items():
            events.sort(key=_place)
            kinds = self._layouts.kinds(key[0])
            frames = frames_of_events(events, kinds, self._limits)
            work.frames.setdefault(key, []).extend(frames)
        frames = [
            frame for parts in work.frames.values() for frame in merge_frames(parts, self._limits)
        ]
        frames.sort(key=lambda frame: (int(frame.offset[0]), int(frame.index[0])))
        work.dead.sort(key=lambda dead: (dead.offset, dead.index))
        return Decoded(frames, work.dead)


def _place(placed: Placed) -> tuple[int, int]:
    return placed[1], placed[2]


def _peek(key: str) -> re.Pattern[bytes]:
    name = re.escape(key.encode())
    return re.compile(rb'"' + name + rb'"[ \t\r\n]*:[ \t\r\n]*"([^"\\]{1,800})"')


def _first(pattern: re.Pattern[bytes], data: bytes) -> bytes | None:
    match = pattern.search(data)
    return match[1] if match else None


def _text(name: bytes) -> str | None:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None


def _mended(decode: Any, data: bytes) -> Any:
    clean = nulled(data)
    if clean is None:
        return None
    try:
        return decode(clean)
    except _REFUSED:
        return None


def _doubtful(gathered: Gathered, rows: range, data: bytes) -> bool:
    keys = count_keys([data])
    return keys < 0 or keys != sum(row_keys(gathered, row) for row in rows)
