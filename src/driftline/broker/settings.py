"""The server's settings: one KRaft node, small, quick to start, keeping what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IMAGE", "KAFKA_VERSION", "as_environment", "as_text", "server_properties"]

KAFKA_VERSION = "4.1.1"
IMAGE = f"apache/kafka:{KAFKA_VERSION}"

COMMON = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # Topics are made on purpose (`driftline topics apply`), never by a typing error.
    "auto.create.topics.enable": "false",
    # Nobody waits for more members of a group on a laptop.
    "group.initial.rebalance.delay.ms": "0",
    # One node, few consumers: the defaults (50 partitions each) cost seconds of start and recovery.
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Record timestamps are event time: years old in a replay, ahead in a test. Retention by time
    # would delete the former at once, the default bound of an hour would refuse the latter.
    "log.retention.ms": "-1",
    "log.message.timestamp.after.max.ms": str(2**63 - 1),
    # A message is 1 MiB unless its topic says more; then these must let it through.
    "socket.request.max.bytes": str(100 * 2**20),
    "replica.fetch.max.bytes": str(100 * 2**20),
    # The cleaner's default of 128 MiB is a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 2**20),
    # After a kill the same node must wait until its old session has run out: 13 s with the default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def server_properties(
    listeners: Mapping[str, tuple[str, str, str]],
    voter: str,
    log_dir: str,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Put the settings of one node together.

    Parameters
    ----------
    listeners
        Name → (security protocol, address to bind, address to advertise); `CONTROLLER` is among
        them and not advertised.
    voter
        ``host:port`` of the controller.
    log_dir
        Where the server keeps its data.
    extra
        Settings that override all others.
    """
    named = {name: entry for name, entry in listeners.items() if name != "CONTROLLER"}
    return {
        **COMMON,
        "controller.quorum.voters": f"1@{voter}",
        "listeners": ",".join(f"{name}://{bind}" for name, (_, bind, _) in listeners.items()),
        "advertised.listeners": ",".join(
            f"{name}://{seen}" for name, (_, _, seen) in named.items()
        ),
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}" for name, (protocol, _, _) in listeners.items()
        ),
        "log.dirs": log_dir,
        **extra,
    }


def as_text(properties: Mapping[str, str]) -> str:
    """Write a properties file; backslashes are escaped as the format asks."""
    return "".join(f"{key}={value}\n".replace("\\", "\\\\") for key, value in properties.items())


def as_environment(properties: Mapping[str, str]) -> dict[str, str]:
    """Name the settings as the public image wants them: ``a.b-c`` is ``KAFKA_A_B___C``."""
    return {
        "KAFKA_" + key.replace("_", "__").replace("-", "___").replace(".", "_").upper(): value
        for key, value in properties.items()
    }
