"""Alerts that nobody reads: said by a running worker, as no event and no replay can tell."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from driftline.bus.delivery import Message, Parcel
from driftline.bus.errors import BrokerError
from driftline.bus.readership import readership
from driftline.contract.types import DAY
from driftline.events.record import Source
from driftline.incidents.asking import feedback_message
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.bus.runtime import Runtime

__all__ = ["Unread"]

log = logging.getLogger(__name__)


class Unread:
    """Says of each contract that its alerts are published and nobody reads them, once a day.

    Looked at every `Config.readers_every` by the worker that has the first partition of `panes`. An
    event of a day has the same id whoever says it, so that it stands once in the compacted topic.
    It is told in wall time and marked ``live``, and `driftline export` leaves it out: what is
    exported is what a replay gives.

    A reader that commits no offsets cannot be seen, and before the first alert there is nothing to
    be read. A broker that does not say who reads (rights, an outage) is no news of readers.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._topic = runtime.config.topic("alerts")
        self._first = Source(runtime.config.topic("panes"), 0)
        self._told: int | None = None

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(self._runtime.config.readers_every / 1e6)
            await self._look()

    async def _look(self) -> None:
        runtime = self._runtime
        now = runtime.clock.wall()
        if self._first not in runtime.owners or self._told == now // DAY:
            return
        try:
            found = await readership(runtime.config.broker, self._topic)
        except BrokerError as error:
            log.warning("who reads the alerts cannot be told: %s", error)
            return
        if found.groups:
            log.info("alerts are read by %s", ", ".join(sorted(found.groups)))
        if found.groups or not found.records or self._first not in runtime.owners:
            return
        self._told = now // DAY
        log.warning("nobody reads %s", self._topic)
        await runtime.delivery.submit(
            Parcel(runtime.consumer.epoch, self._first, [self._messages(now)])
        )

    def _messages(self, now: int) -> list[Message]:
        topic = self._runtime.config.topic("feedback")
        told = {
            "violation": "alerts_unread",
            "path": "$.owner.contact",
            "text": f"nobody reads the alerts: no consumer group has read {self._topic}",
            "incident": None,
            "live": True,
        }
        out = []
        for contract in self._runtime.book:
            name = hash_of("unread", contract.model, now // DAY)
            event = feedback_message(contract, "contract_violated", name, now, told)
            out.append(Message(topic, *event))
        return out
