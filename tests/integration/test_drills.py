"""Scheduled drills in workers on live traffic: they ring, survive a restart, and replay alike."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from tests.integration._live import LOAD_S, Live, alerts_of, holds_together, run
from tests.integration._traffic import CONTRACTS, PARTITIONS, recorded, write_contracts

from driftline.contract import load
from driftline.contract.quantities import parse_shift
from driftline.detect.foresee import foresee
from driftline.pipeline.references import reference_from_file

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.broker.protocol import Broker

WITHIN_SLOTS = 9
DRILL = "drill: {every: 2m, within: 90s, shifts: [mean +1sd, mix 30%]}\n"


def drills_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "feedback.jsonl").read_bytes().splitlines()
    events = [orjson.loads(line) for line in lines]
    return [e for e in events if e["type"].startswith("driftline.feedback.drill_")]


def check_times(drills: list[dict[str, Any]], path: Path) -> None:
    """Hold drills to the delays that are foretold from the reference alone."""
    (contract,) = load([path])
    reference = reference_from_file(contract)
    assert len(drills) >= 4
    for each in drills:
        rows = each["events"] / each["slots"]
        shift = parse_shift(each["shift"])
        told = foresee(reference, contract, rows, only=[each["feature"]], shifts=[shift])
        late = told.found[0].events_late
        assert late is not None
        assert each["events"] <= 1.5 * late + rows, each


def drilled_by_hand(live: Live, path: Path) -> None:
    """Hold a drill over the topic itself, from its third minute on."""
    source = f"kafka://{live.bootstrap}/{live.inputs['predictions']}"
    options = ["--feature", "income", "--shift", "mean:-1sd", "--at", "2026-03-02T00:03:00Z"]
    said = run("drill", source, "--contract", str(path), *options, "--json")
    (drilled,) = orjson.loads(said)["drills"]
    assert drilled["rang"]
    assert drilled["planted_at"] == "2026-03-02T00:03:00Z"


@pytest.mark.timeout(240)
def test_a_drill_rings_on_live_traffic(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    contracts = write_contracts(tmp_path)
    for path, text in zip(contracts, CONTRACTS.values(), strict=True):
        path.write_text(text + DRILL)
    traffic = recorded()
    with closing(Live(broker.bootstrap, tmp_path, topic_prefix, contracts)) as live:
        live.create(PARTITIONS)
        first = live.start()
        with live.loading(traffic.messages, LOAD_S) as load:
            live.until("assigned", first)
            load.reach(0.5)
            live.moves_on(live.committed())
            time.sleep(1.0)
            live.workers[first].send_signal(signal.SIGKILL)
            live.end(first)
        live.finish()
        holds_together(live, traffic)
        exported = live.folder / "live"
        drills = drills_of(exported)
        data = [event["data"] for event in drills]
        assert {each["model"] for each in data} == {"credit-risk", "demand-forecast"}
        assert len(drills) >= 6
        assert {event["type"] for event in drills} == {"driftline.feedback.drill_rang"}, data
        check_times([each for each in data if each["model"] == "credit-risk"], contracts[0])
        drilled_by_hand(live, contracts[0])
        # What was only planted woke nobody: the alerts are those of the traffic itself.
        assert "drill" not in {alert["kind"] for alert in alerts_of(exported)}


@pytest.mark.timeout(240)
def test_with_detectors_disabled_the_failed_drill_is_an_alert(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    (path, *_) = write_contracts(tmp_path)
    disabled = CONTRACTS["credit-risk"].replace("[evidence, adwin]", "[schema]")
    path.write_text(disabled + "drill: {every: 2m, within: 90s, shifts: [mean +1sd]}\n")
    with closing(Live(broker.bootstrap, tmp_path, topic_prefix, [path])) as live:
        live.create(PARTITIONS)
        live.load(recorded().messages)
        live.finish()
        holds_together(live, recorded())
        alerts = [a for a in alerts_of(live.folder / "live") if a["kind"] == "drill"]
        assert [(a["model"], a["severity"], a["state"]) for a in alerts] == [
            ("credit-risk", "page", "opened")
        ]
        assert f"in {WITHIN_SLOTS} slots" in alerts[0]["text"]
