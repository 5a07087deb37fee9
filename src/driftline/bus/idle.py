"""Which partitions are empty for good reason: asked of the broker, again and again.

A partition counts as idle when the broker has said, in every answer for `idle_after` of wall time,
that it holds nothing beyond what has been handled, or that it never held anything. A query that
fails starts the wait anew: a worker that cannot reach the broker knows nothing, and must not let
time pass for others.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from driftline.bus.clients import opened
from driftline.bus.errors import BrokerUnreachable
from driftline.events.time import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import AIOKafkaConsumer

    from driftline.bus.config import Config
    from driftline.bus.owners import ObserveOwner, Owner
    from driftline.bus.runtime import Runtime
    from driftline.contract import Book
    from driftline.events.record import Source

__all__ = ["IdleWatch", "idle_after"]

log = logging.getLogger(__name__)

TICK_S = 1.0
QUERY_S = 5.0
SETTLED_S = 2.0
"""How long a partition of acts alone holds time back: for further ones on their way."""


class IdleWatch:
    """Asks for end offsets once a second (more often for a short `idle_after`)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._after_s = idle_after(runtime.config, runtime.book) / SECOND
        self._tick_s = min(TICK_S, self._after_s / 4)
        self._since: dict[Source, tuple[int, int, float]] = {}
        self._idle: set[Source] = set()
        self._answered = runtime.clock.steady()
        self._outputs = (0, 0, 0)
        self._joined: dict[Source, int] | None = None
        self._last: dict[Source, int] | None = None
        self.quiet_since: float | None = None
        self.lag: dict[Source, int] = {}

    async def run(self) -> None:
        """Watch, for ever; raises when the broker has not answered for too long."""
        async with AsyncExitStack() as stack:
            consumer = await stack.enter_async_context(
                opened(self._runtime.config.broker, patient=True)
            )
            while True:
                await asyncio.sleep(self._tick_s)
                await self._look(consumer)

    @property
    def idle(self) -> frozenset[Source]:
        """Input partitions that count as idle now."""
        return frozenset(self._idle)

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        runtime = self._runtime
        if not runtime.assigned:
            self._reset()
            return
        epoch = runtime.consumer.epoch
        owners = dict(runtime.owners)
        # Asked before the end offsets are: what has been sent by now lies below them.
        settled = runtime.delivery.idle and {o.source for o in runtime.observers()} <= self._idle
        wall, now = runtime.clock.wall(), runtime.clock.steady()
        tps = [TopicPartition(*source) for source in owners]
        try:
            async with asyncio.timeout(QUERY_S):
                ends = await consumer.end_offsets(tps)
        except (KafkaError, OSError, TimeoutError) as error:
            self._reset()
            silent = runtime.clock.steady() - self._answered
            log.debug("end offsets: %r", error)
            if silent > runtime.config.broker.give_up_after / SECOND:
                why = f"{type(error).__name__}: {error}".removesuffix(": ")
                msg = f"{runtime.config.broker.bootstrap}: no answer for {silent:.0f} s ({why})"
                raise BrokerUnreachable(msg) from error
            return
        self._answered = runtime.clock.steady()
        if epoch != runtime.consumer.epoch or not runtime.assigned:
            self._reset()
            return
        found = {source: ends[TopicPartition(*source)] for source in owners}
        self.lag = {
            source: max(0, found[source] - owner.handled) for source, owner in owners.items()
        }
        empty = {source for source, owner in owners.items() if self._empty(owner, found[source])}
        await self._let_time_pass(epoch, empty, wall, now)
        self._judge_quiet(found, now, settled=settled)

    def _empty(self, owner: Owner, end: int) -> bool:
        """Tell whether everything up to `end` has been fetched and handled.

        The fetch position, and not the last record's offset: transaction marks and compacted
        stretches hold no record.
        """
        consumer = self._runtime.consumer
        position = consumer.fetch_position(owner.source)
        return (
            position is not None
            and position >= end
            and consumer.taken(owner.source)
            in {
                None,
                owner.handled,
            }
        )

    async def _let_time_pass(self, epoch: int, empty: set[Source], wall: int, now: float) -> None:
        for owner in self._runtime.observers():
            source = owner.source
            if source not in empty:
                self._since.pop(source, None)
                self._idle.discard(source)
                continue
            handled, _, since = self._since.get(source, (-1, 0, now))
            if handled != owner.handled:
                since = now
                self._idle.discard(source)
            self._since[source] = (owner.handled, wall, since)
            # A partition that never held a record (an input nobody uses) has nothing to wait for.
            if now - since >= self._patience(owner) or owner.handled == 0:
                self._idle.add(source)
                quiet_for = int((now - since) * SECOND)
                await self._runtime.delivery.submit(owner.idle(epoch, wall, quiet_for))

    def _patience(self, owner: ObserveOwner) -> float:
        """Return how long a partition has to be empty, seconds.

        People act on incidents while everything else goes on: what has been handed on whole must
        not hold up what all models find, unless the configuration says how long.
        """
        if owner.observe.settled and self._runtime.config.idle_after is None:
            return min(SETTLED_S, self._after_s)
        return self._after_s

    def _judge_quiet(self, ends: Mapping[Source, int], now: float, *, settled: bool) -> None:
        """Note since when nothing has come in, nothing has come out, and all is handled.

        `panes` gets a mark from every idle partition at each look, so it is never quite empty: what
        has to be handled is what lay on it when all inputs were idle and everything was delivered;
        where rows are joined, first what lay on the ledger then, as that goes to `panes` in turn.
        """
        detectors, joiners = self._runtime.detectors(), self._runtime.joiners()
        outputs = (
            sum(owner.outputs for owner in detectors),
            sum(owner.outputs for owner in joiners),
            sum(owner.handled for owner in self._runtime.observers()),
        )
        if not settled or outputs != self._outputs:
            self._joined = self._last = self.quiet_since = None
        elif self._joined is None:
            self._joined = {owner.source: ends[owner.source] for owner in joiners}
        elif self._last is None:
            if all(owner.handled >= self._joined.get(owner.source, 0) for owner in joiners):
                self._last = {owner.source: ends[owner.source] for owner in detectors}
        elif self.quiet_since is None and all(
            owner.handled >= self._last.get(owner.source, 0) for owner in detectors
        ):
            self.quiet_since = now
        self._outputs = outputs

    def _reset(self) -> None:
        self._since.clear()
        self._idle.clear()
        self._joined = self._last = self.quiet_since = None


def idle_after(config: Config, book: Book) -> int:
    """Return how long a partition has to be empty, microseconds.

    A partition may hold events of several models: the longest of their contracts decides.
    """
    if config.idle_after is not None:
        return config.idle_after
    return max((book.of(model).idle_after for model in book.models), default=60 * SECOND)
