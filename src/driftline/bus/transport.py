"""Faust's Kafka transport with one Faust message for each fetched chunk of a partition.

Stock Faust makes four asyncio tasks for every Kafka message (100-160 µs). Here a message's value is
a `Chunk`: all records fetched from one partition, raw. Its offset is the first record's. Faust's
own acknowledgements only say that an agent has let go of a chunk; what may be committed is told
through `ChunkConsumer.safe` (`driftline.bus.offsets`), and nothing else is ever committed.

How nothing is lost or read twice when partitions move: every seek opens a new *epoch*. Records are
taken from the fetcher only while the flow is on, and carry the epoch of that moment; a chunk of
another epoch is dropped, and its records are read again, because a seek always comes before the
flow is turned on again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode.threads import WorkerThread

from driftline.bus.clients import close
from driftline.bus.fetch import fetch
from driftline.bus.offsets import SafeOffset, SafeOffsets
from driftline.events.record import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from driftline.events.record import RawRecord

__all__ = ["Chunk", "ChunkConsumer", "ChunkSchema", "ChunkTransport", "FetchLimits"]

LOGGER = logging.getLogger("faust.transport.driftline")
"""Of Faust's services below: theirs is one line for each thing they start and stop."""


class Chunk(NamedTuple):
    """Consecutive records of one partition, as they were fetched; never empty."""

    source: Source
    epoch: int
    records: Sequence[RawRecord]
    end: int
    """Offset after the last record."""


class FetchLimits(NamedTuple):
    """How much is fetched and held at once.

    Larger values cost memory and gain little: at 4,000 records a chunk Faust's share of the cost of
    a record is below 0.1 µs.
    """

    chunk_records: int = 4_000
    queued_records: int = 16_000
    """Records handed to agents and not yet let go; fetching pauses above."""
    partition_bytes: int = 2 * 2**20
    total_bytes: int = 16 * 2**20
    wait_ms: int = 100
    """Longest wait of the broker for new data. While it waits, no other partition of that broker is
    fetched: 1.5 s, as in Faust, would stall a busy topic beside an idle one."""


class _QuietThread(WorkerThread):
    """A thread that ends with the process at the latest, and has no last words.

    What goes wrong in it ends the worker, which says so in one line. A stop after a fault is
    bounded: a thread that has not stopped by then finds the loop it talks to closed, which is no
    news, and nobody is to wait for it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:  # noqa: BLE001 - told already, by whoever was to hear of it
            LOGGER.debug("consumer's thread: %r", error)


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer."""

    Worker = _QuietThread
    logger = LOGGER
    epoch = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken: dict[Source, int] = {}
        self.group_error: BaseException | None = None

    async def on_start(self) -> None:
        """Start the consumer, and listen for what keeps it out of its group."""
        await super().on_start()
        self.add_future(self._listen())

    async def _listen(self) -> None:
        """Keep the error that ends the group's coordination (rights, settings).

        aiokafka tells it to those who wait for an assignment or for records; Faust does neither
        before there is an assignment, and would wait for ever.
        """
        subscription = self._ensure_consumer()._subscription  # noqa: SLF001
        while self.group_error is None:
            try:
                await subscription.wait_for_assignment()
            except KafkaError as error:
                self.group_error = error

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        limits: FetchLimits = transport.limits
        self._assignor = RoundRobinPartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=limits.partition_bytes,
            fetch_max_bytes=limits.total_bytes,
            fetch_max_wait_ms=limits.wait_ms,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            # What a producer took back (an aborted transaction) must not be counted.
            isolation_level="read_committed",
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def on_thread_stop(self) -> None:
        """Close the consumer, also when the broker is gone."""
        # Not the class above: its stop hangs there (see `close`), and with it this thread.
        await super(driver.AIOKafkaConsumerThread, self).on_thread_stop()
        if self._consumer is not None:
            await close(self._consumer)

    async def take_chunks(self, timeout_s: float) -> list[Chunk]:
        """Fetch; runs its body in the consumer's thread."""
        chunks: list[Chunk] = await self.call_thread(self._take_chunks, timeout_s)
        return chunks

    async def _take_chunks(self, timeout_s: float) -> list[Chunk]:
        transport: ChunkTransport = self.transport
        found = await fetch(
            self._ensure_consumer(),
            timeout_s=timeout_s,
            max_records=transport.limits.chunk_records,
            ready=lambda: self.consumer.flow_active,
        )
        # No await between the taking and this line: the epoch is that of the records.
        epoch = self.epoch
        chunks = [
            Chunk(Source(tp.topic, tp.partition), epoch, records, records[-1].offset + 1)
            for tp, records in found.items()
        ]
        self.taken.update((chunk.source, chunk.end) for chunk in chunks)
        return chunks

    async def seek_all(self, starts: Mapping[Source, int]) -> int:
        """Put every partition where it starts; return the new epoch."""
        epoch: int = await self.call_thread(self._seek_all, dict(starts))
        return epoch

    async def _seek_all(self, starts: Mapping[Source, int]) -> int:
        consumer = self._ensure_consumer()
        self.epoch += 1
        self.taken.clear()
        for source, offset in starts.items():
            consumer.seek(TopicPartition(*source), offset)
        return self.epoch

    async def committed(self, sources: Sequence[Source]) -> dict[Source, SafeOffset | None]:
        """Read the group's committed offsets with their metadata."""
        found: dict[Source, SafeOffset | None] = await self.call_thread(
            self._committed, list(sources)
        )
        return found

    async def _committed(self, sources: Sequence[Source]) -> dict[Source, SafeOffset | None]:
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001 - committed() drops metadata
        found = await coordinator.fetch_committed_offsets([TopicPartition(*s) for s in sources])
        answer: dict[Source, SafeOffset | None] = {}
        for source in sources:
            entry = found.get(TopicPartition(*source))
            known = entry is not None and entry.offset >= 0
            answer[source] = SafeOffset(entry.offset, entry.metadata or "") if known else None
        return answer

    def fetch_position(self, source: Source) -> int | None:
        """Return the next offset that will be fetched, or None while it is not known."""
        state = self._ensure_consumer()._subscription.subscription.assignment.state_value(  # noqa: SLF001
            TopicPartition(*source)
        )
        return state.position if state is not None and state.has_valid_position else None

    async def commit_safe(self, epoch: int, offsets: Mapping[Source, SafeOffset]) -> bool:
        """Commit offsets with their metadata; a rebalance under way is no error."""
        return bool(await self.call_thread(self._commit_safe, epoch, dict(offsets)))

    async def _commit_safe(self, epoch: int, offsets: Mapping[Source, SafeOffset]) -> bool:
        if epoch != self.epoch:
            return False
        consumer = self._ensure_consumer()
        owned = consumer.assignment()
        wanted = {
            TopicPartition(*source): OffsetAndMetadata(safe.offset, safe.metadata)
            for source, safe in offsets.items()
            if TopicPartition(*source) in owned
        }
        try:
            await consumer.commit(wanted)
        except (CommitFailedError, IllegalStateError):
            # The group has moved on: the partitions' next owner reads again what was not committed.
            return False
        except Exception as error:  # noqa: BLE001 - the application decides, here it is a crash
            await self.crash(error)
            return False
        return len(wanted) == len(offsets)


