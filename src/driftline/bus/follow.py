"""Read topics from their beginning and on for ever, without a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from driftline.bus.clients import opened
from driftline.bus.fetch import fetch
from driftline.bus.reader import spans
from driftline.events.record import Source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from driftline.bus.config import BrokerConfig
    from driftline.events.record import RawRecord

__all__ = ["ends", "follow"]

FETCH_S = 1.0


async def ends(broker: BrokerConfig, topics: Sequence[str]) -> dict[Source, int]:
    """Return where some topics end now: the offset of the next record of each partition."""
    async with opened(broker) as consumer:
        found = [await spans(consumer, topic) for topic in topics]
    return {source: span.end for each in found for source, span in each.items()}


async def follow(
    broker: BrokerConfig,
    topics: Sequence[str],
    *,
    starts: Mapping[Source, int] | None = None,
    chunk_records: int = 1_000,
) -> AsyncGenerator[tuple[Source, list[RawRecord]]]:
    """Yield the records of some topics as they come, in offset order within each partition.

    An outage of the broker is waited for without end: whoever follows decides how long that is.

    Parameters
    ----------
    starts
        Offsets to begin at, as `ends` gave them; what is left out, or is not there any more, begins
        with the first record there is.

    Raises
    ------
    BrokerUnreachable
        When the broker does not answer at the start.
    TopicsError
        When a topic is not there.
    """
    async with opened(broker) as consumer:
        places = {
            TopicPartition(*source): span.start
            for topic in topics
            for source, span in (await spans(consumer, topic)).items()
        }
        consumer.assign(list(places))
        for tp, start in places.items():
            consumer.seek(tp, max(start, (starts or {}).get(Source(*tp), start)))
        while True:
            found = await fetch(consumer, timeout_s=FETCH_S, max_records=chunk_records)
            for tp, records in found.items():
                yield Source(tp.topic, tp.partition), records
