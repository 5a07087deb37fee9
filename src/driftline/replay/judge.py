"""From what observe says to the outputs: join and detect of some models, and outputs in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec

from driftline.contract import Book
from driftline.events.record import Record, Source
from driftline.pipeline.detect import Detect
from driftline.pipeline.marks import encode_mark
from driftline.pipeline.references import reference_message
from driftline.replay.canonical import Key, Sorted, event_key, window_key
from driftline.replay.deadletters import deadletter_key, deadletter_line
from driftline.replay.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from driftline.pipeline.emission import Emission
    from driftline.pipeline.join import Join
    from driftline.pipeline.output import Output
    from driftline.pipeline.references import References
    from driftline.replay.feed import Feed
    from driftline.stats import Reference

__all__ = [
    "OUTPUTS",
    "WHOLE",
    "Judge",
    "Judged",
    "Share",
    "Step",
    "beginning",
    "reference_lines",
    "step_of",
    "write",
]

OUTPUTS = ("windows", "alerts", "feedback")
LEDGER = Source("ledger", 0)


class Step(msgspec.Struct, array_like=True, frozen=True):
    """What one batch of a source came to.

    Attributes
    ----------
    panes
        Model and message.
    at
        Event time that the source has come to, microseconds.
    records
        How many were read.
    """

    panes: list[tuple[bytes, bytes]]
    ledger: list[bytes]
    mark: bytes | None
    dead: list[tuple[Key, bytes]]
    at: int
    records: int


def step_of(emission: Emission, feed: Feed, at: int, records: int) -> Step:
    """Return an emission as a step; dead letters learn where they stood in their file."""
    dead = [(each, feed.origin(each.offset)) for each in emission.dead]
    return Step(
        emission.panes,
        [value for _, value in emission.ledger],
        emission.mark,
        [(deadletter_key(each, row), deadletter_line(each, row)) for each, row in dead],
        at,
        records,
    )


def beginning(source: Source, begins: int) -> Step:
    """Return the step that says that a source has nothing before a time: slots need not wait."""
    return Step([], [], encode_mark(source, begins - 1), [], begins, 0)


class Share(NamedTuple):
    """Some of the models: those whose names hash to `place` of `of`."""

    place: int
    of: int

    def has(self, model: bytes) -> bool:
        """Return whether a model is among them."""
        return self.of == 1 or crc32(model) % self.of == self.place


WHOLE = Share(0, 1)


class Judged(NamedTuple):
    """What a judge leaves: sorted runs of each output, counts, and the latest references.

    Attributes
    ----------
    references, starts
        By model, and since when each holds, microseconds.
    """

    runs: dict[str, list[Path]]
    tally: Tally
    warming_up: dict[str, int]
    references: dict[str, Reference]
    starts: dict[str, int]


class Judge:
    """Join and detect over the steps of all sources, for a share of the models.

    What comes out does not depend on how the sources' steps interleave: judges of two shares write
    together what one judge of all models writes.

    Parameters
    ----------
    sources
        All of them, whatever models they hold.
    spool
        Folder for outputs on their way into order; whoever made it removes it.
    """

    def __init__(
        self,
        book: Book,
        references: References,
        sources: Sequence[Source],
        spool: Path,
        share: Share = WHOLE,
    ) -> None:
        self._references = references
        self._share = share
        self._join: Join | None = None
        mine = Book(tuple(each for each in book if share.has(each.model.encode())))
        if mine.joins:
            # Here and not above: a replay that joins nothing needs no RocksDB.
            from driftline.ledger.store import Store
            from driftline.pipeline.join import Join

            store = Store(spool / f"ledger-{share.place}", None)
            self._join = Join(LEDGER, sources, mine, store)
        ledger = [LEDGER] if self._join is not None else []
        self._detect = Detect(book, [*sources, *ledger], references)
        self._entries = self._messages = 0
        self._fresh: list[bytes] = []
        self._sorted = {name: Sorted(spool) for name in (*OUTPUTS, "deadletters")}
        self.tally = Tally()

    def take(self, step: Step) -> list[bytes]:
        """Take the next step of a source; return the references that hold from now on."""
        self._fresh = []
        for model, pane in step.panes:
            if self._share.has(model):
                self.tally.add(pane)
                self._to_detect(pane)
        if step.mark is not None:
            self._to_detect(step.mark)
        if self._join is not None:
            self._to_join(self._join, step)
        if self._share.place == 0:
            self._sorted["deadletters"].extend(step.dead)
        return self._fresh

    def finish(self) -> None:
        """Close everything: all sources have ended."""
        self._publish(self._detect.flush())
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        if self._join is not None:
            self._join.close()
            self._join = None

    def _to_join(self, join: Join, step: Step) -> None:
        values = step.ledger if step.mark is None else [*step.ledger, step.mark]
        records = [Record(at, None, value) for at, value in enumerate(values, self._entries)]
        self._entries += len(records)
        joining = join.on_batch(records)
        for _, cells in joining.cells:
            self._to_detect(cells)
        if joining.mark is not None:
            self._to_detect(joining.mark)

    def _to_detect(self, message: bytes) -> None:
        self._publish(self._detect.on_message(self._messages, message))
        self._messages += 1

    def _publish(self, output: Output) -> None:
        for _, value in output.windows:
            self._sorted["windows"].add(window_key(value), value)
        for name, messages in (("alerts", output.alerts), ("feedback", output.feedback)):
            for _, value in messages:
                self._sorted[name].add(event_key(value), value)
        self._fresh += [value for _, value in output.references]

    def judged(self) -> Judged:
        """Return what there is, outputs as sorted runs in the spool."""
        latest = {model: self._references.latest(model) for model in sorted(self.tally.models)}
        known = {model: found for model, found in latest.items() if found is not None}
        return Judged(
            {name: held.spill() for name, held in self._sorted.items()},
            self.tally,
            self._detect.warming_up(),
            known,
            {model: self._references.starts(model)[-1] for model in known},
        )


def write(judged: Sequence[Judged], spool: Path, out: Path) -> tuple[Judged, dict[str, Any]]:
    """Write the output files of all shares of a replay.

    Returns
    -------
    judged
        Of all shares together.
    lines
        Lines by output, and under ``differing`` how many came twice with different content.
    """
    whole = judged[0]
    for other in judged[1:]:
        whole.tally.merge(other.tally)
        whole.warming_up.update(other.warming_up)
        whole.references.update(other.references)
        whole.starts.update(other.starts)
    counts: dict[str, Any] = {}
    differing = 0
    for name in (*OUTPUTS, "deadletters"):
        held = Sorted(spool)
        for each in judged:
            held.adopt(each.runs[name])
        counts[name] = held.write(out / f"{name}.jsonl")
        differing += held.differing
    return whole, {**counts, "differing": differing}


def reference_lines(judged: Judged) -> bytes:
    """Return the latest reference of each model as a line, as the topic `references` has it."""
    lines = [
        reference_message(judged.references[model], judged.starts[model])[1] + b"\n"
        for model in sorted(judged.references)
    ]
    return b"".join(lines)
