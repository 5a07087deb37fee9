"""Real data: synthetic_car_loan and its `_dq` variant, from a file and through a broker.

One clean break at 2019-03-31 03:00, row 25,000 of the analysis rows: car_value and loan_length
move, debt_to_income_ratio and driver_tenure do not. In `_dq` more salary_range and driver_tenure
go missing from the same row on. One false page in 30 days is promised.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow.parquet
import pytest
from tests.integration._car_loan import BREAK, alerts_of, fetch, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Kafka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONTRACT = """
model: car-loan
slot: {slot}
idle_after: 3s
windows: [7d]
reference: {{from: file, path: {reference}}}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetch(tmp_path_factory.mktemp("car_loan"))


def _contract(data: Path, out: Path, variant: str, slot: str) -> Path:
    reference = data / f"synthetic_car_loan_{variant}reference.parquet"
    path = out / "car-loan.yaml"
    path.write_text(CONTRACT.format(slot=slot, reference=reference))
    return path


def _found(alerts: list[dict[str, Any]], kind: str) -> dict[str, dt.timedelta]:
    return {
        alert["feature"]: dt.datetime.fromisoformat(alert["detected_at"]) - BREAK
        for alert in reversed(alerts)
        if alert["kind"] == kind and alert["state"] != "resolved"
    }


def _check(alerts: list[dict[str, Any]]) -> None:
    drifted = _found(alerts, "drift")
    print({name: str(delay) for name, delay in drifted.items()})
    assert dt.timedelta() < drifted["car_value"] <= dt.timedelta(days=1)
    assert dt.timedelta() < drifted["loan_length"] <= dt.timedelta(days=3)
    # What did not move rings falsely no more often than was promised, and not about the break.
    unmoved = [
        drifted[name] for name in ("debt_to_income_ratio", "driver_tenure") if name in drifted
    ]
    assert len(unmoved) <= 1
    assert all(delay > dt.timedelta(days=30) for delay in unmoved)


@pytest.mark.parametrize("slot", ["10s", "1h"])
def test_the_break_is_found_and_nothing_before(data: Path, tmp_path: Path, slot: str) -> None:
    contract = _contract(data, tmp_path, "", slot)
    analysis = data / "synthetic_car_loan_analysis.parquet"
    run("replay", analysis, "--contract", contract, "--out", tmp_path / "out")
    alerts = alerts_of(tmp_path / "out")
    _check(alerts)
    assert min(_found(alerts, "drift").values()) > dt.timedelta()


def test_missing_values_are_found(data: Path, tmp_path: Path) -> None:
    contract = _contract(data, tmp_path, "dq_", "1h")
    analysis = data / "synthetic_car_loan_dq_analysis.parquet"
    run("replay", analysis, "--contract", contract, "--out", tmp_path / "out")
    alerts = alerts_of(tmp_path / "out")
    _check(alerts)
    missing = _found(alerts, "missing")
    print({name: str(delay) for name, delay in missing.items()})
    for name in ("salary_range", "driver_tenure"):
        assert dt.timedelta() < missing[name] <= dt.timedelta(days=3)
    # These rows hold 700 down payments of "50%" from 2018-11 on, a level the reference never had.
    early = {name for name, delay in _found(alerts, "drift").items() if delay < dt.timedelta()}
    assert early <= {"size_of_downpayment"}


def test_through_the_broker_the_samealerts_of(
    data: Path, tmp_path: Path, kafka: Kafka, topic_prefix: str
) -> None:
    contract = _contract(data, tmp_path, "", "1h")
    analysis = data / "synthetic_car_loan_analysis.parquet"
    rows = pyarrow.parquet.read_table(analysis).drop(["type"]).to_pylist()
    events = []
    for row in rows:
        event = {k: v for k, v in row.items() if not k.startswith("features.")}
        event["features"] = {k[9:]: v for k, v in row.items() if k.startswith("features.")}
        event["ts"] = row["ts"].replace(tzinfo=dt.UTC).isoformat()
        events.append(orjson.dumps(event))
    config = tmp_path / "driftline.yaml"
    topic = f"{topic_prefix}predictions"
    config.write_text(
        f"broker: {{bootstrap: '{kafka.bootstrap}'}}\nprefix: {topic_prefix}\n"
        f"group: {topic_prefix}g\ninputs: [{{topic: {topic}, type: prediction}}]\n"
        f"contracts: [{contract}]\n"
    )
    run(
        "topics", "apply", "--config", config, "--with-inputs", "--input-partitions", 1,
        "--input-retention", "forever",
    )  # fmt: skip
    kafka.produce(topic, events)
    run("worker", "--config", config, "--until-idle", 2)
    run("export", "--config", config, "--out", tmp_path / "live")
    live = alerts_of(tmp_path / "live")
    _check(live)
    url = f"kafka://{kafka.bootstrap}/{topic}"
    run("replay", url, "--contract", contract, "--config", config, "--out", tmp_path / "topic")
    for name in ("alerts", "feedback", "windows"):
        one, other = (tmp_path / way / f"{name}.jsonl" for way in ("live", "topic"))
        assert one.read_bytes() == other.read_bytes()
    run("replay", analysis, "--contract", contract, "--out", tmp_path / "file")
    told = [(a["feature"], a["kind"], a["detected_at"], a["text"]) for a in live]
    assert told == [
        (a["feature"], a["kind"], a["detected_at"], a["text"]) for a in alerts_of(tmp_path / "file")
    ]
