"""``/live``, ``/ready`` and ``/metrics`` of a worker, and the watchdog behind the first."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from driftline.bus.errors import BrokerError
from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from driftline.bus.runtime import Runtime

__all__ = ["Health"]

LOOK_S = 1.0
SECOND = 1_000_000


class Health:
    """Serves what a worker knows about itself, and ends a worker that stands still.

    Live means: every partition that has something to read was handled within `stalled_after`. Ready
    means: the group has assigned partitions (or none is left for this worker) and their state is
    restored.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._runner: web.AppRunner | None = None
        self.stalled_s = 0.0

    async def start(self) -> None:
        """Listen, if a port is configured."""
        config = self._runtime.config.health
        if not config.port:
            return
        app = web.Application()
        app.add_routes(
            [
                web.get("/live", self._live),
                web.get("/ready", self._ready),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, config.host, config.port).start()
        except OSError as error:
            msg = f"health: {config.host}:{config.port}: {error.strerror or error}"
            raise DriftlineError(msg) from error

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

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

    async def _live(self, _: web.Request) -> web.Response:
        live = self.stalled_s <= self._runtime.config.health.stalled_after / SECOND
        body = {"live": live, "stalled_seconds": round(self.stalled_s, 1)}
        return web.json_response(body, status=200 if live else 503)

    async def _ready(self, _: web.Request) -> web.Response:
        ready = self._runtime.assigned
        body = {
            "ready": ready,
            "partitions": sorted(str(source) for source in self._runtime.owners),
            "idle": sorted(str(source) for source in self._runtime.idle.idle),
        }
        return web.json_response(body, status=200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        self.refresh()
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encode(self._runtime.metrics.registry), headers={"Content-Type": kind}
        )
