"""A hidden feedback loop: a model that is trained again and again on labels that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from driftline.simulate.errors import ScenarioError
from driftline.simulate.ridge import fit, predict

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HiddenLoop", "LoopRows", "friedman"]

Floats = npt.NDArray[np.float64]

FEATURES = 10
NOISE = 3.0
"""Standard deviation of the labels' noise: a linear model then explains 57 % of their variance."""


class LoopRows(NamedTuple):
    """The rows between two trainings.

    Attributes
    ----------
    version
        Of the model that predicted them: 0, 1, 2, …
    features
        Shape (n, 10).
    prediction, label
        What the model said, and what was recorded, each of shape (n,).
    used
        Whether the recorded label follows the prediction, shape (n,).
    truth
        The label that would have been recorded had nobody seen a prediction, shape (n,).
    """

    version: int
    features: Floats
    prediction: Floats
    label: Floats
    used: npt.NDArray[np.bool_]
    truth: Floats


@dataclass(frozen=True, slots=True)
class HiddenLoop:
    """A ridge regression of Friedman's first function, on a sliding window of its own labels.

    The first window is honest. Then rows come one by one, and with the probability `usage` a row's
    recorded label is drawn from a normal law about the prediction, with `noise` times the model's
    mean absolute error as standard deviation; that is measured on a quarter of the window which the
    model was not trained on. After each `every` rows the window has moved on, and the model is
    trained again.

    Attributes
    ----------
    usage
        Probability that a label follows the prediction; 0: no loop.
    noise
        How loosely it follows: 0 copies the prediction. (Called adherence in the paper.)
    rows
        Rows after the first window, `before` ones and those in the loop.
    before
        How many of these come before anybody looks at predictions.
    window, every
        Rows that a model is trained on, and rows from one training to the next.
    seed
        Equal seeds give equal rows, and the same features and truth for any usage.

    Raises
    ------
    ScenarioError
        A usage that is no probability, or counts of rows that make no sense.

    References
    ----------
    Khritankov (2021), Hidden feedback loops in machine learning systems: a simulation model and
    preliminary results. Friedman (1991), Multivariate adaptive regression splines.

    Examples
    --------
    >>> [rows.label.size for rows in HiddenLoop(usage=0.5, rows=100).draw()]
    [50, 50]
    """

    usage: float
    noise: float = 0.2
    rows: int = 1400
    before: int = 0
    window: int = 600
    every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what was asked for."""
        if not (0 <= self.usage <= 1 and self.noise >= 0):
            msg = (
                "loop: expected a usage from 0 to 1 and a noise of 0 or more, "
                f"got {self.usage}, {self.noise}"
            )
            raise ScenarioError(msg)
        if self.window < 4 * FEATURES or self.every < 1 or not 0 <= self.before <= self.rows:
            msg = (
                f"loop: expected a window of {4 * FEATURES} rows or more, trained at least every "
                f"row, and no more rows before the loop than rows, got window {self.window}, "
                f"every {self.every}, before {self.before} of {self.rows}"
            )
            raise ScenarioError(msg)

    def draw(self) -> Iterator[LoopRows]:
        """Yield the rows, training by training; those left at the end as they are."""
        world, echo, split = (
            np.random.default_rng(seed) for seed in np.random.SeedSequence(self.seed).spawn(3)
        )
        x, y = friedman(world, self.window + self.rows)
        # What each row would do, whatever the usage is.
        chance, wobble = echo.random(y.size), echo.standard_normal(y.size)
        recorded = y.copy()
        for version, start in enumerate(range(self.window, y.size, self.every)):
            seen = np.arange(start - self.window, start)
            weights, mae = _train(x[seen], recorded[seen], split)
            rows = np.arange(start, min(start + self.every, y.size))
            prediction = predict(weights, x[rows])
            used = (chance[rows] < self.usage) & (rows >= self.window + self.before)
            followed = prediction + self.noise * mae * wobble[rows]
            recorded[rows] = np.where(used, followed, y[rows])
            yield LoopRows(version, x[rows], prediction, recorded[rows], used, y[rows])


def friedman(rng: np.random.Generator, rows: int) -> tuple[Floats, Floats]:
    """Draw features, uniform on [0, 1], of which five matter, and noisy labels: (n, 10), (n,)."""
    x = rng.random((rows, FEATURES))
    y = (
        10 * np.sin(np.pi * x[:, 0] * x[:, 1])
        + 20 * (x[:, 2] - 0.5) ** 2
        + 10 * x[:, 3]
        + 5 * x[:, 4]
    )
    return x, y + NOISE * rng.standard_normal(rows)


def _train(x: Floats, y: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    """Fit three quarters of the rows; return weights, and the mean absolute error on the rest."""
    order = rng.permutation(y.size)
    held, seen = np.split(order, [y.size // 4])
    weights = fit(x[seen], y[seen])
    return weights, float(np.abs(y[held] - predict(weights, x[held])).mean())
