"""confluent-kafka (librdkafka) and orjson by hand: one message an event."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson
from confluent_kafka import Producer
from launch import feature_rows

if TYPE_CHECKING:
    from driftline.bench.launch import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Send."""
    producer = Producer(
        {
            "bootstrap.servers": task.bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "zstd",
            "linger.ms": 5,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    rows = feature_rows()
    producer.list_topics(task.topic, timeout=30)
    meter.begin()
    for i in range(task.events):
        event = {
            "model": "bench",
            "ts": time.time(),
            "prediction_id": f"p{i}",
            "prediction": 0.5,
            "features": rows[i % len(rows)],
        }
        while True:
            try:
                producer.produce(task.topic, orjson.dumps(event))
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    if producer.flush(120):
        msg = "not all was delivered"
        raise RuntimeError(msg)
    meter.end(task.events)
