"""``driftline.yaml``: the table of its keys, reading it with all faults at once, printing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec
import yaml

from driftline.bus.config import (
    BrokerConfig,
    Config,
    HealthConfig,
    Mechanism,
    OutputConfig,
    Protocol,
)
from driftline.bus.errors import ConfigError
from driftline.contract.blocks import BlockOf, Field, ListOf, MapOf
from driftline.contract.kinds import FAULTY, Choice, Duration, Integer, Text
from driftline.contract.nodes import BOOL, Findings, documents, text_of
from driftline.contract.types import Block
from driftline.events.errors import MappingError
from driftline.events.frame import EventType
from driftline.events.mapping import InputSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract.blocks import Scope

__all__ = ["load", "parse", "printed"]

MASKED: Final = "********"
_TOPIC: Final = Text(longest=249, pattern=r"[A-Za-z0-9._-]+", example="a topic's name")
_PATH: Final = Text(longest=4_096)
_VARIABLE: Final = Text(pattern=r"[A-Za-z_][A-Za-z0-9_]*", example="the name of a variable")


class _Flag:
    """``true`` or ``false``."""

    expected = "true or false"

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        if node.tag != BOOL:
            findings.add(node, path, self.expected)
            return FAULTY
        return node.value.lower() == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def dump(self, value: Any) -> Any:
        return value


class _Input(Block, frozen=True, kw_only=True):
    """An input as it is written."""

    topic: str
    type: str | None = None
    fields: dict[str, str] = msgspec.field(default_factory=dict)
    fixed: dict[str, str] = msgspec.field(default_factory=dict)


_INPUT: Final = BlockOf(
    _Input,
    (
        Field("topic", _TOPIC, "the topic's full name", required=True),
        Field("type", Choice(get_args(EventType)), "what its events are"),
        Field("fields", MapOf(Text(), "a mapping of our fields to paths in the event"), "where"),
        Field("fixed", MapOf(Text(), "a mapping of our fields to values"), "constant fields"),
    ),
)


@dataclass(frozen=True, slots=True)
class _InputKind:
    """An input topic and where it keeps its fields."""

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        found = _INPUT.read(node, path, findings)
        if found is FAULTY:
            return FAULTY
        try:
            return InputSpec(
                topic=found.topic, type=found.type, fields=found.fields, fixed=found.fixed
            )
        except MappingError as error:
            for fault in error.faults:
                findings.add(node, path, "an input that can be read", problem=fault)
            return FAULTY

    def schema(self) -> dict[str, Any]:
        return _INPUT.schema()

    def dump(self, value: Any) -> Any:
        plain = _Input(
            topic=value.topic, type=value.type, fields=dict(value.fields), fixed=dict(value.fixed)
        )
        return {key: each for key, each in _INPUT.dump(plain).items() if each not in ({}, None)}


def _password_once(scope: Scope) -> None:
    given = [key for key in ("password", "password_env", "password_file") if key in scope.nodes]
    if len(given) > 1:
        scope.fault(given[1], "the password in one place", f"{given[0]} as well")


def _sasl_whole(scope: Scope) -> None:
    if not scope.good("security_protocol") or "SASL" not in str(scope.values["security_protocol"]):
        return
    for what, places in (
        ("username", ("username", "username_env")),
        ("password", ("password", "password_env", "password_file")),
    ):
        if not any(key in scope.nodes for key in places):
            protocol = scope.values["security_protocol"]
            scope.fault(what, f"one of {', '.join(places)} with {protocol}")


def _certificate_whole(scope: Scope) -> None:
    if "key" in scope.nodes and "certificate" not in scope.nodes:
        scope.fault("certificate", "the certificate that belongs to the key")


def _replicas(scope: Scope) -> None:
    if scope.good("replication", "min_insync") and (
        scope.values["min_insync"] > scope.values["replication"]
    ):
        scope.fault("min_insync", f"at most the replication, {scope.values['replication']}")


def _topics_once(scope: Scope) -> None:
    inputs = scope.values["inputs"]
    if inputs is FAULTY:
        return
    seen: dict[str, InputSpec] = {}
    for at, spec in enumerate(inputs):
        # One and the same input written twice is the list's fault, and noted there.
        if spec is not FAULTY and seen.setdefault(spec.topic, spec) != spec:
            scope.fault("inputs", "each topic once", f"{spec.topic} again, at $.inputs[{at}]")


_SERVER: Final = r"(?:[^\s,:\[\]]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}"
_BROKER: Final = BlockOf(
    BrokerConfig,
    (
        Field(
            "bootstrap",
            Text(pattern=rf"{_SERVER}(?:, *{_SERVER})*", example="host:port, several with commas"),
            "addresses of one or more brokers",
        ),
        Field("security_protocol", Choice(get_args(Protocol)), "encryption and log-in"),
        Field("sasl_mechanism", Choice(get_args(Mechanism)), "how to log in"),
        Field("username", Text(), "user name"),
        Field("username_env", _VARIABLE, "environment variable with the user name"),
        Field("password", Text(), "password; better kept in a file or a variable"),
        Field("password_env", _VARIABLE, "environment variable with the password"),
        Field("password_file", _PATH, "file whose first line is the password"),
        Field("ca", _PATH, "PEM file of the authority that signed the broker's certificate"),
        Field("certificate", _PATH, "PEM file of the client's certificate"),
        Field("key", _PATH, "PEM file of the client's key"),
        Field("key_password_env", _VARIABLE, "environment variable with the key's password"),
        Field("check_hostname", _Flag(), "whether the broker's name must match its certificate"),
        Field("give_up_after", Duration("1s", "1d"), "silence after which the worker stops"),
    ),
    checks=(_password_once, _sasl_whole, _certificate_whole),
)
_OUTPUTS: Final = BlockOf(
    OutputConfig,
    (
        Field("partitions", Integer(1, 1_000), "partitions of panes and state"),
        Field("replication", Integer(1, 100), "copies of each of driftline's topics"),
        Field("min_insync", Integer(1, 100), "copies that must have a message before it counts"),
    ),
    checks=(_replicas,),
)
_HEALTH: Final = BlockOf(
    HealthConfig,
    (
        Field("host", Text(), "address to listen on"),
        Field("port", Integer(0, 65_535), "port to listen on; 0 turns it off"),
        Field("stalled_after", Duration("1s"), "not live after so long without progress"),
        Field("exit_after", Duration("1s"), "stopped after so long without progress"),
        Field("models", Integer(0, 10_000), "models that metrics tell apart"),
    ),
)
_WORKER: Final = BlockOf(
    Config,
    (
        Field("broker", _BROKER, "how to reach Kafka"),
        Field("group", Text(longest=200), "consumer group; the workers of a group share the work"),
        Field("prefix", Text(longest=200, pattern=r"[A-Za-z0-9._-]+"), "of driftline's topics"),
        Field("inputs", ListOf(_InputKind(), "a list of inputs", least=1), "topics to read"),
        Field("contracts", ListOf(_PATH, "a list of files or patterns"), "the models' contracts"),
        Field("outputs", _OUTPUTS, "shape of driftline's topics"),
        Field("health", _HEALTH, "the health endpoint"),
        Field("unknown_models", Choice(("watch", "reject")), "models without a contract"),
        Field("idle_after", Duration("100ms"), "when an empty partition counts as idle"),
        Field("snapshot_every", Duration("100ms", "1h"), "how often detector state is saved"),
        Field("commit_every", Duration("100ms", "1m"), "how often offsets are committed"),
        Field("session_timeout", Duration("1s", "5m"), "when a silent worker is replaced"),
        Field("readers_every", Duration("1s", "1d"), "how often it is seen who reads the alerts"),
        Field("chunk_records", Integer(1, 1_000_000), "records handled together"),
        Field(
            "datadir",
            _PATH,
            "folder for files that may be lost, as they are read again",
        ),
    ),
    checks=(_topics_once,),
)


def load(path: Path) -> Config:
    """Read a configuration file; paths in it are relative to it.

    Raises
    ------
    ConfigError
        With every fault of the file.
    """
    findings = Findings(str(path))
    text = text_of(path, findings)
    if text is None:
        raise ConfigError(findings.faults)
    return parse(text, str(path), path.parent)


def parse(text: str, name: str, base: Path = Path()) -> Config:
    """Read a configuration; `name` stands in the faults, `base` is what paths are relative to."""
    findings = Findings(name)
    roots = list(documents(text, findings))
    for root in roots[1:]:
        findings.add(root, "$", "one document", "a second one")
    config = _WORKER.read(roots[0], "$", findings) if roots else Config()
    if findings.faults:
        raise ConfigError(findings.faults)
    broker: BrokerConfig = config.broker
    files = {
        key: str(base / getattr(broker, key))
        for key in ("password_file", "ca", "certificate", "key")
        if getattr(broker, key) is not None
    }
    return msgspec.structs.replace(
        config,
        broker=msgspec.structs.replace(broker, **files),
        contracts=tuple(str(base / pattern) for pattern in config.contracts),
    )


def printed(config: Config) -> str:
    """Return the effective configuration as YAML, defaults included and secrets masked."""
    body: Mapping[str, Any] = _WORKER.dump(config.with_(inputs=config.sources))
    if body["broker"].get("password"):
        body["broker"]["password"] = MASKED
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
