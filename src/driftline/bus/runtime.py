"""One worker's running parts: agents, deliveries, snapshots, idle partitions, references.

Call order: `start`, then `wait` until it ends, then `stop`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from driftline.bus.app import create_app, open_topic
from driftline.bus.assignment import OwnerFactory
from driftline.bus.clients import explained, unreachable
from driftline.bus.clock import Clock
from driftline.bus.delivery import Delivery
from driftline.bus.idle import IdleWatch
from driftline.bus.metrics import Metrics
from driftline.bus.owners import DetectOwner, JoinOwner, ObserveOwner
from driftline.bus.parts import PipelineParts
from driftline.bus.tail import ReferencesTail
from driftline.bus.unread import Unread
from driftline.events.record import Source
from driftline.pipeline.references import References

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from driftline.bus.config import Config
    from driftline.bus.delivery import Message
    from driftline.bus.owners import Owner
    from driftline.bus.parts import Parts
    from driftline.bus.transport import ChunkConsumer
    from driftline.contract import Book

__all__ = ["Runtime"]

log = logging.getLogger(__name__)

LOOK_S = 0.5
STOP_S = 60.0
"""Longest graceful stop: the chunk in hand, its deliveries, a snapshot and a commit take well under
a second each; what takes longer waits for a broker that is gone."""
FAULT_STOP_S = 15.0
"""After a fault there is nothing to save, only connections to close."""


class Runtime:
    """Everything a worker runs in its event loop."""

    def __init__(
        self,
        config: Config,
        book: Book,
        *,
        clock: Clock | None = None,
        parts: Parts | None = None,
    ) -> None:
        self.config = config
        self.book = book
        self.clock = clock or Clock()
        self.metrics = Metrics(book, self.clock, config.health.models)
        self.owners: dict[Source, Owner] = {}
        self.assigned = False
        self.references = References()
        self.app = create_app(config)
        self._tail = ReferencesTail(config, self.references)
        parts = parts or PipelineParts(config, book, self.references)
        self._factory = OwnerFactory(
            config, parts, self._tail.catch_up, self.metrics.on_output, joins=book.joins
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._fault: BaseException | None = None
        self._done = asyncio.Event()
        self._define_agents()
        self.app.on_rebalance_complete.connect(self._take_over, weak=False)

    @property
    def consumer(self) -> ChunkConsumer:
        """The consumer, there from `start` on."""
        consumer: ChunkConsumer = self.app.consumer
        return consumer

    async def start(self) -> None:
        """Read the references, join the group and begin."""
        await self._tail.start(self.book)
        consumer = self.consumer
        consumer.before_release = self._let_go
        consumer.on_commit = self.metrics.on_commit
        self.delivery = Delivery(self._send, consumer.safe.mark)
        self.idle = IdleWatch(self)
        self.run(self.delivery.run())
        # Not awaited: Faust's start does not return while the group cannot be joined.
        self.run(self._run_app())
        self.run(self._watch_group())
        self.run(self._tail.run())
        self.run(self._snapshots())
        self.run(self.idle.run())
        self.run(Unread(self).run())

    async def wait(self) -> None:
        """Return when `finish` was called; raise what ended the worker otherwise."""
        await self._done.wait()
        if self._fault is not None:
            raise self._fault

    def finish(self) -> None:
        """Let `wait` return."""
        self._done.set()

    async def stop(self) -> None:
        """Finish the chunks in hand, deliver, save, commit and leave the group.

        After a fault nothing more is saved or marked; what was safe before is still committed.
        """
        limit_s = STOP_S if self._fault is None else FAULT_STOP_S
        try:
            async with asyncio.timeout(limit_s):
                await self.app.stop()
        except (Exception, asyncio.CancelledError) as error:
            # The consumer's thread, when it ends, cancels the commit that is waited for here: that
            # looks as if this task were cancelled, which only somebody else can do.
            task = asyncio.current_task()
            if self._fault is None or (task is not None and task.cancelling()):
                raise
            # What ended the worker is the news, not that it could not be tidied up afterwards.
            log.debug("stop: %r", error)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._tail.stop()

    async def fail(self, error: BaseException) -> None:
        """End the worker because of a fault that is not a record's; only the first one counts."""
        if self._fault is None:
            self._fault = error
            await self.app.crash(error)
            self._fault = await explained(self.config.broker, error)
            self._done.set()

    def _define_agents(self) -> None:
        stages = {"observe": [spec.topic for spec in self.config.sources]}
        if self.book.joins:
            stages["join"] = [self.config.topic("ledger")]
        stages["detect"] = [self.config.topic("panes")]
        for name, topics in stages.items():
            self.app.agent(open_topic(self.app, topics), name=name)(self._agent)

    async def _agent(self, stream: Any) -> None:
        """Hand chunks to their owners; whatever goes wrong here is not a record's fault."""
        consumer = self.consumer
        async for chunk in stream:
            owner = self.owners.get(chunk.source)
            if owner is None or chunk.epoch != consumer.epoch:
                continue
            try:
                with self.metrics.batch(chunk, owner):
                    parcel = await owner.handle(chunk)
                await self.delivery.submit(parcel)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # Before leaving the loop's body: leaving it first would acknowledge the chunk.
                await self.fail(error)
                raise
            consumer.release(chunk)

    async def _take_over(self, *_: Any, **__: Any) -> None:
        """Build the owners of what has been assigned, before the first record flows."""
        generation = self.app.consumer_generation_id
        sources = sorted(Source(*tp) for tp in self.consumer.assignment())
        self._close_stores()
        self.owners, self.assigned = {}, False
        try:
            owners = await self._factory.build(await self.consumer.committed(sources))
        except Exception as error:
            await self.fail(error)
            raise
        if self.app.consumer_generation_id != generation:
            return  # partitions moved again meanwhile; this is called again
        self.owners, self.assigned = owners, True
        self.consumer.starts = {source: owner.start for source, owner in owners.items()}
        self.metrics.on_assigned(owners)
        log.info("assigned %d partitions", len(owners))

    async def _let_go(self) -> None:
        """Make everything durable before partitions are given up."""
        self.assigned = False
        await self.delivery.drain()
        for owner in self.owners.values():
            if isinstance(owner, DetectOwner) and owner.unsaved:
                await self.delivery.submit(owner.snapshot(self.consumer.epoch))
        await self.delivery.drain()
        self._close_stores()
        self.owners = {}

    def _close_stores(self) -> None:
        for owner in self.joiners():
            owner.close()

    async def _snapshots(self) -> None:
        while True:
            await asyncio.sleep(self.config.snapshot_every / 1e6)
            await self.save()

    async def save(self) -> None:
        """Snapshot every model whose state has changed."""
        for owner in list(self.owners.values()):
            if isinstance(owner, DetectOwner) and owner.unsaved and self.assigned:
                parcel = owner.snapshot(self.consumer.epoch)
                self.metrics.on_snapshot(owner, changed=parcel.safe is not None)
                await self.delivery.submit(parcel)

    async def _send(self, message: Message) -> Awaitable[Any]:
        sent: Awaitable[Any] = await self.app.producer.send(
            message.topic,
            message.key,
            message.value,
            message.partition,
            None,
            list(message.headers) or None,
        )
        return sent

    async def _run_app(self) -> None:
        """Start Faust; notice when it gives up by itself (the consumer's thread, a supervisor)."""
        await self.app.start()
        await self.app.wait_until_stopped()
        why = self.app.crash_reason
        if why is not None and not self._done.is_set():
            raise unreachable(self.config.broker, why)

    async def _watch_group(self) -> None:
        """Notice that the group cannot be joined (rights, settings): aiokafka waits to be asked."""
        while True:
            await asyncio.sleep(LOOK_S)
            why = self.consumer.group_error()
            if why is not None:
                raise unreachable(self.config.broker, why)

    def run(self, body: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the agents; whatever escapes it ends the worker."""

        async def guarded() -> None:
            try:
                await body
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the worker ends with it
                await self.fail(error)

        self._tasks.append(asyncio.get_running_loop().create_task(guarded()))

    def observers(self) -> list[ObserveOwner]:
        """Return the owners of input partitions."""
        return [owner for owner in self.owners.values() if isinstance(owner, ObserveOwner)]

    def joiners(self) -> list[JoinOwner]:
        """Return the owners of partitions of the ledger."""
        return [owner for owner in self.owners.values() if isinstance(owner, JoinOwner)]

    def detectors(self) -> list[DetectOwner]:
        """Return the owners of `panes` partitions."""
        return [owner for owner in self.owners.values() if isinstance(owner, DetectOwner)]
