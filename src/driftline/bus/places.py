"""Partitions that are read from any place, a few records at a time, without a group."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from driftline.bus.clients import opened, unreachable
from driftline.bus.errors import TopicsError
from driftline.bus.fetch import fetch
from driftline.bus.reader import spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiokafka import AIOKafkaConsumer

    from driftline.bus.config import BrokerConfig
    from driftline.bus.reader import Span
    from driftline.events.record import RawRecord, Source

__all__ = ["MOST_PARTITIONS", "Partition", "open_partitions"]

MOST_PARTITIONS = 32
"""Of one topic; of more the first are opened."""
FETCH_BYTES = 2**18
"""Of one partition: some hundred records, as most reads are for a few; more take more fetches."""
WAIT_S = 2.0
"""For records that are said to be there; marks of transactions are none, and never come."""


class Partition:
    """One partition; all of a block share one connection and take turns.

    Attributes
    ----------
    ends
        The first offset, and the one behind the last, as they were when it was opened.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        runner: asyncio.Runner,
        consumer: AIOKafkaConsumer,
        source: Source,
        span: Span,
    ) -> None:
        self._broker = broker
        self._runner = runner
        self._consumer = consumer
        self.source = source
        self.ends = (span.start, span.end)
        self._stands_at: int | None = None

    def read(self, at: int, most: int) -> Sequence[RawRecord]:
        """Return up to `most` records from an offset on; none at the end.

        Raises
        ------
        BrokerUnreachable
            The broker does not answer any more.
        """
        if at >= self.ends[1]:
            return []
        try:
            return self._runner.run(self._read(at, most))
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._broker, error) from error

    async def _read(self, at: int, most: int) -> Sequence[RawRecord]:
        partition = TopicPartition(*self.source)
        if self._consumer.assignment() != {partition}:
            self._consumer.assign([partition])
            self._stands_at = None
        if at != self._stands_at:
            # What has been fetched ahead is lost with it.
            self._consumer.seek(partition, at)
        found = (await fetch(self._consumer, [partition], timeout_s=WAIT_S, max_records=most)).get(
            partition, []
        )
        self._stands_at = found[-1].offset + 1 if 0 < len(found) <= most else None
        return [each for each in found if at <= each.offset < self.ends[1]][:most]


@contextmanager
def open_partitions(
    broker: BrokerConfig, topics: Sequence[str], start_us: int | None = None
) -> Iterator[list[Partition]]:
    """Open the partitions of some topics, those of one after those of another.

    Parameters
    ----------
    start_us
        Record time, microseconds, of the first offset; None for the beginning.

    Raises
    ------
    BrokerUnreachable
        When the broker does not answer.
    TopicsError
        When none of the topics is there.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner.run(_open(broker, topics, start_us, runner, stack))
        finally:
            runner.run(stack.aclose())


async def _open(
    broker: BrokerConfig,
    topics: Sequence[str],
    start_us: int | None,
    runner: asyncio.Runner,
    stack: AsyncExitStack,
) -> list[Partition]:
    consumer = await stack.enter_async_context(opened(broker, partition_bytes=FETCH_BYTES))
    found: list[Partition] = []
    missing: list[str] = []
    for topic in topics:
        try:
            held = await spans(consumer, topic, start_us=start_us)
        except TopicsError as error:
            missing += error.differences
            continue
        found += [
            Partition(broker, runner, consumer, source, span)
            for source, span in sorted(held.items())[:MOST_PARTITIONS]
        ]
    if missing and not found:
        raise TopicsError(missing)
    return found
