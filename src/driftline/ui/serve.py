"""Running the page: the feed beside the web server, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

from aiohttp import web

from driftline.bus.clock import Clock
from driftline.errors import DriftlineError
from driftline.ui.acts import Desk
from driftline.ui.app import make_app
from driftline.ui.feed import Feed, load_folder, source_of
from driftline.ui.house import House
from driftline.ui.view import View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from driftline.bus.config import Config
    from driftline.contract import Book
    from driftline.ui.settings import Door
    from driftline.ui.view import Limits

__all__ = ["serve", "serve_folder"]

STOP_S = 3.0


async def serve(
    config: Config, book: Book, door: Door, folder: Path, limits: Limits, say: Callable[[str], None]
) -> None:
    """Show what stands on the topics, and go on with what comes, until SIGTERM or Ctrl-C.

    Parameters
    ----------
    folder
        Where the view is kept from one start to the next.
    say
        Is given the address once it listens.

    Raises
    ------
    DriftlineError
        The address is taken.
    """
    view = View(folder, book, source_of(config), limits)
    house = House(folder, book, door, Clock(), desk=Desk(config))
    feed = house.feed = Feed(config, view, house.hub.tell)
    house.begin()
    reading = asyncio.create_task(feed.run())
    try:
        await _listen(house, door, say, reading)
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await feed.close()
        await asyncio.to_thread(house.desk.close)  # type: ignore[union-attr]
        house.close()


async def serve_folder(
    outputs: Path, book: Book, door: Door, folder: Path, limits: Limits, say: Callable[[str], None]
) -> None:
    """Show what a replay has written; nothing changes, and nothing can be decided.

    Parameters
    ----------
    folder
        For the view, which is made anew.
    """
    view = View(folder, book, str(outputs), limits)
    await asyncio.to_thread(load_folder, outputs, view)
    house = House(folder, book, door, Clock())
    house.begin()
    try:
        await _listen(house, door, say, None)
    finally:
        house.close()
        view.close()


async def _listen(
    house: House, door: Door, say: Callable[[str], None], reading: asyncio.Task[None] | None
) -> None:
    runner = web.AppRunner(make_app(house), access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopped.set)
    try:
        site = web.TCPSite(runner, door.host, door.port)
        try:
            await site.start()
        except OSError as error:
            msg = f"{door.host}:{door.port}: {error.strerror or error}; choose another --port"
            raise DriftlineError(msg) from error
        port = runner.addresses[0][1]
        host = f"[{door.host}]" if ":" in door.host else door.host
        say(f"http://{host}:{port}/")
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait(
            [waiting, *([reading] if reading else [])], return_when="FIRST_COMPLETED"
        )
        waiting.cancel()
        if reading is not None and reading.done():
            reading.result()  # a bug of ours: it does not end by itself
    finally:
        await runner.cleanup()
