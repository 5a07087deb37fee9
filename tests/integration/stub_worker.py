"""A worker whose pure parts are simple enough to tell exactly what has to come out.

Run as a process by the transport tests. A record is an id in decimal; ten offsets make a slot; a
slot that is left (or an idle partition) makes a pane with its ids, known by its first offset; each
new pane makes a window with the same ids. So the windows, one by key, hold every id exactly once,
whatever happened on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson

from driftline.bus.config import BrokerConfig, Config
from driftline.bus.worker import run
from driftline.contract import Book
from driftline.events.frame import DeadLetter
from driftline.events.mapping import InputSpec
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.marks import NEVER
from driftline.pipeline.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.record import RawRecord, Source

SLOT = 10
SECOND = 1_000_000


class StubObserve:
    """Panes of ten offsets; dead letters for what is no number."""

    def __init__(
        self, source: Source, start: Checkpoint | None, options: argparse.Namespace
    ) -> None:
        self.source = source
        self.events: Counter[str] = Counter()
        self.late = self.duplicates = 0
        self.mark = NEVER
        self._options = options
        self._position = start.offset if start else 0
        self._at = start.at if start else 0
        self._open: dict[int, list[int]] = {}
        self._first: dict[int, int] = {}

    def on_batch(self, records: Sequence[RawRecord]) -> Any:
        time.sleep(self._options.slow)
        dead = []
        for record in records:
            held = self._open.setdefault(record.offset // SLOT, [])
            self._first.setdefault(record.offset // SLOT, record.offset)
            value = record.value or b""
            if value == self._options.bug.encode():
                msg = f"planted bug at {self.source}/{record.offset}"
                raise ZeroDivisionError(msg)
            if value.isdigit():
                held.append(int(value))
                self.events["prediction"] += 1
            else:
                dead.append(
                    DeadLetter(
                        self.source, record.offset, 0, None, value, "$", "a number", repr(value)
                    )
                )
        self._position = records[-1].offset + 1
        return self._emit(self._position // SLOT, dead)

    settled = False

    def on_idle(self, wall: int, quiet_for: int) -> Any:
        del wall
        return self._emit(2**62, [])

    def _emit(self, closed: int, dead: list[DeadLetter]) -> Any:
        panes = [
            (b"model", orjson.dumps({"is": "pane", "of": self._name(slot), "ids": ids}))
            for slot, ids in sorted(self._open.items())
            if slot < closed and ids
        ]
        self._open = {slot: ids for slot, ids in self._open.items() if slot >= closed}
        self._first = {slot: self._first[slot] for slot in self._open}
        mark = orjson.dumps({"is": "mark", "of": str(self.source), "slot": closed})
        return SimpleNamespace(panes=panes, ledger=[], mark=mark, dead=dead)

    def _name(self, slot: int) -> str:
        return f"{self.source}/{self._first[slot]}"

    def checkpoint(self) -> Checkpoint:
        offset = min(self._first.values(), default=self._position)
        return Checkpoint(offset, at=max(self._position, self._at))


class StubDetect:
    """A window for each pane that was not seen before; its state is the set of those seen."""

    low = NEVER

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._offset = -1
        self._saved = -1

    def on_message(self, offset: int, value: bytes) -> Any:
        body = orjson.loads(value)
        windows = []
        if offset > self._offset:
            self._offset = offset
            if body["is"] == "pane" and body["of"] not in self._seen:
                self._seen.add(body["of"])
                windows.append((body["of"].encode(), orjson.dumps(body["ids"])))
        return Output(windows=windows)

    def snapshot(self) -> list[list[tuple[bytes, bytes]]]:
        if self._offset == self._saved:
            return []
        self._saved = self._offset
        state = orjson.dumps({"offset": self._offset, "seen": sorted(self._seen)})
        return [[(b"state", state)]]

    def position(self) -> int:
        return self._saved + 1

    def standings(self) -> list[Any]:
        return []

    def restore(self, key: bytes, value: bytes) -> None:
        assert key == b"state"
        state = orjson.loads(value)
        self._offset, self._seen = state["offset"], set(state["seen"])


class StubParts:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    def observe(self, source: Source, spec: InputSpec, start: Checkpoint | None) -> StubObserve:
        del spec
        return StubObserve(source, start, self._options)

    def detect(self, sources: Sequence[Source]) -> StubDetect:
        assert sources
        return StubDetect()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--until-idle", type=float)
    parser.add_argument("--bug", default="none")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds a chunk")
    parser.add_argument("--chunk", type=int, default=50)
    parser.add_argument("--give-up", type=float, default=60.0)
    parser.add_argument("--idle-after", type=float, default=600.0)
    options = parser.parse_args()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s"
    )
    for name in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    config = Config(
        broker=BrokerConfig(
            bootstrap=options.bootstrap, give_up_after=int(options.give_up * SECOND)
        ),
        group=f"{options.prefix}group",
        prefix=options.prefix,
        inputs=(InputSpec(topic=f"{options.prefix}in", type="prediction"),),
        chunk_records=options.chunk,
        commit_every=200_000,
        snapshot_every=300_000,
        session_timeout=6 * SECOND,
        idle_after=int(options.idle_after * SECOND),
    )
    try:
        asyncio.run(
            run(config, Book(()), until_idle_s=options.until_idle, parts=StubParts(options))
        )
    except Exception as error:  # noqa: BLE001 - as the command line does
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
