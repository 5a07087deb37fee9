"""What training values some entities had: prints of whole rows, merged bit for bit.

Rows are kept in the order of the hash of whom they are about, then of the prediction's: all rows of
the entities with the smallest hashes. A row about nobody is an entity of its own: it tells nothing
of any other row, but how common a value is.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.ledger.skew.hashing import mixed, text_hashes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.ledger.pairs import Integers
    from driftline.ledger.skew.hashing import Hashes
    from driftline.ledger.skew.prints import Prints

__all__ = ["MOST_OF_ENTITY", "History", "aligned", "candidates", "contents", "most_rows"]

MOST_BYTES = 64_000
MOST_OF_ENTITY = 64
"""Rows of one entity that are kept: one that sends half of all rows must not fill the history."""
_ROW_BYTES, _PRINT_BYTES = 24, 2


def most_rows(features: int) -> int:
    """Return how many rows of so many features a history keeps; never more for more."""
    return MOST_BYTES // (_ROW_BYTES + _PRINT_BYTES * max(features, 1))


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """k rows, sorted by entity, order, time and content, each once.

    Attributes
    ----------
    names
        Features that any of the rows has a value of, sorted.
    entity, order
        Hashes of whom a row is about, and of its prediction's id, uint64 of shape (k,).
    ts
        Event time of serving, microseconds, int64 of shape (k,).
    count
        How often a row came, less how often it was taken back, int64 of shape (k,). May be 0: a row
        that was dropped for it would leave its place to another.
    prints
        See `driftline.ledger.skew.prints`: uint16 of shape (k, len(names)), 0 where there is no
        value.
    """

    names: tuple[str, ...]
    entity: Hashes
    order: Hashes
    ts: Integers
    count: Integers
    prints: Prints

    @classmethod
    def empty(cls) -> History:
        """Return the history of no rows."""
        none, whole = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
        return cls((), none, none, whole, whole, np.empty((0, 0), dtype=np.uint16))

    def __len__(self) -> int:
        return int(self.entity.size)

    def merged(self, other: History, most: int) -> History:
        """Return the rows to keep of two histories; associative and commutative, bit for bit.

        Parameters
        ----------
        most
            As `most_rows` says of all features of the union.
        """
        names = tuple(sorted({*self.names, *other.names}))
        joined = History(
            names,
            np.concatenate([self.entity, other.entity]),
            np.concatenate([self.order, other.order]),
            np.concatenate([self.ts, other.ts]),
            np.concatenate([self.count, other.count]),
            np.concatenate([aligned(each.names, each.prints, names) for each in (self, other)]),
        )
        return joined.bounded(most)

    def bounded(self, most: int) -> History:
        """Return the rows to keep, in order, equal ones summed. About 1 ms for two thousand."""
        if not len(self):
            return History.empty()
        content = contents(self.names, self.prints)
        rows = np.lexsort((content, self.ts, self.order, self.entity))
        keys = [each[rows] for each in (self.entity, self.order, self.ts, content)]
        starts = np.flatnonzero(_changes(*keys))
        count = np.add.reduceat(self.count[rows], starts)
        chosen = np.flatnonzero(_rank(self.entity[rows[starts]]) < MOST_OF_ENTITY)[:most]
        rows = rows[starts[chosen]]
        prints = self.prints[rows]
        told = np.asarray(prints.any(axis=0))
        return History(
            tuple(name for name, is_told in zip(self.names, told.tolist(), strict=True) if is_told),
            self.entity[rows],
            self.order[rows],
            self.ts[rows],
            count[chosen],
            prints[:, told],
        )

    def only(self, names: frozenset[str]) -> History:
        """Return the same rows without features that are not among these."""
        at = [place for place, name in enumerate(self.names) if name in names]
        if len(at) == len(self.names):
            return self
        left = tuple(self.names[place] for place in at)
        return History(left, self.entity, self.order, self.ts, self.count, self.prints[:, at])

    def to_values(self) -> dict[str, Any]:
        """Return JSON values: equal histories give equal bytes."""
        return {
            "names": list(self.names),
            **{name: _text(getattr(self, name), kind) for name, kind in _ARRAYS.items()},
            "count": self.count.tolist(),
        }

    def settled(self) -> History:
        """Return the rows whose count is not 0."""
        there = self.count != 0
        if there.all():
            return self
        prints = self.prints[there]
        told = prints.any(axis=0)
        return History(
            tuple(name for name, is_told in zip(self.names, told.tolist(), strict=True) if is_told),
            self.entity[there],
            self.order[there],
            self.ts[there],
            self.count[there],
            prints[:, told],
        )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> History:
        """Return what `to_values` wrote."""
        names = tuple(values["names"])
        entity, order, ts, prints = (
            np.frombuffer(b64decode(values[name]), dtype=kind).astype(kind[1:])
            for name, kind in _ARRAYS.items()
        )
        count = np.array(values["count"], dtype=np.int64)
        return cls(names, entity, order, ts, count, prints.reshape(count.size, len(names)))


_ARRAYS = {"entity": "<u8", "order": "<u8", "ts": "<i8", "prints": "<u2"}


def candidates(entity: Hashes, order: Hashes, most: int) -> Integers:
    """Return rows among which are all that `History.bounded` will keep, int64 of shape (k,).

    So that prints need to be made of these only.
    """
    rows = np.lexsort((order, entity))
    fresh = _changes(entity[rows], order[rows])
    # Rows of one prediction stand or fall together here: their content is not known yet.
    number = np.cumsum(fresh) - 1
    rank = _rank(entity[rows[fresh]]) if rows.size else number
    good = np.cumsum(rank < MOST_OF_ENTITY)
    chosen = (rank < MOST_OF_ENTITY) & (good <= most)
    return np.asarray(rows[chosen[number]] if rows.size else rows)


def aligned(names: Sequence[str], prints: Prints, to: Sequence[str]) -> Prints:
    """Return prints with a column for each of other names, which hold all of these."""
    at = {name: place for place, name in enumerate(to)}
    out = np.zeros((prints.shape[0], len(to)), dtype=np.uint16)
    out[:, [at[name] for name in names]] = prints
    return out


def contents(names: Sequence[str], prints: Prints) -> Hashes:
    """Return a hash of each row, uint64 of shape (k,).

    In whatever order columns come; a column without value is as good as none.
    """
    seeds = text_hashes(names)
    with np.errstate(over="ignore"):
        parts = mixed(seeds[None, :] + prints.astype(np.uint64))
    return np.asarray(np.where(prints != 0, parts, np.uint64(0)).sum(axis=1, dtype=np.uint64))


def _changes(*sorted_keys: Any) -> Any:
    """Return where a row differs from the one before it, bool of shape (n,)."""
    fresh = np.zeros(sorted_keys[0].size, dtype=np.bool_)
    fresh[:1] = True
    for key in sorted_keys:
        fresh[1:] |= key[1:] != key[:-1]
    return fresh


def _rank(sorted_entity: Hashes) -> Integers:
    """Return how many rows of the same entity stand before each."""
    fresh = _changes(sorted_entity)
    first = np.maximum.accumulate(np.where(fresh, np.arange(fresh.size), 0))
    return np.asarray(np.arange(fresh.size) - first)


def _text(array: Any, kind: str) -> str:
    return b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()
