"""Bets against a promise: Shiryaev-Roberts statistics, and what came since each one's change.

Each bet multiplies what it holds by ``1 + bet · gain`` for every row, after taking one new start a
step: ``M <- (M + 1) Π (1 + bet · gain)``. While the promise is kept the product is 1 in the mean or
less, so M grows by no more than 1 a step, and so does the mean over bets: it reaches A after A
steps or more in the mean, whatever the law of the rows (Shin, Ramdas, Rinaldo 2022, E-detectors).
Where slots differ by more than chance, rows are raised to a power below 1: see `scatter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.state import pack, unpack
from driftline.ledger.scatter import LONGEST, Scatter

if TYPE_CHECKING:
    from driftline.ledger.gains import Stake
    from driftline.ledger.pairs import Floats

RATIO = 1.8
"""From a bet to the next larger one. The best bet is then at most a third off, which costs at most
a tenth of the speed at which evidence grows."""
BOLDEST = 0.9
"""Largest bet, as part of the one that a single row can ruin."""
MOST_BETS = 24
CEILING = 30.0
"""Logarithm of the evidence above the alarm's that is not counted further."""


def ladder(slow: float, least: float) -> Floats:
    """Return the bets, from the smallest worth making to the largest safe one.

    Parameters
    ----------
    slow, least
        As in `Gains`.
    """
    top = BOLDEST / -least
    low = min(slow, top)
    steps = min(1 + int(np.ceil(np.log(top / low) / np.log(RATIO))), MOST_BETS)
    return np.geomspace(low, top, steps) if steps > 1 else np.array([top])


class Bets:
    """A mixture of bets on one promise.

    Attributes
    ----------
    held
        The Shiryaev-Roberts statistic, float64 of shape (bets,).
    run
        Sum of a bet's log ratios since it was last below 0 (CUSUM), shape (bets,): the maximum
        likelihood estimate of where a change began, for a bet that is right.
    since
        When that was, microseconds, int64 of shape (bets,).
    total, weight, rows
        Sums since then: the metric's numerator and denominator, and pairs; shape (bets,).

    Parameters
    ----------
    sizes
        Shape (bets,).
    arl
        Mean number of steps to a false alarm, at least.
    scattered
        Whether steps may differ by more than chance, which is learnt. Else each step by itself has
        to keep the promise in the mean.
    """

    held: Floats
    run: Floats
    total: Floats
    weight: Floats
    rows: Floats

    def __init__(
        self, sizes: Floats, arl: float, *, longest: int = LONGEST, scattered: bool = True
    ) -> None:
        self._sizes = sizes
        self._goal = float(np.log(arl))
        self._ceiling = np.exp(min(self._goal + CEILING, 600.0))
        self._scatter = Scatter(longest)
        self._scattered = scattered
        self.since = np.zeros(sizes.size, dtype=np.int64)
        self.forget()

    def forget(self) -> None:
        """Begin afresh."""
        for name in _SUMS:
            setattr(self, name, np.zeros(self._sizes.size))
        self.since = np.zeros_like(self.since)

    def step(self, stake: Stake, start: int, rows: float) -> None:
        """Take one step: what was staked, when the first of its pairs came, and how many there are.

        Costs about 2 µs, and 20 ns for each kind of row and bet.
        """
        ratio = stake.rows @ np.log1p(stake.gains[:, None] * self._sizes)
        if self._scattered:
            ratio *= self._scatter.worth(stake)
            self._scatter.learn(stake)
        # No bet needs more than e**80 in one step.
        held = (self.held + 1) * np.exp(np.minimum(ratio, 80.0))
        self.held = np.minimum(held, self._ceiling)
        fresh = self.run <= 0
        self.run = np.maximum(self.run + ratio, 0.0)
        self.since[fresh] = start
        for name, value in (("total", stake.total), ("weight", stake.weight), ("rows", rows)):
            setattr(self, name, np.where(fresh, 0.0, getattr(self, name)) + value)

    @property
    def evidence(self) -> float:
        """Logarithm of the evidence over that of an alarm: it rings at 0; -inf before any."""
        with np.errstate(divide="ignore"):
            return float(np.log(self.held.mean()) - self._goal)

    @property
    def best(self) -> int:
        """Which bet has won most."""
        return int(self.held.argmax())

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        held = {name: pack(getattr(self, name)) for name in (*_SUMS, "since")}
        return {**held, "scatter": self._scatter.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        for name in (*_SUMS, "since"):
            setattr(self, name, unpack(state.get(name, {}), getattr(self, name)))
        self._scatter.restore(state.get("scatter", {}))


_SUMS = ("held", "run", "total", "weight", "rows")
