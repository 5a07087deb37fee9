"""By how much more a metric varies from slot to slot than its rows alone would make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.state import pack, unpack

if TYPE_CHECKING:
    from driftline.ledger.gains import Stake

KEPT = 0.995
"""Part of what was learnt that a step leaves: some 200 steps are remembered."""


class Scatter:
    """The correlation of rows that came in one slot, learnt from slot to slot.

    Rows of one slot share its weather: a customer, an hour, a fault upstream. They then tell less
    than as many independent ones would: n rows with the correlation r are worth n / (1 + (n-1) r).
    The mean gains of two slots in a row differ by ``v (1/n + 1/n' + 2 r)`` in the mean square, v
    being the variance of a row; as neighbours are compared, a lasting change of level counts once.
    One standard deviation of chance is left off, so independent rows cost almost nothing.

    It knows earlier steps only, so what it takes off a bet leaves the bet's promise as it is. What
    binds rows over many slots, as a day's cycle does, it does not see: there, steps must be longer.
    """

    def __init__(self) -> None:
        # Rows and mean gain of the last step; squared deviations and degrees of freedom inside
        # slots; what neighbours differ by beyond that, of how much, and its variance by chance.
        self._sums = np.zeros(7)

    def correlation(self) -> float:
        """Return the correlation of two rows of one slot, from 0 to 1."""
        excess, known, noise = self._sums[4:].tolist()
        if known <= 0:
            return 0.0
        return float(min(max((excess - noise**0.5) / known, 0.0), 1.0))

    def worth(self, stake: Stake) -> float:
        """Return what a row of a step is worth beside an independent one, in (0, 1]."""
        rows = max(float(stake.rows.sum()), 1.0)
        return 1 / (1 + (rows - 1) * self.correlation())

    def learn(self, stake: Stake) -> None:
        """Take a step; of one in which rows are taken back nothing is learnt."""
        rows = float(stake.rows.sum())
        if rows <= 0 or stake.rows.min() < 0:
            return
        mean = float((stake.rows * stake.gains).sum()) / rows
        squares = float((stake.rows * (stake.gains - mean) ** 2).sum())
        last_rows, last_mean, *_ = self._sums.tolist()
        self._sums[2:] *= KEPT
        self._sums[2:4] += squares, max(rows - 1, 0.0)
        if last_rows and self._sums[3] > 0:
            variance = self._sums[2] / self._sums[3]
            expected = variance * (1 / rows + 1 / last_rows)
            self._sums[4] += (mean - last_mean) ** 2 - expected
            self._sums[5] += 2 * variance
            # Neighbours overlap: 3 in place of the 2 of a chi-squared with one degree of freedom.
            self._sums[6] += 3 * expected**2
        self._sums[:2] = rows, mean

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return pack(self._sums)

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._sums = unpack(state, self._sums)
