"""The bounded buffer between a call and the sender's thread: no lock on the way in.

`deque.append` and `popleft` are atomic; a call does nothing else, so it waits for nobody. It is the
other side that has to work to keep exact counts: see `count`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.publish.settings import WhenFull

__all__ = ["Buffer", "Passed"]

POLL_S = 0.0005
"""Between two looks of a call that waits for room: no condition, so nothing to hold or to miss."""
TRIES = 10_000


class Passed(NamedTuple):
    """What went through the buffer up to one moment.

    Attributes
    ----------
    offered
        Items ever put, refused ones too.
    place
        Items that have to leave the buffer before all of these have.
    """

    offered: int
    refused: dict[str, int]
    place: int


class Buffer:
    """Items on their way to the sender.

    Parameters
    ----------
    capacity
        Bound; threads that come at the same moment may each go beyond it by one.
    wake
        Called by a put that finds it a quarter full and the sender asleep; must not block.
    """

    def __init__(
        self, capacity: int, when_full: WhenFull, block_s: float, wake: Callable[[], None]
    ) -> None:
        self._capacity = capacity
        self._when_full = when_full
        self._block_s = block_s if when_full == "block" else 0.0
        self._wake = wake
        self._wake_at = capacity // 4
        self._items: deque[Any] = deque()
        # Reentrant: a signal's handler may put an item in the middle of a put.
        self._lock = threading.RLock()
        self._full = self._oldest = self._closed = self._failed = self._discarded = 0
        self._taken = 0
        self._turn = 0
        # Whether the sender rests and a put may wake it, once.
        self.asleep = True
        self.open = True

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any) -> bool:
        """Add an item; return whether it was taken in. Waits for room where that is the policy."""
        waiting = len(self._items)
        if waiting < self._capacity and self.open:
            self._items.append(item)
            if waiting >= self._wake_at and self.asleep:
                self.asleep = False
                self._wake()
            return True
        return self._put_when_full(item)

    def rest(self) -> None:
        """Have the next put that finds it a quarter full wake the sender.

        One that rests over a fuller buffer has no room to send to: there is nothing to wake it for.
        """
        self.asleep = len(self._items) <= self._wake_at

    def put_now(self, item: Any) -> bool | None:
        """Add an item without waiting; None where the policy would have the caller wait."""
        if self._block_s and self.open and len(self._items) >= self._capacity:
            self._wake()
            return None
        return self.put(item)

    def refuse(self) -> bool:
        """Count an item that found no room while its caller waited."""
        with self._lock:
            self._full += 1
        return False

    def fail(self) -> bool:
        """Count an item that never came to be one."""
        with self._lock:
            self._failed += 1
        return False

    def discard(self) -> None:
        """When nobody takes any more: count what slipped in while it was being closed."""
        with self._lock:
            while self._items:
                self._items.popleft()
                self._discarded += 1

    def _put_when_full(self, item: Any) -> bool:
        if not self.open:
            with self._lock:
                self._closed += 1
            return False
        if self._when_full == "drop_oldest":
            with self._lock:
                while len(self._items) >= self._capacity:
                    try:
                        self._items.popleft()
                    except IndexError:  # the sender has just taken it
                        break
                    self._oldest += 1
                self._items.append(item)
            return True
        if self._block_s:
            self._wake()
            deadline = time.monotonic() + self._block_s
            while time.monotonic() < deadline and self.open:
                time.sleep(POLL_S)
                if len(self._items) < self._capacity:
                    return self.put(item)
        return self.refuse()

    def take(self, most: int) -> list[Any]:
        """Remove up to `most` items, oldest first; for the one thread that sends."""
        taken: list[Any] = []
        # Odd while items are in neither of the two counts.
        self._turn += 1
        with contextlib.suppress(IndexError):
            # What was taken before the end stays in the list.
            taken.extend(self._items.popleft() for _ in range(most))
        self._taken += len(taken)
        self._turn += 1
        return taken

    @property
    def gone(self) -> int:
        """Items that have left the buffer; compare with `Passed.place`."""
        return self._taken + self._oldest

    def passed(self) -> Passed:
        """Count, exactly, without holding up a put or the sender."""
        for _ in range(TRIES):
            turn = self._turn
            with self._lock:
                full, oldest, failed = self._full, self._oldest, self._failed
                refused, discarded = self._closed, self._discarded
                taken, waiting = self._taken, len(self._items)
            if turn % 2 == 0 and turn == self._turn:
                break
            time.sleep(0)
        lost = {"buffer_full": full + oldest, "closed": refused + discarded, "failed": failed}
        offered = taken + waiting + sum(lost.values())
        return Passed(offered, lost, taken + oldest + waiting)
