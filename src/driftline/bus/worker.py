"""One worker process: checked before it starts, ended by a signal, a fault or idleness."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from driftline.bus import topics
from driftline.bus.errors import TopicsError
from driftline.bus.garbage import collect_rarely
from driftline.bus.health import Health
from driftline.bus.idle import idle_after
from driftline.bus.otlp import OtlpExport, wanted
from driftline.bus.runtime import Runtime
from driftline.events.time import SECOND

if TYPE_CHECKING:
    from driftline.bus.config import Config
    from driftline.bus.parts import Parts
    from driftline.contract import Book

__all__ = ["preflight", "run"]

log = logging.getLogger("driftline.worker")

LOOK_S = 0.2
SOONEST = SECOND
END_S = 80.0
"""More than any stop in order takes (`driftline.bus.runtime`)."""


async def preflight(config: Config) -> None:
    """Check that the broker answers and that all topics are as they have to be.

    Raises
    ------
    BrokerUnreachable
        No answer.
    TopicsError
        With one line for each difference.
    """
    differences = await topics.check(config)
    if differences:
        hint = "`driftline topics apply` creates missing ones (--with-inputs: inputs too)"
        raise TopicsError([*differences, hint])


async def run(
    config: Config,
    book: Book,
    *,
    until_idle_s: float | None = None,
    parent_pipe: bool = False,
    parts: Parts | None = None,
) -> None:
    """Work until told to stop.

    Parameters
    ----------
    until_idle_s
        End when nothing has come in or out for so many seconds, all is handled, and the inputs
        count as idle; as these do after so long at most, unless the configuration says otherwise.
    parent_pipe
        End when standard input closes: the process that started this one is gone.
    parts
        In place of the pipeline's own objects, for tests.

    Raises
    ------
    DriftlineError
        What ended it, if not a signal.
    """
    await preflight(config)
    if until_idle_s is not None and config.idle_after is None:
        # Whoever wants it to end does not wait a minute for what may still come.
        soon = max(SOONEST, int(until_idle_s * SECOND))
        config = config.with_(idle_after=min(soon, idle_after(config, book)))
    runtime = Runtime(config, book, parts=parts)
    health = Health(runtime)
    otlp = OtlpExport(runtime.metrics.registry, health.refresh) if wanted() else None
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if parent_pipe:
        loop.add_reader(sys.stdin.fileno(), _parent_spoke, loop, stopping)
    helpers: list[asyncio.Task[None]] = []
    try:
        await runtime.start()
        await health.endpoint.start()
        helpers.append(loop.create_task(_stop_when(stopping, runtime)))
        runtime.run(health.watch())
        if otlp is not None:
            helpers.append(loop.create_task(otlp.run()))
        if until_idle_s is not None:
            helpers.append(loop.create_task(_stop_when_idle(runtime, until_idle_s)))
        collect_rarely()
        log.info("reading %s", ", ".join(spec.topic for spec in config.sources))
        await runtime.wait()
    finally:
        for helper in helpers:
            helper.cancel()
        _end_for_certain()
        await health.endpoint.stop()
        await runtime.stop()
        if otlp is not None and helpers:  # else there was no start, and nothing to tell
            await otlp.stop()
        log.info("stopped")


async def _stop_when(stopping: asyncio.Event, runtime: Runtime) -> None:
    await stopping.wait()
    log.info("stopping: finishing the chunks in hand")
    runtime.finish()


async def _stop_when_idle(runtime: Runtime, seconds: float) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        since = runtime.idle.quiet_since
        if since is not None and runtime.clock.steady() - since >= seconds and runtime.assigned:
            log.info("nothing to do for %g s", seconds)
            runtime.finish()
            return


def _end_for_certain() -> None:
    """Bound the stop: a thread or a connection that hangs must not keep a worker that has ended."""

    def end() -> None:
        sys.stderr.write(f"driftline: error: not stopped after {END_S:.0f} s; ended by force\n")
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(END_S, end)
    timer.daemon = True
    timer.start()


def _parent_spoke(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        loop.remove_reader(sys.stdin.fileno())
        stopping.set()
