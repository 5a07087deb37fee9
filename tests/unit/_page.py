"""The page over what a real replay has written, and its application on a port of its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs

from driftline.bus.clock import Clock
from driftline.cli import main
from driftline.contract import SECOND, Contract, load
from driftline.detect.protocol import Finding
from driftline.incidents import Context, Incidents
from driftline.ui.app import make_app
from driftline.ui.feed import load_folder
from driftline.ui.house import House
from driftline.ui.settings import Door
from driftline.ui.view import Limits, View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from driftline.contract import Book

START = 1_772_409_600 * SECOND
CONTRACT = """
model: credit-risk
owner: {team: risk-ml, contact: "#risk-ml"}
slot: 1m
lateness: 1m
windows: [5m]
reference: {from: warmup, events: 3000}
quality: {metric: auc, at_least: 0.72, label_horizon: 2h, window: 30m, positive: default}
decision: {act_when: "score >= 0.6", action: reject}
drill: {every: 1h, shifts: [mean +1sd], within: 1h}
"""


def replayed(folder: Path) -> Path:
    """Simulate two hours of a model with a planted fault, and replay them."""
    (folder / "c.yaml").write_text(CONTRACT)
    fault = "mean:credit-risk:age:+1sd@70m"
    made = "--models credit-risk --duration 2h --rate 3/s --calm --with labels,decisions"
    assert main(["simulate", "--out", str(folder), *made.split(), "--fault", fault]) == 0
    events, out = str(folder / "events.jsonl"), str(folder / "out")
    asked = ["--contract", str(folder / "c.yaml"), "--out", out, "--no-report"]
    assert main(["replay", events, *asked]) == 0
    return folder / "out"


def book_of(folder: Path) -> Book:
    return load([folder.parent / "c.yaml"])


def finding(model: str, at: int, **more: Any) -> Finding:
    given = {
        "state": "raised", "model": model, "feature": "age", "kind": "drift",
        "detector": "evidence", "severity": "page", "change_point": START + at,
        "detected_at": START + at, "effect": 0.8, "effect_unit": "reference sd",
        "text": "median 41 → 52", "log_e": 12.5, "evidence": {"log_threshold": 9.0},
    }  # fmt: skip
    return Finding(**{**given, **more})


def alerts(model: str, *story: tuple[int, Finding]) -> list[bytes]:
    """What a model's incidents publish, by the seconds at which findings come."""
    incidents, out = Incidents(Contract(model=model)), []
    for at, each in story:
        out += incidents.step([each], Context(now=START + at)).alerts
    return [value for _, value in out]


def view_of(folder: Path, outputs: Path, limits: Limits | None = None) -> View:
    view = View(folder, book_of(outputs), str(outputs), limits)
    load_folder(outputs, view)
    return view


@asynccontextmanager
async def opened(folder: Path, book: Book, door: Door, **parts: Any) -> AsyncIterator[TestClient]:
    """The real application, listening on a port of its own."""
    house = House(folder, book, door, Clock(), **parts)
    house.begin()
    client: TestClient = TestClient(TestServer(make_app(house)))
    await client.start_server()
    client.house = house
    try:
        yield client
    finally:
        await client.close()
        house.close()


def visit(
    folder: Path,
    book: Book,
    call: Callable[[TestClient], Awaitable[None]],
    door: Door | None = None,
    **parts: Any,
) -> None:
    """Open the application, and let somebody in."""

    async def run() -> None:
        async with opened(folder, book, door or Door(user="anna"), **parts) as client:
            await call(client)

    asyncio.run(run())


def with_(door: Door, **changes: Any) -> Door:
    return structs.replace(door, **changes)
