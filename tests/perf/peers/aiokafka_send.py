"""aiokafka and orjson by hand: one message an event, as its documentation shows it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson
from aiokafka import AIOKafkaProducer
from launch import feature_rows

if TYPE_CHECKING:
    from driftline.bench.launch import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Send."""
    asyncio.run(_send(task, meter))


async def _send(task: Task, meter: Meter) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=task.bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=5,
        max_batch_size=1_000_000,
    )
    rows = feature_rows()
    await producer.start()
    await producer.partitions_for(task.topic)
    meter.begin()
    for i in range(task.events):
        event = {
            "model": "bench",
            "ts": time.time(),
            "prediction_id": f"p{i}",
            "prediction": 0.5,
            "features": rows[i % len(rows)],
        }
        await producer.send(task.topic, orjson.dumps(event))
    await producer.flush()
    meter.say(task.events)
    await producer.stop()
