"""Replays from topics: as from files, and byte for byte what a live worker said."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.cli import main
from driftline.events.time import format_ts
from driftline.replay import supply

if TYPE_CHECKING:
    from pathlib import Path

START = 1_700_000_000_000_000
STEP = 250_000
CONTRACT = """
model: m
slot: 10s
lateness: 10s
idle_after: 2s
windows: [5m, {length: 1m, hop: 10s}]
reference: {from: warmup, events: 3000}
"""


def events(count: int, moved_at: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {
            "model": "m",
            "ts": format_ts(START + row * STEP),
            "prediction_id": f"p{row}",
            "prediction": float(rng.normal()),
            "features": {
                "x": float(rng.normal(1.5 if row > moved_at else 0)),
                "c": str(rng.choice(["at", "be"])) if row % 9 else None,
            },
        }
        for row in range(count)
    ]


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(CONTRACT)
    return path


def replayed(out: Path, contract: Path, *arguments: str) -> dict[str, Any]:
    code = main(["replay", *arguments, "--contract", str(contract), "--out", str(out)])
    assert code == 0
    loaded: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    return loaded


def lines(rows: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]


def test_a_topic_says_what_a_file_says(
    tmp_path: Path, contract: Path, kafka: Any, topic_prefix: str
) -> None:
    rows = events(12_000, 8_000)
    topic = kafka.create(f"{topic_prefix}predictions", 3, retention_ms="-1")
    single, packed = lines(rows[:6_000]), lines(rows[6_000:])
    kafka.produce(topic, single)
    kafka.produce(topic, [b"[%s]" % b",".join(packed[n : n + 20]) for n in range(0, 6_000, 20)])
    kafka.produce(topic, [b"not json"])
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(b"\n".join(lines(rows)))
    by_file = replayed(tmp_path / "file", contract, str(path))
    by_topic = replayed(tmp_path / "topic", contract, f"kafka://{kafka.bootstrap}/{topic}")
    assert by_topic["events"] == by_file["events"] == {"prediction": 12_000}
    assert by_topic["dead_letters"] == 1
    assert by_topic["slots"] == by_file["slots"]
    assert [found["feature"] for found in by_topic["found"]] == ["x"]
    letter = json.loads((tmp_path / "topic/deadletters.jsonl").read_bytes())
    assert (letter["source"]["topic"], letter["value"]) == (topic, "not json")


def test_a_stretch_of_a_topic(
    tmp_path: Path, contract: Path, kafka: Any, topic_prefix: str
) -> None:
    topic = kafka.create(f"{topic_prefix}predictions", 2, retention_ms="-1")
    kafka.produce(topic, lines(events(2_000, 2_000)))
    span = ["--from", format_ts(START + 500 * STEP), "--to", format_ts(START + 900 * STEP)]
    found = replayed(tmp_path / "out", contract, f"kafka://{kafka.bootstrap}/{topic}", *span)
    assert found["events"] == {"prediction": 400}


def test_what_is_not_there_is_one_clear_line(
    tmp_path: Path, kafka: Any, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"kafka://{kafka.bootstrap}/{topic_prefix}nothing"
    assert main(["replay", url, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{topic_prefix}nothing" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob(".spool*"))


def test_a_reference_from_a_topic(
    tmp_path: Path, kafka: Any, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = kafka.create(f"{topic_prefix}predictions", 2, retention_ms="-1")
    kafka.produce(topic, [*lines(events(3_000, 9_999)), b"not json"])
    contract = tmp_path / "m.yaml"
    end = format_ts(START + 2_000 * STEP)
    contract.write_text(
        f"model: m\nreference: {{from: topic, topic: {topic}, "
        f"start: {format_ts(START)}, end: {end}}}\n"
    )
    saved = tmp_path / "m.json"
    url = f"kafka://{kafka.bootstrap}/{topic}"
    assert main(["reference", "build", str(contract), "--from", url, "--out", str(saved)]) == 0
    assert "2,000 rows" in capsys.readouterr().out
    assert main(["reference", "show", str(saved)]) == 0
    said = capsys.readouterr().out
    assert "categorical" in said
    assert "2,000 rows, 50 slots" in said


@pytest.mark.slow
def test_live_equals_replay(tmp_path: Path, contract: Path, kafka: Any, topic_prefix: str) -> None:
    kafka_at = ["--bootstrap", kafka.bootstrap, "--prefix", topic_prefix]
    assert main(["topics", "apply", *kafka_at, "--with-inputs"]) == 0
    kafka.produce(f"{topic_prefix}predictions", lines(events(20_000, 12_000)))
    kafka.produce(f"{topic_prefix}predictions", [b"nothing", b'{"model":"m"}'])
    worker = [sys.executable, "-m", "driftline", "worker", *kafka_at, "--until-idle", "5"]
    worker += ["--group", f"{topic_prefix}group", "--contract", str(contract)]
    done = subprocess.run(worker, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert main(["export", *kafka_at, "--out", str(tmp_path / "live")]) == 0
    names = ("predictions", "features", "labels", "decisions", "outcomes", "lifecycle")
    urls = [f"kafka://{kafka.bootstrap}/{topic_prefix}{name}" for name in names]
    summary = replayed(tmp_path / "replay", contract, *urls)
    assert summary["events"] == {"prediction": 20_000}
    assert summary["found"][0]["feature"] == "x"
    for name in ("windows", "alerts", "feedback"):
        live, again = (tmp_path / side / f"{name}.jsonl" for side in ("live", "replay"))
        assert live.read_bytes() == again.read_bytes(), name
        assert live.stat().st_size > 0


def test_partitions_observed_apart_say_what_one_process_says(
    tmp_path: Path,
    contract: Path,
    kafka: Any,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = events(12_000, 8_000)
    # Out of order, and some of it too late: what a stretch takes up from the one before it counts.
    shuffled = lines([rows[min(at ^ 37, 11_999)] for at in range(12_000)])
    for at in range(3_000, 12_000, 3_000):
        shuffled[at] = shuffled[at - 1_500]
        shuffled[at + 1] = b"not json"
    topic = kafka.create(f"{topic_prefix}predictions", 3, retention_ms="-1")
    kafka.produce(topic, shuffled)
    source = f"kafka://{kafka.bootstrap}/{topic}"
    whole = replayed(tmp_path / "whole", contract, source, "--jobs", "1")
    monkeypatch.setattr(supply, "RECORDS", 700)
    apart = replayed(tmp_path / "apart", contract, source, "--jobs", "2")
    assert whole["late"] > 0
    assert whole["dead_letters"] == 3
    for name in ("alerts", "feedback", "windows", "deadletters"):
        expected = (tmp_path / "whole" / f"{name}.jsonl").read_bytes()
        assert (tmp_path / "apart" / f"{name}.jsonl").read_bytes() == expected
    for summary in (whole, apart):
        del summary["seconds"], summary["events_per_second"]
    assert whole == apart
