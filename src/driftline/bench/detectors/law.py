"""A law of traffic: columns, what ties them together, and how they change with the hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract import DAY
from driftline.stats import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.bench.detectors.dependence import Dependence, Path
    from driftline.bench.detectors.marginals import Marginal
    from driftline.contract import Contract

    Floats = npt.NDArray[np.float64]

__all__ = ["EVENTS", "FIRST", "Law", "Season", "Traffic", "draw_reference", "times"]

FIRST = 20_458 * DAY
"""Monday, 5 January 2026: references begin here, live traffic where they end."""
EVENTS = 100
"""Events in a slot."""


@dataclass(frozen=True)
class Season:
    """A cycle of the columns' means, in steps of a slot: within a slot the law does not move.

    Nothing is declared in the contract: the reference has to find it out.

    Attributes
    ----------
    shifts
        What is added to each column's values, float64 of shape (slots in a cycle, columns).
    """

    shifts: Floats

    def at(self, slots: npt.NDArray[np.int64]) -> Floats:
        """Return the shifts in slots counted from a Monday's midnight."""
        return self.shifts[slots % self.shifts.shape[0]]


@dataclass(frozen=True)
class Law:
    """Traffic that is stationary, apart from a season, with `EVENTS` events in every slot.

    Attributes
    ----------
    slot
        Length of a slot, microseconds.
    rows
        Rows of the reference.
    dependence
        What ties standard normal columns together; None where rows and columns are independent.
    """

    name: str
    about: str
    marginals: tuple[Marginal, ...]
    slot: int
    rows: int
    season: Season | None = None
    dependence: Dependence | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in the order in which references keep them."""
        return tuple(f"f{i:03}" for i in range(len(self.marginals)))

    def only(self, column: int) -> Law:
        """Return the law of one column, where columns are independent."""
        assert self.dependence is None
        season = None if self.season is None else Season(self.season.shifts[:, [column]])
        return replace(self, marginals=self.marginals[column : column + 1], season=season)


class Traffic:
    """The values of one stream of a law, block after block."""

    def __init__(self, law: Law, rng: np.random.Generator) -> None:
        self._law, self._rng = law, rng
        self._path: Path | None = None if law.dependence is None else law.dependence.path()

    def block(self, first: int, rows: int) -> Floats:
        """Draw the next rows.

        Parameters
        ----------
        first
            The slot, counted from `FIRST`, in which the first of them lies.

        Returns
        -------
        float64 of shape (rows, columns); positions for categories, NaN where missing.
        """
        law = self._law
        if self._path is not None:
            values = self._path(self._rng, rows, len(law.marginals))
        else:
            values = np.empty((rows, len(law.marginals)))
            for i, marginal in enumerate(law.marginals):
                values[:, i] = marginal.values(self._rng, rows)
        if law.season is not None:
            values += law.season.at(first + np.arange(rows) // EVENTS)
        return values


class Rows(Mapping[str, "Sequence[Any]"]):
    """Columns as JSON scalars, made when asked for: all at once would take gigabytes."""

    def __init__(self, law: Law, values: Floats) -> None:
        self._at = {name: i for i, name in enumerate(law.names)}
        self._law, self._values = law, values
        self._last: tuple[str, Sequence[Any]] = ("", ())

    def __getitem__(self, name: str) -> Sequence[Any]:
        if self._last[0] != name:
            at = self._at[name]
            cells = self._law.marginals[at].cells(self._values[:, at])
            self._last = name, cells
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


def draw_reference(law: Law, contract: Contract, rng: np.random.Generator) -> Reference:
    """Draw the rows of a reference and build it, as `driftline reference build` does."""
    values = Traffic(law, rng).block(0, law.rows)
    return Reference.build(
        contract.model, Rows(law, values), ts=times(law, 0, law.rows), slot=contract.slot
    )


def times(law: Law, first: int, rows: int) -> npt.NDArray[np.int64]:
    """Return the rows' event times in microseconds: evenly spread over each slot."""
    return FIRST + first * law.slot + np.arange(rows, dtype=np.int64) * law.slot // EVENTS
