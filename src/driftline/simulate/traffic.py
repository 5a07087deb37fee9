"""What a simulated model is: how its features come about and what it makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.simulate.encode import Tokens
    from driftline.simulate.features import Columns, Feature

__all__ = ["DAY_US", "Moments", "Traffic", "daily", "memory", "sigmoid"]

DAY_US = 86_400_000_000
PROFILE_ROWS = 20_000


class Moments(NamedTuple):
    """Mean and standard deviation of a feature's present values in healthy traffic."""

    mean: float
    sd: float


class Traffic(ABC):
    """A model with its world: features, predictions, labels, decisions, outcomes.

    Subclasses say how features are drawn and how the model scores them; all are vectorised over
    rows and use no randomness but the generator they are handed.

    Parameters
    ----------
    name
        The model's name in events; the kind's own name where left out.
    calm
        True for traffic without season and memory, so that rows are independent.
    """

    kind: ClassVar[str]
    about: ClassVar[str]
    version: ClassVar[str] = "1"
    act_when: ClassVar[float] = 0.5
    entities: ClassVar[int] = 5_000
    classes: ClassVar[tuple[str, ...]] = ()
    """What a label may be, the positive class last; empty where it is a number."""
    label_decimals: ClassVar[int] = 6
    """Digits after the point that a label has, where it is a number."""

    features: tuple[Feature, ...]

    def __init__(self, name: str | None = None, *, calm: bool = False) -> None:
        self.name = name or self.kind
        self.calm = calm

    @abstractmethod
    def draw(
        self, ts: npt.NDArray[np.int64], rng: np.random.Generator, held: dict[str, float]
    ) -> Columns:
        """Draw one row of features for each instant.

        Parameters
        ----------
        ts
            Event time, microseconds since the epoch, ascending; int64 of shape (n,).
        held
            What the model's world remembers from row to row; read and updated.
        """

    @abstractmethod
    def score(self, columns: Columns) -> npt.NDArray[np.float64]:
        """Score rows by the model's fixed rule; missing values count as the mean. Shape (n,)."""

    @abstractmethod
    def answer(self, score: npt.NDArray[np.float64]) -> dict[str, Tokens]:
        """Encode the fields ``prediction`` and, where the model sends it, ``score``."""

    @abstractmethod
    def label(self, score: npt.NDArray[np.float64], rng: np.random.Generator) -> list[Any]:
        """Draw what really came of each row, given the score that its true features earn."""

    @abstractmethod
    def act(self, score: npt.NDArray[np.float64]) -> list[str]:
        """Return the action that the policy takes for each score."""

    @abstractmethod
    def best(self, labels: Sequence[Any]) -> list[str]:
        """Return the action that what really came of each row proves right."""

    @abstractmethod
    def worth(
        self, actions: Sequence[str], labels: Sequence[Any], rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Return what each action was worth, given what really came of it."""

    def feature(self, name: str) -> Feature | None:
        """Return a feature by name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """Moments of the numeric features, from a seeded sample spread over one day."""
        rng = np.random.default_rng([0, PROFILE_ROWS])
        ts = np.arange(PROFILE_ROWS, dtype=np.int64) * (DAY_US // PROFILE_ROWS)
        columns = self.draw(ts, rng, {})
        found = {}
        for feature in self.features:
            if feature.counted:
                present = columns[feature.name]
                present = present[np.isfinite(present)]
                found[feature.name] = Moments(float(present.mean()), float(present.std()))
        return found

    def standard(self, columns: Columns, name: str) -> npt.NDArray[np.float64]:
        """Return a numeric column in healthy standard deviations; missing values become 0."""
        mean, sd = self.moments[name]
        z = (columns[name] - mean) / sd
        return np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)


def sigmoid(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Logistic function, safe against overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0))))


def memory(
    rng: np.random.Generator, rows: int, rho: float, held: dict[str, float], name: str
) -> npt.NDArray[np.float64]:
    """Draw an AR(1) series of variance 1 over consecutive rows, going on where `held` left off.

    Parameters
    ----------
    rho
        Correlation from row to row, in [0, 1); 0 makes rows independent.
    """
    noise = rng.standard_normal(rows)
    if rho == 0 or not rows:
        return noise
    last = held.get(name)
    start = float(noise[0]) if last is None else last
    steps = (noise * np.sqrt(1 - rho * rho)).tolist()
    series = list(accumulate(steps, lambda before, step: rho * before + step, initial=start))
    held[name] = series[-1]
    return np.array(series[1:])


def daily(ts: npt.NDArray[np.int64], peak_hour: float) -> npt.NDArray[np.float64]:
    """Return a daily cycle in [-1, 1] with its peak at an hour of the UTC day."""
    day = (ts % DAY_US) / DAY_US
    return np.cos(2 * np.pi * (day - peak_hour / 24))
