"""Take what aiokafka has fetched, a whole Kafka batch at a time.

`AIOKafkaConsumer.getmany` builds one Python object a record in a generator: 2 µs each, half of what
a consumer costs. The parsed records that the C reader makes already have all the core asks for
(offset, timestamp, key, value, headers), so they are handed on as they are, and a Kafka batch is
turned into a list without a line of Python for each record. The loop below is
`aiokafka.consumer.fetcher.PartitionRecords._unpack_records` with that one change; it stands on
private names of aiokafka 0.14 (pinned), and tests/integration/test_transport_fetch.py holds it to
`getmany`, record by record.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from driftline.events.record import RawRecord

__all__ = ["fetch", "take"]

ASSIGNMENT_S = 0.02
"""aiokafka would wait for an assignment without end, and with it whoever wants to stop."""


async def fetch(
    consumer: AIOKafkaConsumer,
    partitions: Collection[TopicPartition] | None = None,
    *,
    timeout_s: float,
    max_records: int,
    ready: Callable[[], bool] = lambda: True,
) -> dict[TopicPartition, list[RawRecord]]:
    """Wait for records and return at most one list for each partition, in offset order.

    Parameters
    ----------
    partitions
        Which partitions to take from; all assigned ones where left out.
    timeout_s
        How long to wait when nothing is there. Zero only looks.
    max_records
        Where a list ends: with the Kafka batch that reaches this many records. Larger lists cost
        less a record and more memory.
    ready
        Asked at the very moment records would be taken; False leaves them where they are.
    """
    fetcher = consumer._fetcher  # noqa: SLF001
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    with fetcher._subscriptions.fetch_context():  # noqa: SLF001 - feeds max.poll.interval
        while True:
            if consumer._closed or fetcher._closed:  # noqa: SLF001
                raise ConsumerStoppedError
            # A group that cannot be joined (rights, settings) is told only to those who ask.
            consumer._coordinator.check_errors()  # noqa: SLF001
            if fetcher._subscriptions.reassignment_in_progress:  # noqa: SLF001
                if loop.time() >= deadline:
                    return {}
                await asyncio.sleep(ASSIGNMENT_S)
                continue
            if not ready():
                return {}
            found = take(fetcher, partitions, max_records)
            remaining = deadline - loop.time()
            if found or remaining <= 0:
                return found
            waiter = fetcher._create_fetch_waiter()  # noqa: SLF001
            done, _ = await asyncio.wait([waiter], timeout=remaining)
            if not done:
                waiter.cancel()
                return {}
            waiter.result()  # an authorization error surfaces here


def take(
    fetcher: Any, partitions: Collection[TopicPartition] | None, max_records: int
) -> dict[TopicPartition, list[RawRecord]]:
    """Take what lies ready, without waiting."""
    found: dict[TopicPartition, list[RawRecord]] = {}
    buffered = fetcher._records  # noqa: SLF001
    for tp in list(buffered):
        if partitions is not None and tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):  # noqa: SLF001
                del buffered[tp]
            continue
        result = buffered[tp]
        if type(result) is not FetchResult:
            if found:  # the error comes with the next call, after what was read before it
                break
            del buffered[tp]
            fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001
            result.check_raise()
            continue
        records = _unpack(result, tp, max_records)
        if not result.has_more():
            del buffered[tp]
            fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001
        if records:
            found[tp] = records
    return found


def _unpack(result: Any, tp: TopicPartition, max_records: int) -> list[RawRecord]:
    """Drain a fetch result up to the batch that reaches `max_records`."""
    if not result.check_assignment(tp) or not result.has_more():
        return []
    fetched = result._partition_records  # noqa: SLF001
    batches = fetched._records  # noqa: SLF001
    committed_only = fetched._isolation_level == READ_COMMITTED  # noqa: SLF001
    # A generator over itself that nobody here runs: a cycle that would keep megabytes until the
    # next full garbage collection.
    fetched._records_iterator = None  # noqa: SLF001
    records: list[RawRecord] = []
    while len(records) < max_records:
        if not batches.has_next():
            result._update_position()  # noqa: SLF001
            result._partition_records = None  # noqa: SLF001
            return records
        batch = batches.next_batch()
        if fetched._check_crcs and not batch.validate_crc():  # noqa: SLF001
            msg = f"Invalid CRC - {tp}"
            raise CorruptRecordException(msg)
        if committed_only and batch.producer_id is not None:
            fetched._consume_aborted_up_to(batch.base_offset)  # noqa: SLF001
            if batch.is_control_batch and fetched._contains_abort_marker(batch):  # noqa: SLF001
                fetched._aborted_producers.discard(batch.producer_id)  # noqa: SLF001
            if batch.is_transactional and batch.producer_id in fetched._aborted_producers:  # noqa: SLF001
                fetched.next_fetch_offset = batch.next_offset
                continue
        if batch.is_control_batch:
            fetched.next_fetch_offset = batch.next_offset
            continue
        start = fetched.next_fetch_offset
        if batch.base_offset >= start:
            records.extend(batch)
        else:  # a compressed batch that begins before the position asked for
            records.extend(record for record in batch if record.offset >= start)
        # The batch keeps its last offset even where compaction took the last record.
        fetched.next_fetch_offset = batch.next_offset
    result._update_position()  # noqa: SLF001
    return records
