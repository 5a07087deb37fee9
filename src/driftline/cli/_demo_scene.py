"""The demo as it runs: traffic goes in, what comes out is read and told, until its end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from driftline.bus.follow import follow
from driftline.cli._demo_recovery import Services, second_act
from driftline.cli._demo_story import MODELS, TAIL, WINDOW, encore
from driftline.contract.quantities import parse_instant
from driftline.errors import DriftlineError
from driftline.simulate import Delivery, to_kafka

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.bus.config import Config
    from driftline.cli._demo_program import Program
    from driftline.cli._demo_score import Score
    from driftline.cli._demo_story import Story
    from driftline.cli._demo_tell import Teller

__all__ = ["Scene"]

LOOK_S = 0.2
QUIET_S = 1.0
CLEAN_S = 15.0
"""Closing three connections to a broker that is gone: each gives up after five seconds."""
PATIENCE_S = 60.0
"""Longest silence of the worker while it has work; it takes a few seconds on a busy machine."""


class Scene:
    """One run: `play` it once.

    Parameters
    ----------
    part
        The first part of the traffic, sent as fast as it goes.
    go_on
        Called when that has been watched whole; traffic then goes on in real time. None: the end.

    Attributes
    ----------
    finished
        Whether the first part has been watched whole.
    events
        How many events that was.
    """

    def __init__(
        self,
        config: Config,
        worker: Program,
        part: Story,
        score: Score,
        teller: Teller,
        go_on: Callable[[], None] | None,
    ) -> None:
        self._config = config
        self._worker = worker
        self._part = part
        self._score = score
        self._teller = teller
        self._go_on = go_on
        whole, self._minutes = second_act(part)
        self.services = Services(whole.start)
        self._second = whole
        assert whole.end is not None
        self._end = (whole.end - TAIL) // WINDOW * WINDOW
        self._stop = asyncio.Event()
        self._news = asyncio.Event()
        self._watched = dict.fromkeys(MODELS, part.start)
        self._heard = time.monotonic()
        self.finished = False
        self.feedback: list[dict[str, Any]] = []
        self.events = 0

    async def play(self, on_stop: Callable[[Callable[[], object]], None]) -> None:
        """Run until the end, or until told to stop.

        Parameters
        ----------
        on_stop
            Is given what a signal has to call.

        Raises
        ------
        DriftlineError
            Worker or broker failed.
        """
        loop = asyncio.get_running_loop()
        on_stop(lambda: loop.call_soon_threadsafe(self._stop.set))
        sending = loop.create_task(self._send())
        ends = {loop.create_task(part) for part in (self._read(), self._guard(), self._stop.wait())}
        running: set[asyncio.Task[Any]] = {sending, *ends}
        try:
            while True:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if done & ends:
                    return
        finally:
            for task in running:
                task.cancel()
            # What does not end by itself is cancelled once more as the loop closes.
            if running:
                ended, _ = await asyncio.wait(running, timeout=CLEAN_S)
                # What ended the demo is told; what came of that in other tasks is not.
                _ = [task.exception() for task in ended if not task.cancelled()]

    async def _send(self) -> None:
        bootstrap, prefix = self._config.broker.bootstrap, self._config.prefix
        part = self._part
        self._score.expect(part)
        counts = await to_kafka(part, bootstrap, Delivery(prefix), stop=self._stop)
        self.events = sum(counts.values())
        self._score.expect(self._second)
        for minute in self._minutes:
            # Services answer what has been watched; traffic does not run away from them.
            await self._reached(minute.start - WINDOW)
            if self._stop.is_set():
                return
            notes = tuple(self.services.trained(minute.start))
            part = replace(minute, notes=notes, versions=dict(self.services.versions))
            self._score.count_with(part)
            counts = await to_kafka(part, bootstrap, Delivery(prefix), stop=self._stop)
            self.events += sum(counts.values())
        while self._go_on is not None and not self._stop.is_set():
            part = encore(part)
            self._score.expect(part)
            await to_kafka(part, bootstrap, Delivery(prefix, realtime=True), stop=self._stop)

    async def _reached(self, instant: int) -> None:
        """Wait until all models have been watched up to a time."""
        while min(self._watched.values()) < instant and not self._stop.is_set():
            self._news.clear()
            stopped = asyncio.ensure_future(self._stop.wait())
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait((stopped, news), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped.cancel()
                news.cancel()

    async def _read(self) -> None:
        """Tell of everything that comes out."""
        last: asyncio.TimerHandle | None = None
        names = {self._config.topic(name): name for name in ("alerts", "feedback", "windows")}
        async for source, records in follow(self._config.broker, list(names)):
            self._heard = time.monotonic()
            for record in records:
                if record.value is not None:
                    self._take(names[source.topic], orjson.loads(record.value))
            if self.finished and self._go_on is None:
                # What was published before the last window may come after it: partitions are read
                # in no order. Quiet means that all has been read.
                if last is not None:
                    last.cancel()
                last = asyncio.get_running_loop().call_later(QUIET_S, self._stop.set)

    def _take(self, name: str, message: dict[str, Any]) -> None:
        match name:
            case "alerts":
                data = message["data"]
                self._teller.alert(data, self._score.take(data))
                self.services.alert(data)
            case "feedback":
                self.feedback.append(message)
                self.services.hear(message)
                self._teller.feedback(message)
            case _:
                self._window(message)

    def _window(self, window: dict[str, Any]) -> None:
        if window.get("length_s", 0.0) * 1e6 != WINDOW:
            return
        # The windows of one model lie on several partitions, so that an earlier one may come later.
        model = window["model"]
        self._watched[model] = max(self._watched[model], parse_instant(window["end"]))
        self._news.set()
        if self.finished:
            if self._go_on is not None:
                self._teller.window(window)
            return
        reached = min(self._watched.values())
        self._teller.progress(reached)
        if reached >= self._end:
            self.finished = True
            if self._go_on is not None:
                self._teller.result(self.services.missing)
                self._go_on()

    async def _guard(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._worker.check()
            silent = time.monotonic() - self._heard
            if not self.finished and silent > PATIENCE_S:
                said = self._worker.last_error()
                msg = f"the worker has published nothing for {silent:.0f} s; it last said: {said}"
                raise DriftlineError(msg)
