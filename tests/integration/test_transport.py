"""The bus as a whole on a real broker, with parts simple enough to know what must come out."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from driftline.broker import EmbeddedBroker
from driftline.bus import topics
from driftline.bus.config import BrokerConfig, Config, OutputConfig
from driftline.events.mapping import InputSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.broker.protocol import Broker

SCRIPT = Path(__file__).with_name("stub_worker.py")
END_S = 60


class Bus:
    """One test's topics, and the workers it has started."""

    def __init__(self, kafka: Any, prefix: str, logs: Path) -> None:
        self.kafka = kafka
        self.prefix = prefix
        self.logs = logs
        self.workers: list[subprocess.Popen[bytes]] = []
        self.config = Config(
            broker=BrokerConfig(bootstrap=kafka.bootstrap),
            prefix=prefix,
            inputs=(InputSpec(topic=f"{prefix}in", type="prediction"),),
            outputs=OutputConfig(partitions=8),
        )
        specs = [*topics.outputs(self.config), *topics.inputs(self.config, 4)]
        asyncio.run(topics.apply(self.config.broker, specs))

    def produce(self, ids: range) -> None:
        self.kafka.produce(f"{self.prefix}in", [b"%d" % each for each in ids])

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        log = (self.logs / f"worker-{len(self.workers)}.log").open("wb")
        worker = subprocess.Popen(
            [
                sys.executable,
                str(SCRIPT),
                "--bootstrap",
                self.kafka.bootstrap,
                "--prefix",
                self.prefix,
                *options,
            ],
            stderr=log,
        )
        log.close()
        self.workers.append(worker)
        return worker

    def run(self, *options: str) -> int:
        """Run a worker until it has nothing to do, and return its exit code."""
        return self.start("--until-idle", "0.5", "--idle-after", "0.5", *options).wait(END_S)

    def log(self, number: int = -1) -> str:
        number = number % len(self.workers)
        return (self.logs / f"worker-{number}.log").read_text()

    def until(self, text: str, number: int = -1) -> None:
        deadline = time.monotonic() + END_S
        while text not in self.log(number):
            assert time.monotonic() < deadline, self.log(number)
            time.sleep(0.05)

    def ids(self) -> list[int]:
        """All ids in the windows, repeats by key removed (and required to be equal)."""
        windows: dict[bytes, bytes] = {}
        for record in self.kafka.consume(f"{self.prefix}windows"):
            assert windows.setdefault(record.key, record.value) == record.value
        return sorted(each for value in windows.values() for each in orjson.loads(value))

    def committed(self) -> dict[TopicPartition, Any]:
        async def ask() -> dict[TopicPartition, Any]:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
            await admin.start()
            try:
                return await admin.list_consumer_group_offsets(f"{self.prefix}group")
            finally:
                await admin.close()

        return asyncio.run(ask())

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


@pytest.fixture
def bus(kafka: Any, topic_prefix: str, tmp_path: Path) -> Iterator[Bus]:
    with closing(Bus(kafka, topic_prefix, tmp_path)) as made:
        yield made


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """A broker for this test alone, to be stopped and killed."""
    with EmbeddedBroker() as started:
        yield started


def test_everything_comes_out_once_and_is_committed(bus: Bus, broker: Broker) -> None:
    bus.produce(range(1_234))
    assert bus.run() == 0, bus.log()
    assert bus.ids() == list(range(1_234))
    committed = bus.committed()
    inputs = {tp: entry for tp, entry in committed.items() if tp.topic.endswith("in")}
    assert sum(entry.offset for entry in inputs.values()) == 1_234
    for entry in inputs.values():
        assert orjson.loads(entry.metadata)["at"] == entry.offset
    # A second worker finds nothing left to do, and publishes nothing again.
    before = len(bus.kafka.consume(f"{bus.prefix}windows"))
    assert bus.run() == 0
    assert len(bus.kafka.consume(f"{bus.prefix}windows")) == before


def test_kill_loses_and_repeats_nothing(bus: Bus, broker: Broker) -> None:
    chance = random.Random(7)
    for number in range(4):
        bus.produce(range(number * 500, number * 500 + 500))
        worker = bus.start("--slow", "0.02", "--chunk", "20")
        bus.until("assigned")
        time.sleep(chance.random())
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert bus.run() == 0, bus.log()
    assert bus.ids() == list(range(2_000))


