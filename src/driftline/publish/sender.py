"""The thread that does all the work: it takes, encodes, packs and hands on.

It has an event loop of its own. It looks into the buffer at the pace of `Settings.linger_s`, so
that a call has nobody to wake, and is woken only when the buffer fills faster than that. Slices are
small and end by going back to the loop, which gives Python's lock away: a serving thread waits for
it a fraction of a millisecond, not the 5 ms that Python would let this one keep it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.events.errors import Fault
from driftline.publish.connection import Connection, InLine
from driftline.publish.dispatch import Dispatch
from driftline.publish.encode import Encoder, TooLarge
from driftline.publish.envelope import Packer
from driftline.publish.telling import Quiet, Teller

if TYPE_CHECKING:
    from driftline.events.frame import EventType
    from driftline.publish.buffer import Buffer
    from driftline.publish.counters import Tally
    from driftline.publish.settings import Settings

__all__ = ["Encoded", "Sender", "Ticket"]

SLICE = 100
"""Events encoded at one go, in a fraction of a millisecond."""
STOP_S = 3.0
GRACE_S = 8.0
"""Beyond the time that was given for sending: to write to disk, and to close what may hang."""
MENDED = 100
"""Kinds of mended values that are told apart."""


class Encoded(NamedTuple):
    """An event that is JSON already, and known to be one that driftline can read."""

    type: EventType
    model: str
    data: bytes


class Ticket:
    """A wish to know when all that was accepted before is done with."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.marks: dict[str, int] | None = None
        self.done = threading.Event()


