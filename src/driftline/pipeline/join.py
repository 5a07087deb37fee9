"""join: one partition of the `ledger` topic, from entries to what the joined rows sum up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np
import orjson

from driftline.ledger.claims import Claims
from driftline.ledger.entries import Entries
from driftline.ledger.entry import (
    MOST,
    PREDICTION,
    ROWS,
    SAID,
    Claim,
    Part,
    Told,
    differ,
    named,
    part_of,
)
from driftline.ledger.entry import pack as pack_entry
from driftline.ledger.entry import unpack as unpack_entry
from driftline.ledger.packing import KEPT, unpack
from driftline.ledger.summing import Summing
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.joined import encode_joined
from driftline.pipeline.marks import NEVER, Marks, encode_mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from driftline.contract import Book, Contract
    from driftline.events.record import RawRecord, Source
    from driftline.ledger.cell import Cell
    from driftline.ledger.packing import Packed, Section
    from driftline.ledger.store import Store

_NOTHING: list[Part] = []
MOST_WAITING = 20_000
"""Claims that wait to be summed, some 12 MB. A sum of one row takes 0.2 ms, one of a thousand 4:
labels that trickle into many windows and segments are summed when their slot closes, not at each
mark. Fewer than `driftline.ledger.counts.MOST_CODES`: no code is rounded before `coarse` does."""
MARK = b"{"
"""How a mark begins, which is JSON; packed entries are a MessagePack array."""


@dataclass(slots=True)
class Joining:
    """What a step of `Join` has to say: ``cells`` by key to `panes`, then ``mark`` to all of it."""

    cells: list[tuple[bytes, bytes]] = field(default_factory=list)
    mark: bytes | None = None


@dataclass(slots=True)
class _Open:
    """What has been joined in one slot of one model, and from where on it is read again."""

    close_at: int
    first_offset: int
    cells: dict[int, Cell]


class _Plan(NamedTuple):
    """What joining needs of a contract; times in microseconds."""

    model: str
    summing: Summing
    slot: int
    lateness: int
    step: int
    span: int
    horizon: int

    @classmethod
    def of(cls, contract: Contract) -> _Plan | None:
        """Return it, or None for a contract that asks for no join."""
        if not contract.joins:
            return None
        return cls(
            contract.model,
            Summing.of(contract),
            contract.slot,
            contract.lateness,
            contract.step,
            contract.span,
            contract.horizon,
        )


class Join:
    """Keep what is known of each prediction, and sum up what belongs together.

    Pure but for the store, and synchronous. What comes out depends on the set of entries, not on
    the order in which the partitions of the inputs were read: a slot is closed when the marks of
    all inputs have passed it, and what an entry adds is worked out from the set of its parts
    (`driftline.ledger.entry`). Parts remember the message that brought them, so that messages read
    again after a restart see the entry as it was before them, and add the same once more; slots
    that were closed by then are not closed again.

    Parameters
    ----------
    source
        The partition of the ledger.
    inputs
        Every source partition of every input.
    start
        Where an earlier owner stood; None to begin at the beginning.
    """

    def __init__(
        self,
        source: Source,
        inputs: Sequence[Source],
        book: Book,
        store: Store,
        start: Checkpoint | None = None,
    ) -> None:
        self.source = source
        self._book = book
        self._entries = Entries(store)
        self._marks = Marks(inputs)
        start = start or Checkpoint(0)
        self._position = start.offset
        self._low = NEVER
        self._resume_at, self._resume_high = start.at, start.high
        self._open: dict[tuple[str, int], _Open] = {}
        self._claims: dict[tuple[str, int, int], Claims] = {}
        self._waiting = 0
        self._plans: dict[str, _Plan | None] = {}
        self._sent = NEVER
        self._tick = min([contract.slot for contract in book if contract.joins], default=1)
        self.entries = 0

    @property
    def stored(self) -> int:
        """Offset up to which the store holds the partition's entries.

        Where that lies before the start, `rebuild` has to be given what is missing.
        """
        return self._entries.position

    @property
    def low(self) -> int:
        """Event time that all inputs have passed, microseconds; `NEVER` at first."""
        return self._low

    def rebuild(self, records: Sequence[RawRecord]) -> None:
        """Take entries into a store that lacks them; nothing is summed."""
        self._take(records, quiet=True)

    def on_batch(self, records: Sequence[RawRecord]) -> Joining:
        """Take in the next records of the partition, in order."""
        return self._take(records, quiet=False)

    def _take(self, records: Sequence[RawRecord], *, quiet: bool) -> Joining:
        out = Joining()
        messages = [(record, _unpacked(record.value or b"")) for record in records]
        held = self._entries.get({k for _, each in messages for _, keys in each[1] for k in keys})
        changed: dict[bytes, bytes] = {}
        for record, (message, keyed) in messages:
            if message is None:
                if not quiet:
                    self._advance(record.value or b"", out)
                continue
            place = crc32(message.source.encode())
            for section, keys in keyed:
                plan = self._plan(section.model)
                if plan is None:
                    continue  # its contract asks for it no more
                found: list[tuple[Claim, int]] = []
                new: list[Part] = []
                rows = 0
                for key, part in zip(keys, _parts(section, place, record.offset), strict=True):
                    value = held.get(key)
                    if value is None and part.kind == PREDICTION:
                        # Half of what most joins see: nothing is known of it, and so it is new.
                        new.append(part)
                        held[key] = changed[key] = pack_entry([part])
                        continue
                    known = before = [] if value is None else unpack_entry(value)
                    if known:
                        # Read again, it sees what was there before it.
                        before = known[: known.index(part)] if part in known else known
                        if part.origin in [each.origin for each in before]:
                            continue  # sent again by an observe that had not been able to commit
                    rows += 1
                    excess = _excess(before, part) if len(before) > 1 else None
                    found += excess or differ(before, part, plan.horizon)
                    if before is known and not excess:
                        held[key] = changed[key] = pack_entry([*known, part])
                if not quiet:
                    self.entries += rows + len(new)
                    self._claim(plan, new, found, record.offset)
        if records:
            end = records[-1].offset + 1
            self._position = max(self._position, end)
            self._entries.put(changed, end)
        return out

    def _claim(
        self, plan: _Plan, new: list[Part], found: list[tuple[Claim, int]], offset: int
    ) -> None:
        """Have new predictions and other claims of a message wait to be summed."""
        made: dict[tuple[int, int], list[Told]] = {}
        for _, _, ts, at, _, body in new:
            made.setdefault((at, ts // plan.span), []).append((ts, body))
        for place, told in made.items():
            waiting = self._waiting_in(plan, *place, offset)
            if waiting is not None:
                waiting.predicted(told)
                self._waiting += len(told)
        places: dict[tuple[int, int], Claims | None] = {}
        for claim, times in found:
            about = claim.prediction or claim.label or claim.decision or claim.outcome
            about = about or claim.served or claim.trained
            assert about is not None
            place = claim.at, about[0] // plan.span
            if place not in places:
                places[place] = self._waiting_in(plan, *place, offset)
            waiting = places[place]
            if waiting is not None:
                waiting.add(claim, times)
                self._waiting += 1
        if self._waiting >= MOST_WAITING:
            self._sum()

    def _waiting_in(self, plan: _Plan, at: int, window: int, offset: int) -> Claims | None:
        """Return where claims of a slot and a window wait; None where they are published."""
        closed_to = max(self._low, self._resume_high)
        # In the last slot of its step, with which the step is closed.
        at = at // plan.step * plan.step + plan.step - plan.slot
        if at + plan.slot + plan.lateness <= closed_to:
            if offset < self._resume_at:
                return None  # published before the restart
            # An input had been thought idle: it counts in the first slot that is still open.
            at = (closed_to - plan.lateness) // plan.slot * plan.slot
        if (plan.model, at) not in self._open:
            self._open[plan.model, at] = _Open(at + plan.slot + plan.lateness, offset, {})
        return self._claims.setdefault((plan.model, at, window * plan.span), Claims())

    def _sum(self) -> None:
        """Sum the claims that wait: many at a time, as there may be many windows and segments."""
        for model in sorted({model for model, _, _ in self._claims}):
            mine = {key[1:]: counted for key, counted in self._claims.items() if key[0] == model}
            plan = self._plan(model)
            assert plan is not None
            for (at, window), cell in plan.summing.sum(mine).items():
                cells = self._open[model, at].cells
                if window in cells:
                    cells[window].merge(cell)
                else:
                    cells[window] = cell
        self._claims.clear()
        self._waiting = 0

    def _plan(self, model: str) -> _Plan | None:
        if model not in self._plans:
            self._plans[model] = _Plan.of(self._book.of(model))
        return self._plans[model]

    def _advance(self, value: bytes, out: Joining) -> None:
        self._marks.update(orjson.loads(value))
        low = self._marks.low
        self._low = max(self._low, low)
        closed = [key for key, held in self._open.items() if held.close_at <= self._low]
        closed.sort(key=lambda key: (key[1], key))
        if closed:
            self._sum()
        for model, start in closed:
            held = self._open.pop((model, start)).cells
            for cell in held.values():
                cell.settle()
            # A label that was read before its prediction, say, waited for nothing in the end.
            cells = {window: cell for window, cell in held.items() if cell}
            if cells:
                plan = self._plan(model)
                assert plan is not None
                task = plan.summing.task
                message = encode_joined(model, start, self.source, task, plan.span, cells)
                out.cells.append((model.encode(), message))
        if closed or low // self._tick > self._sent // self._tick or self._marks.idle:
            out.mark = encode_mark(
                self.source, low, idle=self._marks.idle, quiet_for=self._marks.quiet_for
            )
            self._sent = low

    def checkpoint(self) -> Checkpoint:
        """Return what may be committed once everything emitted so far is durable."""
        offset = min([self._position, *(held.first_offset for held in self._open.values())])
        at = max(self._position, self._resume_at)
        return Checkpoint(offset, NEVER, at, max(self._low, self._resume_high))

    def close(self) -> None:
        """Let go of the store."""
        self._entries.close()


def _excess(before: list[Part], part: Part) -> list[tuple[Claim, int]]:
    """Return what a part counts as of which there are too many; nothing where there are not."""
    most = MOST[part.kind]
    if len(before) < most or sum(each.kind == part.kind for each in before) < most:
        return []
    told = part.ts, part.body
    if part.kind == PREDICTION:
        return [(Claim("repeated", part.at, told), 1)]
    return [(Claim(named("again", part), part.at, None, **part_of(part)), 1)]


def _unpacked(value: bytes) -> tuple[Packed | None, list[tuple[Section, list[bytes]]]]:
    """Return a message and its sections with the keys of their entries; None of a mark."""
    if value[:1] == MARK:
        return None, []
    message = unpack(value)
    return message, [(section, _keys(section)) for section in message.sections]


def _keys(section: Section) -> list[bytes]:
    # Rows of features are many bytes: whoever joins labels need not read them.
    model = section.model.encode() + (b"\1" if SAID.index(section.type) in ROWS else b"\0")
    return [model + name.encode() for name in section.ids]


def _parts(section: Section, place: int, offset: int) -> Iterator[Part]:
    """Yield the parts that a section holds, in the order of its rows.

    Parameters
    ----------
    place
        Hash of the source.
    offset
        Of the message, in the ledger.
    """
    kind = SAID.index(section.type)
    bodies = _bodies(section)
    if kind == PREDICTION:
        bodies = _predictions(section, bodies)
    if section.segments:
        # Where none has any, bodies are what they are without segments.
        named = [(each,) if each else () for each in section.segments]
        own = (named[at] for at in section.segment)
        bodies = [(*body, *each) for body, each in zip(bodies, own, strict=True)]
    ts, at, stood, index = (
        np.frombuffer(raw, dtype="<i8").tolist()
        for raw in (section.ts, section.at, section.offset, section.index)
    )
    origins = zip(repeat(place), stood, index, strict=False)
    told = zip(repeat(kind), repeat(offset), ts, at, origins, bodies, strict=False)
    # As `Part._make`, which takes three times as long.
    return map(partial(tuple.__new__, Part), told)


def _bodies(section: Section) -> list[tuple[object, ...]]:
    nothing = [None] * len(section.ids)
    if section.features:
        names, about = tuple(section.features), section.fields.get("entity_id", nothing)
        rows = zip(*section.features.values(), strict=True)
        return [
            (name, entity, tuple(zip(names, row, strict=True)))
            for name, entity, row in zip(section.ids, about, rows, strict=True)
        ]
    columns = (section.fields.get(name, nothing) for name in KEPT.get(section.type, ()))
    return list(zip(*columns, strict=True))


def _predictions(section: Section, kept: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    nothing = [None] * len(section.ids)
    fields = section.fields
    named = {n.removeprefix("prediction."): v for n, v in fields.items() if "." in n}
    shares: Sequence[object] = nothing
    if named:
        rows = zip(*named.values(), strict=True)
        shares = [
            tuple((n, v) for n, v in zip(named, row, strict=True) if v is not None) for row in rows
        ]
    said = fields.get("prediction", nothing), fields.get("score", nothing)
    return [(*first, *rest) for *first, rest in zip(*said, shares, kept, strict=True)]
