"""A courier: sends the messages of one route, one after another, and tries again."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Protocol

import msgspec

from driftline.contract.types import SECOND
from driftline.events.time import format_ts
from driftline.notify.desk import OPENING
from driftline.notify.text import text_of
from driftline.notify.web import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from driftline.contract.types import Rate
    from driftline.notify.desk import Desk
    from driftline.notify.measures import Metrics
    from driftline.notify.message import Message
    from driftline.notify.routes import Route, Routes
    from driftline.notify.senders import Sender

__all__ = ["Bucket", "Courier", "delay_s"]

log = logging.getLogger("driftline.notify")

FIRST_S, LONGEST_S = 1.0, 30.0
LOOK_S = 60.0
"""How long a courier sleeps at most where nothing wakes it."""


class Bury(Protocol):
    """Keeps what could not be delivered: its key, the message, and why."""

    async def __call__(self, key: str, value: bytes, headers: Mapping[str, str]) -> None:
        """Return when it is durable."""
        ...


def delay_s(attempt: int, chance: float, asked_s: float | None = None) -> float:
    """Return how long to wait after a failed attempt.

    Exponential with jitter, so that what failed together does not come back together: half to
    whole of 1, 2, 4, … up to 60 seconds; never less than the receiver asks for.

    Parameters
    ----------
    attempt
        1 for the first.
    chance
        From 0 to 1.
    """
    most = min(LONGEST_S, FIRST_S * 2.0 ** min(attempt - 1, 30))
    return max(most * (0.5 + 0.5 * chance), asked_s or 0.0)


class Bucket:
    """Lets through so many messages in a time: a token bucket that begins full.

    Parameters
    ----------
    rate
        None lets everything through.
    """

    def __init__(self, rate: Rate | None, now: int) -> None:
        self._rate = rate
        self._tokens = 0.0 if rate is None else max(1.0, rate.count)
        self._at = now

    def take(self, now: int) -> float:
        """Take a token, or return the seconds until there is one.

        Parameters
        ----------
        now
            Microseconds.
        """
        if self._rate is None:
            return 0.0
        gained = (now - self._at) * self._rate.count / self._rate.per
        self._tokens, self._at = min(max(1.0, self._rate.count), self._tokens + gained), now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) * self._rate.per / self._rate.count / SECOND


class Courier:
    """Takes messages from the desk as they fall due and brings them to a route's target.

    Parameters
    ----------
    bury
        Where what is given up is kept.
    clock
        Wall time, microseconds.
    metrics
        Counts what is delivered, fails and is given up.
    """

    def __init__(
        self,
        route: Route,
        routes: Routes,
        sender: Sender,
        bury: Bury,
        clock: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._route = route
        self._routes = routes
        self._sender = sender
        self._bury = bury
        self._clock = clock
        self._bucket = Bucket(route.limit, clock())
        self.bell = asyncio.Event()
        """Set when the desk may have something for this route."""
        self.stopping = asyncio.Event()
        """Set to end after the attempt in hand."""

    async def run(
        self, desk: Desk, keep: Callable[[], Awaitable[None]], delivered: Callable[[], None]
    ) -> None:
        """Work until told to stop.

        Parameters
        ----------
        keep
            Makes the desk's records durable.
        delivered
            Called after each message that has told something new.
        """
        while not self.stopping.is_set():
            now, name = self._clock(), self._route.name
            self.bell.clear()
            due = desk.wakes(name)
            if due is None or due > now:
                await self._sleep(LOOK_S if due is None else (due - now) / SECOND)
                continue
            wait_s = self._bucket.take(now)
            if wait_s:
                await self._pause(wait_s)
                continue
            message = desk.next(name, now)
            assert message is not None
            if message.state in OPENING:
                await keep()
            if await self._bring(message):
                desk.done(message, self._clock())
                if message.state != "repeated":
                    delivered()

    async def _bring(self, message: Message) -> bool:
        """Deliver or bury a message; False where it was told to stop before."""
        began = self._clock()
        heartbeat = self._route.steady and message.state == "repeated"
        patience = self._route.again if heartbeat else self._route.give_up_after
        attempt = 0
        while True:
            attempt += 1
            try:
                said = await self.attempt(message)
            except Refused as error:
                self._metrics.on_failed(self._route.name)
                wait_s = delay_s(attempt, random.random(), error.after_s)
                spent = self._clock() - began + wait_s * SECOND
                if error.final or spent > (patience or 0):
                    if heartbeat:
                        log.warning("%s: not told again in time: %s", self._route.name, error)
                    else:
                        await self.bury(message, error, attempt)
                    return True
                log.warning(
                    "%s: attempt %d failed, again in %.1f s: %s",
                    self._route.name, attempt, wait_s, error,
                )  # fmt: skip
                await self._pause(wait_s)
                if self.stopping.is_set():
                    return False
            else:
                self._metrics.on_delivered(self._route.name, message.state)
                level = logging.DEBUG if heartbeat else logging.INFO
                log.log(level, "%s: %s, %s: %s", self._route.name, message.state, message.key, said)
                return True

    async def attempt(self, message: Message) -> str:
        """Send a message once; return what the receiver says.

        Raises
        ------
        Refused
            It was not taken.
        """
        try:
            text = text_of(message, self._routes, self._route.text)
            return await self._sender.send(message, text)
        except Refused:
            raise
        except Exception as error:
            # A fault of ours in one message must not keep all others from those they wake.
            log.debug("%s: %s", self._route.name, message.id, exc_info=True)
            msg = f"unexpected {type(error).__name__}: {error}"
            raise Refused(msg, final=True) from error

    async def bury(self, message: Message, why: Refused, attempts: int) -> None:
        """Keep a message that is given up, whole, with the reason."""
        log.error(
            "%s: %s of %s given up after %d attempts: %s",
            self._route.name, message.state, message.key, attempts, why,
        )  # fmt: skip
        headers = {
            "route": message.route,
            "state": message.state,
            "error.message": str(why)[:1_000],
            "attempts": str(attempts),
            "made": format_ts(message.at),
        }
        self._metrics.on_buried(self._route.name)
        await self._bury(message.id, msgspec.json.encode(message), headers)

    async def _sleep(self, seconds: float) -> None:
        """Sleep until the bell rings or it is time to stop."""
        await self._first(self.bell, self.stopping, seconds=seconds)

    async def _pause(self, seconds: float) -> None:
        """Sleep until it is time to stop; no bell wakes it."""
        await self._first(self.stopping, seconds=seconds)

    async def _first(self, *events: asyncio.Event, seconds: float) -> None:
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
