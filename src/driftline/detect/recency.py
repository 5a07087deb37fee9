"""The recent past of every column's counts, in slots that grow coarser with age."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from driftline.detect.errors import StateError
from driftline.detect.state import pack, unpack

Counts = npt.NDArray[np.int64]

LEVELS = 7
PER_LEVEL = 3
BASE_ROWS = 16
"""Rows in the finest bucket at least: streams of one event a slot would else fill all levels."""


class Recency:
    """Counts since any moment not too long ago, in bounded memory.

    An exponential histogram: at most `PER_LEVEL` buckets of each size, the sizes doubling from one
    slot (or `BASE_ROWS` rows, if a slot has fewer); what falls off the end is forgotten. A bucket's
    counts are as narrow as its rows allow. With slots of 100 rows it reaches back over some 50,000
    rows and takes 42 bytes for each bin.

    Parameters
    ----------
    columns, width
        Shape of the padded counts of a slot.
    levels
        Sizes after the first; one less halves the reach and saves six bytes for each bin.
    """

    def __init__(self, columns: int, width: int, levels: int = LEVELS) -> None:
        self._shape = (columns, width)
        self._levels = levels
        self._start: list[int] = []
        self._level: list[int] = []
        self._rows: list[int] = []
        self._counts: list[npt.NDArray[np.unsignedinteger[Any]]] = []

    def add(self, counts: Counts, start: int, rows: int) -> None:
        """Add a slot: padded counts, its start (microseconds), its largest column's rows."""
        if self._rows and self._level[-1] == 0 and self._rows[-1] < BASE_ROWS:
            self._join(-1, counts, rows)
            return
        self._start.append(start)
        self._level.append(0)
        self._rows.append(rows)
        self._counts.append(counts.astype(_narrow(rows)))
        self._carry()

    def _join(self, at: int, counts: npt.NDArray[Any], rows: int) -> None:
        self._rows[at] += rows
        narrow = _narrow(self._rows[at])
        self._counts[at] = self._counts[at].astype(narrow) + counts.astype(narrow)

    def _carry(self) -> None:
        level, end = 0, len(self._level)
        while True:
            first = end
            while first > 0 and self._level[first - 1] == level:
                first -= 1
            if end - first <= PER_LEVEL:
                return
            if level == self._levels:
                for column in (self._start, self._level, self._rows, self._counts):
                    del column[first]
                return
            self._join(first, self._counts.pop(first + 1), self._rows.pop(first + 1))
            self._start.pop(first + 1)
            self._level.pop(first + 1)
            self._level[first] = level + 1
            end = first + 1
            level += 1

    def since(self, columns: Counts, moments: Counts) -> Counts:
        """Return counts of the given columns since a moment each.

        Parameters
        ----------
        columns, moments
            int64 of shape (k,): positions, and microseconds since the epoch.

        Returns
        -------
        int64 of shape (k, width). The newest bucket is always part of it, and of the others those
        that began at the moment or later.
        """
        out = np.zeros((columns.size, self._shape[1]), dtype=np.int64)
        for age, (start, counts) in enumerate(
            zip(reversed(self._start), reversed(self._counts), strict=True)
        ):
            wanted = moments <= start
            if age and not wanted.any():
                break
            out += counts[columns] * (wanted | (age == 0))[:, None]
        return out

    def buckets(self, column: int) -> tuple[list[int], Counts]:
        """Return the starts and the counts of one column's buckets, oldest first."""
        return list(self._start), np.array([c[column] for c in self._counts], dtype=np.int64)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "start": list(self._start),
            "level": list(self._level),
            "rows": list(self._rows),
            "counts": [pack(counts) for counts in self._counts],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        try:
            start, level, rows = list(state["start"]), list(state["level"]), list(state["rows"])
            counts = [
                unpack(packed, np.empty(self._shape, dtype=_narrow(held)))
                for packed, held in zip(state["counts"], rows, strict=True)
            ]
        except (KeyError, TypeError, ValueError) as error:
            msg = f"snapshot: expected recent counts, got {error}"
            raise StateError(msg) from error
        self._start, self._level, self._rows, self._counts = start, level, rows, counts


def _narrow(rows: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the narrowest type that counts so many rows."""
    return np.min_scalar_type(rows)
