from __future__ import annotations

import socket

import pytest

from driftline.broker import DockerBroker, EmbeddedBroker, ExistingBroker, open_broker
from driftline.broker.ready import answers, free_ports, wait_until
from driftline.broker.runtime import _file, _pinned
from driftline.broker.settings import as_environment, as_text, server_properties
from driftline.errors import BrokerError, UsageError

LISTENERS = {
    "PLAINTEXT": ("PLAINTEXT", "127.0.0.1:1", "127.0.0.1:1"),
    "CONTROLLER": ("PLAINTEXT", "127.0.0.1:2", ""),
    "SECURE": ("SASL_SSL", "127.0.0.1:3", "127.0.0.1:3"),
}


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("embedded", EmbeddedBroker),
        ("docker", DockerBroker),
        ("kafka.example:9092", ExistingBroker),
    ],
)
def test_one_rule_chooses(choice: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRIFTLINE_BROKER", raising=False)
    assert isinstance(open_broker(choice), kind)
    monkeypatch.setenv("DRIFTLINE_BROKER", choice)
    assert isinstance(open_broker(), kind)


def test_embedded_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_BROKER", "")
    assert isinstance(open_broker(), EmbeddedBroker)


@pytest.mark.parametrize("choice", ["podman", ":9092", "host:port", "host:"])
def test_another_choice_is_refused(choice: str) -> None:
    with pytest.raises(UsageError, match="expected embedded, docker or host:port"):
        open_broker(choice)


def test_settings_keep_old_and_future_records_and_make_no_topic() -> None:
    settings = server_properties(LISTENERS, "127.0.0.1:2", "/data", {"num.io.threads": "9"})
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["log.retention.ms"] == "-1"
    assert int(settings["log.message.timestamp.after.max.ms"]) == 2**63 - 1
    assert int(settings["socket.request.max.bytes"]) >= 100 * 10**6
    assert settings["num.io.threads"] == "9"
    assert "CONTROLLER" not in settings["advertised.listeners"]
    assert "SECURE:SASL_SSL" in settings["listener.security.protocol.map"]


def test_settings_are_written_for_files_and_containers() -> None:
    assert as_text({"log.dirs": "C:\\data"}) == "log.dirs=C:\\\\data\n"
    assert as_environment({"a.b-c_d": "1"}) == {"KAFKA_A_B___C__D": "1"}


def test_every_jar_is_pinned_by_its_hash() -> None:
    pinned = _pinned()
    assert "org.apache.kafka:kafka_2.13:4.1.1" in pinned
    assert all(len(digest) == 64 for digest in pinned.values())
    assert len({_file(coordinate) for coordinate in pinned}) == len(pinned)


def test_a_port_that_is_open_but_no_kafka_does_not_answer() -> None:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        link.listen()
        assert not answers(f"127.0.0.1:{link.getsockname()[1]}", timeout_s=0.1)


def test_nothing_there_is_said_with_its_address() -> None:
    where = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(BrokerError, match=f"no Kafka answers at {where}"):
        ExistingBroker(where, patience_s=0.1).start()


def test_waiting_ends() -> None:
    assert wait_until(lambda: True, 0)
    assert not wait_until(lambda: False, 0.01)
