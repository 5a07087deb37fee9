"""A Faust agent as its documentation writes one, with river's ADWIN on each value."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import faust
import orjson
from launch import AdwinOfEach  # type: ignore[import-not-found]  # it runs beside this file

if TYPE_CHECKING:
    from driftline.bench.launch import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Run the app until the last event."""
    app = faust.App(
        task.group,
        broker=f"kafka://{task.bootstrap}",
        env_prefix="BENCH_FAUST_UNUSED_",
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=task.folder,
    )
    # Raw values and orjson are faster than Faust's own "json" codec.
    topic = app.topic(task.topic, key_serializer="raw", value_serializer="raw")
    watch = AdwinOfEach()
    count = 0

    async def agent(stream: Any) -> None:
        nonlocal count
        async for value in stream:
            if not meter.begun:
                meter.begin()
            watch.update(orjson.loads(value))
            count += 1
            if count == task.events:
                meter.end(count, found=watch.found)

    app.agent(topic)(agent)

    async def serve() -> None:
        await app.start()
        await app.wait_until_stopped()

    asyncio.run(serve())
