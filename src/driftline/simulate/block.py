"""Encoded events as parallel lists, in order of time."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from driftline.events.frame import EventType

__all__ = ["Block", "merge", "recut"]


class Block(NamedTuple):
    """n encoded events.

    Attributes
    ----------
    types
        Event type of each.
    keys
        The producer's key of each: its entity.
    ts
        Event time, microseconds since the epoch, ascending; int64 of shape (n,).
    values
        UTF-8 JSON objects, without the field ``type``.
    """

    types: list[EventType]
    keys: list[bytes]
    ts: npt.NDArray[np.int64]
    values: list[bytes]

    @property
    def size(self) -> int:
        """Number of events."""
        return len(self.values)

    def part(self, first: int, last: int) -> Block:
        """Return events first to last - 1."""
        return Block(
            self.types[first:last], self.keys[first:last], self.ts[first:last],
            self.values[first:last],
        )  # fmt: skip

    def take(self, rows: npt.NDArray[np.int64]) -> Block:
        """Return the events with these row numbers, in this order."""
        order = rows.tolist()
        return Block(
            [self.types[i] for i in order], [self.keys[i] for i in order], self.ts[rows],
            [self.values[i] for i in order],
        )  # fmt: skip


def join(blocks: Sequence[Block]) -> Block:
    """Put blocks one behind the other."""
    if len(blocks) == 1:
        return blocks[0]
    ts = [block.ts for block in blocks]
    return Block(
        list(chain.from_iterable(block.types for block in blocks)),
        list(chain.from_iterable(block.keys for block in blocks)),
        np.concatenate(ts) if ts else np.empty(0, dtype=np.int64),
        list(chain.from_iterable(block.values for block in blocks)),
    )


def merge(blocks: Sequence[Block]) -> Block:
    """Put blocks into one, in order of time; equal times stay in the order given."""
    whole = join(blocks)
    if len(blocks) <= 1:
        return whole
    return whole.take(np.argsort(whole.ts, kind="stable"))


def recut(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    """Cut a stream of blocks into blocks of `size` events, the last one shorter."""
    held: list[Block] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += block.size
        if count < size:
            continue
        whole = join(held)
        done = count - count % size
        for first in range(0, done, size):
            yield whole.part(first, first + size)
        held = [whole.part(done, count)] if done < count else []
        count -= done
    if count:
        yield join(held)
