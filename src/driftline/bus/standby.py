"""One member of a group at work, the others standing by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka import TopicPartition

__all__ = ["OneTakesAll", "Turn"]

AT_WORK = b"at work"


class OneTakesAll(AbstractPartitionAssignor):
    """Gives all partitions to one member, which keeps them as long as it is there.

    The assignor is a class, not an object, in aiokafka: what it remembers is the process's own.
    """

    name = "driftline-one-takes-all"
    version = 0
    _at_work = False

    @classmethod
    def assign(
        cls, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Choose the member that is at work, or else the first by name."""
        chosen = min(members, key=lambda name: (members[name].user_data != AT_WORK, name))
        parts = {
            topic: sorted(cluster.partitions_for_topic(topic) or ())
            for topic in members[chosen].subscription
        }
        return {
            name: ConsumerProtocolMemberAssignment(
                cls.version, sorted(parts.items()) if name == chosen else [], b""
            )
            for name in members
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Tell whether this process is at work."""
        word = AT_WORK if cls._at_work else b""
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), word)

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember whether it is."""
        cls._at_work = any(parts for _, parts in assignment.assignment)


class Turn(ConsumerRebalanceListener):
    """Whether it is this member's turn."""

    def __init__(self) -> None:
        self._change = asyncio.Condition()
        self.mine = False

    async def begins(self) -> None:
        """Wait until it is."""
        await self._wait(mine=True)

    async def ends(self) -> None:
        """Wait until it is not any more; a new distribution that changes nothing ends nothing."""
        await self._wait(mine=False)

    async def _wait(self, *, mine: bool) -> None:
        async with self._change:
            await self._change.wait_for(lambda: self.mine is mine)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Do nothing yet: most of the time they come back."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Take note of what was given."""
        async with self._change:
            self.mine = bool(list(assigned))
            self._change.notify_all()
