"""Building the owners of the partitions that a worker has been assigned."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from driftline.bus.clients import opened
from driftline.bus.errors import BrokerError, TopicsError
from driftline.bus.owners import DetectOwner, JoinOwner, ObserveOwner
from driftline.bus.reader import Span, read_async
from driftline.bus.topics import partition_counts
from driftline.events.record import Source
from driftline.pipeline.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from driftline.bus.config import Config
    from driftline.bus.offsets import SafeOffset
    from driftline.bus.owners import Owner
    from driftline.bus.parts import Parts
    from driftline.pipeline.output import Output

__all__ = ["OwnerFactory"]

log = logging.getLogger(__name__)


class OwnerFactory:
    """Makes owners from committed checkpoints and saved state."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        catch_up: Callable[[], Awaitable[None]],
        on_output: Callable[[Output, float], None],
        *,
        joins: bool,
    ) -> None:
        self._config = config
        self._parts = parts
        self._joins = joins
        self._catch_up = catch_up
        self._on_output = on_output
        self._specs = {spec.topic: spec for spec in config.sources}

    async def build(self, committed: Mapping[Source, SafeOffset | None]) -> dict[Source, Owner]:
        """Build an owner for each source, standing where its predecessor's commit stands."""
        starts = await self._starts(committed)
        inputs: Sequence[Source] = ()
        owners: dict[Source, Owner] = {}
        for source, (start, safe, end) in starts.items():
            spec = self._specs.get(source.topic)
            if spec is not None:
                observe = self._parts.observe(source, spec, _checkpoint(start, safe))
                owners[source] = ObserveOwner(observe, start, self._config, joins=self._joins)
                continue
            inputs = inputs or await self._inputs()
            if source.topic == self._config.topic("ledger"):
                owners[source] = await self._join(source, _checkpoint(start, safe), end, inputs)
            else:
                owners[source] = await self._detect(source, start, [*inputs, *self._ledger()])
        return owners

    async def _starts(
        self, committed: Mapping[Source, SafeOffset | None]
    ) -> dict[Source, tuple[int, SafeOffset | None, int]]:
        """Hold the commits against what the topics still have.

        Returns
        -------
        By partition: where to begin, what was committed, and where the partition ends.
        """
        tps = [TopicPartition(*source) for source in committed]
        if not tps:
            return {}
        async with opened(self._config.broker, patient=True) as consumer:
            first = await consumer.beginning_offsets(tps)
            end = await consumer.end_offsets(tps)
        starts: dict[Source, tuple[int, SafeOffset | None, int]] = {}
        for source, safe in committed.items():
            tp = TopicPartition(*source)
            starts[source] = (first[tp], None, end[tp])
            if safe is None:
                continue
            if safe.offset > end[tp]:
                msg = (
                    f"{source}: the group stands at offset {safe.offset}, the topic ends at "
                    f"{end[tp]}: it was made anew. Use another group, or reset this one"
                )
                raise BrokerError(msg)
            if safe.offset < first[tp]:
                lost = first[tp] - safe.offset
                log.warning(
                    "%s: retention deleted %d records before they were read",
                    source,
                    lost,
                    extra={**source._asdict(), "offset": safe.offset},
                )
            starts[source] = (max(safe.offset, first[tp]), safe, end[tp])
        return starts

    async def _inputs(self) -> list[Source]:
        """Return every partition of every input: a slot closes when all of them have passed it."""
        counts = await partition_counts(self._config.broker, list(self._specs))
        missing = [f"{topic}: expected a topic, found none" for topic, n in counts.items() if not n]
        if missing:
            raise TopicsError(missing)
        return [Source(topic, number) for topic in counts for number in range(counts[topic])]

    def _ledger(self) -> list[Source]:
        """Return the ledger's partitions, which detect waits for where anything is joined."""
        count = self._config.outputs.partitions if self._joins else 0
        return [Source(self._config.topic("ledger"), number) for number in range(count)]

    async def _join(
        self, source: Source, checkpoint: Checkpoint, end: int, inputs: Sequence[Source]
    ) -> JoinOwner:
        join = self._parts.join(source, inputs, checkpoint, end)
        span = Span(join.stored, checkpoint.offset)
        if span.start < span.end:
            log.info(
                "%s: reading %d messages into its store",
                source,
                span.end - span.start,
                extra={**source._asdict(), "offset": span.start},
            )
            async for _, records in read_async(
                self._config.broker,
                source.topic,
                partitions=[source.partition],
                offsets=span,
                patient=True,
            ):
                join.rebuild(records)
        return JoinOwner(join, checkpoint.offset, self._config)

    async def _detect(self, source: Source, start: int, sources: Sequence[Source]) -> DetectOwner:
        detect = self._parts.detect(sources)
        saved: dict[bytes, bytes | None] = {}
        state = self._config.topic("state")
        async for _, records in read_async(
            self._config.broker, state, partitions=[source.partition], patient=True
        ):
            for record in records:
                saved[record.key] = record.value  # type: ignore[attr-defined]
        for key, value in saved.items():
            if value is not None:
                detect.restore(key, value)
        return DetectOwner(detect, source, start, self._config, self._catch_up, self._on_output)


def _checkpoint(start: int, safe: SafeOffset | None) -> Checkpoint:
    """Return where the predecessor stood; what retention has deleted since cannot be read."""
    checkpoint = None if safe is None else Checkpoint.parse(safe.offset, safe.metadata)
    if checkpoint is None or checkpoint.offset < start:
        known = checkpoint or Checkpoint(start)
        checkpoint = replace(known, offset=start, at=max(known.at, start))
    return checkpoint
