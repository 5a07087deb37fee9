"""What was raised is watched on, until it has gone away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.detect.state import pack, unpack

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.effect import Effects, EffectScale

SLOTS = 5
"""Slots that a quiet stretch spans at least."""
RESIDUE = 0.25
"""Part of the size at which it was raised that may be left, if that is more than the tolerance."""

VALUES, MISSING = 0, 1
"""What is raised apart for each column: what its values are, and whether there are any."""


class Watch:
    """Columns that have an open finding, by unit (`VALUES`, `MISSING`).

    The rule: a finding is cleared by one whole quiet stretch. A stretch spans `SLOTS` slots or
    more, and as many rows as make the size that chance alone shows a quarter of the bar or less; it
    is quiet when what it shows beyond chance is below half the bar. The bar is the tolerance, or a
    quarter of the size that was raised if that is more.
    """

    def __init__(self, columns: int, width: int) -> None:
        self.open = np.zeros((columns, 2), dtype=np.bool_)
        # A stretch ends with its goal, so its counts stay small.
        self._counts = np.zeros((columns, 2, width), dtype=np.int32)
        self._slots = np.zeros((columns, 2), dtype=np.int64)
        self._began = np.zeros((columns, 2), dtype=np.int64)
        self._goal = np.zeros((columns, 2))
        self._bar = np.zeros((columns, 3))

    @property
    def any(self) -> bool:
        """Whether anything is open."""
        return bool(self.open.any())

    def raised(
        self, column: int, unit: int, net: Floats, scale: EffectScale, inflation: float
    ) -> None:
        """Start watching; `net` has shape (3,) as in `Effects.net`."""
        judged = [2] if unit == MISSING else [0, 1]
        bar = np.maximum(scale.tolerance[column], RESIDUE * net)
        self._bar[column, judged] = bar[judged]
        goal = max(float(scale.chance[column, k] * 4 / bar[k]) ** 2 for k in judged)
        self._goal[column, unit] = max(20.0, goal) * inflation
        self.open[column, unit] = True
        self._restart(column, unit)

    def step(
        self, counts: npt.NDArray[np.int64], start: int, scale: EffectScale, inflation: Floats
    ) -> list[tuple[int, int, int, Effects, npt.NDArray[np.int64]]]:
        """Take one slot; return what cleared.

        Returns
        -------
        Column, unit, start of the quiet stretch, its effects and its counts.
        """
        cleared = []
        for unit in (VALUES, MISSING):
            at = np.flatnonzero(self.open[:, unit])
            if not at.size:
                continue
            fresh = at[self._slots[at, unit] == 0]
            self._began[fresh, unit] = start
            self._counts[at, unit] += counts[at].astype(np.int32)
            self._slots[at, unit] += counts[at].any(axis=1)
            held = self._counts[at, unit]
            rows = held[:, :-2].sum(axis=1) if unit == VALUES else held.sum(axis=1)
            full = (rows >= self._goal[at, unit]) & (self._slots[at, unit] >= SLOTS)
            due = at[full]
            if not due.size:
                continue
            effects = scale.measure(due, self._counts[due, unit], inflation[due])
            judged = effects.net[:, 2:] if unit == MISSING else effects.net[:, :2]
            bar = self._bar[due, 2:] if unit == MISSING else self._bar[due, :2]
            quiet: npt.NDArray[np.bool_] = np.all(judged < bar / 2, axis=1)
            for k, column in enumerate(due.tolist()):
                if quiet[k]:
                    self.open[column, unit] = False
                    cleared.append(
                        (
                            column,
                            unit,
                            int(self._began[column, unit]),
                            effects.row(k),
                            self._counts[column, unit].astype(np.int64),
                        )
                    )
                self._restart(column, unit)
        return cleared

    def _restart(self, column: int, unit: int) -> None:
        self._counts[column, unit] = 0
        self._slots[column, unit] = 0
        self._began[column, unit] = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes; 216 bytes a column that is open."""
        watched = self.open.any(axis=1)
        held = {name: pack(getattr(self, name)[watched]) for name in _FIELDS}
        return {"open": pack(self.open), **held}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self.open = unpack(state.get("open", {}), self.open)
        watched = self.open.any(axis=1)
        for name in _FIELDS:
            field = getattr(self, name)
            field[:] = 0
            field[watched] = unpack(state.get(name, {}), field[watched])


_FIELDS = ("_counts", "_slots", "_began", "_goal", "_bar")
