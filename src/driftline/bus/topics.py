"""driftline's topics: one table, created and checked from it; nothing is ever auto-created."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from driftline.bus.clients import opened, unreachable
from driftline.bus.errors import TopicsError
from driftline.bus.reader import spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from driftline.bus.config import BrokerConfig, Config

__all__ = [
    "TopicSpec",
    "administering",
    "apply",
    "check",
    "inputs",
    "notices",
    "outputs",
    "partition_counts",
    "remove",
]

DAY_MS = 86_400_000
MIB = 2**20
LARGE = 32 * MIB
"""Dead letters keep the original bytes, and a model's state is one message."""
VISIBLE_S = 30.0
CREATED_ALREADY = 36
UNKNOWN_TOPIC = 3


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it has to be.

    Attributes
    ----------
    partitions
        Exactly so many; 0 means any number.
    configs
        Kafka's own names and values; those in `CHECKED` have to hold for an existing topic too.
    """

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str] = field(default_factory=dict)


def outputs(config: Config) -> list[TopicSpec]:
    """Return the topics that driftline itself writes."""
    shape = config.outputs
    days = {
        # Read within seconds; a week leaves time to repair a worker that stands still.
        "panes": 7,
        # What joins predictions with their labels; longer than the default label horizon.
        "ledger": 40,
        "windows": 90,
        "alerts": 180,
        "feedback": 180,
        "deadletter": 90,
    }
    return [
        _spec(config, "panes", shape.partitions, "delete", days, MIB * 16),
        _spec(config, "ledger", shape.partitions, "delete", days, MIB * 16),
        _spec(config, "windows", shape.partitions, "delete", days, MIB * 16),
        # A repeat has the same id, hence the same key, and overwrites itself.
        _spec(config, "alerts", shape.partitions, "compact,delete", days, MIB * 16),
        _spec(config, "feedback", shape.partitions, "compact,delete", days, MIB * 16),
        _spec(config, "deadletter", shape.partitions, "delete", days, LARGE),
        # Partition i holds the state of what partition i of `panes` feeds.
        _spec(config, "state", shape.partitions, "compact", days, LARGE),
        _spec(config, "references", 1, "compact", days, LARGE),
    ]


def notices(config: Config) -> list[TopicSpec]:
    """Return the topics of `driftline notify`: what was told of which cause, and dead letters."""
    days = {"notify-deadletter": 90}
    return [
        _spec(config, "notify", 1, "compact", days, LARGE),
        _spec(config, "notify-deadletter", 1, "delete", days, LARGE),
    ]


def _spec(
    config: Config, name: str, partitions: int, policy: str, days: Mapping[str, int], most: int
) -> TopicSpec:
    configs = {
        "cleanup.policy": policy,
        "max.message.bytes": str(most),
        "min.insync.replicas": str(config.outputs.min_insync),
    }
    if name in days:
        configs["retention.ms"] = str(days[name] * DAY_MS)
    if "compact" in policy:
        # Small segments, so that what was overwritten goes soon and a restart reads little.
        configs |= {"segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.2"}
    return TopicSpec(config.topic(name), partitions, config.outputs.replication, configs)


def inputs(
    config: Config, partitions: int = 4, retention_ms: int = 7 * DAY_MS, max_bytes: int = LARGE
) -> list[TopicSpec]:
    """Return the input topics, for those who let driftline create them.

    Parameters
    ----------
    retention_ms
        Kafka deletes by the records' timestamps: history that is replayed needs -1 (keep).
    max_bytes
        Larger than any event may be, so that one that is too large is seen and becomes a dead
        letter, where a broker that refuses it leaves the producer alone with it.
    """
    configs = {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "max.message.bytes": str(max_bytes),
    }
    return [
        TopicSpec(spec.topic, partitions, config.outputs.replication, configs)
        for spec in config.sources
    ]


async def apply(broker: BrokerConfig, specs: Sequence[TopicSpec]) -> list[str]:
    """Create the topics that are not there; return their names. Existing ones are left alone.

    When it returns, they can be written to.

    Raises
    ------
    TopicsError
        With one line for each topic that the broker refused to create.
    """
    async with administering(broker) as admin:
        there = set(await admin.list_topics())
        missing = [spec for spec in specs if spec.name not in there]
        if not missing:
            return []
        answer = await admin.create_topics(
            [
                NewTopic(each.name, each.partitions, each.replication, topic_configs=each.configs)
                for each in missing
            ]
        )
        refused = [
            f"{name}: not created: {text or for_code(code).__name__}"
            for name, code, text in answer.topic_errors
            if code not in {0, CREATED_ALREADY}
        ]
        if refused:
            raise TopicsError(refused)
        await _visible(admin, [spec.name for spec in specs])
    # A partition that is visible may have no leader yet that takes a record: ask each.
    async with opened(broker) as consumer:
        for spec in missing:
            await spans(consumer, spec.name)
    return [spec.name for spec in missing]


async def remove(broker: BrokerConfig, names: Sequence[str]) -> None:
    """Delete topics, and with them all they hold; those that are not there do not matter.

    Raises
    ------
    TopicsError
        With one line for each topic that the broker refused to delete.
    """
    async with administering(broker) as admin:
        answer = await admin.delete_topics(list(names))
        refused = [
            f"{name}: not deleted: {for_code(code).__name__}"
            for name, code in answer.topic_error_codes
            if code not in {0, UNKNOWN_TOPIC}
        ]
        if refused:
            raise TopicsError(refused)
        async with asyncio.timeout(VISIBLE_S):
            while any((await _partition_counts(admin, names)).values()):  # noqa: ASYNC110 - polls
                await asyncio.sleep(0.05)


async def _visible(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Wait until the broker tells of topics that it has just made."""
    async with asyncio.timeout(VISIBLE_S):
        while not all((await _partition_counts(admin, names)).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def check(config: Config) -> list[str]:
    """Compare what is there with what has to be; return one line for each difference."""
    own = outputs(config)
    async with administering(config.broker) as admin:
        wanted = [spec.name for spec in own] + [spec.topic for spec in config.sources]
        counts = await _partition_counts(admin, wanted)
        there = [spec for spec in own if counts[spec.name]]
        settings = await _settings(admin, [spec.name for spec in there])
    lines = [f"{name}: expected a topic, found none" for name in wanted if not counts[name]]
    for spec in there:
        lines += _differences(spec, counts[spec.name], settings.get(spec.name, {}))
    return sorted(lines)


def _differences(spec: TopicSpec, partitions: int, found: Mapping[str, str]) -> list[str]:
    lines = []
    if spec.partitions and partitions != spec.partitions:
        lines.append(f"{spec.name}: expected {spec.partitions} partitions, found {partitions}")
    policy = found.get("cleanup.policy", "")
    if set(policy.split(",")) != set(spec.configs["cleanup.policy"].split(",")):
        lines.append(
            f"{spec.name}: expected cleanup.policy={spec.configs['cleanup.policy']}, found {policy}"
        )
    for name in ("max.message.bytes", "min.insync.replicas"):
        value = found.get(name, "0")
        if int(value) < int(spec.configs[name]):
            least = spec.configs[name]
            lines.append(f"{spec.name}: expected {name} of at least {least}, found {value}")
    return lines


async def partition_counts(broker: BrokerConfig, topics: Sequence[str]) -> dict[str, int]:
    """Return the number of partitions of each topic, 0 for one that is not there."""
    async with administering(broker) as admin:
        return await _partition_counts(admin, topics)


async def _partition_counts(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, int]:
    counts = dict.fromkeys(topics, 0)
    for topic in await admin.describe_topics(list(topics)):
        if topic["error_code"] not in {0, UNKNOWN_TOPIC}:
            raise for_code(topic["error_code"])(topic["topic"])
        counts[topic["topic"]] = len(topic["partitions"])
    return counts


async def _settings(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, dict[str, str]]:
    if not topics:
        return {}
    answers: list[Any] = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    )
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for code, _, _, name, entries in answer.resources
        if code == 0
    }


@asynccontextmanager
async def administering(broker: BrokerConfig) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client; whatever keeps it from working is one clear error."""
    admin = AIOKafkaAdminClient(**broker.client(), request_timeout_ms=10_000)
    try:
        await asyncio.wait_for(admin.start(), broker.give_up_after / 1e6)
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise unreachable(broker, error) from error
    finally:
        await admin.close()
