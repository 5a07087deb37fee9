"""Read topics from here to there, without a group and without Faust.

For replay, restored state, references and exports: it has an end, and is several times as fast as
the worker's way in (no agents, no commits).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import TopicPartition

from driftline.bus.clients import opened
from driftline.bus.errors import BrokerUnreachable, TopicsError
from driftline.bus.fetch import fetch
from driftline.events.record import Source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer

    from driftline.bus.config import BrokerConfig
    from driftline.events.record import RawRecord

__all__ = ["Span", "read", "read_async", "spans"]

FETCH_S = 1.0


class Span(NamedTuple):
    """Offsets of one partition, from `start` up to but not including `end`."""

    start: int
    end: int


def read(
    broker: BrokerConfig,
    topic: str,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
    partitions: Sequence[int] | None = None,
    chunk_records: int = 4_000,
    offsets: Span | None = None,
) -> Iterator[tuple[Source, list[RawRecord]]]:
    """Yield all records of a topic, in offset order within each partition, up to its end now.

    Parameters
    ----------
    start_us, end_us
        Record timestamps (not event times) to begin at and to end before, microseconds; open where
        left out. Kafka finds the first record at or after each: where producers are not in order of
        time, take in more than is wanted and filter by event time.
    partitions
        Which ones; all where left out.
    offsets
        Of the partitions read, those there are of these; in the place of times.

    Raises
    ------
    BrokerUnreachable
        When the broker does not answer within `give_up_after`.
    TopicsError
        When the topic is not there.
    """
    loop = asyncio.new_event_loop()
    chunks = read_async(
        broker,
        topic,
        start_us=start_us,
        end_us=end_us,
        partitions=partitions,
        chunk_records=chunk_records,
        offsets=offsets,
    )
    try:
        while True:
            try:
                yield loop.run_until_complete(anext(chunks))
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(chunks.aclose())
        loop.close()


async def read_async(
    broker: BrokerConfig,
    topic: str,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
    partitions: Sequence[int] | None = None,
    chunk_records: int = 4_000,
    offsets: Span | None = None,
    patient: bool = False,
) -> AsyncGenerator[tuple[Source, list[RawRecord]]]:
    """Do what `read` does, inside a running loop.

    Parameters
    ----------
    offsets
        Of the partitions read, those there are of these; in the place of times.
    patient
        Wait for a broker that is away to come back.
    """
    patience_s = broker.give_up_after / 1e6
    async with opened(broker, patient=patient) as consumer:
        ranges = await spans(
            consumer, topic, start_us=start_us, end_us=end_us, partitions=partitions
        )
        left = {TopicPartition(*source): span for source, span in ranges.items()}
        if offsets is not None:
            left = {
                tp: Span(max(span.start, offsets.start), min(span.end, offsets.end))
                for tp, span in left.items()
            }
        left = {tp: span for tp, span in left.items() if span.start < span.end}
        consumer.assign(list(left))
        for tp, span in left.items():
            consumer.seek(tp, span.start)
        silent = 0.0
        while left:
            found = await fetch(consumer, timeout_s=FETCH_S, max_records=chunk_records)
            silent = 0.0 if found else silent + FETCH_S
            if silent > patience_s:
                msg = f"{broker.bootstrap}: no records from {topic} for {patience_s:.0f} s"
                raise BrokerUnreachable(msg)
            for tp, records in found.items():
                wanted = records
                if tp not in left:
                    continue
                if records[-1].offset >= left[tp].end:
                    wanted = [record for record in records if record.offset < left[tp].end]
                if wanted:
                    yield Source(tp.topic, tp.partition), wanted
            # Positions also pass what holds no records: transaction marks, compacted stretches.
            done = [tp for tp in left if await consumer.position(tp) >= left[tp].end]
            for tp in done:
                del left[tp]
            if done and left:
                consumer.pause(*[tp for tp in consumer.assignment() if tp not in left])


async def spans(
    consumer: AIOKafkaConsumer,
    topic: str,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
    partitions: Sequence[int] | None = None,
) -> Mapping[Source, Span]:
    """Find the offsets that a stretch of record time covers now, for each partition."""
    # A consumer knows the partitions of its own topics only, and it has none yet.
    cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001
    known = cluster.partitions_for_topic(topic)
    if not known:
        raise TopicsError([f"{topic}: expected a topic, found none"])
    tps = [TopicPartition(topic, each) for each in sorted(partitions or known)]
    starts = await consumer.beginning_offsets(tps)
    ends = await consumer.end_offsets(tps)
    if start_us is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(tps, start_us // 1_000))
        starts = {tp: ends[tp] if found[tp] is None else found[tp].offset for tp in tps}
    if end_us is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(tps, -(-end_us // 1_000)))
        ends = {tp: ends[tp] if found[tp] is None else found[tp].offset for tp in tps}
    return {Source(*tp): Span(starts[tp], ends[tp]) for tp in tps}
