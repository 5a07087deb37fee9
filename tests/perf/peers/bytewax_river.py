"""Bytewax with river's ADWIN on each value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bytewax.operators as op  # type: ignore[import-not-found]  # in its own environment
import orjson
from bytewax.connectors.kafka import KafkaSource  # type: ignore[import-not-found]
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.testing import TestingSink, run_main  # type: ignore[import-not-found]
from launch import AdwinOfEach  # type: ignore[import-not-found]  # it runs beside this file

if TYPE_CHECKING:
    from driftline.bench.launch import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Run the dataflow until the last event."""
    watch = AdwinOfEach()
    count = 0

    def step(messages: list[Any]) -> list[None]:
        nonlocal count
        if messages and not meter.begun:
            meter.begin()
        for message in messages:
            watch.update(orjson.loads(message.value))
        count += len(messages)
        if count >= task.events:
            meter.end(count, found=watch.found)
        return []

    flow = Dataflow("river")
    source = KafkaSource([task.bootstrap], [task.topic], tail=True, batch_size=1_000)
    # A whole batch a call: what `map` is made of, without its call for each item.
    looked_at = op.flat_map_batch("adwin", op.input("events", flow, source), step)
    op.output("out", looked_at, TestingSink([]))
    run_main(flow)
