"""A bounded, mergeable sample of rows: bottom-k by a hash of where the row came from."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.events.record import Source


def row_keys(
    source: Source, offset: npt.NDArray[np.int64], index: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return a pseudo-random uint64 for each row, the same whenever the row is read again.

    splitmix64 (Steele, Lea, Flood 2014) of the row's position, seeded by its source.
    """
    with np.errstate(over="ignore"):
        z = offset.astype(np.uint64) << np.uint64(20)
        z += index.astype(np.uint64) + np.uint64(zlib.crc32(str(source).encode())) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


@dataclass(slots=True)
class Sample:
    """At most `size` rows of those seen: the ones with the smallest keys.

    Any order of adding and merging leaves the same rows, so partitions and batches may be cut at
    will. While nothing was dropped the sample holds every row (`complete`).

    Attributes
    ----------
    seen
        Rows offered so far.
    key, ts, offset, index
        uint64 and int64 of shape (k,).
    values
        float64 of shape (k, columns): the number, or the bin code of a categorical; NaN missing.
    """

    size: int
    seen: int
    key: npt.NDArray[np.uint64]
    ts: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    @classmethod
    def empty(cls, size: int, columns: int) -> Sample:
        """Return a sample that has seen nothing."""
        none = np.empty(0, dtype=np.int64)
        return cls(size, 0, none.astype(np.uint64), none, none, none, np.empty((0, columns)))

    @property
    def rows(self) -> int:
        """Rows held."""
        return int(self.key.size)

    @property
    def complete(self) -> bool:
        """True while every row seen is held."""
        return self.rows == self.seen

    def add(
        self,
        key: npt.NDArray[np.uint64],
        ts: npt.NDArray[np.int64],
        offset: npt.NDArray[np.int64],
        index: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        seen: int,
    ) -> None:
        """Offer rows; `seen` is how many rows they stand for (more than given after a merge)."""
        self.seen += seen
        if not self.size:
            return  # a window's pane: nobody asks it for values
        if self.rows >= self.size:
            # In a full sample nearly every new row is refused here, before anything is copied.
            keep = np.flatnonzero(key < self.key.max())
            key, ts, offset, index = key[keep], ts[keep], offset[keep], index[keep]
            values = values[keep]
        if not key.size:
            return
        self.key = np.concatenate([self.key, key])
        self.ts = np.concatenate([self.ts, ts])
        self.offset = np.concatenate([self.offset, offset])
        self.index = np.concatenate([self.index, index])
        self.values = np.concatenate([self.values, values])
        if self.rows > self.size:
            self._take(np.argpartition(self.key, self.size)[: self.size])

    def merge(self, other: Sample) -> None:
        """Offer the rows of another sample of the same size."""
        self.add(other.key, other.ts, other.offset, other.index, other.values, other.seen)

    def sort(self) -> None:
        """Put the rows in event-time order, ties by position: the same order however they came."""
        self._take(np.lexsort((self.key, self.index, self.offset, self.ts)))

    def _take(self, order: npt.NDArray[np.int64]) -> None:
        self.key, self.ts = self.key[order], self.ts[order]
        self.offset, self.index = self.offset[order], self.index[order]
        self.values = self.values[order]