def test_members_that_join_and_leave_lose_nothing(bus: Bus, broker: Broker) -> None:
    first = bus.start("--slow", "0.02", "--chunk", "20")
    bus.until("assigned 12")
    bus.produce(range(2_000))
    second = bus.start("--slow", "0.02", "--chunk", "20")
    bus.until("assigned 6", 1)
    bus.produce(range(2_000, 4_000))
    first.send_signal(signal.SIGTERM)
    assert first.wait(END_S) == 0, bus.log(0)
    bus.until("assigned 12", 1)
    second.send_signal(signal.SIGTERM)
    assert second.wait(END_S) == 0, bus.log(1)
    assert bus.run() == 0, bus.log()
    assert bus.ids() == list(range(4_000))


def test_graceful_stop_needs_no_repeat(bus: Bus, broker: Broker) -> None:
    bus.produce(range(2_000))
    worker = bus.start("--slow", "0.05", "--chunk", "20")
    bus.until("assigned")
    time.sleep(1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(END_S) == 0, bus.log()
    assert bus.run() == 0, bus.log()
    windows = bus.kafka.consume(f"{bus.prefix}windows")
    assert len(windows) == len({record.key for record in windows})
    assert bus.ids() == list(range(2_000))


def test_bug_ends_the_worker_with_nothing_acknowledged(bus: Bus, broker: Broker) -> None:
    bus.produce(range(100))
    assert bus.run() == 0
    before = bus.committed()
    bus.produce(range(100, 200))
    assert bus.run("--bug", "100") == 1
    assert bus.log().splitlines()[-1].startswith("error: ZeroDivisionError: planted bug")
    after = bus.committed()
    # Other partitions may have gone on; the one with the bug stands where it stood, and so does
    # every record that was not made durable.
    bugged = bus.log().rpartition("planted bug at ")[2].split("/")
    tp = TopicPartition(bugged[0], int(bugged[1]))
    assert after[tp].offset == before[tp].offset
    assert bus.run() == 0
    assert bus.ids() == list(range(200))


def test_poison_goes_to_the_dead_letters(bus: Bus, broker: Broker) -> None:
    poison = [b"", b"\xff\xfe", b"x" * 900_000]
    values = [b"%d" % each for each in range(300)] + poison
    random.Random(3).shuffle(values)
    bus.kafka.produce(f"{bus.prefix}in", values)
    bus.kafka.produce(f"{bus.prefix}in", [None], key=b"tombstone")
    poison.append(b"")
    assert bus.run() == 0, bus.log()
    assert bus.ids() == list(range(300))
    dead = bus.kafka.consume(f"{bus.prefix}deadletter")
    assert sorted(record.value or b"" for record in dead) == sorted(poison)
    for record in dead:
        headers = dict(record.headers)
        place = f"{bus.prefix}in/{headers['source.partition'].decode()}/"
        assert record.key.decode().startswith(place)
        assert headers["error.message"].startswith(b"$: expected a number, got ")
        assert len(headers["error.got"]) <= 1_024


@pytest.mark.broker
def test_broker_that_comes_back_is_ridden_out(
    own_broker: EmbeddedBroker, kafka_of: Any, topic_prefix: str, tmp_path: Path
) -> None:
    with closing(Bus(kafka_of(own_broker), topic_prefix, tmp_path)) as bus:
        bus.produce(range(1_000))
        worker = bus.start("--slow", "0.05", "--chunk", "20")
        bus.until("assigned")
        own_broker.stop(keep=True)
        time.sleep(8)
        own_broker.start()
        bus.produce(range(1_000, 1_500))
        assert worker.poll() is None, bus.log(0)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(END_S) == 0, bus.log(0)
        assert bus.run() == 0, bus.log()
        assert bus.ids() == list(range(1_500))


@pytest.mark.broker
def test_broker_gone_for_good_is_one_clear_line(
    own_broker: EmbeddedBroker, kafka_of: Any, topic_prefix: str, tmp_path: Path
) -> None:
    with closing(Bus(kafka_of(own_broker), topic_prefix, tmp_path)) as bus:
        worker = bus.start("--give-up", "3")
        bus.until("assigned")
        own_broker.kill()
        assert worker.wait(END_S) == 1, bus.log()
        last = bus.log().splitlines()[-1]
        assert last.startswith("error: ")
        assert own_broker.bootstrap in last
