"""Filling the view: from the output topics for as long as the page runs, or once from a folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from driftline.bus.follow import ends, follow
from driftline.errors import DriftlineError
from driftline.ui.view.view import INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from driftline.bus.config import BrokerConfig, Config
    from driftline.events.record import RawRecord, Source
    from driftline.ui.view import Changed, View

__all__ = ["Feed", "load_folder"]

log = logging.getLogger(__name__)

AGAIN_S = 3.0
QUIET_S = 0.3
"""Without a record for so long, what has come is judged and told."""
AT_MOST_S = 1.0
"""While records keep coming, it is judged and told as often as this."""
PROBE_S = 20.0
CHUNK_BYTES = 2**20


class Feed:
    """Keeps the view in step with the topics, whatever happens to the broker meanwhile.

    Attributes
    ----------
    trouble
        What is wrong with the broker, one line; None while all is well.
    caught_up
        Whether everything that stood on the topics at the start has been read.
    """

    def __init__(self, config: Config, view: View, tell: Callable[[Changed], None]) -> None:
        self._config = config
        self._view = view
        self._tell = tell
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="view")
        self._names = {config.topic(name): name for name in INPUTS}
        self._left: dict[Source, int] = {}
        self.trouble: str | None = None
        self.caught_up = False

    @property
    def left_out(self) -> int:
        """Models that there was no room for."""
        return len(self._view.left_out)

    async def run(self) -> None:
        """Read for ever."""
        while True:
            try:
                await self._read()
            except DriftlineError as error:
                self.trouble = str(error)
                log.warning("%s; trying again", self.trouble)
                await asyncio.sleep(AGAIN_S)

    async def note(self, incident: str, kind: str, by: str, at: int, body: dict[str, Any]) -> None:
        """Note what somebody has decided, and tell everybody."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._view.sent, incident, kind, by, at, body)
        await self._refresh()

    async def close(self) -> None:
        """Close the view; nothing may run any more."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._view.close)
        self._writer.shutdown()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        broker, topics = self._config.broker, list(self._names)
        at = await loop.run_in_executor(self._writer, self._view.offsets)
        self._left = await ends(broker, topics)
        if any(at.get(source, 0) > end for source, end in self._left.items()):
            log.warning("the topics are not those that were read before: beginning anew")
            await loop.run_in_executor(self._writer, self._view.reset, source_of(self._config))
            at = {}
        self._left = {s: end for s, end in self._left.items() if at.get(s, 0) < end}
        self.trouble = None
        self.caught_up = not self._left
        records = follow(broker, topics, starts=at)
        coming: asyncio.Future[tuple[Source, list[RawRecord]]] | None = None
        told, waiting = loop.time(), False
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(records))
                await asyncio.wait([coming], timeout=QUIET_S if waiting else PROBE_S)
                if coming.done():
                    source, found = coming.result()
                    self.trouble = None
                    coming, waiting = None, True
                    await loop.run_in_executor(self._writer, self._take, source, found)
                    if loop.time() - told < AT_MOST_S:
                        continue
                elif not waiting:
                    await self._probe(broker, topics)
                    continue
                await self._refresh()
                told, waiting = loop.time(), False
        finally:
            if coming is not None:
                coming.cancel()
                with contextlib.suppress(
                    asyncio.CancelledError, DriftlineError, StopAsyncIteration
                ):
                    await coming
            await records.aclose()

    async def _probe(self, broker: BrokerConfig, topics: list[str]) -> None:
        """Find out whether nothing comes because there is nothing, or no broker."""
        try:
            await ends(broker, topics)
        except DriftlineError as error:
            self.trouble = str(error)
        else:
            self.trouble = None

    def _take(self, source: Source, records: list[RawRecord]) -> None:
        behind = records[-1].offset + 1
        self._view.take(
            self._names[source.topic], [record.value for record in records], {source: behind}
        )
        if behind >= self._left.get(source, behind):
            self._left.pop(source, None)
            self.caught_up = self.caught_up or not self._left

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        self._tell(await loop.run_in_executor(self._writer, self._view.refresh))


def source_of(config: Config) -> str:
    """Return what a view of these topics is known by."""
    return f"{config.broker.bootstrap} {config.prefix}"


def load_folder(folder: Path, view: View) -> None:
    """Fill a view from what a replay, or `driftline export`, has written.

    Raises
    ------
    DriftlineError
        The folder is none of these.
    """
    for name in INPUTS:
        path = folder / f"{name}.jsonl"
        if not path.is_file():
            if name == "references":
                continue  # an older replay's: there are no plots then, everything else is there
            msg = f"{folder}: expected a replay's outputs, got no {name}.jsonl"
            raise DriftlineError(msg)
        with path.open("rb") as file:
            while lines := file.readlines(CHUNK_BYTES):
                view.take(name, lines, {})
    view.refresh()
