"""What `driftline notify` tells of itself: its metrics, and whether it is live."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession
from tests.unit._scrape import measured, scraped
from tests.unit._watched import Watched

from driftline.broker.ready import free_ports
from driftline.bus.clock import Clock
from driftline.bus.config import HealthConfig
from driftline.bus.instruments import PROCESS
from driftline.contract.types import HOUR, MINUTE, SECOND
from driftline.errors import DriftlineError
from driftline.notify.desk import Desk
from driftline.notify.health import Health
from driftline.notify.measures import MEASURES, STATES, Metrics
from driftline.notify.routes import Route, Stdout

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

NOW = 1_800_000_000 * SECOND
ROUTES = (Route(name="oncall", target=Stdout(), wait=10 * SECOND, repeat=HOUR),)


def told(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    return scraped(registry, "driftline_notify_")


def test_everything_that_is_told_is_documented() -> None:
    metrics = Metrics(["oncall"])
    metrics.refresh(None, NOW)
    names = measured(metrics.registry)
    documented = {f"driftline_{each.name}" for each in MEASURES} | set(PROCESS)
    assert names <= documented
    if sys.platform == "linux":
        assert names == documented


def test_a_route_has_its_series_before_anything_has_failed() -> None:
    metrics = Metrics(["oncall", "team"])
    found = told(metrics.registry)
    assert found["buried_total", "team"] == found["failed_total", "oncall"] == 0
    assert {key[2] for key in found if key[0] == "delivered_total"} == set(STATES)
    metrics.on_failed("oncall")
    metrics.on_buried("oncall")
    metrics.on_delivered("team", "opened")
    found = told(metrics.registry)
    assert found["failed_total", "oncall"] == found["buried_total", "oncall"] == 1
    assert found["delivered_total", "team", "opened"] == 1
    assert found["buried_total", "team"] == 0


def test_what_is_due_waits_until_it_has_arrived() -> None:
    metrics, desk, model = Metrics(["oncall"]), Desk(ROUTES), Watched("credit")

    def waiting(now: int) -> tuple[float, float]:
        metrics.refresh(desk, now)
        found = told(metrics.registry)
        return found["waiting", "oncall"], found["waiting_seconds", "oncall"]

    for alert in model.says("income", 0):
        desk.on_alert(alert, NOW)
    # It is held back for what may belong to it: nobody waits yet.
    assert waiting(NOW + 9 * SECOND) == (0, 0)
    assert waiting(NOW + 15 * SECOND) == (1, 5)
    message = desk.next("oncall", NOW + 20 * SECOND)
    assert message is not None
    # An attempt is under way; what it waits for is the receiver.
    assert waiting(NOW + 80 * SECOND) == (1, 70)
    desk.done(message, NOW + 80 * SECOND)
    assert waiting(NOW + 5 * MINUTE) == (0, 0)
    # A reminder of what has been told already is nothing that anybody waits for.
    assert desk.wakes("oncall") == NOW + 80 * SECOND + HOUR
    assert waiting(NOW + 2 * HOUR) == (0, 0)
    assert told(metrics.registry)["causes_open",] == 1
    assert told(metrics.registry)["at_work",] == 1
    metrics.refresh(None, NOW + 2 * HOUR)
    assert told(metrics.registry)["at_work",] == told(metrics.registry)["causes_open",] == 0


class Steady(Clock):
    """A clock that moves when it is told to."""

    now = 1_000.0

    def wall(self) -> int:
        return NOW

    def steady(self) -> float:
        return self.now


def test_live_is_who_keeps_what_was_told_or_stands_by() -> None:
    (port,) = free_ports(1)
    clock = Steady()
    health = Health(HealthConfig(port=port, stalled_after=60 * SECOND), ["oncall"], clock)

    async def asked(path: str) -> tuple[int, Any]:
        async with (
            ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            body = await answer.json() if path != "/metrics" else await answer.text()
            return answer.status, body

    async def life() -> None:
        async with health.serving():
            clock.now += 600
            assert await asked("/live") == (200, {"live": True, "stalled_seconds": 0.0})
            assert await asked("/ready") == (503, {"ready": False, "at_work": False})
            health.standing_by()
            assert await asked("/ready") == (200, {"ready": True, "at_work": False})
            health.at_work(Desk(ROUTES))
            assert (await asked("/ready"))[1]["at_work"]
            clock.now += 59
            assert (await asked("/live"))[0] == 200
            clock.now += 2
            assert await asked("/live") == (503, {"live": False, "stalled_seconds": 61.0})
            health.kept()
            assert (await asked("/live"))[0] == 200
            status, text = await asked("/metrics")
            assert status == 200
            assert "driftline_notify_at_work 1.0" in text
            with pytest.raises(DriftlineError, match=rf"health: 127.0.0.1:{port}: "):
                async with Health(HealthConfig(port=port), ["oncall"], clock).serving():
                    pass
        with pytest.raises(OSError, match=str(port)):
            await asked("/live")

    asyncio.run(asyncio.wait_for(life(), 20))
