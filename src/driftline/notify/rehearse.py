"""Routes without alerts, alerts without sending, and what was buried sent after all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from driftline.bus.alerts import AsyncAlerts
from driftline.bus.clock import Clock
from driftline.bus.notices import Notices
from driftline.notify.courier import Courier
from driftline.notify.desk import Desk
from driftline.notify.measures import Metrics
from driftline.notify.message import Message, trial
from driftline.notify.routes import Alertmanager, Pagerduty
from driftline.notify.run import look_for_alerts
from driftline.notify.senders import preview, sender_of
from driftline.notify.text import text_of
from driftline.notify.web import Refused, open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.bus.config import Config
    from driftline.notify.routes import Route, Routes

__all__ = ["Preview", "Redelivered", "dry_run", "redeliver", "try_route"]

log = logging.getLogger("driftline.notify")


class Preview(NamedTuple):
    """What would be sent where."""

    route: str
    where: str
    state: str
    first: str
    body: Any


class Redelivered(NamedTuple):
    """What became of buried messages."""

    sent: int
    failed: int
    over: int
    """Not sent: they would have opened what is over by now, and nothing would have closed it."""


async def dry_run(config: Config, routes: Routes, *, idle_s: float = 3.0) -> list[Preview]:
    """Return what would be sent for what is open now, to whom; nothing is sent or acknowledged.

    The `alerts` topic is read from its beginning until nothing has come for `idle_s` seconds.
    """
    await look_for_alerts(config)
    desk, now = Desk(routes.routes), Clock().wall()
    async with AsyncAlerts(config.broker, prefix=config.prefix, idle_s=idle_s) as alerts:
        async for alert in alerts:
            desk.on_alert(alert, now)
    found = []
    for route in routes.routes:
        while (message := desk.next(route.name, now, early=True)) is not None:
            text = text_of(message, routes, route.text)
            where, body = preview(route.target, message, text)
            found.append(Preview(route.name, where, message.state, text.first, body))
    return found


async def try_route(route: Route, routes: Routes) -> str:
    """Send a test message; return what the receiver said.

    Where the receiver keeps what is open, the test is closed again.

    Raises
    ------
    Refused
        It was not taken.
    """
    now = Clock().wall()
    async with open_session() as session:
        sender = sender_of(route, session)
        message = trial(route.name, now)
        said = await sender.send(message, text_of(message, routes))
        if _keeps_open(route):
            message = trial(route.name, now, "resolved")
            await sender.send(message, text_of(message, routes))
    return said


async def redeliver(config: Config, routes: Routes, *, group: str) -> Redelivered:
    """Send what was buried, each message once; what fails again is buried again."""
    sent = failed = over = 0
    metrics = Metrics([route.name for route in routes.routes])
    async with open_session() as session, Notices(config, group).opened() as notices:
        records = await notices.read()
        async for raw in notices.unbury():
            message = msgspec.json.decode(raw, type=Message)
            route = routes.named(message.route)
            if message.open and _keeps_open(route) and not _is_open(records, message):
                over += 1
                continue
            sender = sender_of(route, session)
            courier = Courier(route, routes, sender, notices.bury, Clock().wall, metrics)
            try:
                await courier.attempt(msgspec.structs.replace(message, late=True))
            except Refused as error:
                await courier.bury(message, error, 1)
                failed += 1
            else:
                sent += 1
    return Redelivered(sent, failed, over)


def _keeps_open(route: Route) -> bool:
    return isinstance(route.target, Alertmanager | Pagerduty)


def _is_open(records: Mapping[str, dict[str, Any]], message: Message) -> bool:
    told = records.get(message.cause.id, {}).get("told", {}).get(message.route)
    return told is not None and bool(told["open"])