class Sender:
    """Empties a buffer.

    Parameters
    ----------
    tally
        Where it counts; nobody else writes there.

    Attributes
    ----------
    clean
        Set when it has ended with everything sent or counted as dropped before.
    """

    def __init__(self, settings: Settings, buffer: Buffer, tally: Tally) -> None:
        self._settings = settings
        self._buffer = buffer
        self._tally = tally
        self._teller = Teller()
        self._encoder = Encoder()
        self._packer = Packer(settings.envelope_events, settings.envelope_bytes)
        self._packed_at = 0.0
        self._topics: dict[str, str] = {}
        self._tickets: deque[Ticket] = deque()
        self._deadline: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._connection: Connection | None = None
        self._dispatch: Dispatch | None = None
        self._thread = threading.Thread(target=self._main, name="driftline-publish", daemon=True)
        self.clean = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def spooled(self) -> int:
        """Events on disk."""
        return 0 if self._dispatch is None else self._dispatch.spooled

    @property
    def connected(self) -> bool:
        """Whether the broker is reached, as far as is known."""
        return self._connection is not None and self._connection.up.is_set()

    @property
    def ended(self) -> bool:
        """Whether the thread is over."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def wake(self) -> None:
        """Have it look now. Blocks nobody, and is safe in a signal's handler."""
        loop, woken = self._loop, self._woken
        if loop is not None and woken is not None:
            with contextlib.suppress(RuntimeError):  # it is just ending
                loop.call_soon_threadsafe(woken.set)

    def ask(self, ticket: Ticket) -> None:
        """Have a ticket marked as done when what was accepted before it is."""
        self._tickets.append(ticket)
        self.wake()

    def end(self, deadline: float) -> None:
        """Have it end when all is sent, or at a time (of the monotonic clock)."""
        self._deadline = deadline
        self.wake()

    def join(self) -> None:
        """After `end`: wait until it has."""
        if self._deadline is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, self._deadline - time.monotonic()) + GRACE_S)

    def forget(self) -> None:
        """In a fork's child: let go of the parent's files."""
        if self._dispatch is not None:
            self._dispatch.forget()

    def _main(self) -> None:
        loop = asyncio.new_event_loop()
        loop.set_default_executor(InLine())
        with Quiet(threading.get_ident()):
            try:
                loop.run_until_complete(self._run())
            except BaseException:  # noqa: BLE001 - the thread's last door
                self._teller.fault("the publisher's thread has ended; nothing more is sent")
            finally:
                left = asyncio.all_tasks(loop)
                for task in left:
                    task.cancel()
                if left:
                    loop.run_until_complete(asyncio.wait(left, timeout=STOP_S))
                loop.close()

    async def _run(self) -> None:
        woken = self._woken = asyncio.Event()
        connection = Connection(self._settings, self._teller, self._connection_changed)
        self._connection = connection
        dispatch = Dispatch(self._settings, connection, self._tally, self._teller, woken.set)
        self._dispatch = dispatch
        self._loop = asyncio.get_running_loop()
        keeper = asyncio.create_task(connection.keep())
        while True:
            try:
                await self._work(dispatch)
                self._answer(dispatch)
                if self._deadline is not None and self._over(dispatch, self._deadline):
                    break
                await self._rest(woken)
            except Exception:  # noqa: BLE001 - a fault of ours must not end the sending
                self._teller.fault("a fault of the publisher itself; it goes on")
                await asyncio.sleep(1.0)
        await dispatch.stop()
        self._leave(dispatch)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        for ticket in self._tickets:
            ticket.done.set()

    async def _work(self, dispatch: Dispatch) -> None:
        """Take all there is, as far as there is room for it, and hand it on."""
        half = self._settings.capacity // 2
        while dispatch.room(pressed=len(self._buffer) > half):
            batch = self._buffer.take(SLICE)
            if not batch:
                break
            self._pack_all(batch, dispatch)
            await asyncio.sleep(0)
        now = time.monotonic()
        urgent = self._tickets or self._deadline is not None
        if self._packer.held and (urgent or now - self._packed_at >= self._settings.linger_s):
            self._packed_at = now
            dispatch.route(self._packer.close())
        dispatch.fetch()

    async def _rest(self, woken: asyncio.Event) -> None:
        self._buffer.rest()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.linger_s):
                await woken.wait()
        self._buffer.asleep = False
        woken.clear()

    def _pack_all(self, batch: list[Any], dispatch: Dispatch) -> None:
        """Encode and pack; what is alike at one go: a third of the time of one by one."""
        groups: dict[tuple[EventType, str], list[dict[str, Any]]] = {}
        try:
            for type_, event in batch:
                groups.setdefault((type_, event["model"]), []).append(event)
        except (TypeError, ValueError):
            # Events that are JSON already, or a model that is no name.
            for item in batch:
                self._pack(item, dispatch)
            return
        for (type_, model), events in groups.items():
            data = self._encoder.encode_many(type_, events)
            if data is not None and len(events) <= self._packer.events:
                envelope = self._packer.add(self._topic(type_), model, data, len(events))
                if envelope is not None:
                    dispatch.route([envelope])
                continue
            for event in events:
                self._pack((type_, event), dispatch)

    def _topic(self, type_: EventType) -> str:
        topic = self._topics.get(type_)
        if topic is None:
            topic = self._topics[type_] = self._settings.topic(type_)
        return topic

    def _pack(self, item: Any, dispatch: Dispatch) -> None:
        """Encode and pack one event, or count why not."""
        try:
            if type(item) is Encoded:
                type_, model, data = item
            else:
                type_, event = item
                data = self._encoder.encode(type_, event)
                model = str(event["model"])
            envelope = self._packer.add(self._topic(type_), model, data)
        except Fault as fault:
            reason = "too_large" if isinstance(fault, TooLarge) else "invalid"
            self._tally.dropped[reason] += 1
            self._teller.tell(f"{type_} {fault.path}", f"{type_} event dropped: {fault}")
            return
        except Exception:  # noqa: BLE001 - one event's trouble is not the others'
            self._tally.dropped["failed"] += 1
            self._teller.fault("an event could not be encoded")
            return
        if self._encoder.mended:
            self._mend()
        if envelope is not None:
            dispatch.route([envelope])

    def _mend(self) -> None:
        for what, count in self._encoder.mended.items():
            known = what in self._tally.mended or len(self._tally.mended) < MENDED
            self._tally.mended[what if known else "…"] += count
            self._teller.tell(what, f"events are sent, but hold {what}")
        self._encoder.mended.clear()

    def _connection_changed(self) -> None:
        if self._connection is not None:
            self._packer.size = min(self._settings.envelope_bytes, self._connection.batch_bytes)
        if self._dispatch is not None:
            self._dispatch.rouse()

    def _answer(self, dispatch: Dispatch) -> None:
        """Tell those who wait for what was accepted before they asked."""
        dispatch.rouse()
        for ticket in list(self._tickets):
            if ticket.marks is None and self._buffer.gone >= ticket.place:
                dispatch.route(self._packer.close())
                ticket.marks = dispatch.marks()
            if ticket.marks is not None and dispatch.passed(ticket.marks):
                self._tickets.remove(ticket)
                ticket.done.set()

    def _over(self, dispatch: Dispatch, deadline: float) -> bool:
        """Return whether to end now."""
        if not len(self._buffer) and not self._packer.held and dispatch.empty:
            self.clean = True
            return True
        # On disk it is safe: nobody has to wait for a broker that is away.
        return dispatch.safe or time.monotonic() >= deadline

    def _leave(self, dispatch: Dispatch) -> None:
        """Put on disk what was not sent, or count it."""
        while batch := self._buffer.take(SLICE):
            self._pack_all(batch, dispatch)
        dispatch.route(self._packer.close())
        dispatch.close()
