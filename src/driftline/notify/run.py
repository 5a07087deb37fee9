"""`driftline notify` at work: alerts from the topic, messages to the routes.

1. An alert is acknowledged when all that it says has been told, or buried, by every route, and the
   record of that is durable.
2. What was told of each cause stands on the compacted topic `notify`. A start takes it up: what was
   told is not told again, and what was not is.
   What is about to open something at a receiver is noted before it is sent, so that it is closed
   there whatever happens in between.
3. Of several processes of one group one is at work: causes are seen over all models, so the alerts
   cannot be shared out. When it ends another takes over, and takes up the records.
4. A fault of Kafka's ends the process before anything more is acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

from driftline.bus.alerts import AsyncAlerts
from driftline.bus.clock import Clock
from driftline.bus.errors import TopicsError
from driftline.bus.notices import Notices
from driftline.bus.topics import partition_counts
from driftline.errors import DriftlineError
from driftline.notify.courier import Courier
from driftline.notify.desk import Desk
from driftline.notify.health import Health
from driftline.notify.senders import sender_of
from driftline.notify.web import open_session

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from driftline.bus.config import Config
    from driftline.notify.routes import Routes

__all__ = ["look_for_alerts", "run"]

log = logging.getLogger("driftline.notify")

KEEP_S = 0.5
"""How often what was told is made durable: a crash repeats at most the messages of so long."""
KEEP_SHARE = 5
"""How much longer than that takes it waits in between, where a cause has very many incidents."""
LOOK_S = 0.1
STOP_S = 20.0
"""For attempts in hand at the end; a slower receiver is tried again at the next start."""
MOST_MARKS = 1_000
"""Places between alerts that are remembered; of more every other one, so that less can be
acknowledged at a time."""


async def run(
    config: Config,
    routes: Routes,
    *,
    group: str = "driftline-notify",
    stopping: asyncio.Event,
    until_idle_s: float | None = None,
) -> None:
    """Work until told to stop.

    Parameters
    ----------
    group
        Consumer group; processes of one group stand in for one another.
    until_idle_s
        End when for so many seconds no alert has come and nothing was left to tell.

    Raises
    ------
    DriftlineError
        What ended it, if not `stopping`.
    """
    clock = Clock()
    health = Health(config.health, [route.name for route in routes.routes], clock)
    await look_for_alerts(config)
    async with (
        # Left last: what a collector keeps it waiting for keeps nobody from taking over.
        health.serving(),
        open_session() as session,
        Notices(config, group).opened() as notices,
        AsyncAlerts(config.broker, group=group, prefix=config.prefix, alone=True) as alerts,
    ):
        senders = {route.name: sender_of(route, session) for route in routes.routes}
        while not stopping.is_set():
            health.standing_by()
            await _first(stopping.wait(), alerts.turn.begins())
            if stopping.is_set():
                return
            alerts.place.clear()
            desk = Desk(routes.routes)
            _take_up(desk, await notices.read(), notices.topic, clock.wall())
            log.info("at work: %d causes known", len(desk.causes.all))
            health.at_work(desk)
            couriers = [
                Courier(
                    route, routes, senders[route.name], notices.bury, clock.wall, health.metrics
                )
                for route in routes.routes
            ]
            shift = Shift(desk, alerts, notices, couriers, clock, health)
            if await shift.work(stopping, until_idle_s):
                return


async def look_for_alerts(config: Config) -> None:
    """Make sure that the topic of alerts is there: a group waits for one without a word.

    Raises
    ------
    TopicsError
        It is not.
    """
    topic = config.topic("alerts")
    if not (await partition_counts(config.broker, [topic]))[topic]:
        hint = "`driftline topics apply` creates it"
        raise TopicsError([f"{topic}: expected a topic, found none", hint])


def _take_up(desk: Desk, records: Mapping[str, dict[str, Any]], topic: str, now: int) -> None:
    try:
        desk.restore(records, now)
    except (ValueError, KeyError, TypeError) as error:
        msg = (
            f"{topic}: expected the records of this version, got something else "
            f"({type(error).__name__}: {error}); another --group begins anew"
        )
        raise DriftlineError(msg) from error


class Shift:
    """One turn at work, from taking up the records to the last acknowledgement."""

    def __init__(
        self,
        desk: Desk,
        alerts: AsyncAlerts,
        notices: Notices,
        couriers: list[Courier],
        clock: Clock,
        health: Health,
    ) -> None:
        self._clock = clock
        self._health = health
        self._desk = desk
        self._alerts = alerts
        self._notices = notices
        self._couriers = couriers
        self._marks: deque[tuple[int, Mapping[Any, int]]] = deque()
        self._keeping = asyncio.Lock()
        self._ringing = False
        self._heard = self._clock.steady()

    async def work(self, stopping: asyncio.Event, until_idle_s: float | None) -> bool:
        """Work until told to stop or until another's turn; return whether it is to stop."""
        tasks = [
            asyncio.ensure_future(each)
            for each in (
                self._read(),
                self._keep_on(),
                *(courier.run(self._desk, self._keep, self._touch) for courier in self._couriers),
                self._alerts.turn.ends(),
                stopping.wait(),
                *([] if until_idle_s is None else [self._until_idle(until_idle_s)]),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for courier in self._couriers:
                courier.stopping.set()
            for task in (task for task in tasks if task.done()):
                await task  # raises what ended it
            await asyncio.wait(tasks[2 : 2 + len(self._couriers)], timeout=STOP_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not self._alerts.turn.mine:
            log.info("another process of the group is at work; standing by")
            return False
        await self._keep()
        return True

    def _touch(self) -> None:
        self._heard = self._clock.steady()

    async def _read(self) -> None:
        async for alert in self._alerts:
            number = self._desk.on_alert(alert, self._clock.wall())
            self._marks.append((number, dict(self._alerts.place)))
            if len(self._marks) > MOST_MARKS:
                self._marks = deque(list(self._marks)[1::2])
            self._touch()
            if not self._ringing:
                self._ringing = True
                asyncio.get_running_loop().call_later(LOOK_S, self._ring)

    def _ring(self) -> None:
        """Let the couriers look, once for all alerts that come together."""
        self._ringing = False
        for courier in self._couriers:
            courier.bell.set()

    async def _keep_on(self) -> None:
        wait_s = KEEP_S
        while True:
            await asyncio.sleep(wait_s)
            began = self._clock.steady()
            await self._keep()
            wait_s = max(KEEP_S, KEEP_SHARE * (self._clock.steady() - began))

    async def _keep(self) -> None:
        """Make durable what was told, then acknowledge the alerts that say no more than that."""
        async with self._keeping:
            settled, records = self._desk.settled, self._desk.records()
            try:
                if records:
                    await self._notices.keep(records)
            except BaseException:
                self._desk.unkept(cause for cause, _ in records)
                raise
            place: Mapping[Any, int] | None = None
            while self._marks and self._marks[0][0] <= settled:
                place = self._marks.popleft()[1]
            if place is not None:
                await self._alerts.acknowledge(place)
            self._health.kept()

    async def _until_idle(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._desk.idle and self._clock.steady() - self._heard >= seconds:
                return


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
