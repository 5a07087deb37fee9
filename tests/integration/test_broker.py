from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from driftline.broker import DockerBroker, EmbeddedBroker, open_broker
from driftline.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.broker.protocol import Broker

VALUES = [f"value {number}".encode() for number in range(100)]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(done: Callable[[], bool], patience_s: float = 15.0) -> bool:
    end = time.monotonic() + patience_s
    while not done() and time.monotonic() < end:
        time.sleep(0.1)
    return done()


def keeps_its_data(broker: Broker, kafka_of, topic: str) -> None:
    kafka = kafka_of(broker)
    kafka.create(topic)
    kafka.produce(topic, VALUES)
    where = broker.bootstrap
    broker.restart()
    assert [record.value for record in kafka.consume(topic)] == VALUES
    broker.kill()
    assert broker.pid is None
    broker.start()
    assert broker.bootstrap == where
    assert [record.value for record in kafka.consume(topic)] == VALUES


def test_the_chosen_broker_takes_and_gives_back(kafka, topic_prefix) -> None:
    topic = kafka.create(f"{topic_prefix}plain", partitions=3, retention_ms="-1")
    kafka.produce(topic, VALUES)
    assert sorted(record.value for record in kafka.consume(topic)) == sorted(VALUES)


def test_topics_are_made_on_purpose_only(kafka, topic_prefix) -> None:
    assert kafka.consume(f"{topic_prefix}never-made") == []


@pytest.mark.broker
def test_embedded_keeps_data_over_restart_and_kill_and_leaves_nothing(kafka_of) -> None:
    with EmbeddedBroker() as broker:
        pid, folder = broker.pid, broker.data
        assert pid is not None
        assert folder is not None
        assert alive(pid)
        keeps_its_data(broker, kafka_of, "kept")
        last = broker.pid
        assert last is not None
    assert not alive(pid)
    assert not alive(last)
    assert not folder.exists()
    assert broker.pid is None


@pytest.mark.broker
def test_embedded_with_a_folder_of_its_own_is_found_again_by_the_next(tmp_path, kafka_of) -> None:
    with EmbeddedBroker(tmp_path) as first:
        kafka_of(first).create("kept")
        kafka_of(first).produce("kept", VALUES)
    with EmbeddedBroker(tmp_path) as second:
        assert [record.value for record in kafka_of(second).consume("kept")] == VALUES


@pytest.mark.broker
def test_embedded_that_cannot_start_says_why_and_leaves_nothing() -> None:
    broker = EmbeddedBroker(extra={"num.io.threads": "many"})
    with pytest.raises(BrokerError, match=r"(?s)could not format|num\.io\.threads"):
        broker.start()
    assert broker.pid is None
    assert broker.data is None


@pytest.mark.broker
def test_embedded_refuses_an_address_in_use(broker) -> None:
    port = int(broker.bootstrap.rpartition(":")[2])
    with pytest.raises(BrokerError, match="already"):
        EmbeddedBroker(port=port).start()


@pytest.mark.broker
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_command_leaves_nothing_however_it_ends(end: signal.Signals, tmp_path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "driftline", "broker", "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        # A shell's background job is started deaf to it, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        assert command.stdout is not None
        said = json.loads(command.stdout.readline())
        assert said["bootstrap"].startswith("127.0.0.1:")
        assert alive(said["pid"])
        command.send_signal(end)
        code = command.wait(30)
        assert code == (-signal.SIGKILL if end is signal.SIGKILL else 0)
        assert gone_within(lambda: not alive(said["pid"]))
        assert gone_within(lambda: not list(tmp_path.iterdir()))
    finally:
        command.kill()
        command.communicate()


@pytest.mark.broker
def test_existing_is_used_and_left_running(broker) -> None:
    with open_broker(broker.bootstrap) as same:
        assert same.bootstrap == broker.bootstrap
        with pytest.raises(BrokerError, match="not started here"):
            same.kill()
    with open_broker(broker.bootstrap):
        pass


@pytest.mark.docker
def test_docker_keeps_data_over_restart_and_kill_and_leaves_nothing(kafka_of) -> None:
    import docker

    with DockerBroker() as broker:
        name = broker.name
        assert name is not None
        keeps_its_data(broker, kafka_of, "kept")
    client = docker.from_env()
    try:
        assert name not in {box.name for box in client.containers.list(all=True)}
    finally:
        client.close()


@pytest.mark.broker
def test_embedded_with_a_further_listener_asks_for_the_password() -> None:
    users = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="broker" password="b" user_risk="secret";'
    )
    extra = {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.secure.plain.sasl.jaas.config": users,
    }
    with EmbeddedBroker(listeners={"SECURE": "SASL_PLAINTEXT"}, extra=extra) as broker:
        asyncio.run(log_in(broker.address("SECURE"), "secret"))
        with pytest.raises(KafkaError):
            asyncio.run(log_in(broker.address("SECURE"), "wrong"))


async def log_in(address: str, password: str) -> None:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=address,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="risk",
        sasl_plain_password=password,
    )
    try:
        await admin.start()
        await admin.list_topics()
    finally:
        await admin.close()
