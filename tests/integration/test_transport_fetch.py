"""The fast way of fetching gives what aiokafka's own gives, record by record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from driftline.bus.config import BrokerConfig
from driftline.bus.errors import BrokerUnreachable, TopicsError
from driftline.bus.fetch import fetch
from driftline.bus.reader import read

if TYPE_CHECKING:
    from driftline.broker.protocol import Broker

LIMIT_S = 60


def plain(record: Any) -> tuple[Any, ...]:
    headers = [(name, bytes(value)) for name, value in record.headers]
    return record.offset, record.timestamp, record.key, record.value, headers


async def consume(
    bootstrap: str, topic: str, *, fast: bool, start: int, isolation: str
) -> list[tuple[Any, ...]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation)
    await consumer.start()
    try:
        tp = TopicPartition(topic, 0)
        consumer.assign([tp])
        consumer.seek(tp, start)
        end = (await consumer.end_offsets([tp]))[tp]
        records: list[Any] = []
        while await consumer.position(tp) < end:
            if fast:
                found = await fetch(consumer, timeout_s=0.2, max_records=7)
            else:
                found = await consumer.getmany(timeout_ms=200, max_records=7)
            records += [plain(each) for batch in found.values() for each in batch]
        return records
    finally:
        await consumer.stop()


async def fill(bootstrap: str, topic: str) -> None:
    """Batches of all compressions, keys, headers, empty values, and an aborted transaction."""
    for compression in (None, "gzip", "snappy", "lz4", "zstd"):
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, compression_type=compression, linger_ms=20
        )
        async with producer:
            sent = [
                await producer.send(
                    topic,
                    None if number % 10 == 0 else b"v" * number,
                    key=b"k%d" % number,
                    headers=[("h", b"x" * number)] if number % 3 else [],
                )
                for number in range(40)
            ]
            await asyncio.gather(*sent)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-tx")
    async with producer:
        for commit in (True, False, True):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"committed" if commit else b"aborted")
            await (producer.commit_transaction() if commit else producer.abort_transaction())


@pytest.fixture
def filled(kafka: Any, broker: Broker, topic_prefix: str) -> str:
    topic: str = kafka.create(f"{topic_prefix}f")
    asyncio.run(asyncio.wait_for(fill(broker.bootstrap, topic), LIMIT_S))
    return topic


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
@pytest.mark.parametrize("start", [0, 3, 57])
def test_same_records(broker: Broker, filled: str, start: int, isolation: str) -> None:
    async def both() -> list[list[tuple[Any, ...]]]:
        return [
            await consume(broker.bootstrap, filled, fast=fast, start=start, isolation=isolation)
            for fast in (False, True)
        ]

    slow, fast = asyncio.run(asyncio.wait_for(both(), LIMIT_S))
    assert fast == slow
    assert fast[0][0] == start
    assert (b"aborted" in {record[3] for record in fast}) == (isolation == "read_uncommitted")


def test_the_reader_has_an_end_and_sees_what_was_committed(broker: Broker, filled: str) -> None:
    config = BrokerConfig(bootstrap=broker.bootstrap)
    records = [each for _, chunk in read(config, filled, chunk_records=10) for each in chunk]
    assert len(records) == 202
    assert [each.value for each in records[-2:]] == [b"committed"] * 2
    # By time: from the timestamp of one record up to, not including, that of another.
    first, last = records[50].timestamp, records[150].timestamp
    assert first is not None
    assert last is not None
    span = read(config, filled, start_us=first * 1_000, end_us=last * 1_000)
    found = [each.offset for _, chunk in span for each in chunk]
    wanted = [each.offset for each in records if first <= (each.timestamp or 0) < last]
    assert found == wanted


def test_the_reader_says_what_is_wrong(broker: Broker) -> None:
    with pytest.raises(TopicsError, match="nowhere: expected a topic, found none"):
        list(read(BrokerConfig(bootstrap=broker.bootstrap), "nowhere"))
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1: KafkaConnectionError"):
        list(read(BrokerConfig(bootstrap="127.0.0.1:1"), "nowhere"))
