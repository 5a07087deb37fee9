"""A thousand models and a hundred thousand incidents: the first screens stay quick."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson
import pytest
from tests.unit._page import alerts, finding, visit

from driftline.contract import HOUR, Book
from driftline.ui.view import View

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.test_utils import TestClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODELS = 1_000
EACH = 100
SECONDS = 1.0


def fill(folder: Path) -> float:
    """Take all of it as from the topic; return how long that took."""
    story = []
    for number in range(EACH):
        at, name = number * 20 * HOUR, f"col{number % 20}"
        severity = "page" if number % 3 else "notice"
        story.append((at, finding("x", at, feature=name, severity=severity)))
        if number < EACH - 5:
            over = at + HOUR
            story.append((over, finding("x", over, feature=name, state="cleared")))
    # As the topic is compacted, of most incidents the last word is all there is.
    last = {orjson.loads(value)["data"]["incident"]: value for value in alerts("x", *story)}
    told = [orjson.loads(value) for value in last.values()]
    assert len(told) == EACH
    view = View(folder, Book(), "here")
    began = time.perf_counter()
    for number in range(MODELS):
        for event in told:
            event["data"] |= {"model": f"model-{number:04}"}
            name = event["data"]["incident"]
            event["data"]["incident"] = f"{number:04}{name[-12:]}"
        view.take("alerts", [_own(event, number) for event in told], {})
    view.refresh()
    view.close()
    return time.perf_counter() - began


def _own(event: object, number: int) -> bytes:
    """Write an event with features that no other model has: they share no cause."""
    return orjson.dumps(event).replace(b'"col', f'"m{number}-col'.encode())


def test_the_first_screens_are_there_within_a_second(tmp_path: Path) -> None:
    took = fill(tmp_path)
    spent: dict[str, float] = {}

    async def call(client: TestClient) -> None:
        first = await (await client.get("/incidents")).text()
        assert f"{MODELS * EACH:,} incidents" in first
        for path in (
            "/", "/?page=20", "/?q=model-0999", "/?level=page",
            "/incidents", "/incidents?page=2000", "/incidents?q=col19",
            "/incidents?state=open", "/models/model-0500", "/incidents?model=model-0500",
        ):  # fmt: skip
            began = time.perf_counter()
            answer = await client.get(path)
            assert answer.status == 200
            assert "model-0" in await answer.text()
            spent[path] = time.perf_counter() - began

    visit(tmp_path, Book(), call)
    size = sum(each.stat().st_size for each in tmp_path.iterdir()) / 1e6
    print(f"{MODELS:,} models, {MODELS * EACH:,} incidents: taken in {took:.0f} s, {size:.0f} MB")
    for path, seconds in spent.items():
        print(f"{seconds:7.3f} s  {path}")
    assert spent["/"] < SECONDS, spent
    assert max(spent.values()) < 3 * SECONDS, spent
