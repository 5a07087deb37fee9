"""What both publishers share: the buffer, its sender, and their lives in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from driftline.events.errors import Fault
from driftline.publish import process
from driftline.publish.buffer import Buffer
from driftline.publish.counters import Counts, Tally
from driftline.publish.encode import Encoder, TooLarge
from driftline.publish.errors import EventRefused
from driftline.publish.sender import Encoded, Sender, Ticket

if TYPE_CHECKING:
    from driftline.events.frame import EventType
    from driftline.publish.settings import Settings

__all__ = ["Core"]

POLL_S = 0.002


class Core:
    """Takes events in.

    The thread starts with the first event, so that a process that only forks others has none.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._strict = _Strict() if settings.strict else None
        self.reset()
        process.watch(on_sigterm=settings.on_sigterm)

    def reset(self) -> None:
        """Begin with nothing, as a fork's child does: what the parent holds is the parent's."""
        settings = self.settings
        self._tally = Tally()
        self._buffer = Buffer(settings.capacity, settings.when_full, settings.block_s, self._wake)
        self._sender: Sender | None = None
        self._starting = threading.RLock()
        self._closed = False
        self._put = self._first

    def put(self, type_: EventType, event: dict[str, Any]) -> bool:
        """Take an event in; return whether it was. It belongs to the core from now on."""
        if self._strict is not None:
            self._strict.check(type_, event)
            return self._strict.insist(taken=self._put((type_, event)))
        return self._put((type_, event))

    def put_encoded(self, event: Encoded) -> bool | None:
        """Take in an event that is JSON already; None where it has to be offered again later."""
        self.start()
        return self._buffer.put_now(event)

    async def put_async(self, type_: EventType, event: dict[str, Any]) -> bool:
        """Do as `put`, letting others run while there is no room."""
        if self._strict is not None:
            self._strict.check(type_, event)
        item = (type_, event)
        taken = self._put(item) if self._sender is None else self._buffer.put_now(item)
        if taken is None:
            deadline = time.monotonic() + self.settings.block_s
            while taken is None and time.monotonic() < deadline:
                await asyncio.sleep(POLL_S)
                taken = self._buffer.put_now(item)
            if taken is None:
                taken = self._buffer.refuse()
        return taken if self._strict is None else self._strict.insist(taken=taken)

    def failed(self, error: Exception) -> bool:
        """Count an event that never came to be; return False."""
        if self._strict is not None:
            raise error
        return self._buffer.fail()

    def start(self) -> None:
        """Start the thread now, if it does not run."""
        with self._starting:
            if self._sender is None and not self._closed:
                sender = Sender(self.settings, self._buffer, self._tally)
                sender.start()
                self._sender = sender
                self._put = self._buffer.put
                process.opened(self)

    def flush(self, timeout: float | None) -> bool:
        """Wait until all that was accepted is sent, or dropped and counted.

        Returns
        -------
        bool
            Whether it is.
        """
        ticket = self.ticket()
        if ticket is not None and not ticket.done.wait(self._seconds(timeout)):
            return False
        return not self._lacking()

    async def flush_async(self, timeout: float | None) -> bool:  # noqa: ASYNC109
        """Do as `flush`, letting others run."""
        ticket = self.ticket()
        deadline = time.monotonic() + self._seconds(timeout)
        while ticket is not None and not ticket.done.is_set():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(POLL_S)
        return not self._lacking()

    def ticket(self) -> Ticket | None:
        """Ask the sender to tell when it is done with all so far; None where there is nothing."""
        sender = self._sender
        if sender is None or sender.ended:
            return None
        ticket = Ticket(self._buffer.passed().place)
        sender.ask(ticket)
        return ticket

    def begin_close(self, timeout: float | None) -> None:
        """Take nothing more in, and have the sender end."""
        with self._starting:
            self._closed = True
            self._buffer.open = False
            self._put = self._buffer.put
        if self._sender is not None:
            self._sender.end(time.monotonic() + self._seconds(timeout))

    def end_close(self) -> bool:
        """After `begin_close`: wait for the end; return whether all accepted events were sent."""
        sender = self._sender
        if sender is None:
            return True
        sender.join()
        process.closed(self)
        return sender.clean

    def close(self, timeout: float | None) -> bool:
        """Close within a time: send, or put on disk, or drop and count."""
        self.begin_close(timeout)
        return self.end_close()

    async def close_async(self, timeout: float | None) -> bool:  # noqa: ASYNC109
        """Do as `close`, letting others run."""
        self.begin_close(timeout)
        return await asyncio.to_thread(self.end_close)

    def counts(self) -> Counts:
        """Count what became of all events, exactly."""
        tally, sender = self._tally, self._sender
        if sender is not None and sender.ended:
            self._buffer.discard()
        # What only grows on the way out is read before what grows on the way in.
        sent, dropped = tally.sent, dict(tally.dropped)
        passed = self._buffer.passed()
        accepted = passed.offered + tally.recovered
        for reason, count in passed.refused.items():
            dropped[reason] = dropped.get(reason, 0) + count
        dropped = {reason: count for reason, count in sorted(dropped.items()) if count}
        pending = accepted - sent - sum(dropped.values())
        return Counts(
            accepted=accepted,
            sent=sent,
            dropped=dropped,
            pending=pending,
            spooled=min(pending, 0 if sender is None else sender.spooled),
            recovered=tally.recovered,
            mended=dict(tally.mended),
            messages=tally.messages,
            message_bytes=tally.message_bytes,
            resent=tally.resent,
        )

    def after_fork(self) -> None:
        """In a fork's child: leave what the parent had alone, and begin anew."""
        if self._sender is not None:
            self._sender.forget()
        self.reset()

    @property
    def connected(self) -> bool:
        """Whether the broker is reached."""
        return self._sender is not None and self._sender.connected

    @property
    def sender(self) -> Sender | None:
        """The sender, once there is one."""
        return self._sender

    def _first(self, item: Any) -> bool:
        """Start the thread with the first event."""
        try:
            self.start()
        except RuntimeError:
            # No thread can be had now, as while Python ends. The next event tries again.
            return self._buffer.fail()
        return self._buffer.put(item)

    def _wake(self) -> None:
        if self._sender is not None:
            self._sender.wake()

    def _seconds(self, timeout: float | None) -> float:
        return self.settings.close_s if timeout is None else max(0.0, timeout)

    def _lacking(self) -> bool:
        """Return whether the sender has ended without having sent everything."""
        return self._sender is not None and self._sender.ended and not self._sender.clean


class _Strict:
    """Raises what would be counted."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._lock = threading.Lock()

    def check(self, type_: EventType, event: dict[str, Any]) -> None:
        try:
            with self._lock:
                self._encoder.encode(type_, dict(event))
        except Fault as fault:
            reason = "too_large" if isinstance(fault, TooLarge) else "invalid"
            raise EventRefused(reason, f"{type_} event: {fault}") from fault

    def insist(self, *, taken: bool) -> bool:
        if not taken:
            msg = "event refused: expected room in the buffer of an open publisher, got none"
            raise EventRefused(reason="buffer_full", text=msg)
        return taken
