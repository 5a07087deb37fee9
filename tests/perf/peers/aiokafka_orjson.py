"""The yardstick: aiokafka and orjson, nothing else done with an event."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

if TYPE_CHECKING:
    from driftline.bench.launch import Meter, Task

MIB = 2**20


def run(task: Task, meter: Meter) -> None:
    """Read and decode."""
    asyncio.run(_read(task, meter))


async def _read(task: Task, meter: Meter) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=task.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * MIB,
    )
    await consumer.start()
    consumer.assign([TopicPartition(task.topic, number) for number in range(task.partitions)])
    count = 0
    while count < task.events:
        fetched = await consumer.getmany(timeout_ms=500, max_records=5_000)
        if fetched and not meter.begun:
            meter.begin()
        for records in fetched.values():
            for record in records:
                orjson.loads(record.value)
            count += len(records)
    meter.end(count)
