from __future__ import annotations

import asyncio
import time

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from driftline.errors import BrokerError
from driftline.simulate import Delivery, Scenario, parse_fault, to_kafka, traffic

MINUTE = 60_000_000


def make(**more) -> Scenario:
    more = {"rate": 50.0, "duration": MINUTE, "label_delay": 5_000_000, **more}
    return Scenario((traffic("credit-risk"),), **more)


async def create(
    bootstrap: str, prefix: str, partitions: int = 3, topics: tuple[str, ...] = ()
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    keep = {"retention.ms": "-1"}
    names = [f"{prefix}{name}" for name in ("predictions", "labels", *topics)]
    await admin.create_topics([NewTopic(n, partitions, 1, topic_configs=keep) for n in names])
    await admin.close()


async def read(bootstrap: str, topic: str, partitions: int = 3) -> list:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    parts = [TopicPartition(topic, i) for i in range(partitions)]
    consumer.assign(parts)
    ends = await consumer.end_offsets(parts)
    found = []
    async with asyncio.timeout(30):
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
    await consumer.stop()
    return found


@pytest.mark.broker
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_everything_arrives_once_with_its_key_and_time(broker, topic_prefix, compression):
    scenario = make(following=frozenset({"label"}))

    async def run():
        await create(broker.bootstrap, topic_prefix)
        delivery = Delivery(topic_prefix, compression=compression)
        counts = await to_kafka(scenario, broker.bootstrap, delivery)
        topics = [f"{topic_prefix}{name}" for name in ("predictions", "labels")]
        return counts, [await read(broker.bootstrap, topic) for topic in topics]

    counts, found = asyncio.run(run())
    sent = [
        (t, key, ts // 1_000, value)
        for b in scenario.blocks()
        for t, key, ts, value in zip(b.types, b.keys, b.ts.tolist(), b.values, strict=True)
    ]
    for kind, records in zip(("prediction", "label"), found, strict=True):
        mine = sorted((k, ts, v) for t, k, ts, v in sent if t == kind)
        assert sorted((r.key, r.timestamp, r.value) for r in records) == mine
        assert counts[kind] == len(mine) > 1_000
        assert {r.partition for r in records} == {0, 1, 2}


@pytest.mark.broker
def test_recomputed_rows_and_words_of_trainings_have_their_topics(broker, topic_prefix):
    scenario = Scenario(
        (traffic("bench-2"),),
        (parse_fault("retrain:bench-2:20s@0s"), parse_fault("skew:bench-2:f00:x2:10%@0s")),
        rate=20.0,
        duration=3 * MINUTE,
        following=frozenset({"label", "features"}),
        label_delay=5_000_000,
    )
    topics = {"features": "features", "lifecycle": "lifecycle", "label": "labels"}

    async def run():
        await create(broker.bootstrap, topic_prefix, topics=("features", "lifecycle"))
        await to_kafka(scenario, broker.bootstrap, Delivery(topic_prefix))
        return {k: await read(broker.bootstrap, f"{topic_prefix}{t}") for k, t in topics.items()}

    found = asyncio.run(run())
    sent = [each for b in scenario.blocks() for each in zip(b.types, b.values, strict=True)]
    for kind, records in found.items():
        assert sorted(r.value for r in records) == sorted(v for t, v in sent if t == kind)
    assert len(found["lifecycle"]) == 8


@pytest.mark.broker
def test_envelopes_hold_arrays(broker, topic_prefix):
    scenario = make()

    async def run():
        await create(broker.bootstrap, topic_prefix)
        await to_kafka(scenario, broker.bootstrap, Delivery(topic_prefix, envelope=64))
        return await read(broker.bootstrap, f"{topic_prefix}predictions")

    records = asyncio.run(run())
    got = [event["prediction_id"] for r in records for event in orjson.loads(r.value)]
    made = [orjson.loads(v)["prediction_id"] for b in scenario.blocks() for v in b.values]
    assert sorted(got) == sorted(made)
    assert max(len(orjson.loads(r.value)) for r in records) == 64
    assert {r.key for r in records} == {None}


@pytest.mark.broker
def test_rate_realtime_and_stop(broker, topic_prefix):
    async def run():
        await create(broker.bootstrap, topic_prefix)
        begun = time.monotonic()
        await to_kafka(make(events=500), broker.bootstrap, Delivery(topic_prefix, rate=500))
        rated = time.monotonic() - begun
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(1.5, stop.set)
        endless = make(duration=None, rate=200.0)
        delivery = Delivery(topic_prefix, realtime=True)
        counts = await to_kafka(endless, broker.bootstrap, delivery, stop=stop)
        return rated, counts["prediction"]

    rated, stopped_at = asyncio.run(run())
    assert 0.9 < rated < 5
    assert 150 < stopped_at < 400


@pytest.mark.broker
def test_a_topic_that_is_not_there_is_said_and_not_made(broker, topic_prefix):
    async def run():
        for _ in range(2):
            with pytest.raises(BrokerError, match=r"no topic .*predictions; `driftline topics"):
                await to_kafka(make(), broker.bootstrap, Delivery(topic_prefix))

    asyncio.run(run())


def test_no_broker_is_one_clear_error():
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        asyncio.run(to_kafka(make(), "127.0.0.1:1"))
