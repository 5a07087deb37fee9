"""`driftline drill`, and drills in a replay's summary and report."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import orjson
import pytest

from driftline.cli import main

if TYPE_CHECKING:
    from pathlib import Path

START = 1_772_409_600
ROWS = 4_000
CONTRACT = """
model: m
slot: 10s
lateness: 5s
reference: {from: warmup, events: 1000}
drill: {every: 5m, within: 4m, features: [x]}
"""


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(3)
    path = tmp_path_factory.mktemp("drill") / "events.jsonl"
    with path.open("wb") as file:
        for row in range(ROWS):
            event = {
                "type": "prediction",
                "model": "m",
                "ts": START + row / 4,
                "prediction_id": f"p{row}",
                "prediction": rng.random(),
                "features": {"x": rng.gauss(40, 8), "c": rng.choice("uvw")},
            }
            file.write(orjson.dumps(event) + b"\n")
    return path


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contract") / "m.yaml"
    path.write_text(CONTRACT)
    return path


def test_it_rings(traffic, contract, capsys):
    assert main(["drill", str(traffic), "--contract", str(contract)]) == 0
    said = capsys.readouterr().out
    assert "m: drill: x mean +1sd" in said
    assert "rang by" in said
    assert "foreseen: after" in said


def test_what_when_and_where_can_be_said(traffic, contract, capsys):
    options = [
        "--feature",
        "c",
        "--shift",
        "missing:+30%",
        "--at",
        "2026-03-02T00:10:00Z",
        "--json",
    ]
    assert main(["drill", str(traffic), "--contract", str(contract), *options]) == 0
    (drilled,) = json.loads(capsys.readouterr().out)["drills"]
    assert (drilled["feature"], drilled["shift"]) == ("c", "missing +30%")
    assert drilled["planted_at"] == "2026-03-02T00:10:00Z"
    assert drilled["events"] == 40 * drilled["slots"]
    assert drilled["seconds"] == 10 * drilled["slots"]
    assert drilled["foreseen"]["events"] <= drilled["foreseen"]["events_late"]
    assert drilled["events"] <= 1.5 * drilled["foreseen"]["events_late"] + 40


def test_a_trifle_does_not_ring_and_the_exit_code_says_so(traffic, contract, capsys):
    options = ["--shift", "mean:+0.01sd", "--within", "1m", "--json"]
    assert main(["drill", str(traffic), "--contract", str(contract), *options]) == 1
    (drilled,) = json.loads(capsys.readouterr().out)["drills"]
    assert not drilled["rang"]
    assert drilled["slots"] == drilled["within_slots"] == 6
    assert drilled["foreseen"] == {"events": None, "events_late": None}


def test_traffic_that_ends_too_soon_is_no_success(traffic, contract, capsys):
    options = ["--shift", "mean:+0.01sd", "--within", "1d"]
    assert main(["drill", str(traffic), "--contract", str(contract), *options]) == 1
    assert "m: no drill: the traffic ended" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--feature", "y", "--feature: expected one of c, prediction, x, got 'y'"),
        ("--shift", "up", "--shift: expected a shift such as mean +1sd"),
        ("--within", "soon", "--within: expected a duration such as 30m"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(traffic, contract, capsys, option, value, said):
    assert main(["drill", str(traffic), "--contract", str(contract), option, value]) == 2
    assert said in capsys.readouterr().err


def test_scheduled_drills_stand_in_the_replay(traffic, contract, capsys, tmp_path):
    assert main(["replay", str(traffic), "--contract", str(contract), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    drills = json.loads((tmp_path / "summary.json").read_bytes())["drills"]
    assert len(drills) >= 2
    assert all(drilled["rang"] for drilled in drills)
    assert said.count("drill: x mean +1sd") == len(drills)
    page = (tmp_path / "report.html").read_text()
    assert "<h2>Drills</h2>" in page
    assert page.count("<td>mean +1sd</td>") == len(drills)
    assert (tmp_path / "alerts.jsonl").read_bytes() == b""
