"""Telling browsers what has changed: server-sent events, with a bounded queue for each."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.ui.view import Changed

__all__ = ["Hub"]

MOST_CLIENTS = 200
MOST_WAITING = 16
MOST_NAMED = 50
"""Beyond so many models or incidents in one message it says only that there are many."""


class Hub:
    """Hands each change to every browser that listens.

    A browser that does not take its messages is dropped: it connects again by itself, and then
    looks at everything anew, so that what it missed does not matter.
    """

    def __init__(self) -> None:
        self._clients: set[asyncio.Queue[bytes | None]] = set()
        self.dropped = 0
        self._start, self._count = secrets.token_hex(4), 0

    @property
    def revision(self) -> str:
        """What was told last, by name: a page that was made before is told when it listens."""
        return f"{self._start}-{self._count}"

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Queue[bytes | None] | None]:
        """Give a queue of messages, None in it is the end; None where too many listen already."""
        if len(self._clients) >= MOST_CLIENTS:
            yield None
            return
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)
        self._clients.add(queue)
        try:
            yield queue
        finally:
            self._clients.discard(queue)

    def tell(self, changed: Changed) -> None:
        """Tell everybody."""
        if not changed.models and not changed.incidents:
            return
        self._count += 1
        named = {
            "models": sorted(changed.models)[:MOST_NAMED],
            "incidents": sorted(changed.incidents)[:MOST_NAMED],
            "many": max(len(changed.models), len(changed.incidents)) > MOST_NAMED,
        }
        self._send(b"event: change\ndata: " + orjson.dumps(named) + b"\n\n")

    def close(self) -> None:
        """Let everybody go."""
        for queue in list(self._clients):
            self._drop(queue)

    def _send(self, message: bytes) -> None:
        for queue in list(self._clients):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self.dropped += 1
                self._drop(queue)

    def _drop(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._clients.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)
