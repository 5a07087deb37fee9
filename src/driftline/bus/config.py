"""What a worker is told: broker, topics, contracts; read once, immutable, printed at start."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from driftline.bus.errors import ConfigError
from driftline.contract.errors import Fault
from driftline.contract.types import HOUR, SECOND, Block
from driftline.events.inputs import TOPICS
from driftline.events.mapping import InputSpec

if TYPE_CHECKING:
    from driftline.events.frame import EventType

__all__ = [
    "INPUTS",
    "BrokerConfig",
    "Config",
    "HealthConfig",
    "OutputConfig",
    "default_inputs",
]

INPUTS: dict[str, EventType] = {topic: kind for kind, topic in TOPICS.items()}
"""The six input topics (without prefix) and the type of their events."""

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class BrokerConfig(Block, frozen=True, kw_only=True):
    """How to reach Kafka; the meaning of each setting is Kafka's own.

    Attributes
    ----------
    bootstrap
        ``host:port``, several separated by commas.
    password_env, password_file
        Where the password is read from when it is not given: the name of an environment variable,
        or a file whose first line it is. The same for `username_env` and `key_password_env`.
    ca, certificate, key
        PEM files. Without `ca` the system's authorities are trusted.
    give_up_after
        Microseconds without an answer after which the worker stops. A larger value rides out longer
        outages; nothing is lost either way.
    """

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Mechanism = "PLAIN"
    username: str | None = None
    username_env: str | None = None
    password: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password_env: str | None = None
    check_hostname: bool = True
    give_up_after: int = 60 * SECOND

    def __repr__(self) -> str:
        """Show the address; secrets stay out of logs and tracebacks."""
        return f"BrokerConfig(bootstrap={self.bootstrap!r})"

    @property
    def sasl(self) -> bool:
        """Whether a user name and a password are needed."""
        return self.security_protocol.startswith("SASL")

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    def credentials(self) -> tuple[str, str]:
        """Return user name and password, from where they are kept."""
        name = self.username or _from_env(self.username_env, "username")
        if self.password:
            return name, self.password
        if self.password_file is not None:
            return name, _from_file(self.password_file)
        return name, _from_env(self.password_env, "password")

    def ssl_context(self) -> ssl.SSLContext | None:
        """Build the TLS settings, or None where the connection is in the clear."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.check_hostname = self.check_hostname
            if self.certificate is not None:
                word = os.environ.get(self.key_password_env) if self.key_password_env else None
                context.load_cert_chain(self.certificate, self.key, word)
        except OSError as error:  # ssl.SSLError is one
            given = [path for path in (self.ca, self.certificate, self.key) if path]
            why = f"{given}: {error}"
            raise _fault("ca", "PEM files that OpenSSL can read", why) from error  # noqa: EM101
        return context

    def client(self) -> dict[str, Any]:
        """Return the connection arguments of an aiokafka client."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.tls:
            arguments["ssl_context"] = self.ssl_context()
        if self.sasl:
            name, word = self.credentials()
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": name,
                "sasl_plain_password": word,
            }
        return arguments


class OutputConfig(Block, frozen=True, kw_only=True):
    """The shape of the topics that driftline writes, used by ``topics apply`` and ``check``.

    Attributes
    ----------
    partitions
        Of `panes` and `state`: the most workers that can share the models. Changing it later loses
        the detectors' state.
    """

    partitions: int = 8
    replication: int = 1
    min_insync: int = 1


class HealthConfig(Block, frozen=True, kw_only=True):
    """Where a worker tells how it is; ``port`` 0 turns it off.

    Attributes
    ----------
    stalled_after
        Microseconds with lag and without progress after which a worker is not live any more.
    exit_after
        Microseconds of the same after which the process stops, so that others take over.
    models
        Models that metrics tell apart, ten series each; all further ones are told as one.
    """

    host: str = "127.0.0.1"
    port: int = 0
    stalled_after: int = 120 * SECOND
    exit_after: int = 600 * SECOND
    models: int = 100


class Config(Block, frozen=True, kw_only=True):
    """A worker's whole configuration.

    Attributes
    ----------
    contracts
        Files or patterns (``contracts/*.yaml``).
    idle_after
        Microseconds after which an empty partition stops holding event time back; None takes the
        longest `idle_after` of the contracts.
    readers_every
        Microseconds from one look at who reads the alerts to the next.
    chunk_records
        Where a chunk ends; larger is faster and takes more memory.
    """

    broker: BrokerConfig = BrokerConfig()
    group: str = "driftline"
    prefix: str = "driftline."
    inputs: tuple[InputSpec, ...] = ()
    contracts: tuple[str, ...] = ()
    outputs: OutputConfig = OutputConfig()
    health: HealthConfig = HealthConfig()
    unknown_models: Literal["watch", "reject"] = "watch"
    idle_after: int | None = None
    snapshot_every: int = 10 * SECOND
    commit_every: int = SECOND
    session_timeout: int = 12 * SECOND
    readers_every: int = HOUR
    chunk_records: int = 4_000
    datadir: str = ".driftline"

    @property
    def sources(self) -> tuple[InputSpec, ...]:
        """The inputs: those configured, or else the six default topics."""
        return self.inputs or default_inputs(self.prefix)

    def topic(self, name: str) -> str:
        """Return the full name of one of driftline's own topics."""
        return f"{self.prefix}{name}"

    def with_(self, **changes: Any) -> Config:
        """Return a copy with some values replaced; None leaves a value as it is."""
        stated = {name: value for name, value in changes.items() if value is not None}
        return msgspec.structs.replace(self, **stated)

    def with_overrides(self, *, bootstrap: str | None = None, **changes: Any) -> Config:
        """Return a copy with what a command line said over it."""
        if bootstrap is not None:
            changes["broker"] = msgspec.structs.replace(self.broker, bootstrap=bootstrap)
        return self.with_(**changes)

    def with_health_port(self, port: int) -> Config:
        """Return a copy whose health endpoint listens on another port."""
        return self.with_(health=msgspec.structs.replace(self.health, port=port))


def default_inputs(prefix: str) -> tuple[InputSpec, ...]:
    """Return the six input topics under a prefix."""
    return tuple(InputSpec(topic=prefix + name, type=kind) for name, kind in INPUTS.items())


def _from_env(variable: str | None, what: str) -> str:
    value = os.environ.get(variable, "") if variable else ""
    if not value:
        where = f"a value in the environment variable {variable}" if variable else "a value"
        raise _fault(what, where, "nothing")
    return value


def _from_file(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").split("\n", 1)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise _fault("password_file", "a readable text file", str(error)) from error  # noqa: EM101


def _fault(key: str, expected: str, got: str) -> ConfigError:
    return ConfigError([Fault("configuration", None, None, f"$.broker.{key}", expected, got)])
