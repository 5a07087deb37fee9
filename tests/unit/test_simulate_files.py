from __future__ import annotations

import csv
import time

import orjson
import pytest
from pyarrow import parquet

from driftline.cli import main
from driftline.contract.quantities import parse_instant
from driftline.simulate import Scenario, ScenarioError, parse_fault, to_files, traffic

MINUTE = 60_000_000


def make(*faults: str, models: str = "credit-risk,recommender", **more) -> Scenario:
    return Scenario(
        tuple(traffic(name) for name in models.split(",")),
        tuple(parse_fault(text) for text in faults),
        rate=20.0,
        duration=MINUTE,
        label_delay=10_000_000,
        **more,
    )


def test_jsonl_holds_every_event_with_its_type(tmp_path):
    scenario = make(following=frozenset({"label", "decision"}))
    seen = []
    told = to_files(scenario, tmp_path, progress=seen.append)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    blocks = list(scenario.blocks())
    assert len(lines) == sum(block.size for block in blocks) == sum(seen)
    events = [orjson.loads(line) for line in lines]
    kinds = [kind for block in blocks for kind in block.types]
    assert [event.pop("type") for event in events] == kinds
    assert events == [orjson.loads(v) for block in blocks for v in block.values]
    assert told == orjson.loads((tmp_path / "truth.json").read_bytes())
    assert told["events"] == {k: kinds.count(k) for k in sorted(set(kinds))}


def test_parquet_has_a_table_for_each_model_and_type(tmp_path):
    scenario = make("schema:credit-risk:extra:appear@30s", following=frozenset({"label"}))
    to_files(scenario, tmp_path, "parquet")
    names = sorted(path.name for path in tmp_path.glob("*.parquet"))
    assert names == [
        "credit-risk.labels.parquet", "credit-risk.predictions.parquet",
        "recommender.labels.parquet", "recommender.predictions.parquet",
    ]  # fmt: skip
    rows = parquet.read_table(tmp_path / "credit-risk.predictions.parquet").to_pylist()
    events = [
        orjson.loads(v)
        for block in scenario.blocks()
        for t, v in zip(block.types, block.values, strict=True)
        if t == "prediction"
    ]
    events = [event for event in events if event["model"] == "credit-risk"]
    assert len(rows) == len(events)
    for row, event in zip(rows, events, strict=True):
        assert row["type"] == "prediction"
        assert row["score"] == event["score"]
        assert row["features.extra"] == event["features"].get("extra")
        for name, value in event["features"].items():
            assert row[f"features.{name}"] == value
    clicks = parquet.read_table(tmp_path / "recommender.predictions.parquet").to_pylist()
    assert set(clicks[0]["prediction"]) == {"click", "skip"}


def test_csv(tmp_path):
    to_files(make(models="demand-forecast"), tmp_path, "csv")
    with (tmp_path / "demand-forecast.predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 1_000
    assert {"type", "ts", "prediction", "features.price"} <= set(rows[0])


def test_what_a_table_cannot_hold_is_said_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ScenarioError, match="one type; write jsonl"):
        to_files(make("schema:credit-risk:age:string@1s"), out, "parquet")
    with pytest.raises(ScenarioError, match="csv cannot hold"):
        to_files(make(), out, "csv")
    with pytest.raises(ScenarioError, match="files need an end"):
        to_files(Scenario((traffic("bench"),), duration=None), out)
    assert not out.exists()


def test_command_writes_files(tmp_path, capsys):
    out = tmp_path / "data"
    code = main(
        ["simulate", "--out", str(out), "--duration", "1m", "--rate", "20/s", "--with", "labels",
         "--fault", "mean:credit-risk:age:+1sd@30s"]
    )  # fmt: skip
    assert code == 0
    assert "planted faults: 1" in capsys.readouterr().out
    assert orjson.loads((out / "truth.json").read_bytes())["faults"][0]["feature"] == "age"


def test_command_lists_models_and_faults(capsys):
    assert main(["simulate", "--list"]) == 0
    shown = capsys.readouterr().out
    assert "credit-risk" in shown
    assert "debt_to_income" in shown
    assert "new_category" in shown


def test_traffic_may_begin_so_long_ago(tmp_path):
    before = time.time()
    length = ["--duration", "1m", "--rate", "1/s", "--models", "credit-risk"]
    assert main(["simulate", "--out", str(tmp_path), "--start", "-90s", *length]) == 0
    with (tmp_path / "events.jsonl").open() as file:
        first = orjson.loads(file.readline())
    began = parse_instant(first["ts"]) / 1e6
    assert 0 <= began - (before - 90) < 30


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "either --to"),
        (["--out", "x", "--to", "kafka://h:1"], "either --to"),
        (["--out", "x", "--realtime"], "go with --to"),
        (["--out", "x", "--rate", "often"], "--rate: expected 200/s"),
        (["--out", "x", "--duration", "long"], "--duration: expected 1h"),
        (["--out", "x", "--start", "noon"], "--start: expected an RFC 3339 time"),
        (["--out", "x", "--start", "-noon"], "--start: expected an RFC 3339 time, or -30m"),
        (["--out", "x", "--with", "hopes"], "got hopes"),
        (["--out", "x", "--form", "xml"], "jsonl, csv or parquet"),
        (["--to", "localhost"], "kafka://host:port"),
        (["--to", "http://localhost:9092"], "kafka://host:port"),
        (["--to", "kafka://h:1", "--compression", "rar"], "compression: expected one of"),
        (["--to", "kafka://h:1", "--envelope", "0"], "envelope: expected 1"),
    ],
)
def test_command_refuses_nonsense_in_one_line(options, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", *options]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert len(shown.splitlines()) == 1
    assert not (tmp_path / "x").exists()
