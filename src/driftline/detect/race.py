"""Runs of a shift: from the slot in which it begins to the slot that rings."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.draw import Draw
from driftline.detect.protocol import Slot
from driftline.detect.shifts import plant, quiet
from driftline.stats import Pane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from driftline.contract import Contract, PlantedShift
    from driftline.detect.betting import Floats
    from driftline.detect.crowd import Crowd
    from driftline.stats import Column

WARM = (100, 1_000)
"""Slots without a shift that go before: as many as fill the longest memory, within these bounds."""
WARM_ROWS = 4_000
LEAST = 300
"""Slots that shifts which should never page are given, to page by luck."""
LATE = 0.9
"""Part of the runs after which a shift counts as found."""


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of one shift of one column.

    Attributes
    ----------
    events, slots
        From the shift to the end of the slot that rang, by rising slots, of the runs that rang.
    runs
        How many there were.
    worth, grows
        Whether the shift, were it certain, is as large as the tolerance; and whether it ever will
        be certain.
    """

    column: Column
    events: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]
    runs: int
    worth: bool
    grows: bool

    def by(self, level: float) -> tuple[int, int] | tuple[None, None]:
        """Return events and slots by which that part of the runs had rung, if it has."""
        at = ceil(level * self.runs) - 1
        if at >= self.slots.size:
            return None, None
        return int(self.events[at]), int(self.slots[at])


class Race:
    """A crowd that runs until its columns have rung.

    Parameters
    ----------
    copies
        Copies of each column, which stand side by side in the crowd.
    rows
        Events a slot.
    horizon
        Slots after which it is given up.
    """

    def __init__(
        self, crowd: Crowd, contract: Contract, copies: int, rows: float, horizon: int
    ) -> None:
        self._crowd, self._contract, self._copies = crowd, contract, copies
        self._rows, self._horizon = rows, horizon
        columns = crowd.watched.columns
        self._columns = columns[::copies]
        bins = np.array([column.bins for column in columns])
        width = int(bins.max()) + 2
        cells = np.arange(width)
        self._real = (cells < bins[:, None]) | (cells >= width - 2)
        self._quiet = self._lay_out([quiet(column) for column in columns])
        # One pane for all slots, as only its counts are looked at.
        self._pane = Pane.empty(crowd.watched, 0)
        self._now = 0

    def warm(self, rng: np.random.Generator) -> dict[str, Any]:
        """Let the crowd see slots without a shift; return its state."""
        draw = self._draw(self._quiet, rng)
        for _ in range(int(np.clip(WARM_ROWS / self._rows, *WARM))):
            self._step(draw)
        return self._crowd.snapshot()

    def run(
        self, shift: PlantedShift, signs: Sequence[int], rng: np.random.Generator
    ) -> Iterator[Runs]:
        """Plant a shift into all columns, with each of the signs by turns, and wait.

        Columns that the shift has no meaning for run along and are left out of what is returned.
        """
        turns = [k % len(signs) for k in range(self._copies)]
        planted = [[plant(column, shift, sign) for sign in signs] for column in self._columns]
        meant = np.array([all(law is not None for law in laws) for laws in planted])
        if not meant.any():
            return
        moved = self._lay_out(
            [
                quiet(column) if (law := laws[turn]) is None else law
                for column, laws in zip(self._columns, planted, strict=True)
                for turn in turns
            ]
        )
        worth = self._any(self._crowd.worth(moved))
        grows = self._any(self._crowd.grows(moved))
        events, slots = self._wait(self._draw(moved, rng), meant, worth & grows)
        for k in np.flatnonzero(meant).tolist():
            rang = np.flatnonzero(slots[k] <= self._horizon)
            order = rang[np.argsort(slots[k, rang], kind="stable")]
            yield Runs(
                self._columns[k],
                events[k, order],
                slots[k, order],
                self._copies,
                bool(worth[k]),
                bool(grows[k]),
            )

    def _any(self, found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return for which columns it holds of any copy."""
        return np.any(found.reshape(-1, self._copies), axis=1)

    def _wait(
        self, draw: Draw, meant: npt.NDArray[np.bool_], hope: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return events and slots of each copy, shape (columns, copies); over the horizon, none."""
        rang = self._crowd.rang
        rang[:] = False
        events = np.zeros(rang.size, dtype=np.int64)
        slots = np.full(rang.size, self._horizon + 1)
        seen = 0
        for slot in range(1, self._horizon + 1):
            before = rang.copy()
            seen += self._step(draw)
            fresh = rang & ~before
            events[fresh], slots[fresh] = seen, slot
            open_ = meant & (rang.reshape(-1, self._copies).mean(axis=1) < LATE)
            if not (open_ & (hope | (slot < LEAST))).any():
                break
        return events.reshape(-1, self._copies), slots.reshape(-1, self._copies)

    def _draw(self, laws: Floats, rng: np.random.Generator) -> Draw:
        watched = self._crowd.watched
        return Draw(laws, watched.rho, watched.tau, self._rows, rng)

    def _lay_out(self, laws: Sequence[Floats]) -> Floats:
        out = np.zeros(self._real.shape)
        out[self._real] = np.concatenate(laws)
        return out

    def _step(self, draw: Draw) -> int:
        """Take one slot; return its rows."""
        counts = draw.slot()
        rows = int(counts[0].sum())
        start, self._now = self._now, self._now + self._contract.slot
        if rows:
            self._pane.counts = counts[self._real]
            watched = self._crowd.watched
            self._crowd.step(Slot(start, self._now, 0, self._pane, watched, self._contract))
        return rows
