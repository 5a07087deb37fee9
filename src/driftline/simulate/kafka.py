"""Simulated traffic to Kafka: at its own pace, at a given rate, or as fast as it goes."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from driftline.errors import BrokerError
from driftline.simulate.errors import ScenarioError
from driftline.simulate.tables import plural

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from driftline.events.frame import EventType
    from driftline.simulate.block import Block
    from driftline.simulate.scenario import Scenario

__all__ = ["COMPRESSIONS", "Delivery", "to_kafka"]

COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
BATCH_BYTES = 512 * 1024
"""Well under Kafka's usual limit of 1 MiB a batch, and large enough to be quick."""
TICK_S = 0.05
START_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 60.0
# All is delivered by then, or will not be: aiokafka itself would wait for a broker that is gone.
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Delivery:
    """How events are put on topics.

    Attributes
    ----------
    prefix
        Before each topic's name: "driftline." sends to ``driftline.predictions``.
    rate
        Events a second of wall time over all topics; None is as fast as it goes.
    realtime
        True paces by event time instead: one second of it takes one second.
    envelope
        Events in one message; above 1 a message is a JSON array of events of one type.
    keyed
        True keys a message by its entity, as many producers do; never for envelopes.
    compression
        One of `COMPRESSIONS`.
    connection
        Further arguments of an aiokafka client: security protocol, SASL, TLS.
    """

    prefix: str = "driftline."
    rate: float | None = None
    realtime: bool = False
    envelope: int = 1
    keyed: bool = True
    compression: str = "none"
    connection: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not self.rate > 0:
            msg = f"rate: expected above 0 events a second, got {self.rate:g}"
            raise ScenarioError(msg)
        if not 1 <= self.envelope <= 10_000:
            msg = f"envelope: expected 1 to 10000 events a message, got {self.envelope}"
            raise ScenarioError(msg)
        if self.compression not in COMPRESSIONS:
            msg = f"compression: expected one of {', '.join(COMPRESSIONS)}, got {self.compression}"
            raise ScenarioError(msg)


async def to_kafka(
    scenario: Scenario,
    bootstrap: str,
    delivery: Delivery | None = None,
    progress: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Counter[str]:
    """Send a scenario's events; return the number of events delivered, by type.

    The record's timestamp is the event's time, so that a historical scenario looks historical.
    Returns when all is delivered, or soon after `stop` is set.

    Parameters
    ----------
    progress
        Called with a number of events each time that many more were handed over.

    Raises
    ------
    BrokerError
        Where the broker cannot be reached, a topic is not there, or delivery fails.
    """
    delivery = delivery or Delivery()
    counts: Counter[str] = Counter()
    connection = dict(delivery.connection or {})
    topics = {kind: f"{delivery.prefix}{plural(kind)}" for kind in scenario.types}
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            partitions = await _partitions(bootstrap, connection, list(topics.values()))
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            compression_type=None if delivery.compression == "none" else delivery.compression,
            **connection,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await producer.start()
            sender = _Sender(producer, topics, partitions, delivery)
            pace = _Pace(scenario.start, delivery)
            for block in scenario.blocks():
                async for part in pace.parts(block, stop):
                    await sender.send(part)
                    counts.update(part.types)
                    if progress is not None:
                        progress(part.size)
                if stop is not None and stop.is_set():
                    break
            await sender.settle()
        finally:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await producer.stop()
    except TimeoutError as error:
        msg = f"{bootstrap}: no answer in time; is the broker up?"
        raise BrokerError(msg) from error
    except KafkaError as error:
        msg = f"{bootstrap}: {type(error).__name__}: {error}"
        raise BrokerError(msg) from error
    return counts


async def _partitions(
    bootstrap: str, connection: dict[str, Any], topics: list[str]
) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **connection)
    try:
        await admin.start()
        # Asked by name, a topic might be created with the broker's defaults; the list creates none.
        missing = sorted(set(topics) - set(await admin.list_topics()))
        if missing:
            msg = (
                f"{bootstrap}: no topic {', '.join(missing)}; "
                "`driftline topics apply --with-inputs` creates the topics"
            )
            raise BrokerError(msg)
        found = await admin.describe_topics(topics)
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in found}


