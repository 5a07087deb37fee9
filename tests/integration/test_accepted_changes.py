"""A person accepts a drift: live as in a replay, the reference moves on."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING

import orjson
import pytest
from tests.integration._live import LOAD_S, Live, alerts_of, assert_same, windows_of
from tests.integration._traffic import (
    CONTRACTS,
    PARTITIONS,
    Message,
    Recording,
    recorded,
    write_contracts,
)

from driftline.bus import config_file
from driftline.bus.reader import read

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.broker.protocol import Broker

TOPICS = ("predictions", "features", "labels", "decisions", "outcomes", "lifecycle")


def with_events(traffic: Recording, *told: tuple[float, dict[str, str]]) -> list[Message]:
    """Put lifecycle events among the traffic, each at a share of its time."""
    first, last = (traffic.messages[at].timestamp for at in (0, -1))
    messages = list(traffic.messages)
    for share, said in told:
        when = int(first + share * (last - first))
        value = orjson.dumps({"model": "credit-risk", "ts": when, **said})
        at = next(n for n, m in enumerate(messages) if m.timestamp >= when)
        messages.insert(at, Message("lifecycle", 0, when, value))
    return messages


@pytest.mark.timeout(240)
def test_an_accepted_drift_moves_the_reference(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    contracts = write_contracts(tmp_path)
    # Slots of 120 rows, samples of 64: 500 rows are eight slots.
    plan = "reference: {from: warmup, events: 500}"
    text = CONTRACTS["credit-risk"].replace(
        "reference: {from: file, path: credit-risk.jsonl}", plan
    )
    contracts[0].write_text(text)
    messages = with_events(
        recorded(),
        (0.62, {"kind": "drift_accepted", "feature": "age", "by": "ann"}),
        (0.85, {"kind": "owner_confirmed"}),
    )
    inputs = {name: f"{topic_prefix}{name}" for name in TOPICS}
    with closing(Live(broker.bootstrap, tmp_path, topic_prefix, contracts, inputs)) as live:
        live.create(PARTITIONS)
        first = live.start()
        with live.loading(messages, LOAD_S) as running:
            live.until("assigned", first)
            running.reach(0.7)
            live.moves_on(live.committed())
            time.sleep(1.0)
            live.workers[first].send_signal(signal.SIGKILL)
            live.end(first)
        live.finish()
        exported = live.export()
        config = config_file.load(live.config())
        versions = {
            record.key
            for _, records in read(config.broker, config.topic("references"))
            for record in records
            if record.key.startswith(b"credit-risk/")
        }
        assert len(versions) == 2, "the old one is kept beside the new one"
        about_age = [a for a in alerts_of(exported) if "age" in a["features"]]
        assert about_age[0]["state"] == "opened"
        (end,) = [a for a in about_age if a["reason"] == "a new reference holds"]
        later = [a for a in about_age if a["detected_at"] > end["resolved_at"]]
        assert not [a for a in later if a["feature"] == "age" and a["state"] == "opened"]
        assert_same(exported, live.replay())
        # A contract may go back to either of them by its id.
        one = min(versions).decode().partition("/")[2]
        named = text.replace(plan, f"reference: {{from: version, version: {one}}}")
        contracts[0].write_text(named)
        windows = windows_of(live.replay("--config", str(live.config())))
        assert {w["reference"] for w in windows if w["model"] == "credit-risk"} == {one}
