"""Topics, records in and records out, for tests on a real broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka import ConsumerRecord

    from driftline.broker.protocol import Broker

READ_S = 30.0


class Kafka:
    """Blocking calls on one broker; each opens and closes its own client."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def create(self, topic: str, partitions: int = 1, **configs: str) -> str:
        """Make a topic; a setting's dots are written as underscores: retention_ms="-1"."""
        settings = {name.replace("_", "."): value for name, value in configs.items()}
        asyncio.run(self._create(NewTopic(topic, partitions, 1, topic_configs=settings)))
        return topic

    def produce(
        self, topic: str, values: Iterable[bytes | None], *, key: bytes | None = None
    ) -> None:
        """Send values in order, all to the partition of `key` or spread where there is none."""
        asyncio.run(self._produce(topic, list(values), key))

    def consume(self, topic: str, timeout_s: float = READ_S) -> list[ConsumerRecord]:
        """Read a topic from its beginning to the end it has now, by partition and offset."""
        return asyncio.run(asyncio.wait_for(self._consume(topic), timeout_s))

    async def _create(self, topic: NewTopic) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            answer = await admin.create_topics([topic])
            faults = [fault for fault in answer.topic_errors if fault[1]]
            assert not faults, faults
        finally:
            await admin.close()

    async def _produce(self, topic: str, values: list[bytes | None], key: bytes | None) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5)
        await producer.start()
        try:
            await asyncio.gather(*[await producer.send(topic, value, key) for value in values])
        finally:
            await producer.stop()

    async def _partitions(self, topic: str) -> list[int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            (found,) = await admin.describe_topics([topic])
            return sorted(part["partition"] for part in found["partitions"])
        finally:
            await admin.close()

    async def _consume(self, topic: str) -> list[ConsumerRecord]:
        places = [TopicPartition(topic, number) for number in await self._partitions(topic)]
        if not places:
            return []
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, check_crcs=True
        )
        await consumer.start()
        try:
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            records: list[ConsumerRecord] = []
            while [place for place in places if await consumer.position(place) < ends[place]]:
                for fetched in (await consumer.getmany(timeout_ms=200)).values():
                    records += fetched
            return sorted(records, key=lambda record: (record.partition, record.offset))
        finally:
            await consumer.stop()


class KafkaOf(Protocol):
    def __call__(self, broker: Broker) -> Kafka: ...


@pytest.fixture
def kafka_of() -> KafkaOf:
    """Blocking calls on a broker that the test started itself."""
    return lambda broker: Kafka(broker.bootstrap)


@pytest.fixture
def kafka(broker: Broker) -> Kafka:
    """Blocking calls on the session's broker."""
    return Kafka(broker.bootstrap)
