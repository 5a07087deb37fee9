"""The way to one topic: what waits, what is on its way, and what to do when it does not arrive.

Each topic has its own, so that one that is missing or slow holds up no other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaProducer

    from driftline.publish.connection import Connection
    from driftline.publish.envelope import Envelope
    from driftline.publish.telling import Teller

__all__ = ["Lane"]

FLIGHTS = 64
"""Messages on their way at a time; larger hides a longer round trip."""
SEND_S = 10.0
"""For handing a message to the client, which waits while its own batch is full."""
PATIENCE_S = 10.0
"""A topic that the brokers do not know for so long is taken for missing."""
LOOK_AGAIN_S = 1.0
LOSS_S = 0.05
SILENT_S = 60.0
"""Without any answer for so long, the brokers may have other addresses by now."""
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
REFUSED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError, InvalidTopicError)


class _Flight(NamedTuple):
    envelope: Envelope
    future: asyncio.Future[object]
    producer: AIOKafkaProducer


class Lane:
    """Sends envelopes to one topic, in order.

    Parameters
    ----------
    arrived
        Called with each envelope that the broker has acknowledged.
    given_up
        Called with each that will not be sent, and the reason.
    resent
        Called for each that is sent again.

    Attributes
    ----------
    size
        Bytes that wait or are on their way.
    born
        Number of the newest envelope.
    absent
        Whether the topic is missing.
    moved_at
        When something last arrived, or nothing was on its way; by the monotonic clock.
    """

    def __init__(
        self,
        topic: str,
        connection: Connection,
        teller: Teller,
        arrived: Callable[[Envelope], None],
        given_up: Callable[[Envelope, str], None],
        resent: Callable[[], None],
    ) -> None:
        self.topic = topic
        self._connection = connection
        self._teller = teller
        self._arrived = arrived
        self._given_up = given_up
        self._resent = resent
        self._waiting: deque[Envelope] = deque()
        self._flying: deque[_Flight] = deque()
        # Being handed to the client, which may take a while; what failed meanwhile goes before it.
        self._in_hand: Envelope | None = None
        self._more = asyncio.Event()
        self._missing_since: float | None = None
        self.size = self.born = 0
        self.absent = False
        self.moved_at = time.monotonic()

    @property
    def empty(self) -> bool:
        """Whether nothing waits and nothing is on its way."""
        return not self._waiting and not self._flying and self._in_hand is None

    @property
    def oldest(self) -> int:
        """Number of the oldest envelope that is not done; one after the newest if all are."""
        held = chain(self._waiting, (flight.envelope for flight in self._flying))
        if self._in_hand is not None:
            held = chain(held, [self._in_hand])
        return min((envelope.born for envelope in held), default=self.born + 1)

    def put(self, envelope: Envelope) -> None:
        """Add an envelope behind all others."""
        if self.absent:
            self._given_up(envelope, "no_topic")
            return
        if self.empty:
            self.moved_at = time.monotonic()
        self.born += 1
        envelope.born = self.born
        self.size += len(envelope.value)
        self._waiting.append(envelope)
        self._more.set()

    def rouse(self) -> None:
        """Look again: the connection has changed, or time has passed."""
        self._more.set()
        flying = self._flying
        if flying and time.monotonic() - self.moved_at > SILENT_S:
            self.moved_at = time.monotonic()
            self._connection.lose(flying[0].producer, f"no answer for {SILENT_S:g} s")

    def leave(self) -> list[Envelope]:
        """Return all that has not arrived, oldest first; nothing is sent any more."""
        left = [flight.envelope for flight in self._flying if not _well(flight.future)]
        for flight in self._flying:
            if _well(flight.future):
                self._done(flight.envelope)
        if self._in_hand is not None:
            left.append(self._in_hand)
            self._in_hand = None
        left += self._waiting
        self._flying.clear()
        self._waiting.clear()
        return left

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        if self._in_hand is not None:  # a fault has ended it before
            self._waiting.appendleft(self._in_hand)
            self._in_hand = None
        while True:
            await self._connection.up.wait()
            producer = self._connection.producer
            if producer is None:
                continue
            self._regain(producer)
            if await self._there(producer):
                await self._send_all(producer)

    async def _send_all(self, producer: AIOKafkaProducer) -> None:
        """Send with one producer until it is lost."""
        while self._connection.has(producer):
            if not self._waiting or len(self._flying) >= FLIGHTS:
                self._more.clear()
                await self._more.wait()
                continue
            envelope = self._in_hand = self._waiting.popleft()
            try:
                async with asyncio.timeout(SEND_S):
                    future = await producer.send(self.topic, envelope.value)
            except TOO_LARGE:
                self._give_up(envelope, "too_large")
            except REFUSED as error:
                self._teller.tell(f"refused {self.topic}", f"{self.topic}: {error}")
                self._give_up(envelope, "refused")
            except (TimeoutError, KafkaTimeoutError):
                self._waiting.appendleft(envelope)
            except UnknownTopicOrPartitionError:
                self._waiting.appendleft(envelope)
                self._in_hand = None
                return
            except (KafkaError, OSError) as error:
                self._waiting.appendleft(envelope)
                self._in_hand = None
                await self._lost(producer, error)
                return
            else:
                self._flying.append(_Flight(envelope, future, producer))
                future.add_done_callback(self._land)
            # Not where it is cancelled: then it is in hand still, and `leave` gives it back.
            self._in_hand = None

    async def _there(self, producer: AIOKafkaProducer) -> bool:
        """Return whether the topic is known; wait a little where it is not."""
        client = producer.client
        if not self._waiting and not self.absent:
            self._more.clear()
            await self._more.wait()
        answered = True
        if not client.cluster.partitions_for_topic(self.topic):
            try:
                async with asyncio.timeout(SEND_S):
                    await client.add_topic(self.topic)
                    answered = await client.force_metadata_update()
            except (KafkaError, OSError, TimeoutError) as error:
                await self._lost(producer, error)
                return False
        if client.cluster.partitions_for_topic(self.topic):
            self._missing_since, self.absent = None, False
            return True
        if self.topic in client.cluster.unauthorized_topics:
            self._teller.tell(f"refused {self.topic}", f"{self.topic}: not allowed to write to it")
            self._give_up_all("refused")
        elif answered:
            now = time.monotonic()
            if self._missing_since is None:
                self._missing_since = now
            if now - self._missing_since >= PATIENCE_S:
                self.absent = True
                self._teller.tell(
                    f"missing {self.topic}",
                    f"no topic {self.topic}: its events are dropped and counted (no_topic); "
                    "`driftline topics apply --with-inputs` creates the topics",
                )
                self._give_up_all("no_topic")
        await asyncio.sleep(LOOK_AGAIN_S)
        return False

    async def _lost(self, producer: AIOKafkaProducer, error: BaseException) -> None:
        self._connection.lose(producer, f"{type(error).__name__}: {error}")
        # The connection has to come to know of it before this lane looks again.
        await asyncio.sleep(LOSS_S)

    def _land(self, _future: object) -> None:
        """Take in what is decided about the oldest messages on their way."""
        again: list[Envelope] = []
        while self._flying and self._flying[0].future.done():
            envelope, future, producer = self._flying.popleft()
            error = None if _well(future) else _error(future)
            if error is None:
                self._done(envelope)
            elif isinstance(error, TOO_LARGE):
                again += self._smaller(envelope, producer)
            elif isinstance(error, REFUSED):
                self._teller.tell(f"refused {self.topic}", f"{self.topic}: {error}")
                self._give_up(envelope, "refused")
            else:
                self._resent()
                again.append(envelope)
                self._connection.lose(producer, f"{type(error).__name__}: {error}")
        self._waiting.extendleft(reversed(again))
        self._more.set()

    def _smaller(self, envelope: Envelope, producer: AIOKafkaProducer) -> list[Envelope]:
        """Return what to send in place of an envelope in a batch that was too large."""
        largest = self._connection.batch_bytes
        self._connection.shrink(producer)
        size = len(envelope.value)
        if size * 2 <= largest or (envelope.events == 1 and size < largest):
            return [envelope]  # it was in the company of others
        parts = envelope.halves()
        if not parts:
            self._teller.tell(
                f"large {self.topic}",
                f"{self.topic}: the broker refuses an event of {size:,} bytes; "
                "its max.message.bytes is smaller",
            )
            self._give_up(envelope, "too_large")
            return []
        self.size += sum(len(part.value) for part in parts) - size
        for part in parts:
            part.born = envelope.born
        # On disk they are one, and it has arrived when the later half has.
        parts[-1].place = envelope.place
        return parts

    def _regain(self, producer: AIOKafkaProducer) -> None:
        """Put back what was on its way with a producer that is gone: it may or may not be there."""
        gone = [flight for flight in self._flying if flight.producer is not producer]
        if not gone:
            return
        self._flying = deque(flight for flight in self._flying if flight.producer is producer)
        for flight in reversed(gone):
            if _well(flight.future):
                self._done(flight.envelope)
            else:
                self._resent()
                self._waiting.appendleft(flight.envelope)

    def _done(self, envelope: Envelope) -> None:
        self.size -= len(envelope.value)
        self.moved_at = time.monotonic()
        self._arrived(envelope)

    def _give_up(self, envelope: Envelope, reason: str) -> None:
        self.size -= len(envelope.value)
        self._given_up(envelope, reason)

    def _give_up_all(self, reason: str) -> None:
        while self._waiting:
            self._give_up(self._waiting.popleft(), reason)


def _well(future: asyncio.Future[object]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _error(future: asyncio.Future[object]) -> BaseException:
    if future.cancelled():
        return asyncio.CancelledError()
    return future.exception() or AssertionError("a future that went well")
