"""Quix Streams with river's ADWIN on each value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from launch import AdwinOfEach  # type: ignore[import-not-found]  # it runs beside this file
from quixstreams import Application  # type: ignore[import-not-found]  # in its own environment

if TYPE_CHECKING:
    from driftline.bench.launch import Meter, Task


def run(task: Task, meter: Meter) -> None:
    """Run the application until the last event."""
    app = Application(
        broker_address=task.bootstrap,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=task.folder,
        loglevel="ERROR",
    )
    watch = AdwinOfEach()
    count = 0

    def step(event: Any) -> None:
        nonlocal count
        if not meter.begun:
            meter.begin()
        watch.update(event)
        count += 1
        if count == task.events:
            meter.end(count, found=watch.found)

    # "json" decodes with orjson; `update` is the cheapest way to look at every event.
    app.dataframe(app.topic(task.topic, value_deserializer="json")).update(step)
    app.run()
