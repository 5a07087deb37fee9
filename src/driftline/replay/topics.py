"""Topics as feeds: one for each partition, read from a moment to the end as it is now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import structs

from driftline.bus.clients import opened
from driftline.bus.reader import read, spans
from driftline.events.mapping import InputSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from driftline.bus.config import BrokerConfig, Config
    from driftline.bus.reader import Span
    from driftline.events.record import RawRecord, Source
    from driftline.replay.feed import Feed
    from driftline.replay.naming import NamedTopic

__all__ = ["open_topic"]

CHUNK_RECORDS = 4_000


class PartitionFeed:
    """Feed of one partition: its records as they are, with the offsets they have."""

    def __init__(
        self, source: Source, spec: InputSpec, total: int, chunks: Iterator[list[RawRecord]]
    ) -> None:
        self.source = source
        self.spec = spec
        self.total = total
        self._chunks = chunks

    def read(self, most: int) -> Sequence[RawRecord]:  # noqa: ARG002 - chunks come as fetched
        """Return the next chunk of records."""
        return next(self._chunks, [])

    def origin(self, offset: int) -> int:
        """Return the offset itself."""
        return offset

    def close(self) -> None:
        """Leave the broker."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


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
    return [
        PartitionFeed(
            source,
            spec,
            max(0, span.end - span.start),
            _chunks(broker, source, start_us),
        )
        for source, span in sorted(found.items())
    ]


def _spec(named: NamedTopic, config: Config) -> InputSpec:
    for spec in config.inputs:
        if spec.topic == named.topic:
            return spec
    return InputSpec(named.topic, named.type)


def _chunks(
    broker: BrokerConfig, source: Source, start_us: int | None
) -> Iterator[list[RawRecord]]:
    for _, records in read(
        broker,
        source.topic,
        start_us=start_us,
        partitions=[source.partition],
        chunk_records=CHUNK_RECORDS,
    ):
        yield records


async def _spans(broker: BrokerConfig, topic: str, start_us: int | None) -> Mapping[Source, Span]:
    async with opened(broker) as consumer:
        return await spans(consumer, topic, start_us=start_us)
