"""Topics as feeds: one for each partition, read from a moment to the end as it is now."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from typing import TYPE_CHECKING

from msgspec import structs

from driftline.bus.clients import opened
from driftline.bus.reader import Span, read, spans
from driftline.events.mapping import InputSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from driftline.bus.config import BrokerConfig, Config
    from driftline.events.record import RawRecord, Source
    from driftline.replay.feed import Feed
    from driftline.replay.naming import NamedTopic

__all__ = ["PartitionFeed", "open_topic"]

CHUNK_RECORDS = 4_000


class PartitionFeed:
    """Feed of one partition, or of a stretch of it; a process can send it to another.

    Records are as they are, with the offsets they have. They come in batches that end where a
    multiple of `CHUNK_RECORDS` does (and at `fresh`), however Kafka hands them over.

    Parameters
    ----------
    span
        Offsets to read.
    fresh
        Offset from which on nobody has read them before.
    """

    def __init__(
        self, broker: BrokerConfig, source: Source, spec: InputSpec, span: Span, fresh: int = 0
    ) -> None:
        self.source = source
        self.spec = spec
        self.span = span
        self.total = max(0, span.end - span.start)
        self._broker = broker
        self._fresh = fresh
        self._chunks: Iterator[tuple[Source, list[RawRecord]]] | None = None
        self._held: list[RawRecord] = []

    def part(self, start: int, fresh: int, end: int) -> PartitionFeed:
        """Return the feed of a stretch."""
        return PartitionFeed(self._broker, self.source, self.spec, Span(start, end), fresh)

    def read(self, most: int) -> Sequence[RawRecord]:  # noqa: ARG002 - batches have fixed ends
        """Return the next batch of records."""
        if self._chunks is None:
            self._chunks = read(
                self._broker,
                self.source.topic,
                partitions=[self.source.partition],
                chunk_records=CHUNK_RECORDS,
                offsets=self.span,
            )
        while True:
            if self._held:
                end = self._end(self._held[0].offset)
                if self._held[-1].offset >= end:
                    size = bisect_left(self._held, end, key=lambda record: record.offset)
                    taken, self._held = self._held[:size], self._held[size:]
                    return taken
            found = next(self._chunks, None)
            if found is None:
                taken, self._held = self._held, []
                return taken
            self._held += found[1]

    def _end(self, offset: int) -> int:
        """Return the offset at which the batch of a record ends."""
        end = (offset // CHUNK_RECORDS + 1) * CHUNK_RECORDS
        return self._fresh if offset < self._fresh < end else end

    def origin(self, offset: int) -> int:
        """Return the offset itself."""
        return offset

    def close(self) -> None:
        """Leave the broker; reading goes on from the beginning."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        self._chunks, self._held = None, []


def open_topic(named: NamedTopic, config: Config, start_us: int | None) -> list[Feed]:
    """Return a feed for each partition of a topic.

    Each has a connection of its own, so that whichever stands furthest back in event time can be
    read on alone: what is open stays bounded.

    Parameters
    ----------
    config
        Where the topic keeps its fields, if it is among the inputs, and how to connect; the
        bootstrap servers are those of the argument.
    start_us
        Record time to begin at, microseconds; None for the beginning.

    Raises
    ------
    driftline.bus.errors.BrokerUnreachable, driftline.bus.errors.TopicsError
    """
    broker = structs.replace(config.broker, bootstrap=named.bootstrap)
    spec = _spec(named, config)
    found = asyncio.run(_spans(broker, named.topic, start_us))
    return [PartitionFeed(broker, source, spec, span) for source, span in sorted(found.items())]


def _spec(named: NamedTopic, config: Config) -> InputSpec:
    for spec in config.inputs:
        if spec.topic == named.topic:
            return spec
    return InputSpec(named.topic, named.type)


async def _spans(broker: BrokerConfig, topic: str, start_us: int | None) -> Mapping[Source, Span]:
    async with opened(broker) as consumer:
        return await spans(consumer, topic, start_us=start_us)
