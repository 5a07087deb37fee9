"""``/live``, ``/ready`` and ``/metrics`` of `driftline notify`, and its export by OTLP."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from driftline.bus.endpoint import Endpoint
from driftline.bus.otlp import OtlpExport, wanted
from driftline.events.time import SECOND
from driftline.notify.measures import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from driftline.bus.clock import Clock
    from driftline.bus.config import HealthConfig
    from driftline.bus.endpoint import Answer
    from driftline.notify.desk import Desk

__all__ = ["Health"]


class Health:
    """What a process of `driftline notify` knows about itself.

    Live means: what was told was made durable within `stalled_after`, or another process is at
    work. Ready means: it has joined the group, to work or to stand by. A receiver that is away is
    no fault of the process; the metrics tell of it.
    """

    def __init__(self, config: HealthConfig, routes: Collection[str], clock: Clock) -> None:
        self.metrics = Metrics(routes)
        self._config = config
        self._clock = clock
        self._desk: Desk | None = None
        self._joined = False
        self._kept = clock.steady()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen and export, as far as that is asked for.

        Raises
        ------
        DriftlineError
            Somebody else listens there.
        """
        registry = self.metrics.registry
        pages = {"/live": self._live, "/ready": self._ready}
        endpoint = Endpoint(self._config, registry, self._refresh, pages)
        otlp = OtlpExport(registry, self._refresh) if wanted() else None
        await endpoint.start()
        export = None if otlp is None else asyncio.create_task(otlp.run())
        try:
            yield
        finally:
            await endpoint.stop()
            if otlp is not None and export is not None:
                export.cancel()
                await otlp.stop()

    def at_work(self, desk: Desk) -> None:
        """Note that it is this process's turn."""
        self._desk = desk
        self.kept()

    def standing_by(self) -> None:
        """Note that it is another's turn, as far as is known."""
        self._desk, self._joined = None, True

    def kept(self) -> None:
        """Note that what was told is durable."""
        self._kept = self._clock.steady()

    def _refresh(self) -> None:
        self.metrics.refresh(self._desk, self._clock.wall())

    def _live(self) -> Answer:
        stalled = 0.0 if self._desk is None else self._clock.steady() - self._kept
        live = stalled <= self._config.stalled_after / SECOND
        return live, {"live": live, "stalled_seconds": round(stalled, 1)}

    def _ready(self) -> Answer:
        return self._joined, {"ready": self._joined, "at_work": self._desk is not None}
