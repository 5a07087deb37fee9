"""Bets on shares of variance, and what each of them has gained since its change began."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract import SECOND
from driftline.detect.law import SLACK
from driftline.detect.state import pack, unpack
from driftline.detect.wealth import CEILING, USUAL
from driftline.stats.dependence import SLOPES

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.detect.betting import Floats

    Contrasts = npt.NDArray[np.int64]
    Singles = npt.NDArray[np.float32]

MEMORY_ROWS = 20_000.0
"""Rows over which a gain is averaged at most."""
FARTHEST = 40.0
"""Logarithm of what one block can win or lose."""
HIGHEST = 45.0
"""Logarithm of the most evidence held: together with `FARTHEST` a number of single precision."""
_SLOPES = SLOPES[:, None].astype(np.float32)
_MEAN_ABSOLUTE = (2 / math.pi) ** 0.5


class ShareBets:
    """Shiryaev-Roberts statistics of the bets on each contrast (a share of variance).

    A bet with slope s pays ``exp(s · m · u - m · price)`` for a block of m rows whose level lies u
    spreads above the reference's: by the law of the reference's own rows that is 1 in the mean, and
    with the reference's uncertainty and a part of the tolerance in the price it is less.

    Attributes
    ----------
    held
        The statistic, float32 of shape (slopes, contrasts).
    age
        How long before the last block's start the change began, seconds: the mean over all starts,
        weighted by their evidence (Shiryaev 1963, with a flat prior); float32 of that shape.
    gain, rows
        Sum of m · u, and rows, since then: means with the same weights; float32 of that shape.
    usual
        Running mean of the rows of a block, shape (1,).
    now
        Start of the last block, microseconds, shape (1,).

    Parameters
    ----------
    level, spread, rho, price
        As in `Dependence`, of the contrasts that are bet on.
    bias
        What m times the expected level of m rows lies above the reference's.
    slack
        What counts as no change at all, in levels.
    weight
        Of each contrast, shape (contrasts,); they add up to 1.
    arl
        Mean blocks to a false alarm.
    known
        Rows of the reference.
    """

    def __init__(
        self,
        level: Floats,
        spread: Floats,
        rho: Floats,
        price: Floats,
        *,
        bias: Floats,
        slack: Floats,
        weight: Floats,
        arl: float,
        known: int,
    ) -> None:
        self._level, self._spread, self._rho = level, spread, rho
        self._known = max(known, 1)
        dear = price.T + np.abs(_SLOPES) * (SLACK * slack / spread)
        # Of many thousand bets: single precision is as good here, and takes half the time.
        self._price = dear.astype(np.float32)
        self._bias, self._inflation = (bias / spread).astype(np.float32), rho.astype(np.float32)
        self.weight = weight / (SLOPES.size * arl)
        goal = -np.log(np.maximum(self.weight, 1e-30))
        self._ceiling = np.exp(np.minimum(goal + CEILING, HIGHEST)).astype(np.float32)
        self.held = np.zeros((SLOPES.size, level.size), dtype=np.float32)
        self.gain, self.rows, self.age = np.zeros((3, level.size), dtype=np.float32)
        self.usual = np.zeros(1)
        self.now = np.zeros(1, dtype=np.int64)

    def step(
        self, level: Floats, rows: Floats, start: int, blocked: npt.NDArray[np.bool_]
    ) -> tuple[Singles, Singles]:
        """Take a block of levels and the rows that tell them, both of shape (contrasts,).

        Returns
        -------
        Sum of m · u and m of this block, both 0 where nothing could be told.
        """
        self.usual += (USUAL if self.usual[0] else 1.0) * (rows.max() - self.usual)
        # Means and variances are estimated too: a block is worth three rows less.
        m = np.maximum(rows - 3, 0.0).astype(np.float32)
        told = m > 0
        gained = m * ((level - self._level) / self._spread).astype(np.float32)
        gained -= self._bias
        gained *= told
        worth = 1 / (1 + (m + np.float32(2)) * self._inflation)
        ratio = _SLOPES * (gained * worth)
        ratio -= self._price * (m * worth)
        paid = np.exp(np.clip(ratio, -FARTHEST, FARTHEST, out=ratio), out=ratio)
        held = self.held + np.float32(1)
        held *= paid
        old = 1 - paid.sum(axis=0) / held.sum(axis=0)
        self.age += np.float32((start - int(self.now[0])) / SECOND)
        self.now[0] = start
        now = {
            "held": np.minimum(held, self._ceiling, out=held),
            "gain": self.gain * old + gained,
            "rows": self.rows * old + m,
            "age": self.age * old,
        }
        idle = blocked | ~told
        if idle.any():
            for name, value in now.items():
                value[..., idle] = getattr(self, name)[..., idle]
        for name, value in now.items():
            setattr(self, name, value)
        if self.rows.max() > MEMORY_ROWS:
            fade = np.minimum(MEMORY_ROWS / np.maximum(self.rows, 1), 1).astype(np.float32)
            self.gain *= fade
            self.rows *= fade
        return gained, m

    def parts(self) -> Floats:
        """Return each contrast's part of the alarm: it rings where they add up to 1."""
        return np.asarray(self.held.sum(axis=0) * self.weight)

    def gained(self, contrasts: Contrasts) -> tuple[Floats, Floats]:
        """Return `gain` and `rows` of some contrasts."""
        return self.gain[contrasts].astype(np.float64), self.rows[contrasts].astype(np.float64)

    def start_of(self, contrast: int) -> float:
        """Return when the change of a contrast began, microseconds."""
        return float(self.now[0]) - SECOND * float(self.age[contrast])

    def level_of(self, contrasts: Contrasts, gain: Floats, rows: Floats) -> Floats:
        """Return the levels that gains over some rows stand for."""
        above = self._spread[contrasts] * gain / np.maximum(rows, 1.0)
        return np.asarray(self._level[contrasts] + above)

    def noise(self, contrasts: Contrasts, rows: Floats) -> Floats:
        """Return the mean distance to the reference's level that chance alone makes."""
        inflation = 1 + max(float(self.usual[0]) - 1, 0.0) * self._rho[contrasts]
        variance = inflation * (1 / np.maximum(rows, 1.0) + 1 / self._known)
        return np.asarray(_MEAN_ABSOLUTE * self._spread[contrasts] * np.sqrt(variance))

    def forget(self, which: npt.NDArray[np.bool_]) -> None:
        """Set the bets on some contrasts back to nothing."""
        for name in _OF_CONTRASTS:
            getattr(self, name)[..., which] = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {name: pack(getattr(self, name)) for name in _FIELDS}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        for name in _FIELDS:
            setattr(self, name, unpack(state.get(name, {}), getattr(self, name)))


_OF_CONTRASTS = ("held", "gain", "rows", "age")
_FIELDS = (*_OF_CONTRASTS, "usual", "now")
