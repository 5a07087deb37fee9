"""What is remembered of earlier training values: to know a stale one, and a common one.

When room is short, of all rows those with the largest product of age and entity's hash go first.
So of the entities a share is remembered that falls with how long ago a row was, and every span of
time in which entities may come back, minutes or weeks, has as many rows as any other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract import SECOND
from driftline.detect.state import pack, unpack
from driftline.ledger.skew.history import aligned, contents

if TYPE_CHECKING:
    from driftline.ledger.pairs import Integers
    from driftline.ledger.skew.hashing import Hashes
    from driftline.ledger.skew.history import History
    from driftline.ledger.skew.prints import Prints, Reach

__all__ = ["Memory"]

MOST_BYTES = 192_000
_ROW_BYTES, _PRINT_BYTES = 24, 2


class Memory:
    """Prints of training rows of all slots so far, `MOST_BYTES` at most, in order of time.

    Attributes
    ----------
    entity, content
        Hashes of whom a row is about, and of its prints, uint64 of shape (k,).
    ts
        Event time of serving, microseconds, int64 of shape (k,).
    prints
        uint16 of shape (k, features), in the order in which `take` was given them.
    """

    entity: Hashes
    content: Hashes
    ts: Integers
    prints: Prints

    def __init__(self) -> None:
        self.entity = self.content = np.empty(0, dtype=np.uint64)
        self.ts = np.empty(0, dtype=np.int64)
        self.prints = np.empty((0, 0), dtype=np.uint16)
        self._now = -(2**62)

    def __len__(self) -> int:
        return int(self.ts.size)

    def take(self, history: History, names: list[str]) -> None:
        """Take a slot's rows, and let go of those that were taken back. 1 ms for a thousand.

        Parameters
        ----------
        names
            All features so far, at least those of the history; each keeps its place from step to
            step.
        """
        room = np.zeros((len(self), len(names)), dtype=np.uint16)
        room[:, : self.prints.shape[1]] = self.prints
        self.prints = room
        if not len(history):
            return
        came = history.count > 0
        fresh = contents(history.names, history.prints)
        gone = history.count < 0
        if gone.any():
            about = zip(history.entity[gone].tolist(), fresh[gone].tolist(), strict=True)
            taken = set(zip(history.ts[gone].tolist(), about, strict=True))
            held = zip(self.entity.tolist(), self.content.tolist(), strict=True)
            mine = zip(self.ts.tolist(), held, strict=True)
            self._pick(np.array([row for row, key in enumerate(mine) if key not in taken], int))
        prints = aligned(history.names, history.prints[came], names)
        self.entity = np.concatenate([self.entity, history.entity[came]])
        self.content = np.concatenate([self.content, fresh[came]])
        self.ts = np.concatenate([self.ts, history.ts[came]])
        self.prints = np.concatenate([self.prints, prints])
        self._now = max(self._now, int(self.ts.max(initial=self._now)))
        self._trim(MOST_BYTES // (_ROW_BYTES + _PRINT_BYTES * max(len(names), 1)))

    def _trim(self, most: int) -> None:
        rows = np.lexsort((self.content, self.entity, self.ts))
        keys = np.stack([self.content[rows], self.entity[rows], self.ts[rows].view(np.uint64)])
        fresh = np.ones(rows.size, dtype=np.bool_)
        fresh[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
        rows = rows[fresh]
        if rows.size > most:
            age = (self._now - self.ts[rows] + SECOND) / SECOND
            least = np.argsort(age * (self.entity[rows] / 2.0**64 + 2.0**-64), kind="stable")
            rows = rows[np.sort(least[:most])]
        self._pick(rows)

    def _pick(self, rows: Integers) -> None:
        self.entity, self.content = self.entity[rows], self.content[rows]
        self.ts, self.prints = self.ts[rows], self.prints[rows]

    def version(self, at: int, entity: int, ts: int, served: Reach, trained: Reach) -> int | None:
        """Return which earlier version of its entity's value a mismatched value is.

        1 for the last one before the present value, 2 for the one before that, and so on; 0 where
        it is none of them; None where no other value of the entity is known. About 10 µs.

        Parameters
        ----------
        at
            The feature's place.
        """
        rows = np.flatnonzero((self.entity == np.uint64(entity)) & (self.ts < ts))
        present = {0, *trained}
        versions: dict[int, int] = {}
        for each in self.prints[rows[::-1], at].tolist():
            if each not in present and each not in versions:
                versions[each] = len(versions) + 1
        if not versions:
            return None
        return min((versions[each] for each in served if each in versions), default=0)

    def odds(self, at: int, served: Reach, trained: Reach) -> float:
        """Return how probable it was to serve this value, had any row's been served by mistake.

        Among rows whose value is not the right one: with two values only, there is one mistake. Of
        n rows in which it never occurs it is a half in n + 1. About 20 µs.
        """
        column = self.prints[:, at]
        hits, right = (
            int(((column == low) | (column == high)).sum()) for low, high in (served, trained)
        )
        missing = 0 if trained == (0, 0) else int((column == 0).sum())
        return min((hits + 0.5) / (max(column.size - right - missing, 0) + 1), 1.0)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        arrays = ("entity", "content", "ts", "prints")
        return {"now": self._now, **{name: pack(getattr(self, name)) for name in arrays}}

    def restore(self, state: dict[str, Any], features: int) -> None:
        """Take up what `snapshot` gave, when there were so many features."""
        rows = state["entity"]["shape"][0]
        self._now = int(state["now"])
        self.entity = unpack(state["entity"], np.empty(rows, dtype=np.uint64))
        self.content = unpack(state["content"], np.empty(rows, dtype=np.uint64))
        self.ts = unpack(state["ts"], np.empty(rows, dtype=np.int64))
        self.prints = unpack(state["prints"], np.empty((rows, features), dtype=np.uint16))
