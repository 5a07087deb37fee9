"""Where an envelope goes: to its topic's lane, or to disk while that is full and nothing arrives.

What is on disk is older than what comes, so as long as there is anything, the new goes behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import takewhile
from typing import TYPE_CHECKING

from driftline.publish.backlog import Backlog
from driftline.publish.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from driftline.publish.connection import Connection
    from driftline.publish.counters import Tally
    from driftline.publish.envelope import Envelope
    from driftline.publish.settings import Settings
    from driftline.publish.telling import Teller

__all__ = ["Dispatch"]

STALL_S = 1.0
"""Without anything arriving for so long, what is new goes to disk."""
DISK_AGAIN_S = 10.0
"""A disk that failed is tried again after this."""


class Dispatch:
    """All lanes and the backlog on disk. Of one event loop.

    Parameters
    ----------
    freed
        Called when something has arrived or was given up: there may be room again.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        tally: Tally,
        teller: Teller,
        freed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._tally = tally
        self._teller = teller
        self._freed = freed
        self._lanes: dict[str, Lane] = {}
        self._runners: list[asyncio.Task[None]] = []
        self._backlog: Backlog | None = None
        if settings.folder is not None:
            self._backlog = Backlog(settings.folder, settings.spool_bytes, tally)
            try:
                self._backlog.take_over()
            except OSError as error:
                teller.tell("disk", f"{settings.spool}: cannot read what was left there: {error}")
        self._next: Envelope | None = None
        self._to_disk = False
        self._disk_failed_at = -DISK_AGAIN_S
        self._left_on_disk = 0

    @property
    def spooled(self) -> int:
        """Events on disk."""
        return self._left_on_disk if self._backlog is None else self._backlog.events

    @property
    def empty(self) -> bool:
        """Whether nothing waits anywhere, and nothing is on its way."""
        return not self.spooled and all(lane.empty for lane in self._lanes.values())

    @property
    def safe(self) -> bool:
        """Whether there is a disk to leave to what no broker takes now."""
        now = time.monotonic()
        lanes = self._lanes.values()
        stalled = any(not lane.empty and now - lane.moved_at >= STALL_S for lane in lanes)
        return self._disk() is not None and (self._connection.away or stalled)

    def marks(self) -> dict[str, int]:
        """Return the newest envelope of each lane, for `passed`."""
        return {topic: lane.born for topic, lane in self._lanes.items()}

    def passed(self, marks: dict[str, int]) -> bool:
        """Return whether everything up to these marks, and all that was on disk, is done with."""
        lanes = self._lanes
        return not self.spooled and all(lanes[at].oldest > born for at, born in marks.items())

    def rouse(self) -> None:
        """Have each lane look again."""
        for lane in self._lanes.values():
            lane.rouse()

    def room(self, *, pressed: bool) -> bool:
        """Return whether more can be taken in, and decide whether it goes to disk.

        Parameters
        ----------
        pressed
            Whether memory runs short, so that disk is used without waiting for a stall.
        """
        full = [lane for lane in self._lanes.values() if not self._fits(lane)]
        disk = self._disk()
        if disk is None:
            self._to_disk = False
            return not full
        self._to_disk = self._next is not None or disk.unread
        if not full or self._to_disk:
            return True
        now = time.monotonic()
        self._to_disk = pressed or any(now - lane.moved_at >= STALL_S for lane in full)
        return self._to_disk

    def route(self, envelopes: Iterable[Envelope]) -> None:
        """Take envelopes in."""
        for envelope in envelopes:
            lane = self._lane(envelope.topic)
            if lane.absent or not self._to_disk or not self._spool(envelope):
                lane.put(envelope)

    def fetch(self) -> None:
        """Bring back from disk what there is room for."""
        while self._backlog is not None:
            envelope = self._next = self._next or self._backlog.read()
            if envelope is None or not self._fits(lane := self._lane(envelope.topic)):
                return
            self._next = None
            lane.put(envelope)

    async def stop(self) -> None:
        """Send nothing more; put what is on its way back on disk, or count it as dropped."""
        for task in self._runners:
            task.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)
        self._to_disk = self._backlog is not None
        left = [lane.leave() for lane in self._lanes.values()]
        if self._backlog is not None:
            self._drop(self._put_back(self._backlog, left))
        else:
            self._drop([envelope for held in left for envelope in held])

    def close(self) -> None:
        """After `stop` and the last `route`: close the disk."""
        for lane in self._lanes.values():
            self._drop([envelope for envelope in lane.leave() if envelope.place is None])
        for task in self._runners:
            task.cancel()
        if self._backlog is not None:
            self._left_on_disk = self._backlog.events
            with contextlib.suppress(OSError):
                self._backlog.close()
            self._backlog = None

    def forget(self) -> None:
        """In a fork's child: let go of the parent's files."""
        if self._backlog is not None:
            self._backlog.forget()

    def _disk(self) -> Backlog | None:
        """Return the backlog, if its disk works."""
        works = time.monotonic() - self._disk_failed_at >= DISK_AGAIN_S
        return self._backlog if works else None

    def _fits(self, lane: Lane) -> bool:
        return lane.absent or lane.size < self._settings.in_flight_bytes

    def _spool(self, envelope: Envelope) -> bool:
        assert self._backlog is not None
        try:
            self._backlog.append(envelope)
        except OSError as error:
            self._disk_failed_at = time.monotonic()
            self._teller.tell("disk", f"{self._settings.spool}: cannot spool: {error}")
            return False
        return True

    def _lane(self, topic: str) -> Lane:
        lane = self._lanes.get(topic)
        if lane is None:
            lane = Lane(
                topic, self._connection, self._teller, self._arrived, self._given_up, self._resent
            )
            self._lanes[topic] = lane
            self._runners.append(asyncio.create_task(self._keep(lane)))
        return lane

    async def _keep(self, lane: Lane) -> None:
        while True:
            try:
                await lane.run()
            except Exception:  # noqa: BLE001 - a fault of ours must not end the sending
                self._teller.fault(f"a fault on the way to {lane.topic}; it goes on")
                await asyncio.sleep(1.0)

    def _arrived(self, envelope: Envelope) -> None:
        self._tally.sent += envelope.events
        self._tally.messages += 1
        self._tally.message_bytes += len(envelope.value)
        self._done(envelope)

    def _given_up(self, envelope: Envelope, reason: str) -> None:
        self._tally.dropped[reason] += envelope.events
        self._done(envelope)

    def _done(self, envelope: Envelope) -> None:
        if self._backlog is not None:
            self._backlog.arrive(envelope)
        self._freed()

    def _resent(self) -> None:
        self._tally.resent += 1

    def _put_back(self, backlog: Backlog, left: list[list[Envelope]]) -> list[Envelope]:
        """Put the lanes' envelopes on disk, in their order; return those it cannot take.

        Those that came from disk are still there. What is before them in a lane is older, and what
        is behind them newer, than all that is on disk.
        """
        older: list[Envelope] = []
        newer: list[Envelope] = []
        for held in left:
            first = list(takewhile(lambda envelope: envelope.place is None, held))
            older += first
            newer += [envelope for envelope in held[len(first) :] if envelope.place is None]
        if backlog.unread:
            older, newer = older + newer, []
        lost = backlog.put_first(older)
        return lost + [envelope for envelope in newer if not self._spool(envelope)]

    def _drop(self, envelopes: list[Envelope]) -> None:
        events = sum(envelope.events for envelope in envelopes)
        if events:
            self._tally.dropped["closed"] += events
