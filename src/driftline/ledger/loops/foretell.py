"""Predictions that foretell the next windows' inputs, beyond what inputs foretell themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.plain import plain

if TYPE_CHECKING:
    from driftline.ledger.loops.window import LoopWindow
    from driftline.ledger.pairs import Floats

__all__ = ["Foretell"]

MOST_WINDOWS = 120
"""Windows that are remembered."""
LEAST_WINDOWS = 70
"""Windows before anything is told."""
MOST_INPUTS = 50
"""Features that are looked at: the first by name of those that the first window has."""
LAGS = (1, 2, 3)
"""Windows from a prediction to the inputs that it may have shaped."""
EVERY = 10
"""Windows from one look to the next."""
GUARD = 5
"""Shifts next to none that are left out: they would show what is looked for."""
ALPHA = 0.02
"""Probability of a hint without cause, at one look."""


class Foretell:
    """Correlates the mean prediction of a window with the mean inputs of later ones.

    Both are freed of what they follow from anyway, their own last two values: neither a random walk
    nor memory is left in them. The largest correlation over inputs and lags is compared with those
    that predictions shifted against the inputs by any number of windows give, in a ring: a
    permutation that keeps what series have of their own, a season above all. (Shifted by a week,
    one with a weekly season looks the same: what comes of that is one among many like it.)

    It is a hint, never enough by itself: a prediction is made of inputs, and where these follow one
    another it does so too. It is told at the level `ALPHA` for each look.

    Notes
    -----
    Holds `MOST_WINDOWS` rows of `MOST_INPUTS` numbers at most; a look, every tenth window, costs
    about 5 ms.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows: list[list[float]] = []
        self._windows = 0
        self._chance: float | None = None
        self._found: tuple[str, int, float] | None = None

    def add(self, window: LoopWindow) -> None:
        """Take a window; one without a mean prediction, or with drifting inputs, is left out."""
        if window.mean_prediction is None or window.drifted:
            return
        if not self._names:
            self._names = sorted(window.inputs)[:MOST_INPUTS]
        values = [float(window.inputs.get(name, np.nan)) for name in self._names]
        row = [float(window.mean_prediction), *values]
        if not self._names or not np.isfinite(row).all():
            return
        self._rows = [*self._rows, row][-MOST_WINDOWS:]
        self._windows += 1
        if len(self._rows) >= LEAST_WINDOWS and self._windows % EVERY == 0:
            self._look()

    def _look(self) -> None:
        rows = np.array(self._rows)
        said, inputs = _innovations(rows[:, 0], rows[:, 1:])
        products = _ring(said, inputs)
        size = np.abs(products).max(axis=(0, 1))
        lag, name = np.unravel_index(np.abs(products[:, :, 0]).argmax(), products.shape[:2])
        others = size[GUARD:-GUARD]
        self._chance = float((1 + (others >= size[0]).sum()) / (1 + others.size))
        self._found = (self._names[int(name)], LAGS[int(lag)], float(products[lag, name, 0]))

    @property
    def hints(self) -> bool:
        """Whether predictions were found to foretell inputs at the last look."""
        return self._chance is not None and self._chance <= ALPHA

    def tell(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        if self._chance is None or self._found is None:
            return {"state": "unknown", "why": "too few windows with predictions and inputs"}
        name, lag, correlation = self._found
        return {
            "state": "told",
            "feature": name,
            "lag_windows": lag,
            "correlation": plain(correlation),
            "p": plain(self._chance),
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "names": self._names,
            "rows": self._rows,
            "windows": self._windows,
            "chance": self._chance,
            "found": self._found,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._names, self._rows = list(state["names"]), [list(row) for row in state["rows"]]
        self._windows, self._chance = state["windows"], state["chance"]
        self._found = None if state["found"] is None else tuple(state["found"])


def _innovations(said: Floats, inputs: Floats) -> tuple[Floats, Floats]:
    """Return what is new in each window, standardised, of shapes (n - 2,) and (n - 2, inputs)."""
    ones = np.ones(said.size - 2)
    new = np.empty((ones.size, inputs.shape[1]))
    for column in range(inputs.shape[1]):
        x = inputs[:, column]
        new[:, column] = _left(x[2:], np.stack([ones, x[1:-1], x[:-2]], axis=1))
    basis = np.stack([ones, said[1:-1], said[:-2]], axis=1)
    return _standard(_left(said[2:], basis)), _standard(new)


def _left(y: Floats, basis: Floats) -> Floats:
    """Return what a linear fit leaves of y."""
    return np.asarray(y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0])


def _standard(x: Floats) -> Floats:
    centred = x - x.mean(axis=0)
    return np.asarray(centred / np.maximum(np.sqrt((centred**2).mean(axis=0)), 1e-300))


def _ring(said: Floats, inputs: Floats) -> Floats:
    """Correlate in a ring: (lags, inputs, shifts), the first shift being none."""
    n = said.size
    turn = np.fft.rfft(inputs, axis=0) * np.conj(np.fft.rfft(said))[:, None]
    # Place k: the mean of said[t] · inputs[t + k].
    every = np.fft.irfft(turn, n, axis=0).T / n
    return np.stack([np.roll(every, -lag, axis=1) for lag in LAGS])
