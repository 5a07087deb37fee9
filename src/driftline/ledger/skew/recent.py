"""The latest mismatches of each feature, with what was known of their entities when they came."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.ledger.skew.cases import Cases
from driftline.ledger.skew.prints import reaches
from driftline.ledger.skew.sample import Mismatch, read

if TYPE_CHECKING:
    from driftline.ledger.skew.memory import Memory
    from driftline.ledger.skew.prints import Reach
    from driftline.ledger.skew.sums import Skew
    from driftline.ledger.skew.tolerance import Tolerances

__all__ = ["Recent", "Row"]

MOST_ROWS, LEAST_ROWS = 64, 8
"""Rows of each feature. What a cell samples comes in the order of its hashes, so that of a large
cell it is a fair sample, too."""
MOST_IN_ALL = 2_000
"""Rows of all features, if not `LEAST_ROWS` of each are more: some 200 kB of a snapshot, which is
one message."""


class Row(NamedTuple):
    """A mismatch, when it arrived (microseconds) and which earlier version was served."""

    at: int
    mismatch: Mismatch
    back: int | None


class Recent:
    """Rows by feature: of many mismatched features fewer of each, but `LEAST_ROWS`."""

    def __init__(self, tolerances: Tolerances) -> None:
        self._tolerances = tolerances
        self._rows: dict[str, deque[Row]] = {}

    def take(self, cell: Skew, start: int, memory: Memory, places: dict[str, int]) -> None:
        """Take what a cell sampled, and let go of rows that were taken back.

        Parameters
        ----------
        memory
            With the cell's own rows already in it: they may be the earlier ones.
        """
        features = len(self._rows.keys() | cell.sample.keys())
        most = max(LEAST_ROWS, min(MOST_ROWS, MOST_IN_ALL // max(features, 1)))
        if any(len(rows) > most for rows in self._rows.values()):
            self._rows = {name: deque(rows, maxlen=most) for name, rows in self._rows.items()}
        for name, entries in sorted(cell.sample.items()):
            if name not in places:
                continue
            rows = self._rows[name] = deque(self._rows.get(name, ()), maxlen=most)
            came = [read(key) for key in sorted(entries) if entries[key] > 0]
            gone = [read(key) for key in sorted(entries) if entries[key] < 0]
            backs = self._backs(name, came, memory, places)
            rows.extend(map(Row, [start] * len(came), came, backs))
            if gone:
                left = [row for row in rows if row.mismatch not in gone]
                self._rows[name] = deque(left, maxlen=most)

    def _backs(
        self, name: str, found: list[Mismatch], memory: Memory, places: dict[str, int]
    ) -> list[int | None]:
        served, trained = self._reaches(name, found)
        return [
            memory.version(places[name], each.entity, each.ts, s, t)
            for each, s, t in zip(found, served, trained, strict=True)
        ]

    def _reaches(self, name: str, found: list[Mismatch]) -> tuple[list[Reach], list[Reach]]:
        tolerance = self._tolerances.of(name)
        served, trained = [each.served for each in found], [each.trained for each in found]
        return reaches(served, tolerance), reaches(trained, tolerance)

    def since(self, name: str, start: int) -> list[Row]:
        """Return a feature's rows that arrived from some slot on; all where none did."""
        rows = list(self._rows.get(name, ()))
        return [row for row in rows if row.at >= start] or rows

    def cases(self, name: str, rows: list[Row], memory: Memory, places: dict[str, int]) -> Cases:
        """Return rows as they are to be explained; about 35 µs a row."""
        found = [row.mismatch for row in rows]
        both = list(zip(*self._reaches(name, found), strict=True))
        odds = [memory.odds(places[name], served, trained) for served, trained in both]
        back = [memory.odds(places[name], trained, served) for served, trained in both]
        # What came too late to be known then may have come by now.
        now = self._backs(name, found, memory, places)
        return Cases(
            [each.served for each in found],
            [each.trained for each in found],
            -np.log2(np.array(odds)),
            -np.log2(np.array(back)),
            [each.alike for each in found],
            [row.back or again for row, again in zip(rows, now, strict=True)],
            self._tolerances.of(name),
            len(places),
        )

    def swapped(self, name: str, other: str, start: int) -> bool:
        """Return whether the other feature is served in this one's place as this one is in its."""
        rows = self.since(other, start) if other in self._rows else []
        return 2 * sum(name in row.mismatch.alike for row in rows) > len(rows)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            name: [[row.at, list(row.mismatch), row.back] for row in rows]
            for name, rows in sorted(self._rows.items())
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._rows = {
            name: deque(
                (
                    Row(at, Mismatch(*said)._replace(alike=tuple(said[5])), back)
                    for at, said, back in rows
                ),
                maxlen=MOST_ROWS,
            )
            for name, rows in state.items()
        }
