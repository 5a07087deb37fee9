"""synthetic_car_loan's labels, days or weeks late: accuracy falls from .943 to .915 at once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score
from tests.integration._car_loan import BREAK, FOLDER, alerts_of, fetch, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Kafka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DAY = dt.timedelta(days=1)
CONTRACT = """
model: car-loan
slot: 1h
idle_after: 3s
windows: [7d]
reference: {{from: file, path: {data}/synthetic_car_loan_reference.parquet}}
quality: {{metric: accuracy, at_least: 0.93, label_horizon: {horizon}d, window: 1d}}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All predictions in one file, and what became of them by id."""
    folder = fetch(tmp_path_factory.mktemp("car_loan"))
    parts = [
        pyarrow.parquet.read_table(folder / f"synthetic_car_loan_{part}.parquet")
        for part in ("reference", "analysis")
    ]
    # The second half of the reference's rows is calm enough to learn from.
    rows = pa.concat_tables(parts, promote_options="permissive").slice(25_000)
    pyarrow.parquet.write_table(rows, folder / "predictions.parquet")
    told = [
        pyarrow.csv.read_csv(folder / FOLDER / f"synthetic_car_loan_{name}.csv").select(
            ["id", "repaid"]
        )
        for name in ("reference", "analysis_target")
    ]
    pyarrow.parquet.write_table(
        pa.concat_tables(told, promote_options="permissive"), folder / "repaid.parquet"
    )
    return folder


def _rows(data: Path) -> list[dict[str, Any]]:
    """Predictions with what became of them, in order of time."""
    repaid = pyarrow.parquet.read_table(data / "repaid.parquet")
    label = dict(zip(map(str, repaid["id"].to_pylist()), repaid["repaid"].to_pylist(), strict=True))
    names = ["prediction_id", "ts", "prediction", "score"]
    rows = pyarrow.parquet.read_table(data / "predictions.parquet", columns=names).to_pylist()
    return [row | {"label": int(label[row["prediction_id"]])} for row in rows]


def _labels(data: Path, out: Path, days: int) -> Path:
    rows = _rows(data)
    path = out / "labels.parquet"
    columns = {
        "model": ["car-loan"] * len(rows),
        "prediction_id": [row["prediction_id"] for row in rows],
        "ts": [row["ts"] + days * DAY for row in rows],
        "label": [row["label"] for row in rows],
    }
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


def _contract(data: Path, out: Path, days: int) -> Path:
    path = out / "car-loan.yaml"
    path.write_text(CONTRACT.format(data=data, horizon=days + 1))
    return path


def _told(out: Path) -> dict[str, list[dict[str, Any]]]:
    """What was told of each window of predictions, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in (out / "windows.jsonl").read_bytes().splitlines():
        window = orjson.loads(line)
        if window.get("kind") == "quality":
            found.setdefault(window["start"], []).append(window)
    return found