class _Sender:
    """Builds whole batches: several times faster than handing over message by message."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topics: dict[EventType, str],
        partitions: dict[str, int],
        delivery: Delivery,
    ) -> None:
        self._producer = producer
        self._topics = topics
        self._partitions = partitions
        self._delivery = delivery
        self._turn: Counter[str] = Counter()
        self._sent: list[asyncio.Future[Any]] = []

    async def send(self, block: Block) -> None:
        """Hand over a block; returns when the block before it is delivered."""
        by_partition: dict[tuple[str, int], list[tuple[int, bytes | None, bytes]]]
        by_partition = defaultdict(list)
        for kind, topic in self._topics.items():
            count = self._partitions[topic]
            for message in self._messages(block, kind):
                key = message[1]
                if key is None:
                    partition = self._turn[topic] % count
                    self._turn[topic] += 1
                else:
                    partition = crc32(key) % count
                by_partition[topic, partition].append(message)
        before, self._sent = self._sent, []
        await asyncio.gather(*(self._hand_over(*at, held) for at, held in by_partition.items()))
        await _delivered(before)

    async def settle(self) -> None:
        """Wait until everything is delivered."""
        before, self._sent = self._sent, []
        await _delivered(before)

    def _messages(self, block: Block, kind: EventType) -> list[tuple[int, bytes | None, bytes]]:
        times = (block.ts // 1_000).tolist()
        keyed = self._delivery.keyed and self._delivery.envelope == 1
        keys: list[bytes] | list[None] = block.keys if keyed else [None] * block.size
        rows = zip(block.types, times, keys, block.values, strict=True)
        single = [(at, key, value) for t, at, key, value in rows if t == kind]
        size = self._delivery.envelope
        if size == 1:
            return single
        packs = (single[i : i + size] for i in range(0, len(single), size))
        return [(p[-1][0], None, b"[" + b",".join(m[2] for m in p) + b"]") for p in packs]

    async def _hand_over(
        self, topic: str, partition: int, messages: list[tuple[int, bytes | None, bytes]]
    ) -> None:
        batch = self._producer.create_batch()
        for at, key, value in messages:
            if batch.append(timestamp=at, key=key, value=value) is None:
                await self._submit(batch, topic, partition)
                batch = self._producer.create_batch()
                batch.append(timestamp=at, key=key, value=value)
        await self._submit(batch, topic, partition)

    async def _submit(self, batch: Any, topic: str, partition: int) -> None:
        batch.close()
        future = await self._producer.send_batch(batch, topic, partition=partition)
        self._sent.append(future)


async def _delivered(futures: list[asyncio.Future[Any]]) -> None:
    if futures:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await asyncio.gather(*futures)


class _Pace:
    """Says when events are due, by rate or by their own time."""

    def __init__(self, start: int, delivery: Delivery) -> None:
        self._start = start
        self._delivery = delivery
        self._begun: float | None = None
        self._sent = 0

    async def parts(self, block: Block, stop: asyncio.Event | None) -> AsyncIterator[Block]:
        """Give the block in parts, each when it is due."""
        if self._delivery.rate is None and not self._delivery.realtime:
            yield block
            return
        loop = asyncio.get_running_loop()
        if self._begun is None:
            self._begun = loop.time()
        done = 0
        while done < block.size and not (stop is not None and stop.is_set()):
            due = self._due(block, loop.time() - self._begun)
            if due > done:
                yield block.part(done, due)
                done = due
            if done < block.size:
                await asyncio.sleep(TICK_S)
        self._sent += done

    def _due(self, block: Block, elapsed: float) -> int:
        if self._delivery.realtime:
            return int(np.searchsorted(block.ts, self._start + elapsed * 1e6, side="right"))
        assert self._delivery.rate is not None
        return min(block.size, max(0, int(elapsed * self._delivery.rate) - self._sent))
