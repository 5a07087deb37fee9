"""The same topics through workers and through a replay: the same bytes."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer
from tests.integration._live import (
    LOAD_S,
    Live,
    alerts_of,
    assert_same,
    counted,
    run,
    told_of,
    windows_of,
)
from tests.integration._traffic import PARTITIONS, recorded, write_contracts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from driftline.broker.protocol import Broker


@pytest.fixture(scope="module")
def inputs(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Input topics with the recorded traffic on them, replayed once."""
    folder = tmp_path_factory.mktemp("inputs")
    prefix = f"t{time.time_ns():x}-"
    with closing(Live(broker.bootstrap, folder, prefix, write_contracts(folder))) as live:
        live.create(PARTITIONS)
        live.load(recorded().messages)
        live.replay()
        yield live


def test_the_traffic_has_everything_in_it(inputs: Live) -> None:
    """What the other tests compare says something: alerts of each kind, and every event counted."""
    replayed = inputs.folder / "replayed"
    found = {(data["model"], data["kind"], data["feature"]) for data in alerts_of(replayed)}
    assert ("credit-risk", "drift", "age") in found
    assert ("demand-forecast", "silence", None) in found
    total = counted(replayed)
    assert total.total() == recorded().events
    assert min(total["late"], total["dead"], total["duplicates"]) > 100
    windows = windows_of(replayed)
    assert {w["model"] for w in windows} >= {"credit-risk", "demand-forecast", "recommender"}
    assert all(
        any(w["reference"] for w in windows if w["model"] == model)
        for model in ("credit-risk", "demand-forecast", "recommender")
    )
    assert any(w["segment"] for w in windows)
    members = [member for data in alerts_of(replayed) for member in data["members"]]
    assert {m["segment"]["channel"] for m in members if "segment" in m} == {"web", "app"}
    kinds = {kind for w in windows for kind in w["events"]}
    assert kinds == {"prediction", "features", "label", "training", "decision", "outcome"}
    assert (replayed / "feedback.jsonl").stat().st_size
    decided = told_of(replayed, "decisions")
    assert sum(row["counts"]["decided"] for row in decided if row["final"]) > 1_000
    assert {row["actor"] for each in decided for row in each["actors"]} == {"human", "policy"}
    (worth,) = {row["model"] for row in told_of(replayed, "uplift")}
    assert worth == "credit-risk"
    compared = told_of(replayed, "skew")
    assert sum(row["pairs"] for row in compared) > 1_000
    told = told_of(replayed, "lifecycle")
    assert {row["model"] for row in told} >= {"credit-risk", "recommender"}
    quality = told_of(replayed, "quality")
    assert {row["model"] for row in quality} == {"credit-risk", "demand-forecast"}
    assert sum(row["final"] for row in quality) > 10
    assert ("demand-forecast", "quality", None) in found


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="default"),
        pytest.param({"chunk_records": 61, "outputs": {"partitions": 1}}, id="small chunks"),
        pytest.param({"chunk_records": 100_000, "snapshot_every": "30s"}, id="large chunks"),
    ],
)
def test_one_worker(
    inputs: Live, topic_prefix: str, tmp_path: Path, settings: dict[str, Any]
) -> None:
    ours = Live(
        inputs.bootstrap, tmp_path, topic_prefix, inputs.contracts, inputs.inputs, **settings
    )
    with closing(ours) as live:
        live.create(PARTITIONS, inputs=False)
        live.finish()
        assert_same(live.export(), inputs.folder / "replayed")
        own = set(inputs.inputs.values())
        read = {tp: entry for tp, entry in live.committed().items() if tp.topic in own}
        assert sum(entry.offset for entry in read.values()) == len(recorded().messages)
        if not settings:
            _is_reviewed(live)


def _is_reviewed(live: Live) -> None:
    """A review of the live topics says who reads the alerts, too."""

    def monitored() -> list[str]:
        told = run("review", "credit-risk", "--config", str(live.config()), "--json")
        who = json.loads(told)["answers"][0]
        return [each["text"] for each in who["evidence"] if each["source"] == "consumer groups"]

    assert monitored() == ["Nobody reads the alerts."]
    group = f"{live.prefix}pager"
    asyncio.run(_read_once(live, group))
    assert monitored() == [f"Alerts are read by {group} (0 not read yet)."]


async def _read_once(live: Live, group: str) -> None:
    consumer = AIOKafkaConsumer(
        f"{live.prefix}alerts",
        bootstrap_servers=live.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            while not consumer.assignment():
                await consumer.getmany(timeout_ms=100)
            ends = await consumer.end_offsets(list(consumer.assignment()))
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                await consumer.getmany(timeout_ms=100)
            await consumer.commit()
    finally:
        await consumer.stop()


@pytest.mark.timeout(240)
def test_two_workers_one_joins_and_one_leaves(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    made = Live(broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        live.create(PARTITIONS)
        with live.loading(recorded().messages, LOAD_S) as traffic:
            first = live.start()
            live.until("assigned", first)
            traffic.reach(0.3)
            second = live.start()
            live.until("assigned", second)
            live.until("assigned", first, times=2)
            assert traffic.left, "joined in mid-stream"
            traffic.reach(0.6)
            time.sleep(1.0)
            live.workers[first].send_signal(signal.SIGTERM)
            assert live.end(first) == 0, live.log(first)
            assert traffic.left, "left in mid-stream"
            live.until("assigned", second, times=2)
            traffic.reach(0.9)
            time.sleep(1.0)
        live.workers[second].send_signal(signal.SIGTERM)
        assert live.end(second) == 0, live.log(second)
        live.finish()
        assert_same(live.export(), live.replay())