@pytest.mark.parametrize("days", [1, 7, 30])
def test_quality_is_told_exactly_foretold_and_its_drop_found(
    data: Path, tmp_path: Path, days: int
) -> None:
    run(
        "replay", data / "predictions.parquet", f"labels={_labels(data, tmp_path, days)}",
        "--contract", _contract(data, tmp_path, days), "--out", tmp_path / "out",
    )  # fmt: skip
    windows = _told(tmp_path / "out")
    by_day: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(data):
        by_day.setdefault(row["ts"].strftime("%Y-%m-%dT00:00:00Z"), []).append(row)
    whole = [start for start in windows if windows[start][-1]["final"]]
    assert len(whole) > 400
    for start in whole:
        last, rows = windows[start][-1], by_day[start]
        labels = [row["label"] for row in rows]
        assert last["labelled"] == len(rows)
        assert last["realised"]["accuracy"] == pytest.approx(
            accuracy_score(labels, [int(row["prediction"]) for row in rows]), abs=1e-6
        )
        assert last["realised"]["auc"] == pytest.approx(
            roc_auc_score(labels, [row["score"] for row in rows]), abs=1e-5
        )
    # What was told of a window before any of its labels came, on both sides of the break.
    broken = BREAK.strftime("%Y-%m-%dT00:00:00Z")
    calm = [start for start in whole if "2018-08" < start < broken]
    after = [start for start in whole if start > broken]
    for part in (calm, after):
        first = [next(w for w in windows[start] if w["estimated"]) for start in part]
        assert days == 1 or all(window["labelled"] == 0 for window in first)
        for metric in ("accuracy", "auc"):
            foretold = [window["estimated"][metric]["value"] for window in first]
            came = [windows[start][-1]["realised"][metric] for start in part]
            assert sum(foretold) / len(part) == pytest.approx(sum(came) / len(part), abs=0.01)
    found = [a for a in alerts_of(tmp_path / "out") if a["kind"] == "quality"]
    opened = [alert for alert in found if alert["state"] == "opened"]
    assert len(opened) == 1
    began = dt.datetime.fromisoformat(opened[0]["change_point"])
    detected = dt.datetime.fromisoformat(opened[0]["detected_at"])
    print(days, opened[0]["change_point"], opened[0]["detected_at"], opened[0]["text"])
    assert abs(began - BREAK) <= 3 * DAY
    assert BREAK + days * DAY < detected < BREAK + (days + 30) * DAY


def test_through_the_broker_the_same_quality(
    data: Path, tmp_path: Path, kafka: Kafka, topic_prefix: str
) -> None:
    """Every sixth prediction, and what became of it."""
    contract = _contract(data, tmp_path, 7)
    for path in (data / "predictions.parquet", _labels(data, tmp_path, 7)):
        table = pyarrow.parquet.read_table(path)
        part = table.take(list(range(0, table.num_rows, 6)))
        pyarrow.parquet.write_table(part, tmp_path / path.name)
    labels = pyarrow.parquet.read_table(tmp_path / "labels.parquet").to_pylist()
    rows = pyarrow.parquet.read_table(tmp_path / "predictions.parquet").drop(["type"]).to_pylist()
    assert [row["prediction_id"] for row in rows] == [row["prediction_id"] for row in labels]
    config = tmp_path / "driftline.yaml"
    names = {"prediction": f"{topic_prefix}predictions", "label": f"{topic_prefix}labels"}
    inputs = ", ".join(f"{{topic: {topic}, type: {kind}}}" for kind, topic in names.items())
    config.write_text(
        f"broker: {{bootstrap: '{kafka.bootstrap}'}}\nprefix: {topic_prefix}\n"
        f"group: {topic_prefix}g\ninputs: [{inputs}]\ncontracts: [{contract}]\n"
        f"datadir: {tmp_path / 'data'}\n"
    )
    run(
        "topics", "apply", "--config", config, "--with-inputs", "--input-partitions", 1,
        "--input-retention", "forever",
    )  # fmt: skip
    for kind, events in (("prediction", rows), ("label", labels)):
        kafka.produce(names[kind], [_event(row) for row in events])
    run("worker", "--config", config, "--until-idle", 2)
    run("export", "--config", config, "--out", tmp_path / "live")
    urls = [f"kafka://{kafka.bootstrap}/{topic}" for topic in names.values()]
    run("replay", *urls, "--contract", contract, "--config", config, "--out", tmp_path / "topic")
    for name in ("alerts", "feedback", "windows"):
        one, other = (tmp_path / way / f"{name}.jsonl" for way in ("live", "topic"))
        assert one.read_bytes() == other.read_bytes()
    run(
        "replay", tmp_path / "predictions.parquet", f"labels={tmp_path / 'labels.parquet'}",
        "--contract", contract, "--out", tmp_path / "file",
    )  # fmt: skip
    assert _told(tmp_path / "live") == _told(tmp_path / "file")


def _event(row: dict[str, Any]) -> bytes:
    event = {k: v for k, v in row.items() if not k.startswith("features.")}
    features = {k[9:]: v for k, v in row.items() if k.startswith("features.")}
    if features:
        event["features"] = features
    event["ts"] = row["ts"].replace(tzinfo=dt.UTC).isoformat()
    return orjson.dumps(event)
