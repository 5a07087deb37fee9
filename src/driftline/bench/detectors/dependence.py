"""Rows that are not independent: of their predecessors, or across their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.signal import lfilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["Autoregression", "Dependence", "Factor", "Pairs", "Path"]


class Path(Protocol):
    """Turns independent standard normal rows into dependent ones, block after block."""

    def __call__(self, rng: np.random.Generator, rows: int, columns: int) -> Floats:
        """Draw the next rows, float64 of shape (rows, columns), each column standard normal."""
        ...


class Dependence(Protocol):
    """A kind of dependence; each stream has a path of its own."""

    def path(self) -> Path:
        """Start a path, in its stationary law."""
        ...


class Autoregression:
    """``x[t] = rho · x[t-1] + sqrt(1 - rho²) · z[t]`` between consecutive events, each column."""

    def __init__(self, rho: float) -> None:
        self._rho = rho

    def path(self) -> Path:
        """Start a path, in its stationary law."""
        rho, state = self._rho, np.empty(0)

        def step(rng: np.random.Generator, rows: int, columns: int) -> Floats:
            nonlocal state
            if not state.size:
                state = rho * rng.standard_normal((1, columns))
            z = rng.standard_normal((rows, columns))
            z *= (1 - rho**2) ** 0.5
            found, state = lfilter([1.0], [1.0, -rho], z, axis=0, zi=state)
            return np.asarray(found)

        return step


class Factor:
    """The first `members` columns share one factor: correlation `rho` between any two of them."""

    def __init__(self, members: int, rho: float) -> None:
        self._members, self._rho = members, rho

    def path(self) -> Path:
        """Start a path; rows are independent of one another."""

        def step(rng: np.random.Generator, rows: int, columns: int) -> Floats:
            found = rng.standard_normal((rows, columns))
            shared = rng.standard_normal((rows, 1))
            found[:, : self._members] *= (1 - self._rho) ** 0.5
            found[:, : self._members] += self._rho**0.5 * shared
            return found

        return step


class Pairs:
    """The columns of each given pair have correlation `rho`; all others are independent."""

    def __init__(self, pairs: Sequence[tuple[int, int]], rho: float) -> None:
        self._pairs, self._rho = tuple(pairs), rho

    def path(self) -> Path:
        """Start a path; rows are independent of one another."""

        def step(rng: np.random.Generator, rows: int, columns: int) -> Floats:
            found = rng.standard_normal((rows, columns))
            for one, other in self._pairs:
                found[:, other] *= (1 - self._rho**2) ** 0.5
                found[:, other] += self._rho * found[:, one]
            return found

        return step
