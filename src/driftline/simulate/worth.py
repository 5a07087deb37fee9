"""Outcomes whose cause is known: who is held out by lot, and what the model brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from driftline.simulate.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from driftline.simulate.aftermath import Aftermath
    from driftline.simulate.faults import Fault
    from driftline.simulate.place import Rows
    from driftline.simulate.traffic import Traffic

__all__ = ["Trial"]

HOLDOUT_SHARE = 0.05


class Trial:
    """Plants the baseline's arm, and outcomes that differ between the arms by a known effect.

    Parameters
    ----------
    start
        The scenario's start, microseconds since the epoch.
    """

    def __init__(self, faults: Iterable[Fault], model: Traffic, start: int) -> None:
        placed = [(fault, Place(fault, model, start)) for fault in faults]
        self._holdouts = [each for each in placed if each[0].kind == "holdout"]
        self._uplifts = [each for each in placed if each[0].kind == "uplift"]

    @property
    def logged(self) -> bool:
        """Whether predictions tell their arm, too."""
        return bool(self._holdouts)

    def share(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Return each row's probability of the baseline's arm, shape (n,)."""
        share = np.full(rows.size, HOLDOUT_SHARE)
        for fault, place in self._holdouts:
            share[place.rows(rows.ts, rows.world)] = fault.resolved_size
        return share

    def plant(self, after: Aftermath, rows: Rows) -> None:
        """Let outcomes be successes, as likely as the arm makes them."""
        for fault, place in self._uplifts:
            at = place.rows(rows.ts, rows.world)
            chance = fault.share + fault.resolved_size * ~after.holdout
            lucky = rows.rng(str(fault)).random(rows.size) < chance
            after.value = np.where(at, lucky.astype(np.float64), after.value)
            after.won = after.won | at
