"""``/live``, ``/ready`` and ``/metrics`` of a worker, and the watchdog behind the first."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from driftline.bus.endpoint import Endpoint
from driftline.bus.errors import BrokerError
from driftline.events.time import SECOND

if TYPE_CHECKING:
    from driftline.bus.endpoint import Answer
    from driftline.bus.runtime import Runtime

__all__ = ["Health"]

LOOK_S = 1.0


class Health:
    """Serves what a worker knows about itself, and ends a worker that stands still.

    Live means: every partition that has something to read was handled within `stalled_after`. Ready
    means: the group has assigned partitions (or none is left for this worker) and their state is
    restored.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.endpoint = Endpoint(
            runtime.config.health,
            runtime.metrics.registry,
            self.refresh,
            {"/live": self._live, "/ready": self._ready},
        )
        self.stalled_s = 0.0

    async def watch(self) -> None:
        """Look after progress, for ever; raises when a worker has stood still for too long."""
        limit_s = self._runtime.config.health.exit_after / SECOND
        while True:
            await asyncio.sleep(LOOK_S)
            source, self.stalled_s = self._slowest()
            if self.stalled_s > limit_s:
                msg = f"{source}: nothing handled for {self.stalled_s:.0f} s in spite of lag"
                raise BrokerError(msg)

    def refresh(self) -> None:
        """Bring the metrics up to now."""
        runtime = self._runtime
        runtime.metrics.refresh(
            runtime.owners,
            runtime.idle.lag,
            runtime.idle.idle,
            ready=runtime.assigned,
            stalled_s=self.stalled_s,
        )

    def _slowest(self) -> tuple[str, float]:
        """Return the partition with lag that has waited longest, and for how many seconds."""
        now = time.monotonic()
        progress = self._runtime.metrics.progress
        waiting = {
            str(source): now - progress.get(source, now)
            for source, lag in self._runtime.idle.lag.items()
            if lag > 0
        }
        return max(waiting.items(), key=lambda item: item[1], default=("", 0.0))

    def _live(self) -> Answer:
        live = self.stalled_s <= self._runtime.config.health.stalled_after / SECOND
        return live, {"live": live, "stalled_seconds": round(self.stalled_s, 1)}

    def _ready(self) -> Answer:
        ready = self._runtime.assigned
        return ready, {
            "ready": ready,
            "partitions": sorted(str(source) for source in self._runtime.owners),
            "idle": sorted(str(source) for source in self._runtime.idle.idle),
        }
