from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

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


def data_of(report: Path) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', report.read_text(), re.S
    )
    assert found is not None
    (model,) = json.loads(found[1])["models"]
    return model


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
    model = data_of(report)
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


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on rare levels that trade places, and on two columns that begin to move together."""
    folder = tmp_path_factory.mktemp("moved")
    rng = np.random.default_rng(2)
    levels = [f"l{n}" for n in range(8)]
    before = np.array([0.3, 0.2, 0.14, 0.1, 0.1, 0.1, 0.05, 0.01])
    after = np.array([0.3, 0.2, 0.14, 0.1, 0.1, 0.1, 0.01, 0.05])
    with (folder / "predictions.jsonl").open("w") as file:
        for row in range(12_000):
            changed = row >= 8_000
            left = rng.normal()
            right = 0.8 * left + 0.6 * rng.normal() if changed else rng.normal()
            event = {
                "model": "m",
                "ts": format_ts(START + row * 250_000),
                "prediction_id": str(row),
                "prediction": 0,
                "features": {
                    "left": left,
                    "right": right,
                    "level": str(rng.choice(levels, p=after if changed else before)),
                },
            }
            file.write(json.dumps(event) + "\n")
    (folder / "m.yaml").write_text(
        "model: m\nwindows: [20s]\ndetectors: [evidence, correlation]\n"
        "reference: {from: warmup, events: 5000}\n"
    )
    request = Request([str(folder / "predictions.jsonl")], load([folder / "m.yaml"]), folder)
    replay(request, clock=lambda: 0.0)
    return folder / "report.html"


def test_an_incident_has_plots_of_its_own_from_before_its_change_until_after_it_was_seen(
    report: Path,
) -> None:
    model = data_of(report)
    text = report.read_text()
    assert model["close"]
    for incident, near in model["close"].items():
        assert f'data-incident="{incident}"' in text
        assert 1 <= len(near) <= 4
        for plot in near:
            chart, (first, last) = plot["chart"], plot["ends"]
            times = np.array(plot["times"])
            assert ((first < times) & (times < last)).all()
            (mark,) = chart["marks"]
            low, high = mark["interval"]
            assert first <= low <= mark["change"] <= high < mark["detected"] <= last
            median = np.array(chart["lines"]["median"], dtype=float)
            # Whole points before the true change and after it; windows are of a minute.
            change = (START + 5_000 * 250_000) / 1e6
            held = [times < change - 60, times > change + 60]
            assert all(side.any() for side in held)
            assert np.abs(median[held[0]]).max() < 0.5
            # All of these move by at least three standard deviations.
            assert median[held[1]].min() > 2.5
            # The middle half of a unit normal.
            width = np.array(chart["lines"]["high"]) - np.array(chart["lines"]["low"])
            assert np.median(width[held[0]]) == pytest.approx(1.35, abs=0.2)


def test_a_close_plot_shows_the_levels_that_moved_where_the_long_one_shows_the_frequent(
    moved: Path,
) -> None:
    model = data_of(moved)
    (near,) = [
        plot["chart"]
        for near in model["close"].values()
        for plot in near
        if plot["chart"]["name"] == "level"
    ]
    assert {"l6", "l7"} <= set(near["lines"])
    (far,) = [chart for chart in model["charts"] if chart["name"] == "level"]
    assert not {"l6", "l7"} & set(far["lines"])


def test_a_change_of_correlation_is_drawn_with_both_of_its_columns(moved: Path) -> None:
    model = data_of(moved)
    shown = [{plot["chart"]["name"] for plot in near} for near in model["close"].values()]
    assert any({"left", "right"} <= names for names in shown)


def test_what_stands_in_the_middle_of_no_point_is_still_on_the_axis(moved: Path) -> None:
    model = data_of(moved)
    first, last = model["ends"]
    assert first < model["times"][0]
    assert model["times"][-1] < last
    for chart in model["charts"]:
        for mark in chart["marks"]:
            assert first <= mark["detected"] <= last


def test_an_incident_of_a_segment_is_drawn_with_the_rows_of_that_segment(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    with (tmp_path / "predictions.jsonl").open("w") as file:
        for row in range(12_000):
            country = str(rng.choice(["DE", "FR", "US"], p=[0.1, 0.45, 0.45]))
            moved = country == "DE" and row >= 8_000
            event = {
                "model": "m",
                "ts": format_ts(START + row * 250_000),
                "prediction_id": str(row),
                "prediction": 0,
                "segment": {"country": country},
                "features": {"amount": float(rng.normal(1.5 if moved else 0.0))},
            }
            file.write(json.dumps(event) + "\n")
    (tmp_path / "m.yaml").write_text(
        "model: m\nwindows: [1m]\ndetectors: [evidence]\nreference: {from: warmup, events: 5000}\n"
    )
    request = Request([str(tmp_path / "predictions.jsonl")], load([tmp_path / "m.yaml"]), tmp_path)
    replay(request, clock=lambda: 0.0)
    (near,) = data_of(tmp_path / "report.html")["close"].values()
    plot = near[0]
    assert plot["of"] == "country=DE"
    times, median = np.array(plot["times"]), np.array(plot["chart"]["lines"]["median"])
    change = (START + 8_000 * 250_000) / 1e6
    assert np.median(median[times < change]) == pytest.approx(0, abs=0.3)
    assert np.median(median[times > change]) == pytest.approx(1.5, abs=0.4)
