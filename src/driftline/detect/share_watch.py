"""Changes of shares of variance that were raised are watched on, until they have gone away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.detect.state import pack, unpack
from driftline.detect.watch import RESIDUE, SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.detect.betting import Floats

    Singles = npt.NDArray[np.float32]
    Net = Callable[[npt.NDArray[np.int64], Floats, Floats], Floats]

MODEL = -1
"""Stands in `Opened.lead` for the whole model."""


@dataclass(slots=True, eq=False)
class Opened:
    """One open finding.

    Attributes
    ----------
    lead
        The column that it is about, as a position among those compared; or `MODEL`.
    contrasts
        What was named, int64 of shape (k,).
    bar
        Size in tolerances of which less than half must be left, shape (k,).
    goal
        Rows of a stretch from which chance alone shows a quarter of the bar or less.
    gain, rows
        Of the present stretch, shape (k,), as in `ShareBets`.
    slots, began
        Of the present stretch: how many, and the start of the first, microseconds.
    """

    lead: int
    contrasts: npt.NDArray[np.int64]
    bar: Floats
    goal: float
    gain: Floats
    rows: Floats
    slots: int = 0
    began: int = 0


class ShareWatch:
    """Open findings of one detector, oldest first.

    The rule is that of `Watch`: a finding is cleared by one whole quiet stretch, and the stretch is
    quiet when what its contrasts show beyond chance is, in the root of the mean square, below half
    the bar.
    """

    def __init__(self) -> None:
        self.open: list[Opened] = []

    def raised(
        self, lead: int, contrasts: npt.NDArray[np.int64], net: Floats, noise: Floats
    ) -> None:
        """Start watching; `net` and `noise` (of a single row) are sizes in tolerances."""
        bar = np.maximum(1.0, RESIDUE * net)
        goal = float(((4 * noise / bar) ** 2).max())
        none = np.zeros(contrasts.size)
        self.open.append(Opened(lead, contrasts, bar, goal, none, none.copy()))

    def step(
        self, gained: Singles, rows: Singles, start: int, slots: int, net: Net
    ) -> list[Opened]:
        """Take a block's gains and rows, of all contrasts; return what cleared."""
        cleared = []
        for one in self.open:
            if not one.slots:
                one.began = start
            one.gain = one.gain + gained[one.contrasts]
            one.rows = one.rows + rows[one.contrasts]
            one.slots += slots
            if one.slots < SLOTS or one.rows.mean() < one.goal:
                continue
            size = net(one.contrasts, one.gain, one.rows) / one.bar
            if float((size**2).mean()) < 0.25:
                cleared.append(one)
            else:
                one.gain, one.rows, one.slots = np.zeros_like(size), np.zeros_like(size), 0
        self.open = [one for one in self.open if one not in cleared]
        return cleared

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the state as JSON values and bytes."""
        return [
            {
                "lead": one.lead,
                "goal": one.goal,
                "slots": one.slots,
                "began": one.began,
                **{name: pack(getattr(one, name)) for name in _ARRAYS},
            }
            for one in self.open
        ]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Take up what `snapshot` gave."""
        self.open = []
        for raw in state:
            size = tuple(raw["contrasts"]["shape"])
            contrasts = unpack(raw["contrasts"], np.empty(size, dtype=np.int64))
            bar, gain, rows = (unpack(raw[name], np.empty(size)) for name in _ARRAYS[1:])
            self.open.append(
                Opened(
                    raw["lead"], contrasts, bar, raw["goal"], gain, rows, raw["slots"], raw["began"]
                )
            )


_ARRAYS = ("contrasts", "bar", "gain", "rows")
