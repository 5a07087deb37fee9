"""Elements on their way through the decoder, and the blocks of rows the fast path makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from driftline.events.block import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.gather import Gathered

__all__ = ["Block", "Rows", "places_of"]


@dataclass(slots=True)
class Rows:
    """Elements, or whole messages, as parallel lists; ``index`` is None outside an envelope."""

    data: list[bytes] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)
    index: list[int | None] = field(default_factory=list)
    stamp: list[int] = field(default_factory=list)

    def add(self, data: bytes, offset: int, index: int | None, stamp: int) -> None:
        """Append one."""
        self.data.append(data)
        self.offset.append(offset)
        self.index.append(index)
        self.stamp.append(stamp)

    def pick(self, at: Sequence[int]) -> Rows:
        """Return those at some positions."""
        return Rows(
            [self.data[i] for i in at],
            [self.offset[i] for i in at],
            [self.index[i] for i in at],
            [self.stamp[i] for i in at],
        )

    def sorted(self) -> Rows:
        """Return them in source order."""
        places = list(zip(self.offset, (i or 0 for i in self.index), strict=True))
        return self.pick(sorted(range(len(places)), key=places.__getitem__))


@dataclass(slots=True)
class Block:
    """Rows that a plan took.

    ``units`` are the messages and ``counts`` their numbers of events (empty: each is one);
    ``mended`` are places in these lists where null was read for a number that is not finite.
    """

    gathered: Gathered
    units: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    mended: set[int] = field(default_factory=set)

    def take(self, unit: int, count: int) -> None:
        """Note that a message of several events was gathered."""
        self.units.append(unit)
        self.counts.append(count)

    def units_of(self, rows: set[int]) -> set[int]:
        """Return the places of the messages that some rows belong to."""
        if not self.counts:
            return rows
        ends = np.cumsum(self.counts)
        return set(np.searchsorted(ends, sorted(rows), side="right").tolist())

    def rows_of(self, unit: int) -> range:
        """Return the rows of the message at a place."""
        if not self.counts:
            return range(unit, unit + 1)
        start = sum(self.counts[:unit])
        return range(start, start + self.counts[unit])

    def without(self, units: set[int]) -> Block:
        """Return the block without some messages."""
        kept = [unit for unit in range(len(self.units)) if unit not in units]
        rows = [row for unit in kept for row in self.rows_of(unit)] if self.counts else kept
        return Block(
            self.gathered.pick(rows),
            [self.units[unit] for unit in kept],
            [self.counts[unit] for unit in kept] if self.counts else [],
            {at for at, unit in enumerate(kept) if unit in self.mended},
        )


def places_of(rows: Rows, block: Block) -> Places:
    """Return where a block's rows came from."""
    units = block.units
    whole = len(units) == len(rows.data)
    offset = np.array(rows.offset if whole else [rows.offset[i] for i in units], dtype=np.int64)
    stamp = np.array(rows.stamp if whole else [rows.stamp[i] for i in units], dtype=np.int64)
    if not block.counts:
        index = np.array([rows.index[i] or 0 for i in units], dtype=np.int64)
        return Places(offset, index, stamp)
    index = np.concatenate([np.arange(count) for count in block.counts])
    return Places(np.repeat(offset, block.counts), index, np.repeat(stamp, block.counts))
