"""A confidence sequence for values with known bounds that come in batches, honest from the start.

For values x of mean m that are never more than c below a centre known before, and a bet l known
before, below 1 / c, ``exp(l (x - m) - (x - centre)² ψ(l c) / c²)`` with ``ψ(u) = -ln(1 - u) - u``
has a mean of 1 or less. Products of these are bounded by ``2 / alpha`` at all times together on
either side, which is an interval for m. All rows of a batch have one bet and one centre, so sums of
the values and of their squares are all that is asked of it. Howard, Ramdas, McAuliffe, Sekhon
(2021), Time-uniform, nonparametric, nonasymptotic confidence sequences; bets as in Waudby-Smith
and Ramdas (2024), Estimating means of bounded random variables by betting.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driftline.ledger.contrast import Contrast

__all__ = ["Bernstein"]

BOLDEST = 0.5
"""Largest bet, as part of the one that a single row can ruin."""


class Bernstein:
    """Bounds of the mean of batches' values, each batch within a reach of its own.

    Parameters
    ----------
    alpha
        Probability that the mean is ever outside. Where the mean moves, it is that of the rows so
        far, each as heavy as its bet.

    Notes
    -----
    Rows that are taken back count with the bet and centre of the batch that takes them back. The
    promise is for values that stay: a few that do not hardly matter.
    """

    def __init__(self, alpha: float) -> None:
        self._log = math.log(2 / alpha)
        self._rows, self._total, self._squares = 0, 0.0, 0.0
        self._staked, self._won, self._spent = 0.0, 0.0, 0.0

    def add(self, batch: Contrast, reach: float) -> None:
        """Take a batch.

        Parameters
        ----------
        reach
            No value of it is larger than this, or below minus this; known before the values are.
        """
        width = 2 * reach
        seen = max(self._rows, 0)
        centre = self._total / seen if seen else 0.0
        centre = min(max(centre, -reach), reach)
        # One more row that is half the width off: there is some scatter even in equal values.
        scatter = max(self._squares - 2 * centre * self._total + seen * centre**2, 0.0)
        variance = (width * width / 4 + scatter) / (seen + 1)
        till = max(seen + batch.rows, 1)
        bet = math.sqrt(2 * self._log / (variance * till * math.log(till + 1)))
        bet = min(bet, BOLDEST / width)
        off = batch.squares - 2 * centre * batch.total + batch.rows * centre**2
        self._staked += bet * batch.rows
        self._won += bet * batch.total
        # What has been spent does not come back with rows that are taken back.
        part = bet * width
        self._spent += max(off, 0.0) / (width * width) * (-math.log1p(-part) - part)
        self._rows += batch.rows
        self._total += batch.total
        self._squares += batch.squares

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound; infinite before there are rows."""
        if self._staked <= 0:
            return -math.inf, math.inf
        centre, half = self._won / self._staked, (self._log + self._spent) / self._staked
        return centre - half, centre + half

    def snapshot(self) -> list[Any]:
        """Return the state as JSON values."""
        return [
            self._rows,
            self._total,
            self._squares,
            self._staked,
            self._won,
            self._spent,
        ]

    def restore(self, state: list[Any]) -> None:
        """Take up what `snapshot` gave."""
        self._rows, self._total, self._squares, *bets = state
        self._staked, self._won, self._spent = bets
