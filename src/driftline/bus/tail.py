"""The `references` topic: read whole before work begins, and read on ever after."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer, TopicPartition

from driftline.bus.clients import opened
from driftline.bus.errors import BrokerUnreachable
from driftline.bus.fetch import fetch
from driftline.bus.reader import spans
from driftline.bus.references import build_topic_references
from driftline.errors import DriftlineError
from driftline.events.record import Source

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from driftline.bus.config import Config
    from driftline.contract import Book
    from driftline.pipeline.references import References

__all__ = ["ReferencesTail"]

FETCH_S = 1.0
CATCH_UP_S = 30.0
"""A reference is published before anything names it; half a minute is a broker in trouble."""


class ReferencesTail:
    """Keeps `References` in step with its topic.

    Call order: `start`, `run` in a task of its own, `stop`.
    """

    def __init__(self, config: Config, references: References) -> None:
        self._config = config
        self._references = references
        self._stack = AsyncExitStack()
        self._consumer: AIOKafkaConsumer | None = None
        self._read = asyncio.Condition()
        self.messages = 0

    async def start(self, book: Book) -> None:
        """Read the topic to its end, and publish what contracts name and it lacks."""
        consumer = await self._stack.enter_async_context(opened(self._config.broker, patient=True))
        self._consumer = consumer
        topic = self._config.topic("references")
        ranges = await spans(consumer, topic)
        places = [TopicPartition(*source) for source in ranges]
        consumer.assign(places)
        for source, span in ranges.items():
            consumer.seek(TopicPartition(*source), span.start)
        async with asyncio.timeout(self._config.broker.give_up_after / 1e6):
            while [tp for tp in places if await consumer.position(tp) < ranges[Source(*tp)].end]:
                await self._take()
        missing = await asyncio.to_thread(self._references.build_missing, book)
        missing += await asyncio.to_thread(
            build_topic_references, book, self._config, self._references
        )
        if missing:
            await self._publish(topic, missing)

    async def run(self) -> None:
        """Read on, for ever."""
        while True:
            await self._take()

    async def stop(self) -> None:
        """Close the consumer."""
        await self._stack.aclose()

    async def catch_up(self) -> None:
        """Wait until at least one more message has been read.

        Raises
        ------
        BrokerUnreachable
            When none comes.
        """
        seen = self.messages  # before any await: nothing can slip in between
        try:
            async with asyncio.timeout(CATCH_UP_S), self._read:
                await self._read.wait_for(lambda: self.messages > seen)
        except TimeoutError:
            topic = self._config.topic("references")
            msg = f"{topic}: a pane names a reference that is not there after {CATCH_UP_S:.0f} s"
            raise BrokerUnreachable(msg) from None

    async def _take(self) -> None:
        assert self._consumer is not None
        found = await fetch(self._consumer, timeout_s=FETCH_S, max_records=1_000)
        for records in found.values():
            for record in records:
                if record.value is not None:
                    self._references.add(record.value)
                    self.messages += 1
        if found:
            async with self._read:
                self._read.notify_all()

    async def _publish(self, topic: str, messages: list[tuple[bytes, bytes]]) -> None:
        producer = AIOKafkaProducer(
            **self._config.broker.client(), acks="all", max_request_size=32 * 2**20
        )
        await producer.start()
        try:
            for key, value in messages:
                await producer.send_and_wait(topic, value, key)
        except Exception as error:
            msg = f"{topic}: reference not published: {type(error).__name__}: {error}"
            raise DriftlineError(msg) from error
        finally:
            await producer.stop()
