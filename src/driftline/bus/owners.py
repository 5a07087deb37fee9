"""Who handles a partition: `Observe` an input, `Join` the ledger's, `Detect` those of `panes`.

Owners are built when a partition is assigned and dropped when it is revoked: a chunk in, a parcel
out.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from driftline.bus.deadletters import to_message
from driftline.bus.delivery import Message, Parcel
from driftline.bus.offsets import SafeOffset
from driftline.stats import UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from driftline.bus.config import Config
    from driftline.bus.parts import DetectPart, JoinPart, ObservePart
    from driftline.bus.transport import Chunk
    from driftline.events.errors import FaultCode
    from driftline.events.record import RawRecord, Source
    from driftline.pipeline.emission import Emission
    from driftline.pipeline.output import Output

__all__ = ["DetectOwner", "JoinOwner", "ObserveOwner", "Owner"]

OUTPUTS = ("references", "windows", "alerts", "feedback")


class Owner(Protocol):
    """The handler of one partition for the time between two rebalances.

    Attributes
    ----------
    start
        Offset from which it has to be fed.
    handled
        Offset after the last record it was fed.
    """

    source: Source
    start: int
    handled: int

    @property
    def mark(self) -> int:
        """Event time that it has passed, microseconds; `NEVER` at first."""
        ...

    async def handle(self, chunk: Chunk) -> Parcel:
        """Take in the next records, in order."""
        ...


class ObserveOwner:
    """Feeds an input partition to `Observe`; `joins` tells whether anybody reads the ledger."""

    def __init__(
        self, observe: ObservePart, start: int, config: Config, *, joins: bool = False
    ) -> None:
        self.source = observe.source
        self.start = self.handled = start
        self.observe = observe
        self.dead: Counter[FaultCode] = Counter()
        self._panes = config.topic("panes")
        self._deadletter = config.topic("deadletter")
        self._ledger = config.topic("ledger")
        self._partitions = range(config.outputs.partitions)
        self._marked = [self._panes, *([self._ledger] if joins else [])]

    @property
    def mark(self) -> int:
        """Largest event time read."""
        return self.observe.mark

    async def handle(self, chunk: Chunk) -> Parcel:
        """Fold a chunk; what it closed goes out, and the checkpoint after it."""
        emission = self.observe.on_batch(chunk.records)
        self.handled = chunk.end
        return self._parcel(chunk.epoch, emission)

    def idle(self, epoch: int, wall: int, quiet_for: int) -> Parcel:
        """Let time pass: the partition was found empty at `wall`, and for how long (both in us)."""
        return self._parcel(epoch, self.observe.on_idle(wall, quiet_for))

    def _parcel(self, epoch: int, emission: Emission) -> Parcel:
        self.dead.update(dead.code for dead in emission.dead)
        messages = [Message(self._panes, key, value) for key, value in emission.panes]
        messages += [Message(self._ledger, None, value, at) for at, value in emission.ledger]
        messages += [to_message(self._deadletter, dead) for dead in emission.dead]
        marks: list[Message] = []
        if emission.mark is not None:
            marks = [
                Message(topic, None, emission.mark, number)
                for topic in self._marked
                for number in self._partitions
            ]
        checkpoint = self.observe.checkpoint()
        safe = SafeOffset(checkpoint.offset, checkpoint.metadata)
        return Parcel(epoch, self.source, [messages], marks, safe)


class JoinOwner:
    """Feeds a partition of the ledger to `Join`."""

    def __init__(self, join: JoinPart, start: int, config: Config) -> None:
        self.source = join.source
        self.start = self.handled = start
        self.outputs = 0
        self._join = join
        self._panes = config.topic("panes")
        self._partitions = range(config.outputs.partitions)

    @property
    def mark(self) -> int:
        """Event time that all inputs have passed."""
        return self._join.low

    async def handle(self, chunk: Chunk) -> Parcel:
        """Join a chunk; what it closed goes out, and the checkpoint after it."""
        joining = self._join.on_batch(chunk.records)
        self.handled = chunk.end
        self.outputs += len(joining.cells)
        messages = [Message(self._panes, key, value) for key, value in joining.cells]
        marks: list[Message] = []
        if joining.mark is not None:
            marks = [Message(self._panes, None, joining.mark, at) for at in self._partitions]
        checkpoint = self._join.checkpoint()
        safe = SafeOffset(checkpoint.offset, checkpoint.metadata)
        return Parcel(chunk.epoch, self.source, [messages], marks, safe)

    def close(self) -> None:
        """Let go of the store: the partition's next owner may be in another process here."""
        self._join.close()


class DetectOwner:
    """Feeds a partition of `panes` to `Detect`, and saves its state.

    Parameters
    ----------
    catch_up
        Waits until more of the `references` topic has been read: a pane may name a reference that
        another worker has just published. Raises when none comes.
    on_output
        Told what each message has led to, and the seconds that it took.
    """

    def __init__(
        self,
        detect: DetectPart,
        source: Source,
        start: int,
        config: Config,
        catch_up: Callable[[], Awaitable[None]],
        on_output: Callable[[Output, float], None],
    ) -> None:
        self.source = source
        self.start = self.handled = start
        self.detect = detect
        self.saved_bytes = 0
        self.outputs = 0
        self._busy = False
        self._dirty = False
        self._catch_up = catch_up
        self._on_output = on_output
        self._names = {name: config.topic(name) for name in OUTPUTS}
        self._state = config.topic("state")

    @property
    def mark(self) -> int:
        """Event time that all sources have passed."""
        return self.detect.low

    @property
    def unsaved(self) -> bool:
        """Whether there is something to save that has been handed out whole."""
        return self._dirty and not self._busy

    async def handle(self, chunk: Chunk) -> Parcel:
        """Step on every message of a chunk. Nothing is safe before the next snapshot."""
        messages: list[Message] = []
        # While this waits for a reference, the state is ahead of what was handed out: no snapshot.
        self._busy = True
        for record in chunk.records:
            messages += await self._step(record)
        self._busy = False
        self._dirty = True
        self.handled = chunk.end
        self.outputs += len(messages)
        return Parcel(chunk.epoch, self.source, [messages])

    async def _step(self, record: RawRecord) -> list[Message]:
        if record.value is None:
            return []
        while True:
            began = time.perf_counter()
            try:
                output = self.detect.on_message(record.offset, record.value)
            except UnknownReferenceError:
                await self._catch_up()
                continue
            self._on_output(output, time.perf_counter() - began)
            return list(self._messages(output))

    def snapshot(self, epoch: int) -> Parcel:
        """Save what has changed; up to its position all is safe when that is durable."""
        groups = self.detect.snapshot()
        self._dirty = False
        if not groups:
            return Parcel(epoch, self.source)
        number = self.source.partition
        saved = [
            [Message(self._state, key, value, number) for key, value in group] for group in groups
        ]
        self.saved_bytes = sum(len(value) for group in groups for _, value in group)
        # The empty first stage: outputs handed in before are durable before the state is past them.
        return Parcel(epoch, self.source, [[], *saved], safe=SafeOffset(self.detect.position()))

    def _messages(self, output: Output) -> Iterable[Message]:
        for name in OUTPUTS:
            topic = self._names[name]
            for key, value in getattr(output, name):
                yield Message(topic, key, value)
