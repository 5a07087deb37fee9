"""join: one partition of the `ledger` topic, from entries to what the joined rows sum up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np
import orjson

from driftline.ledger.entry import MOST, PREDICTION, ROWS, SAID, Claim, Part, differ, named, part_of
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

Claims = dict[tuple[str, int, int], list[tuple[Claim, int]]]
"""By model, slot of arrival and quality window."""
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
        self._store = store
        self._marks = Marks(inputs)
        start = start or Checkpoint(0)
        self._position = start.offset
        self._stored = store.position
        self._low = NEVER
        self._resume_at, self._resume_high = start.at, start.high
        self._open: dict[tuple[str, int], _Open] = {}
        self._claims: Claims = {}
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
        return self._stored

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
        packed = [
            None if (record.value or b"")[:1] == MARK else unpack(record.value or b"")
            for record in records
        ]
        held = self._load(packed)
        changed: set[bytes] = set()
        for record, message in zip(records, packed, strict=True):
            if message is None:
                if not quiet:
                    self._advance(record.value or b"", out)
                continue
            for key, part, plan in self._parts(message, record.offset):
                known = before = held.get(key, _NOTHING)
                if known:
                    # Read again, it sees what was there before it.
                    before = known[: known.index(part)] if part in known else known
                    if part.origin in [each.origin for each in before]:
                        continue  # sent again by an observe that had not been able to commit
                found = _excess(before, part)
                if not found:
                    found = differ(before, part, plan.horizon)
                    if before is known:
                        held[key] = [*known, part]
                        changed.add(key)
                if not quiet:
                    self.entries += 1
                    for claim, times in found:
                        self._claim(plan, claim, times, record.offset)
                    if self._waiting >= MOST_WAITING:
                        self._sum()
        if records:
            end = records[-1].offset + 1
            self._position = max(self._position, end)
            self._stored = max(self._stored, end)
            entries = {key: pack_entry(held[key]) for key in sorted(changed)}
            self._store.put(entries, self._stored)
        return out

    def _load(self, packed: Sequence[Packed | None]) -> dict[bytes, list[Part]]:
        keys = {
            key
            for message in packed
            if message is not None
            for section in message.sections
            for key in _keys(section)
        }
        ordered = sorted(keys)
        found = zip(ordered, self._store.get(ordered), strict=True)
        return {key: unpack_entry(value) for key, value in found if value is not None}

    def _claim(self, plan: _Plan, claim: Claim, times: int, offset: int) -> None:
        told = claim.prediction or claim.label or claim.decision or claim.outcome
        told = told or claim.served or claim.trained
        assert told is not None
        # In the last slot of its step, with which the step is closed.
        at = claim.at // plan.step * plan.step + plan.step - plan.slot
        closed_to = max(self._low, self._resume_high)
        if at + plan.slot + plan.lateness <= closed_to:
            if offset < self._resume_at:
                return  # published before the restart
            # An input had been thought idle: it counts in the first slot that is still open.
            at = (closed_to - plan.lateness) // plan.slot * plan.slot
        key = plan.model, at, told[0] // plan.span * plan.span
        self._waiting += 1
        if key in self._claims:
            self._claims[key].append((claim, times))
            return
        self._claims[key] = [(claim, times)]
        if key[:2] not in self._open:
            self._open[key[:2]] = _Open(at + plan.slot + plan.lateness, offset, {})

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

    def _parts(self, message: Packed, offset: int) -> Iterator[tuple[bytes, Part, _Plan]]:
        """Yield the parts that a message holds, with the keys of their entries."""
        place = crc32(message.source.encode())
        for section in message.sections:
            plan = self._plan(section.model)
            if plan is None:
                continue  # its contract asks for it no more
            kind = SAID.index(section.type)
            bodies = _bodies(section)
            if kind == PREDICTION:
                bodies = _predictions(section, bodies)
            columns = [
                np.frombuffer(raw, dtype="<i8").tolist()
                for raw in (section.ts, section.at, section.offset, section.index)
            ]
            if section.segments:
                # Where none has any, bodies are what they are without segments.
                named = [(each,) if each else () for each in section.segments]
                own = (named[place] for place in section.segment)
                bodies = [(*body, *each) for body, each in zip(bodies, own, strict=True)]
            ts, at, stood, index = columns
            origins = zip(repeat(place), stood, index, strict=False)
            told = zip(repeat(kind), repeat(offset), ts, at, origins, bodies, strict=False)
            yield from zip(_keys(section), map(Part._make, told), repeat(plan), strict=False)

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
        self._store.close()


def _excess(before: list[Part], part: Part) -> list[tuple[Claim, int]]:
    """Return what a part counts as of which there are too many; nothing where there are not."""
    most = MOST[part.kind]
    if len(before) < most or sum(each.kind == part.kind for each in before) < most:
        return []
    told = part.ts, part.body
    if part.kind == PREDICTION:
        return [(Claim("repeated", part.at, told), 1)]
    return [(Claim(named("again", part), part.at, None, **part_of(part)), 1)]


def _keys(section: Section) -> list[bytes]:
    # Rows of features are many bytes: whoever joins labels need not read them.
    model = section.model.encode() + (b"\1" if SAID.index(section.type) in ROWS else b"\0")
    return [model + name.encode() for name in section.ids]


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
