"""Who reads a topic: the consumer groups that have committed offsets of it, and how far behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import TopicPartition

from driftline.bus.clients import opened
from driftline.bus.reader import spans
from driftline.bus.topics import administering

if TYPE_CHECKING:
    from driftline.bus.config import BrokerConfig

__all__ = ["Readership", "readers", "readership"]

MOST_GROUPS = 1_000
"""Groups of a cluster that are asked; further ones are not looked at."""


class Readership(NamedTuple):
    """Who reads a topic.

    Attributes
    ----------
    records
        Ever written to it.
    groups
        Records that each group has not read, by group.
    """

    records: int
    groups: dict[str, int]


def readers(broker: BrokerConfig, topic: str) -> dict[str, int]:
    """Return the records that each group has not read, by group; groups without offsets are none.

    A group that has never committed (or whose offsets have expired) cannot be told from one that
    is not there.

    Raises
    ------
    driftline.bus.errors.BrokerUnreachable, driftline.bus.errors.TopicsError
    """
    return asyncio.run(readership(broker, topic)).groups


async def readership(broker: BrokerConfig, topic: str) -> Readership:
    """Return who reads a topic; raises as `readers` does."""
    async with opened(broker) as consumer:
        found_spans = await spans(consumer, topic)
    ends = {TopicPartition(*source): span.end for source, span in found_spans.items()}
    found: dict[str, int] = {}
    async with administering(broker) as admin:
        groups = sorted({str(name) for name, _ in await admin.list_consumer_groups()})
        for group in groups[:MOST_GROUPS]:
            offsets = await admin.list_consumer_group_offsets(group)
            read = {place: offsets[place].offset for place in ends if place in offsets}
            read = {place: offset for place, offset in read.items() if offset >= 0}
            if read:
                found[group] = sum(end - read.get(place, 0) for place, end in ends.items())
    return Readership(sum(ends.values()), found)
