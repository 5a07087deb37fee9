"""A fault that is no record's: one clear line, exit code 1, and nothing acknowledged."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from tests.integration._live import END_S, Live, holds_together
from tests.integration._traffic import PARTITIONS, recorded, write_contracts

from driftline.bus.config_file import load
from driftline.bus.reader import read

if TYPE_CHECKING:
    from driftline.broker import EmbeddedBroker
    from driftline.broker.protocol import Broker

BUGGY = Path(__file__).with_name("buggy_worker.py")


def half_done(live: Live) -> None:
    """Let a worker handle the first half of the traffic, and put the second on the topics."""
    messages = recorded().messages
    live.create(PARTITIONS)
    live.load(messages[: len(messages) // 2])
    worker = live.start()
    live.until("assigned", worker)
    live.moves_on({})
    # What is read first may be another model's: there is to be something of this one to go on from.
    deadline = time.monotonic() + END_S
    while b"credit-risk" not in states(live):
        assert time.monotonic() < deadline, live.log(worker)
        time.sleep(0.2)
    live.workers[worker].terminate()
    assert live.end(worker) == 0, live.log(worker)
    live.load(messages[len(messages) // 2 :])


def fails(live: Live, worker: int, *words: str) -> None:
    """Wait for a worker's end, and look at what it said."""
    assert live.end(worker) == 1, live.log(worker)
    log = live.log(worker)
    lines = [each for each in log.splitlines() if "error" in each.lower()]
    assert lines == log.splitlines()[-1:], log
    (line,) = lines
    assert line.startswith("driftline: error: ")
    for word in words:
        assert word in line
    assert "Traceback" not in log


def offsets(live: Live, *topics: str) -> dict[Any, int]:
    """Return the committed offsets of some topics."""
    return {tp: e.offset for tp, e in live.committed().items() if tp.topic in topics}


@pytest.mark.timeout(400)
def test_nothing_is_acknowledged(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    """One fault after the other on the same half-read topics; without them, all comes out right."""
    made = Live(broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        half_done(live)
        corrupt_snapshot(live)
        bug_in_observe(live)
        bug_in_a_detector(live)
        live.finish()
        holds_together(live, recorded())


def states(live: Live) -> dict[bytes, tuple[int, bytes]]:
    """Return the last snapshot of each model, and the partition that it stands on."""
    config = load(live.config())
    saved: dict[bytes, tuple[int, bytes]] = {}
    for source, records in read(config.broker, config.topic("state")):
        for record in records:
            assert record.value is not None
            saved[record.key] = source.partition, record.value  # type: ignore[attr-defined]
    return saved


def corrupt_snapshot(live: Live) -> None:
    state = f"{live.prefix}state"
    partition, good = states(live)[b"credit-risk"]
    before = live.committed()
    published = live.published()
    put(live, state, partition, b"credit-risk", good[: len(good) // 2])
    fails(live, live.start(), "state of credit-risk")
    assert live.committed() == before
    assert live.published() == published
    put(live, state, partition, b"credit-risk", good)


def bug_in_observe(live: Live) -> None:
    predictions = live.inputs["predictions"]
    before = offsets(live, predictions)
    assert before
    worker = live.start(program=(sys.executable, str(BUGGY), "observe"))
    fails(live, worker, "ZeroDivisionError: planted bug")
    assert offsets(live, predictions) == before


def bug_in_a_detector(live: Live) -> None:
    panes = f"{live.prefix}panes"
    worker = live.start(program=(sys.executable, str(BUGGY), "detect"))
    fails(live, worker, "ZeroDivisionError: planted bug")
    # Panes may have been taken in, and inputs gone on: what they gave is durable. But the message
    # that closes a slot of such a model is not behind what was committed.
    held = {
        source.partition: records[-1].offset + 1
        for source, records in read(load(live.config()).broker, panes)
    }
    after = {tp.partition: offset for tp, offset in offsets(live, panes).items()}
    assert any(after.get(partition, 0) < end for partition, end in held.items())


def put(live: Live, topic: str, partition: int, key: bytes, value: bytes) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=live.bootstrap, max_request_size=2**25)
        await producer.start()
        try:
            await producer.send_and_wait(topic, value, key, partition)
        finally:
            await producer.stop()

    asyncio.run(send())


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_broker_gone_for_good(
    own_broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path
) -> None:
    messages = recorded().messages
    made = Live(own_broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        live.create(PARTITIONS)
        live.load(messages[: len(messages) // 2])
        worker = live.start(broker={"give_up_after": "3s"})
        live.until("assigned", worker)
        own_broker.kill()
        fails(live, worker, own_broker.bootstrap)
        own_broker.start()
        live.load(messages[len(messages) // 2 :])
        live.finish()
        holds_together(live, recorded())
