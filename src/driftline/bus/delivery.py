"""What was made of a chunk goes out, in order, and only then may the chunk be committed.

The delivery rules in one place:

1. Parcels are sent in the order in which they were handed in.
2. A parcel has stages. A stage is sent when the stages before it are durable, those of the parcels
   handed in earlier too: a mark must not overtake the panes it closes, nor a snapshot the outputs
   it is past. ``latest`` is the last stage.
3. Only when all of that is durable is the parcel's offset marked as safe.
4. A message that cannot be made durable ends the worker, with nothing further marked.

Everything that has come in while one round was under way goes out together in the next: waiting
for the broker costs a round trip for many chunks, and never holds up the work on the next chunk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from driftline.bus.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import Any

    from driftline.bus.offsets import SafeOffset
    from driftline.events.record import Source

__all__ = ["Delivery", "Message", "Parcel"]


class Message(NamedTuple):
    """One Kafka message; without a partition its key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one step has to send, and what is safe once it is durable.

    Attributes
    ----------
    latest
        Sent after all stages, and only if no later parcel of the same source has some too: those
        say the same and more.
    safe
        Offset to commit afterwards; None where the step makes nothing safe.
    """

    epoch: int
    source: Source
    stages: Sequence[Sequence[Message]] = ()
    latest: Sequence[Message] = ()
    safe: SafeOffset | None = None

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return sum(
            len(message.value or b"")
            for messages in (*self.stages, self.latest)
            for message in messages
        )


class Delivery:
    """The way out, shared by all partitions of a worker.

    Parameters
    ----------
    send
        Hands one message to the producer and returns a future of its delivery.
    mark
        Told the epoch, the source and the offset that has become safe.
    most_bytes
        Values that may wait; `submit` pauses above.
    """

    def __init__(
        self,
        send: Callable[[Message], Awaitable[Awaitable[Any]]],
        mark: Callable[[int, Source, SafeOffset], None],
        most_bytes: int = 32 * 2**20,
    ) -> None:
        self._send = send
        self._mark = mark
        self._most_bytes = most_bytes
        self._waiting: deque[Parcel] = deque()
        self._bytes = 0
        self._sending = False
        self._work = asyncio.Event()
        self._change = asyncio.Condition()
        self._fault: BaseException | None = None
        self.rounds = 0

    @property
    def idle(self) -> bool:
        """Whether everything handed in is durable."""
        return not self._waiting and not self._sending

    async def submit(self, parcel: Parcel) -> None:
        """Hand in a parcel; waits only while too much is under way.

        Raises
        ------
        DeliveryError
            When an earlier parcel could not be delivered.
        """
        async with self._change:
            await self._change.wait_for(lambda: self._fault or self._bytes < self._most_bytes)
            self._check()
            self._waiting.append(parcel)
            self._bytes += parcel.size
            self._work.set()

    async def drain(self) -> None:
        """Wait until everything handed in is durable and marked."""
        async with self._change:
            await self._change.wait_for(lambda: self._fault or self.idle)
            self._check()

    async def run(self) -> None:
        """Send, for ever; raises what could not be delivered."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                parcels = list(self._waiting)
                self._waiting.clear()
                self._sending = True
                await self._round(parcels)
                async with self._change:
                    self._sending = False
                    self._bytes -= sum(parcel.size for parcel in parcels)
                    self._change.notify_all()
        except Exception as error:
            async with self._change:
                self._fault = error
                self._change.notify_all()
            raise

    async def _round(self, parcels: list[Parcel]) -> None:
        self.rounds += 1
        latest = {(each.epoch, each.source): each.latest for each in parcels if each.latest}
        for number in range(max(len(parcel.stages) for parcel in parcels)):
            stages = [parcel.stages[number] for parcel in parcels if number < len(parcel.stages)]
            await self._deliver(message for stage in stages for message in stage)
        await self._deliver(message for messages in latest.values() for message in messages)
        for parcel in parcels:
            if parcel.safe is not None:
                self._mark(parcel.epoch, parcel.source, parcel.safe)

    async def _deliver(self, messages: Iterable[Message]) -> None:
        sent: list[tuple[Message, Awaitable[Any]]] = []
        for message in messages:
            try:
                sent.append((message, await self._send(message)))
            except Exception as error:
                raise _failed(message, error) from error
        results = await asyncio.gather(*[each for _, each in sent], return_exceptions=True)
        for (message, _), result in zip(sent, results, strict=True):
            if isinstance(result, BaseException):
                raise _failed(message, result) from result

    def _check(self) -> None:
        if self._fault is not None:
            raise DeliveryError(str(self._fault)) from self._fault


def _failed(message: Message, error: BaseException) -> DeliveryError:
    size = len(message.value or b"")
    text = f"{message.topic}: {size} bytes not delivered: {type(error).__name__}: {error}"
    return DeliveryError(text)
