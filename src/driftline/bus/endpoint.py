"""The health port of a process: what it says of itself as JSON, and ``/metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry

    from driftline.bus.config import HealthConfig

__all__ = ["Answer", "Endpoint"]

Answer = tuple[bool, dict[str, Any]]
"""Whether all is well (200, else 503), and what to say about it."""


class Endpoint:
    """Serves a process's health; where no port is configured, nothing.

    Parameters
    ----------
    refresh
        Brings the registry up to now; called before each scrape.
    pages
        By path, such as ``/live``.
    """

    def __init__(
        self,
        config: HealthConfig,
        registry: CollectorRegistry,
        refresh: Callable[[], None],
        pages: Mapping[str, Callable[[], Answer]],
    ) -> None:
        self._config = config
        self._registry = registry
        self._refresh = refresh
        self._pages = pages
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen, if a port is configured.

        Raises
        ------
        DriftlineError
            Somebody else does.
        """
        config = self._config
        if not config.port:
            return
        app = web.Application()
        app.add_routes([web.get(path, self._page) for path in self._pages])
        app.add_routes([web.get("/metrics", self._metrics)])
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

    async def _page(self, request: web.Request) -> web.Response:
        well, body = self._pages[request.path]()
        return web.json_response(body, status=200 if well else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        self._refresh()
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": kind})
