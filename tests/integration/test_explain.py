"""`driftline explain` on the live topics: a worker's incident, with its events where they stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration._live import Live, run

from driftline.events.time import read_ts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Kafka

    from driftline.broker.protocol import Broker

pytestmark = pytest.mark.slow

CONTRACT = """
model: credit-risk
owner: {team: risk-ml}
reference: {from: warmup, events: 3000}
"""


@pytest.fixture
def live(broker: Broker, tmp_path: Path, topic_prefix: str) -> Live:
    """A worker has read sixteen minutes of traffic whose ages moved after ten."""
    (tmp_path / "credit-risk.yaml").write_text(CONTRACT)
    live = Live(broker.bootstrap, tmp_path, topic_prefix, [tmp_path / "credit-risk.yaml"])
    live.create(3)
    run(
        *("simulate", "--to", f"kafka://{broker.bootstrap}", "--prefix", topic_prefix),
        *("--models", "credit-risk,demand-forecast", "--calm", "--duration", "16m"),
        *("--rate", "25/s", "--envelope", "20", "--fault", "mean:credit-risk:age:+1sd@10m"),
    )
    live.finish()
    return live


def test_a_live_incident_is_explained_with_events_that_stand_where_it_says(
    live: Live, kafka: Kafka
) -> None:
    told: dict[str, Any] = json.loads(run("explain", "--config", str(live.config()), "--json"))
    assert told["state"] == "open"
    assert told["parts"][0]["feature"] == "age"
    assert told["parts"][0]["change"] == "2026-03-02T00:10:00Z"
    assert told["histogram"]["source"] == "events"
    assert told["promise"].startswith("at most 1 false page per 30d")
    times, line = told["course"]["times"], told["course"]["lines"]["median"]
    before = [v for at, v in zip(times, line, strict=True) if at < "2026-03-02T00:10" and v]
    after = [v for at, v in zip(times, line, strict=True) if at >= "2026-03-02T00:10" and v]
    assert max(before) < 46 < min(after)
    stands = {
        (record.topic, record.partition, record.offset): record.value
        for record in kafka.consume(f"{live.prefix}predictions")
    }
    sample = told["events"]["sample"]
    assert len(sample) == 8
    for event in sample:
        value = json.loads(stands[event["topic"], event["partition"], event["offset"]])
        raw = value[event["element"]] if isinstance(value, list) else value
        assert raw["prediction_id"] == event["prediction_id"]
        assert raw["features"]["age"] == event["values"]["age"]
        assert read_ts(raw["ts"]) == read_ts(event["ts"]) >= read_ts("2026-03-02T00:10:00Z")
    # By another way to the same events: the topic named as a source.
    source = f"kafka://{live.bootstrap}/{live.prefix}predictions"
    text = run("explain", told["incident"][:6], "--config", str(live.config()), "--source", source)
    assert sample[0]["prediction_id"] in text
    assert "What moved" in text
    assert " ago" in text
