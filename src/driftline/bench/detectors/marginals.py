"""Laws of one column: values to draw, and the true probability of every bin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from driftline.stats import Column

    Floats = npt.NDArray[np.float64]

__all__ = [
    "Levels",
    "Marginal",
    "Numeric",
    "atoms",
    "contaminated",
    "laplace",
    "lognormal",
    "normal",
    "poisson",
    "student",
    "two_humps",
    "zero_inflated",
]


@dataclass(frozen=True)
class Numeric:
    """A column of numbers.

    Attributes
    ----------
    draw
        Draws n values.
    below
        ``P(X < x)`` for an array of x: strictly, which matters where the law has atoms.
    missing
        Share of rows without a value.
    """

    draw: Callable[[np.random.Generator, int], Floats]
    below: Callable[[Floats], Floats]
    missing: float = 0.0

    @property
    def kind(self) -> str:
        """Kind of the column."""
        return "numeric"

    def values(self, rng: np.random.Generator, rows: int) -> Floats:
        """Draw a column, NaN where missing."""
        drawn = self.draw(rng, rows)
        if self.missing:
            drawn = np.where(rng.random(rows) < self.missing, np.nan, drawn)
        return drawn

    def masses(self, column: Column, shift: Floats | None = None) -> Floats:
        """Return the true probabilities of a reference column's bins, unseen and missing.

        Parameters
        ----------
        shift
            What is added to the values, shape (k,); None for nothing.

        Returns
        -------
        float64 of shape (bins + 2,), or (k, bins + 2) with shifts.
        """
        edges = column.edges if shift is None else column.edges - shift[:, None]
        below = self.below(edges)
        inside = np.diff(below, axis=-1)
        unseen = below[..., :1] + 1 - below[..., -1:]
        found = np.concatenate([inside, unseen], axis=-1) * (1 - self.missing)
        return np.concatenate([found, np.full((*found.shape[:-1], 1), self.missing)], axis=-1)

    def cells(self, values: Floats) -> list[Any]:
        """Return drawn values as JSON scalars."""
        told: list[Any] = values.tolist()
        if self.missing:
            return [None if value != value else value for value in told]  # noqa: PLR0124 - NaN
        return told

    def with_missing(self, share: float) -> Numeric:
        """Return the same law with another share of rows without a value."""
        return replace(self, missing=share)


@dataclass(frozen=True)
class Levels:
    """A column of categories; values are drawn as positions in `names`."""

    names: tuple[str, ...]
    shares: tuple[float, ...]

    @property
    def kind(self) -> str:
        """Kind of the column."""
        return "categorical"

    @classmethod
    def of(cls, shares: Sequence[float]) -> Levels:
        """Name the levels by their position; shares are normalised."""
        whole = float(sum(shares))
        names = tuple(f"l{i:03}" for i in range(len(shares)))
        return cls(names, tuple(float(share) / whole for share in shares))

    def values(self, rng: np.random.Generator, rows: int) -> Floats:
        """Draw a column of positions."""
        steps = np.cumsum(self.shares)[:-1]
        return np.searchsorted(steps, rng.random(rows), side="right").astype(np.float64)

    def masses(self, column: Column, shift: Floats | None = None) -> Floats:
        """Return the true probabilities of a reference column's bins, unseen and missing."""
        found = np.zeros(column.bins + 2)
        for name, share in zip(self.names, self.shares, strict=True):
            found[column.codes[name]] += share
        if shift is None:
            return found
        assert not shift.any()  # categories do not shift
        return np.broadcast_to(found, (shift.size, found.size))

    def cells(self, values: Floats) -> list[Any]:
        """Return drawn positions as level names."""
        return [self.names[int(at)] for at in values.tolist()]


Marginal = Numeric | Levels


def normal(mean: float = 0.0, sd: float = 1.0) -> Numeric:
    """Return the normal law."""
    return Numeric(
        lambda rng, n: mean + sd * rng.standard_normal(n),
        lambda x: stats.norm.cdf(x, mean, sd),
    )


def lognormal(sd: float = 1.0) -> Numeric:
    """Return the law of ``exp(sd · z)``."""
    return Numeric(
        lambda rng, n: np.exp(sd * rng.standard_normal(n)),
        lambda x: stats.lognorm.cdf(x, sd),
    )


def student(freedom: float) -> Numeric:
    """Return Student's t."""
    return Numeric(
        lambda rng, n: rng.standard_t(freedom, n),
        lambda x: stats.t.cdf(x, freedom),
    )


def contaminated(share: float, times: float) -> Numeric:
    """Return the standard normal law with a share of values `times` as large."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        far = rng.random(n) < share
        return np.where(far, times, 1.0) * rng.standard_normal(n)

    def below(x: Floats) -> Floats:
        return (1 - share) * stats.norm.cdf(x) + share * stats.norm.cdf(x / times)

    return Numeric(draw, below)


def laplace(sd: float = 1.0) -> Numeric:
    """Return the double exponential law with mean 0."""
    scale = sd / 2**0.5
    return Numeric(
        lambda rng, n: rng.laplace(0.0, scale, n),
        lambda x: stats.laplace.cdf(x, 0.0, scale),
    )


def two_humps(apart: float) -> Numeric:
    """Return half ``N(apart, s²)``, half ``N(-apart, s²)``, of mean 0 and variance 1."""
    sd = (1 - apart**2) ** 0.5

    def draw(rng: np.random.Generator, n: int) -> Floats:
        return np.where(rng.random(n) < 0.5, apart, -apart) + sd * rng.standard_normal(n)

    def below(x: Floats) -> Floats:
        return (stats.norm.cdf(x, apart, sd) + stats.norm.cdf(x, -apart, sd)) / 2

    return Numeric(draw, below)


def atoms(values: Sequence[float], shares: Sequence[float]) -> Numeric:
    """Return a law on a few ascending numbers."""
    at = np.asarray(values, dtype=np.float64)
    steps = np.cumsum(np.asarray(shares) / np.sum(shares))
    summed = np.concatenate([[0.0], steps[:-1], [1.0]])
    return Numeric(
        lambda rng, n: at[np.searchsorted(steps[:-1], rng.random(n), side="right")],
        lambda x: summed[np.searchsorted(at, x, side="left")],
    )


def poisson(mean: float) -> Numeric:
    """Return Poisson's law, cut where less than 1e-12 is left."""
    values = np.arange(int(stats.poisson.isf(1e-12, mean)) + 1)
    return atoms(values.astype(np.float64).tolist(), stats.poisson.pmf(values, mean).tolist())


def zero_inflated(zeros: float) -> Numeric:
    """Return zero with the given share, lognormal otherwise."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        return np.where(rng.random(n) < zeros, 0.0, np.exp(rng.standard_normal(n)))

    def below(x: Floats) -> Floats:
        return zeros * (x > 0) + (1 - zeros) * stats.lognorm.cdf(x, 1.0)

    return Numeric(draw, below)
