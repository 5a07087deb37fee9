"""The running evidence of all bets, and where each one's present run began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.detect.bets import BETS, LEARN, LEARNT, TABLE
from driftline.detect.betting import Floats, accumulate, learnt_ratio
from driftline.detect.state import pack, unpack

if TYPE_CHECKING:
    from driftline.detect.bets import Table
    from driftline.detect.law import Laws

MEMORY_SLOTS = np.array([3.0, 12.0, 50.0])
MEMORY_ROWS = np.array([200.0, 800.0, 4000.0])
"""What a learnt bet remembers: so many slots, but so many rows at least (a slot may hold one)."""
USUAL = 0.05
"""Weight of a new slot in the running mean of rows a slot."""
KEPT = 0.95
"""Part of its evidence that a learnt bet keeps for each slot in which it has nothing to bet on."""
CEILING = 12.0
"""Logarithm of the evidence above a bet's own threshold that is not counted further, so that a bet
on something too small to page (evidence without effect) comes down again soon after it stopped."""


class Wealth:
    """State of the bets: all arrays are (columns, BETS) unless said otherwise.

    Attributes
    ----------
    held
        The Shiryaev-Roberts statistic.
    run, since
        CUSUM of the log ratios, and the slot start (microseconds) at which it last left zero: the
        maximum-likelihood estimate of the change for a bet that is right.
    slot_rows
        Usual rows in a slot, shape (columns,).
    """

    def __init__(self, laws: Laws, table: Table, rho: Floats, tau: Floats, goal: Floats) -> None:
        columns, bins = laws.interior.shape
        self._laws, self._table, self._rho, self._tau = laws, table, rho, tau
        self._freedom = np.array([max(1, c.bins - 1) for c in laws.columns], dtype=np.float64)
        weight = np.where(np.isfinite(table.log_weight), table.log_weight, 0.0)
        self._ceiling = np.exp(np.minimum(goal[:, None] + CEILING - weight, 600.0))
        self._keep = np.ones(BETS)
        self._keep[LEARN] = KEPT
        self.held = np.zeros((columns, BETS))
        self.run = np.zeros((columns, BETS))
        self.since = np.zeros((columns, BETS), dtype=np.int64)
        self.slot_rows = np.zeros(columns)
        self._memory = np.zeros((columns, LEARNT, bins))

    def step(
        self, counts: npt.NDArray[Any], start: int, blocked: npt.NDArray[np.bool_] | None
    ) -> None:
        """Take one slot.

        Parameters
        ----------
        counts
            Padded counts, shape (columns, width); freed of a season they are no whole numbers.
        start
            Start of the slot, microseconds.
        blocked
            Bets not to be made, because what they would find was raised already.
        """
        x = counts.astype(np.float64)
        rows = x.sum(axis=1)
        seen = rows > 0
        phi = 1 + np.maximum(rows - 1, 0) * self._rho
        worth = 1 / (phi * self._tau)
        ratio = np.empty((x.shape[0], BETS))
        ratio[:, :TABLE] = np.matmul(self._table.pays, x[:, :, None])[:, :, 0]
        inside = x[:, :-2]
        mass = self._memory.sum(axis=2)
        usual = self.slot_rows[:, None]
        length = np.maximum(MEMORY_SLOTS * usual, MEMORY_ROWS)
        held = np.maximum(mass, 1e-9) * (1 + mass / length) * worth[:, None]
        noise = self._freedom[:, None] / held
        ratio[:, LEARN], made = learnt_ratio(
            self._memory, mass, self._laws.interior, noise, self._laws.margin_learnt, inside
        )
        ratio *= worth[:, None]
        betting = self._table.active & seen[:, None]
        betting[:, LEARN] &= made
        if blocked is not None:
            betting &= ~blocked
        held = accumulate(self.held, ratio, betting, self._keep)
        self.held = np.minimum(held, self._ceiling)
        run = np.where(betting, np.maximum(self.run + ratio, 0.0), self.run)
        np.copyto(self.since, start, where=(self.run <= 0) & (run > 0))
        self.run = run
        # Only now: a bet may know nothing of the slot it is placed on.
        first = self.slot_rows == 0
        drift = np.where(first, 1.0, USUAL) * (rows - self.slot_rows)
        self.slot_rows += np.where(seen, drift, 0.0)
        self._memory *= np.exp(-rows[:, None] / length)[..., None]
        self._memory += inside[:, None, :]

    def forget(self, columns: npt.NDArray[np.int64], bets: npt.NDArray[np.bool_]) -> None:
        """Set the bets of some columns back to nothing; `bets` has shape (BETS,)."""
        where = np.ix_(columns, np.flatnonzero(bets))
        self.held[where] = 0.0
        self.run[where] = 0.0
        self.since[where] = 0

    def inflation(self, columns: npt.NDArray[np.int64]) -> Floats:
        """Return by how much natural variability inflates the variance of some columns' counts."""
        phi = 1 + np.maximum(self.slot_rows[columns] - 1, 0) * self._rho[columns]
        return np.asarray(phi * self._tau[columns])

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {name: pack(getattr(self, name)) for name in _FIELDS}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        for name in _FIELDS:
            setattr(self, name, unpack(state.get(name, {}), getattr(self, name)))


_FIELDS = ("held", "run", "since", "slot_rows", "_memory")
