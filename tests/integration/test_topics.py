from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from driftline.bus import topics
from driftline.bus.config import BrokerConfig, Config, OutputConfig
from driftline.bus.errors import BrokerUnreachable, TopicsError
from driftline.cli import main

if TYPE_CHECKING:
    from driftline.broker.protocol import Broker


@pytest.fixture
def config(broker: Broker, topic_prefix: str) -> Config:
    return Config(broker=BrokerConfig(bootstrap=broker.bootstrap), prefix=topic_prefix)


def apply(config: Config, specs: list[topics.TopicSpec]) -> list[str]:
    return asyncio.run(topics.apply(config.broker, specs))


def check(config: Config) -> list[str]:
    return asyncio.run(topics.check(config))


def test_apply_makes_them_once_and_check_agrees(config: Config) -> None:
    wanted = [*topics.outputs(config), *topics.inputs(config, 2, retention_ms=-1)]
    assert len(check(config)) == len(wanted) == 14
    assert apply(config, wanted) == [spec.name for spec in wanted]
    assert apply(config, wanted) == []
    assert check(config) == []


def test_check_lists_every_difference(config: Config, kafka: Any) -> None:
    kafka.create(config.topic("state"), 3, cleanup_policy="delete", max_message_bytes="1000")
    apply(config, topics.outputs(config))
    lines = check(config)
    state = config.topic("state")
    assert [line for line in lines if line.startswith(state)] == [
        f"{state}: expected 8 partitions, found 3",
        f"{state}: expected cleanup.policy=compact, found delete",
        f"{state}: expected max.message.bytes of at least 33554432, found 1000",
    ]
    assert f"{config.topic('labels')}: expected a topic, found none" in lines
    assert len(lines) == 3 + 6


def test_what_the_broker_refuses_is_named(config: Config) -> None:
    three = config.with_(outputs=OutputConfig(replication=3))
    with pytest.raises(TopicsError, match=rf"{config.topic('panes')}: not created: .*replication"):
        apply(three, topics.outputs(three))


def test_no_broker() -> None:
    nowhere = Config(broker=BrokerConfig(bootstrap="127.0.0.1:1"))
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1: KafkaConnectionError: "):
        check(nowhere)


def test_command_line(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--bootstrap", config.broker.bootstrap, "--prefix", config.prefix]
    assert main(["topics", "check", *where]) == 1
    assert "14 differences" in capsys.readouterr().out
    assert main(["topics", "apply", *where, "--with-inputs", "--input-retention", "x"]) == 2
    assert "--input-retention: expected a duration" in capsys.readouterr().err
    assert main(["topics", "apply", *where, "--with-inputs", "--input-retention", "1d"]) == 0
    assert "14 created, 0 were there" in capsys.readouterr().out
    assert main(["topics", "check", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"differences": []}
