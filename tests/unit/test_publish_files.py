"""Files to events: what is sent is what the file holds, in its order, without dead letters."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.test_publish_publisher import NOBODY, spooled

from driftline.cli import main
from driftline.cli._published import Outcome, Pace, Pump
from driftline.publish import Settings
from driftline.publish.core import Core
from driftline.replay.files import open_file
from driftline.replay.naming import parse_sources

if TYPE_CHECKING:
    from pathlib import Path


def pumped(tmp_path: Path, source: str, model: str | None = None) -> tuple[Outcome, list[Any]]:
    """Publish one file; return the outcome and the events that were left on disk."""
    (named,) = parse_sources([source])
    copies = tmp_path / "copies"
    copies.mkdir()
    feed = open_file(named, model, copies)  # type: ignore[arg-type]
    core = Core(Settings(bootstrap=NOBODY, when_full="block", spool=tmp_path / "spool"))
    read = []
    pump = Pump(core, Pace(None), lambda _type: None)
    pump.run(feed, read.append)
    core.close(5)
    feed.close()
    assert sum(read) == feed.total
    assert core.counts().spooled == sum(pump.outcome.accepted.values())
    return pump.outcome, spooled(tmp_path / "spool")


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"model": "m", "ts": 1_790_000_000 + number, "prediction_id": f"p{number}", **more}


def test_mixed_lines_go_to_their_topics_without_their_type(tmp_path: Path) -> None:
    lines = [
        json.dumps({"type": "prediction", **row(1, prediction=0.5)}, separators=(",", ":")),
        json.dumps({**row(3, label="bad"), "type": "label"}),
        json.dumps([{**row(2, prediction=0.25), "type": "prediction"}] * 2),
        '{"type": "prediction", "model": "m", "ts": 1790000004, "prediction_id": "p4"}',
        "{oops",
        json.dumps({**row(5, prediction=10**25), "type": "prediction"}),
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(lines) + "\n")
    outcome, events = pumped(tmp_path, str(path))
    assert outcome.accepted == {"prediction": 4, "label": 1}
    assert outcome.refused == 2
    assert outcome.told[0].startswith("events.jsonl:4: $.prediction: expected a value")
    assert outcome.told[1].startswith("events.jsonl:5: $: expected JSON, got")
    kinds = {e["prediction_id"]: e["topic"].rpartition(".")[2] for e in events}
    assert kinds == {"p1": "predictions", "p2": "predictions", "p3": "labels", "p5": "predictions"}
    assert not [e for e in events if "type" in e]
    predictions = [e["prediction_id"] for e in events if e["topic"].endswith("predictions")]
    assert predictions == ["p1", "p2", "p2", "p5"], "in the order of their time"


def test_rows_without_a_model_get_the_one_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    bare = [{k: v for k, v in row(i, prediction=0.5).items() if k != "model"} for i in range(3)]
    path.write_text("".join(json.dumps(each) + "\n" for each in bare))
    outcome, events = pumped(tmp_path, str(path), model="other")
    assert outcome.accepted == {"prediction": 3}
    assert [e["model"] for e in events] == ["other"] * 3


def test_a_table_makes_events(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "model,ts,prediction_id,prediction,features.age,features.country\n"
        "m,2026-09-21T12:00:01Z,p1,0.5,41,DE\nm,2026-09-21T12:00:00Z,p0,0.25,,FR\n"
    )
    outcome, events = pumped(tmp_path, f"predictions={path}")
    assert outcome.accepted == {"prediction": 2}
    assert [e["prediction_id"] for e in events] == ["p0", "p1"]
    assert [e["features"] for e in events] == [
        {"age": None, "country": "FR"},
        {"age": 41, "country": "DE"},
    ]


def test_a_rate_is_kept() -> None:
    pace = Pace(200.0)
    begun = time.monotonic()
    for _ in range(41):
        pace.step()
    assert 0.2 <= time.monotonic() - begun < 2.0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rate", "fast"], "--rate: expected 500/s or 10/min, got 'fast'"),
        (["--topic", "scores=x"], "--topic: expected TYPE=NAME"),
        (["--compression", "zip"], "compression: expected one of none, gzip"),
    ],
)
def test_wrong_options_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(row(1, prediction=0.5)) + "\n")
    assert main(["publish", str(path), "--bootstrap", NOBODY, *options]) == 2
    assert told in capsys.readouterr().err


def test_nobody_there_is_told_before_anything_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(row(1, prediction=0.5)) + "\n")
    assert main(["publish", str(path), "--bootstrap", NOBODY]) == 1
    assert f"driftline: error: {NOBODY}: " in capsys.readouterr().err
    assert main(["publish", "kafka://h:1/t", "--bootstrap", NOBODY]) == 2
    assert "expected a file, got a topic" in capsys.readouterr().err
