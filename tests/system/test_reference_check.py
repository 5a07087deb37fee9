"""`driftline reference check`: what it prints, what it writes, what it warns of."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from driftline.cli import main
from driftline.contract import Contract, FeaturePlan
from driftline.detect import Tolerances
from driftline.detect.footing import caveats, footings
from driftline.replay.foretold import label, span
from driftline.stats import Reference

if TYPE_CHECKING:
    from pathlib import Path

SLOT = 10_000_000
ROWS = 3_000


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    lines = ["ts,age,country,member,version_of_<x>"]
    for row in range(ROWS):
        age, country, member = rng.normal(40, 10), rng.choice(["de", "fr", "it"]), row % 3 == 0
        ts = 1.76e9 + row // 30 * 10 + row % 30 / 4
        lines.append(f"{ts},{age},{country},{str(member).lower()},7")
    (tmp_path / "r.csv").write_text("\n".join(lines))
    path = tmp_path / "c.yaml"
    path.write_text("model: m\nreference: {from: file, path: r.csv}\n")
    return path


def test_the_table(contract: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reference", "check", str(contract)]) == 0
    said = capsys.readouterr().out
    assert "3,000 rows, 100 slots of time; 30 events a slot of 10s" in said
    assert "1 per 30d" in said
    assert re.search(r"mean ±1sd +\d+ events", said)
    assert re.search(r"missing \+1% +never: below the tolerance", said)
    assert re.search(r"new 5% +\d+ events", said)
    assert re.search(r"mix 20% +\d+ events", said)
    assert "one value only in version_of_<x>" in said
    assert "adwin" in said


def test_segments_are_told_and_those_left_out(
    contract: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = contract.with_name("r.csv")
    head, *rows = table.read_text().splitlines()
    regions = ["north"] * 2_000 + ["south"] * 600 + ["east"] * 300 + ["west"] * 100
    rows = [f"{row},{region}" for row, region in zip(rows, regions, strict=True)]
    table.write_text("\n".join([f"{head},segment.region", *rows]))
    contract.write_text(contract.read_text() + "segments: {most: 2}\n")
    saved = contract.with_name("m.json")
    said = []
    for arguments in (
        ["reference", "build", str(contract), "--out", str(saved)],
        ["reference", "check", str(contract), "--feature", "age"],
    ):
        assert main(arguments) == 0
        said.append(capsys.readouterr().out)
    for text in said:
        # A tenth of the budget each: 1 page per 30 days, times ten.
        assert (
            "Segments watched each by itself: 2, each at 1 per 300 d: region=north (2,000 rows), "
            "region=south (600 rows)." in text
        )
        assert (
            "as part of the whole alone: region=east (300 rows: more segments than are watched), "
            "region=west (100 rows: fewer than 250)." in text
        )
    assert "1 per 62 d, over all columns" in said[1], "of what the segments have left"
    assert main(["reference", "check", str(contract), "--feature", "age", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["segments"]
    assert [each["segment"] for each in told["watched"]] == [
        {"region": "north"},
        {"region": "south"},
    ]
    assert [each["rows"] for each in told["left_out"]] == [300, 100]
    assert main(["reference", "show", str(saved)]) == 0
    assert "3,000 rows, 100 slots, 2 segments" in capsys.readouterr().out


def test_json_says_the_same_each_time(contract: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["reference", "check", str(contract), "--json", "--feature", "age"]
    told = []
    for _ in range(2):
        assert main([*arguments, "--horizon", "20m"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    assert told[0]["horizon_s"] == 1200
    assert [each["feature"] for each in told[0]["features"]] == ["age"]
    shifts = {each["shift"]: each for each in told[0]["features"][0]["shifts"]}
    found = shifts["mean ±1sd"]
    assert found["verdict"] == "seen"
    # 30 events a slot of 10 s.
    assert found["events"] * 10 == found["seconds"] * 30
    assert shifts["mean ±0.25sd"]["events"] > found["events"] >= shifts["mean ±2sd"]["events"]
    assert shifts["missing +1%"] | {"found": 0} == {
        "shift": "missing +1%",
        "what": "missing",
        "size": 0.01,
        "verdict": "trifle",
        "runs": 100,
        "found": 0,
        "events": None,
        "events_p90": None,
        "seconds": None,
        "seconds_p90": None,
    }
    assert {each["kind"] for each in told[0]["kinds"]} == {"numeric"}


def test_less_traffic_takes_longer(contract: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = []
    for rows in ("30", "3"):
        arguments = ["--json", "--feature", "age", "--events-per-slot", rows, "--horizon", "1h"]
        assert main(["reference", "check", str(contract), *arguments]) == 0
        shifts = json.loads(capsys.readouterr().out)["features"][0]["shifts"]
        seconds.append(shifts[1]["seconds"])
    assert seconds[0] * 5 <= seconds[1] <= seconds[0] * 20


def test_the_page_stands_alone(contract: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["reference", "check", str(contract), "--report", str(page)]) == 0
    text = page.read_text()
    assert not re.search(r"(src|href)\s*=", text)
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", text.split("<script>")[0])
    assert "version_of_<x>" not in text
    assert "version_of_&lt;x&gt;" in text
    data = re.search(r'id="data">(.*?)</script>', text)
    assert data is not None
    kinds = json.loads(data[1])
    assert [len(plots) for plots in kinds] == [3, 3, 2]
    mean = kinds[0][0]
    assert mean["sizes"] == ["0.25", "0.5", "1", "2"]
    assert mean["middle"] == sorted(mean["middle"], reverse=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--horizon", "soon"], "--horizon"),
        (["--feature", "agee"], "agee"),
        (["--events-per-slot", "0"], "events-per-slot"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    contract: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    assert main(["reference", "check", str(contract), *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_without_time_the_traffic_must_be_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    (tmp_path / "r.csv").write_text("x\n" + "\n".join(str(rng.normal()) for _ in range(300)))
    path = tmp_path / "c.yaml"
    path.write_text("model: m\nreference: {from: file, path: r.csv}\n")
    assert main(["reference", "check", str(path)]) == 2
    assert "--events-per-slot" in capsys.readouterr().err
    path.write_text(path.read_text() + "sla: {min_rate: 120/min}\n")
    assert main(["reference", "check", str(path)]) == 0
    said = capsys.readouterr().out
    assert "300 rows, no time; 20 events a slot" in said
    assert "too short a reference for x" in said
    assert "no time" in said


def test_a_reference_that_is_too_short_says_how_long_would_do() -> None:
    rng, contract = np.random.default_rng(2), Contract(model="m")
    short = Reference.build("m", {"x": rng.normal(size=300).tolist()})
    told = footings(short, contract, Tolerances())
    assert told[0].short
    assert told[0].margin == pytest.approx(2.5 / 300**0.5, rel=0.02)
    (lost,) = [c for c in caveats(short, contract, told) if c.code == "short"]
    assert lost.features == ("x",)
    assert f"{told[0].rows_needed:,} rows would do" in lost.text
    rows = told[0].rows_needed
    enough = Reference.build("m", {"x": rng.normal(size=rows).tolist()})
    fits = footings(enough, contract, Tolerances())[0]
    assert not fits.short
    assert fits.margin == pytest.approx(fits.tolerance, rel=0.01)


def test_rows_that_resemble_one_another_count_less() -> None:
    rng, contract = np.random.default_rng(3), Contract(model="m")
    slots, rows = 300, 20
    level = np.repeat(rng.normal(size=slots), rows)
    ts = np.repeat(np.arange(slots), rows) * SLOT + np.tile(np.arange(rows), slots)
    columns = {
        "moody": (level + rng.normal(size=level.size)).tolist(),
        "calm": rng.normal(size=level.size).tolist(),
    }
    reference = Reference.build("m", columns, ts=ts.astype(np.int64), slot=SLOT)
    told = {each.feature: each for each in footings(reference, contract, Tolerances())}
    assert told["calm"].independent > 0.7 * level.size
    assert told["moody"].independent < 0.2 * level.size
    (loose,) = caveats(reference, contract, list(told.values()))[-1:]
    assert (loose.code, loose.features) == ("dependent", ("moody",))


def test_what_else_should_be_known() -> None:
    columns = {"x": [7.0] * 2000, "y": list(range(2000))}
    contract = Contract(model="m", features={"y": FeaturePlan(importance=0)})
    ts = np.arange(2000, dtype=np.int64) * SLOT // 400
    reference = Reference.build("m", columns, ts=ts, slot=SLOT)
    told = footings(reference, contract, Tolerances())
    found = {c.code: c.features for c in caveats(reference, contract, told)}
    assert found == {"few_slots": (), "constant": ("x",), "unimportant": ("y",)}


def test_lengths_of_time() -> None:
    assert [span(s) for s in (None, 0.5, 30.0, 90.0, 5400.0, 36_000.0, 864_000.0)] == [
        "–",
        "0.5 s",
        "30 s",
        "1.5 min",
        "1.5 h",
        "10 h",
        "10 d",
    ]


def test_shifts_are_named_as_drills_name_them() -> None:
    from driftline.contract.quantities import parse_shift
    from driftline.detect.shifts import SHIFTS

    for shift in SHIFTS["numeric"] + SHIFTS["categorical"]:
        assert parse_shift(label(shift).replace("±", "+")) == shift
