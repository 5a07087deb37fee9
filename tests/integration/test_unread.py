"""Alerts that nobody reads are told of by a running worker, and stay out of what is exported."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.integration._live import Live
from tests.integration.test_alerts import alerts_of

from driftline.events.outputs import Feedback

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Kafka

pytestmark = pytest.mark.slow

CONTRACT = "model: prices\nowner: {team: pricing, contact: '#pricing'}\n"


async def read_by(group: str, bootstrap: str, topic: str) -> None:
    """Commit that a group has read the first partition of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): 1})
    finally:
        await consumer.stop()


@pytest.mark.parametrize("read", [False, True])
def test_alerts_that_nobody_reads_are_told_once_a_day(
    kafka: Kafka, topic_prefix: str, tmp_path: Path, read: bool
) -> None:
    contract = tmp_path / "prices.yaml"
    contract.write_text(CONTRACT)
    made = Live(kafka.bootstrap, tmp_path, topic_prefix, [contract], readers_every="1s")
    alerts, feedback = f"{topic_prefix}alerts", f"{topic_prefix}feedback"
    with closing(made) as live:
        live.create(1)
        kafka.produce(alerts, alerts_of("prices"), key=b"prices")
        if read:
            asyncio.run(read_by(f"{topic_prefix}pager", live.bootstrap, alerts))
            live.start()
            live.until(f"alerts are read by {topic_prefix}pager", times=2)
            assert not kafka.consume(feedback)
            return
        for _ in range(2):  # the second one has forgotten what the first one told
            number = live.start()
            live.until("nobody reads", number)
            live.workers[number].terminate()
            assert live.end(number) == 0, live.log(number)
        told = kafka.consume(feedback)
        assert len(told) == 2
        days = {record.timestamp // 86_400_000 for record in told}
        assert len({record.key for record in told}) == len(days)
        event = msgspec.json.decode(told[0].value, type=Feedback)
        assert (event.type, event.data.model) == ("driftline.feedback.contract_violated", "prices")
        assert (event.data.violation, event.data.live) == ("alerts_unread", True)
        assert event.data.team == "pricing"
        exported = live.export()
        assert (exported / "alerts.jsonl").read_bytes().count(b"\n") == 3
        assert not (exported / "feedback.jsonl").read_bytes()
