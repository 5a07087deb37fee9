"""Which rows a fault holds for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Columns
    from driftline.simulate.traffic import Traffic

__all__ = ["Marks", "Place", "Rows"]

Marks = npt.NDArray[np.bool_]


class Rows(NamedTuple):
    """The n predictions of one chunk, before anything follows them.

    Attributes
    ----------
    ts
        Event time, microseconds since the epoch, ascending; int64 of shape (n,).
    entities
        Whom each is about, int64 of shape (n,), from 0 to below ``Traffic.entities``.
    world
        Features as they truly are.
    first
        Number of the first row among all of the model.
    rng
        Makes the chunk's generator for a purpose: another one for each.
    """

    ts: npt.NDArray[np.int64]
    entities: npt.NDArray[np.int64]
    world: Columns
    first: int
    rng: Callable[[str], np.random.Generator]

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.ts.size)


class Place:
    """Where and when a fault holds.

    Parameters
    ----------
    start
        The scenario's start, microseconds since the epoch.
    """

    def __init__(self, fault: Fault, model: Traffic, start: int) -> None:
        self.start = start + fault.start
        self.end = None if fault.end is None else start + fault.end
        self._stays = fault.kind in {"ramp", "tire"}
        self._among: tuple[str, int] | None = None
        if fault.where is not None:
            name, level = fault.where
            feature = model.feature(name)
            assert feature is not None
            self._among = name, feature.levels.index(level)

    def active(self, ts: npt.NDArray[np.int64]) -> Marks:
        """Return at which times it holds, bool of shape (n,)."""
        rows = ts >= self.start
        if self.end is not None and not self._stays:
            rows &= ts < self.end
        return np.asarray(rows)

    def rows(self, ts: npt.NDArray[np.int64], columns: Columns) -> Marks:
        """Return for which rows it holds, bool of shape (n,)."""
        rows = self.active(ts)
        if self._among is not None:
            name, level = self._among
            rows &= columns[name] == level
        return rows

    def part(self, ts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return how far between start and end it is, in [0, 1], of shape (n,)."""
        assert self.end is not None
        return np.asarray(np.clip((ts - self.start) / (self.end - self.start), 0.0, 1.0))