class ChunkConsumer(driver.Consumer):
    """Faust's consumer with chunks for messages and safe offsets for acknowledgements.

    Attributes
    ----------
    safe
        What may be committed; agents mark it.
    starts
        Where each assigned partition starts; the application fills it before the flow resumes
        (signal ``on_rebalance_complete``).
    before_release
        Awaited after the agents have let go of their last chunk and before the last commit, when
        partitions are revoked and when the worker stops.
    """

    logger = LOGGER
    _thread: ChunkThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.safe = SafeOffsets()
        self.starts: dict[Source, int] = {}
        self.before_release: Callable[[], Awaitable[None]] | None = None
        self.on_commit: Callable[[Mapping[Source, SafeOffset]], None] | None = None
        self._queued = 0
        self._room = asyncio.Event()
        self._room.set()

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def epoch(self) -> int:
        """Number of the last seek."""
        return self.safe.epoch

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        """Yield one message for each chunk, as long as agents keep up."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        try:
            # Pausing here, and not through the stream's queue, keeps Faust from its fallback for
            # "all partitions full": a sleep of one second.
            await asyncio.wait_for(self._room.wait(), timeout)
        except TimeoutError:
            return
        for chunk in await self._thread.take_chunks(timeout):
            if self.should_stop or not self.flow_active or chunk.epoch != self.epoch:
                return
            self._queued += len(chunk.records)
            if self._queued >= self.transport.limits.queued_records:
                self._room.clear()
            tp = TP(*chunk.source)
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            yield tp, self._to_message(tp, chunk)

    def _to_message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        first = chunk.records[0]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            first.offset,
            None,
            0,
            None,
            None,
            chunk,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def release(self, chunk: Chunk) -> None:
        """Let go of a chunk, so that more may be fetched; it says nothing about committing."""
        if chunk.epoch == self.epoch:
            self._queued -= len(chunk.records)
            if self._queued < self.transport.limits.queued_records:
                self._room.set()

    async def perform_seek(self) -> None:
        """Open a new epoch: every partition starts where its owner was built for."""
        epoch = await self._thread.seek_all(self.starts)
        self.safe.begin(epoch)
        self._read_offset.clear()
        self._queued = 0
        self._room.set()

    async def committed(self, sources: Sequence[Source]) -> dict[Source, SafeOffset | None]:
        """Read the group's committed offsets with their metadata."""
        return await self._thread.committed(sources)

    def fetch_position(self, source: Source) -> int | None:
        """Return the next offset that will be fetched, or None while it is not known."""
        return self._thread.fetch_position(source)

    def group_error(self) -> BaseException | None:
        """Return what ended the group's coordination, if anything has."""
        return self._thread.group_error

    def taken(self, source: Source) -> int | None:
        """Return the end of the last chunk taken since the last seek, handed out or not yet."""
        return self._thread.taken.get(source)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps mean nothing here: a chunk's first offset is never the last one's plus one."""

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit what is safe."""
        for acknowledged in (self._acked, self._acked_index):
            acknowledged.clear()
        epoch, pending = self.epoch, self.safe.pending()
        if not pending:
            return False
        done = bool(await self._thread.commit_safe(epoch, pending))
        if done:
            self.safe.committed(epoch, pending)
            if self.on_commit is not None:
                self.on_commit(pending)
        return done

    async def wait_empty(self) -> None:
        """Wait until the agents are done, everything they sent is durable, and it is committed."""
        await super().wait_empty()
        if self.before_release is not None and not self.should_stop and not self.app.crashed:
            await self.before_release()
            await self.commit()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Leave watching to `driftline.bus.health`, which knows what progress means here."""


class ChunkTransport(driver.Transport):
    """The transport to set as an app's ``transport``."""

    Consumer: ClassVar[Any] = ChunkConsumer

    def __init__(self, *args: Any, limits: FetchLimits | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits or FetchLimits()


class ChunkSchema(Schema):
    """Hands chunks to agents as they are: nothing is decoded on Faust's side."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Build the function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001
            return create_event(None, message.value, None, message)

        return decode
