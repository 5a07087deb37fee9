"""What `driftline notify` keeps on topics of its own: what was told, and what could not be."""

from __future__ import annotations

import asyncio
import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from driftline.bus.clients import close, unreachable
from driftline.bus.reader import read_async
from driftline.bus.topics import apply, notices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from driftline.bus.config import Config

__all__ = ["Notices"]

LARGEST = 32 * 2**20
LARGEST_PLAIN = 256 * 2**20
"""Before it is compressed: a cause of two hundred models in twenty features each is 600 kB, and
13 kB after."""


class Notices:
    """The topics `notify` (compacted, a record for each cause and group) and `notify-deadletter`.

    Call order: `opened` as a context, then the rest in any order.
    """

    def __init__(self, config: Config, group: str) -> None:
        self._config = config
        self._group = group
        self._producer: AIOKafkaProducer | None = None
        self.topic = config.topic("notify")
        self.deadletter = config.topic("notify-deadletter")

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Notices]:
        """Create the topics where they are not there, and open a producer."""
        await apply(self._config.broker, notices(self._config))
        self._producer = AIOKafkaProducer(
            **self._config.broker.client(),
            acks="all",
            enable_idempotence=True,
            max_request_size=LARGEST_PLAIN,
            compression_type="zstd",
        )
        try:
            await self._producer.start()
            yield self
        except KafkaError as error:
            raise unreachable(self._config.broker, error) from error
        finally:
            await self._producer.stop()

    async def read(self) -> dict[str, dict[str, Any]]:
        """Return the last record of each cause."""
        found: dict[str, dict[str, Any]] = {}
        begin = f"{self._group}/".encode()
        async for _, records in read_async(self._config.broker, self.topic):
            for record in records:
                key: bytes = record.key or b""  # type: ignore[attr-defined]
                if not key.startswith(begin):
                    continue
                cause = key.removeprefix(begin).decode()
                # The last one written comes last, as the causes were founded.
                found.pop(cause, None)
                if record.value is not None:
                    found[cause] = orjson.loads(record.value)
        return found

    async def keep(self, records: Iterable[tuple[str, Mapping[str, Any] | None]]) -> None:
        """Make records durable; None takes one away."""
        await self._send(
            (self.topic, f"{self._group}/{cause}", None if record is None else orjson.dumps(record))
            for cause, record in records
        )

    async def bury(self, key: str, value: bytes, headers: Mapping[str, str]) -> None:
        """Put a message that could not be delivered where it can be found again."""
        await self._send([(self.deadletter, key, value)], headers)

    async def _send(
        self,
        messages: Iterable[tuple[str, str, bytes | None]],
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        assert self._producer is not None
        heads = [(name, text.encode()) for name, text in headers.items()]
        sent = [
            await self._producer.send(topic, value, key.encode(), headers=heads)
            for topic, key, value in messages
        ]
        await asyncio.gather(*sent)

    async def unbury(self) -> AsyncIterator[bytes]:
        """Yield the buried messages that nobody has taken up, up to the last there is now.

        One counts as taken up when the next is asked for.
        """
        consumer = AIOKafkaConsumer(
            **self._config.broker.client(),
            group_id=f"{self._group}.redeliver",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST,
        )
        place = TopicPartition(self.deadletter, 0)
        try:
            await consumer.start()
            consumer.assign([place])
            (end,) = (await consumer.end_offsets([place])).values()
            while await consumer.position(place) < end:
                for record in (await consumer.getmany(timeout_ms=1_000, max_records=1)).get(
                    place, ()
                ):
                    if record.value is not None:
                        yield record.value
                    await consumer.commit({place: record.offset + 1})
        except KafkaError as error:
            raise unreachable(self._config.broker, error) from error
        finally:
            await close(consumer)
