"""By how much more a metric varies from slot to slot than its rows alone would make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.state import pack, unpack

if TYPE_CHECKING:
    from driftline.ledger.gains import Stake

KEPT = 0.995
"""Part of what was learnt that a comparison leaves: some 200 of each length are remembered."""
LONGEST = 2_048
"""Steps in the longest stretches that are compared."""
LEAST = 8
"""Comparisons before a length of stretches is heard: a single change is no weather."""
FARTHEST = 9.0
"""How much more than expected one comparison may count."""


class Scatter:
    """The correlation of rows that came together, learnt from stretch to stretch.

    Rows of one slot share its weather: a customer, an hour, a fault upstream; and weather lasts.
    They then tell less than as many independent ones would: n rows with the correlation r are worth
    n / (1 + (n-1) r). The mean gains of two stretches in a row differ by ``v (1/n + 1/n' + 2 r)``
    in the mean square, v being the variance of a row (Allan 1966); as neighbours are compared, a
    lasting change of level counts once for each length. What rows are worth is what they are worth
    over the length at which they tell least: a bad evening is one event, however many rows it has.
    One standard deviation of chance is left off, so independent rows cost almost nothing.

    It knows earlier steps only, so what it takes off a bet leaves the bet's promise as it is.

    Parameters
    ----------
    longest
        Steps over which a metric is promised: what goes up and down over longer times is no
        weather, it is kept or broken promises. Single steps, and stretches of 2, 4, 8, … of them
        are compared, up to this length.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        # Rows and mean gain of the last stretch of each length; rows and summed gains of the one
        # that waits for its other half; what neighbours differ by beyond chance, of how much, its
        # variance by chance, and how many were compared.
        self._of = np.zeros((max(1, min(longest, LONGEST)).bit_length(), 8))
        # Squared deviations and degrees of freedom inside slots.
        self._within = np.zeros(2)

    def correlations(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the correlation of two rows of one stretch, from 0 to 1, for each length."""
        excess, known, noise, compared = self._of.T[4:]
        found = (excess - np.sqrt(noise)) / np.maximum(known, 1e-300)
        found[(known <= 0) | (compared < LEAST)] = 0.0
        return np.clip(found, 0.0, 1.0)

    def worth(self, stake: Stake) -> float:
        """Return what a row of a step is worth beside an independent one, in (0, 1]."""
        rows = self._of[:, 0].copy()
        rows[0] = float(stake.rows.sum())
        return 1 / float((1 + np.maximum(rows - 1, 0.0) * self.correlations()).max())

    def learn(self, stake: Stake) -> None:
        """Take a step; of one in which rows are taken back nothing is learnt."""
        rows = float(stake.rows.sum())
        if rows <= 0 or stake.rows.min() < 0:
            return
        total = float((stake.rows * stake.gains).sum())
        self._within *= KEPT
        self._within += (
            float((stake.rows * (stake.gains - total / rows) ** 2).sum()),
            max(rows - 1, 0.0),
        )
        for own in self._of:
            self._compare(own, rows, total / rows)
            own[2:4] += rows, total
            if own[2] == rows:
                return
            rows, total = own[2:4].tolist()
            own[2:4] = 0.0

    def _compare(self, own: Any, rows: float, mean: float) -> None:
        last_rows, last_mean = own[:2].tolist()
        own[:2] = rows, mean
        if not last_rows or self._within[1] <= 0:
            return
        variance = float(self._within[0] / self._within[1])
        expected = variance * (1 / rows + 1 / last_rows)
        excess, known = own[4:6].tolist()
        usual = expected + 2 * variance * max(excess, 0.0) / known if known else expected
        own[4:] *= KEPT
        own[4] += min((mean - last_mean) ** 2, FARTHEST * usual) - expected
        own[5] += 2 * variance
        # Neighbours overlap: 3 in place of the 2 of a chi-squared with one degree of freedom.
        own[6] += 3 * expected**2
        own[7] += 1

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {"of": pack(self._of), "within": pack(self._within)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._of = unpack(state.get("of", {}), self._of)
        self._within = unpack(state.get("within", {}), self._within)
