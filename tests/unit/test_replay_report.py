from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

from driftline.contract import load
from driftline.events.time import format_ts
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from pathlib import Path

START = 1_700_000_000_000_000
TRICK = '</script><img src=x onerror="alert(1)">'


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(1)
    with (folder / "predictions.jsonl").open("w") as file:
        for row in range(8_000):
            features = {f"f{n}": float(rng.normal(n * (row > 5_000))) for n in range(60)}
            event = {
                "model": "m",
                "ts": format_ts(START + row * 250_000),
                "prediction_id": str(row),
                "prediction": int(rng.random() > 0.5),
                "features": {**features, TRICK: str(rng.choice(["a", TRICK]))},
            }
            file.write(json.dumps(event) + "\n")
    (folder / "m.yaml").write_text(
        "model: m\nwindows: [{length: 1m, hop: 10s}]\ndetectors: [evidence]\n"
        "reference: {from: warmup, events: 3000}\n"
    )
    request = Request([str(folder / "predictions.jsonl")], load([folder / "m.yaml"]), folder)
    replay(request, clock=lambda: 0.0)
    return folder / "report.html"


def test_it_needs_nothing_but_itself(report: Path) -> None:
    text = report.read_text()
    page = Page()
    page.feed(text)
    assert page.links == []
    assert not re.search(r"@import|url\(", text)
    assert len(text) < 5_000_000


def test_what_producers_name_cannot_become_markup(report: Path) -> None:
    page = Page()
    page.feed(report.read_text())
    assert "img" not in page.tags
    assert page.tags.count("script") == 2


def test_it_draws_what_moved_first_and_no_more_than_its_bounds(report: Path) -> None:
    text = report.read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found is not None
    (model,) = json.loads(found[1])
    assert len(model["charts"]) == 50
    assert "f0" not in {chart["name"] for chart in model["charts"][:40]}
    marked = [chart["name"] for chart in model["charts"] if chart["marks"]]
    assert len(marked) >= 40
    assert 20 <= len(model["times"]) <= 500
    for chart in model["charts"]:
        for line in (*chart["lines"].values(), chart["psi"], chart["floor"]):
            assert len(line) == len(model["times"])
    first = model["charts"][0]
    assert len(first["lines"]["median"]) == len(model["times"])
    low, high = np.array(first["lines"]["low"]), np.array(first["lines"]["high"])
    assert (low[:-1] < high[:-1]).all()
    change = (START + 5_000 * 250_000) / 1e6
    assert abs(first["marks"][0]["change"] - change) < 60
