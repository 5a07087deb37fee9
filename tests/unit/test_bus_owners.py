from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from driftline.bus.config import Config, OutputConfig
from driftline.bus.deadletters import to_message
from driftline.bus.offsets import SafeOffset
from driftline.bus.owners import DetectOwner, ObserveOwner
from driftline.bus.transport import Chunk
from driftline.events.frame import DeadLetter
from driftline.events.record import Record, Source
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.marks import NEVER
from driftline.pipeline.output import Output
from driftline.stats import UnknownReferenceError

CONFIG = Config(prefix="p.", outputs=OutputConfig(partitions=3))
SOURCE = Source("p.predictions", 2)
PANES = Source("p.panes", 1)


def dead(value: bytes = b"{", got: str = "{") -> DeadLetter:
    return DeadLetter(SOURCE, 7, 0, 123, value, "$.ts", "a time", got, "m")


def chunk(source: Source, *offsets: int) -> Chunk:
    records = [Record(offset, 0, b"%d" % offset) for offset in offsets]
    return Chunk(source, 4, records, offsets[-1] + 1)


def test_a_dead_letter_keeps_its_bytes_and_says_why() -> None:
    message = to_message("p.deadletter", dead(b"\xff{", got="\udcff" + "x" * 5_000))
    assert (message.topic, message.key, message.value) == (
        "p.deadletter",
        b"p.predictions/2/7/0",
        b"\xff{",
    )
    headers = dict(message.headers)
    assert headers["error.path"] == b"$.ts"
    assert headers["error.expected"] == b"a time"
    assert len(headers["error.got"]) == 1_024
    assert headers["source.topic"] == b"p.predictions"
    assert (headers["source.partition"], headers["source.offset"]) == (b"2", b"7")
    assert headers["model"] == b"m"


def test_observe_sends_panes_then_marks_everywhere_then_is_safe() -> None:
    emission = SimpleNamespace(
        panes=[(b"m", b"pane")], ledger=[(2, b"entries")], mark=b"mark", dead=[dead()]
    )
    nothing = SimpleNamespace(panes=[], ledger=[], mark=b"", dead=[])
    observe: Any = SimpleNamespace(
        source=SOURCE,
        events=0,
        on_batch=lambda records: emission,
        on_idle=lambda wall, quiet_for: SimpleNamespace(**{**vars(nothing), "mark": b"%d" % wall}),
        checkpoint=lambda: Checkpoint(5, 1, 9, 2),
    )
    owner = ObserveOwner(observe, 0, CONFIG)
    parcel = asyncio.run(owner.handle(chunk(SOURCE, 8, 9)))
    assert [(m.topic, m.partition) for m in parcel.stages[0]] == [
        ("p.panes", None),
        ("p.ledger", 2),
        ("p.deadletter", None),
    ]
    assert [(m.topic, m.partition, m.value) for m in parcel.latest] == [
        ("p.panes", number, b"mark") for number in range(3)
    ]
    assert parcel.safe == SafeOffset(5, Checkpoint(5, 1, 9, 2).metadata)
    assert (parcel.epoch, owner.handled, owner.dead) == (4, 10, {"value": 1})
    assert owner.idle(4, 77, 5).latest[0].value == b"77"
    joining = ObserveOwner(observe, 0, CONFIG, joins=True).idle(4, 77, 5)
    assert [(m.topic, m.partition) for m in joining.latest] == [
        (topic, number) for topic in ("p.panes", "p.ledger") for number in range(3)
    ]


class Detect:
    """Publishes a window a message; the first offset needs a reference that comes late."""

    def __init__(self) -> None:
        self.known = False
        self.seen: list[int] = []

    def on_message(self, offset: int, value: bytes) -> Any:
        if not self.known:
            raise UnknownReferenceError
        self.seen.append(offset)
        return Output(windows=[(b"w", value)])

    def snapshot(self) -> list[list[tuple[bytes, bytes]]]:
        return [[(b"m", b"model")], [(b"\x00marks", b"marks")]] if self.seen else []

    def position(self) -> int:
        return self.seen[-1] + 1

    @property
    def low(self) -> int:
        return NEVER

    def standings(self) -> list[Any]:
        return []

    def restore(self, key: bytes, value: bytes) -> None:
        raise AssertionError


def test_detect_waits_for_a_reference_and_is_not_saved_meanwhile() -> None:
    detect = Detect()
    unsaved: list[bool] = []

    async def catch_up() -> None:
        unsaved.append(owner.unsaved)
        detect.known = True

    owner = DetectOwner(detect, PANES, 0, CONFIG, catch_up, lambda *_: None)
    parcel = asyncio.run(owner.handle(chunk(PANES, 3, 4)))
    assert unsaved == [False]
    assert detect.seen == [3, 4]
    assert [message.topic for message in parcel.stages[0]] == ["p.windows", "p.windows"]
    # Nothing is safe before a snapshot.
    assert parcel.safe is None
    assert owner.unsaved


def test_a_snapshot_follows_the_outputs_group_by_group() -> None:
    detect = Detect()
    detect.known = True
    owner = DetectOwner(detect, PANES, 0, CONFIG, lambda: asyncio.sleep(0), lambda *_: None)
    assert owner.snapshot(4).safe is None
    asyncio.run(owner.handle(chunk(PANES, 3)))
    parcel = owner.snapshot(4)
    assert [[message.key for message in stage] for stage in parcel.stages] == [
        [],
        [b"m"],
        [b"\x00marks"],
    ]
    state = {(m.topic, m.partition) for stage in parcel.stages for m in stage}
    assert state == {("p.state", 1)}
    assert parcel.safe == SafeOffset(4)
    assert not owner.unsaved
