"""Pairs of feature rows as columns: what was served, and what training makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.events.numbers import Numbers
from driftline.ledger.pairs import Floats, Integers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Column", "Scalar", "SkewRows", "column_of", "scalars"]

Scalar = str | bool | float | None
Column = Floats | list[Scalar]
"""float64 of shape (n,), NaN where there is none; or n values of any type where not all of them are
numbers. Whether a feature is numeric is seen by its values alone: where a contract or a reference
names its type, the codec has let no other through."""


@dataclass(frozen=True, slots=True)
class SkewRows:
    """n pairs. A feature that a side does not name, or names as null, has no value there.

    Attributes
    ----------
    ids
        Prediction ids.
    ts
        Event time of serving, microseconds, int64 of shape (n,).
    served, trained
        Values by feature, as `Column`.
    sign
        +1, or -1 where an earlier pair is taken back, int8 of shape (n,).
    entities
        Whom each row is about, None where nobody says.
    """

    ids: list[str]
    ts: Integers
    served: dict[str, Column]
    trained: dict[str, Column]
    sign: npt.NDArray[np.int8]
    entities: list[str | None]

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        ts: Integers,
        served: Mapping[str, Sequence[Any] | Floats],
        trained: Mapping[str, Sequence[Any] | Floats],
        *,
        entities: Sequence[str | None] | None = None,
        sign: npt.NDArray[np.int8] | None = None,
    ) -> SkewRows:
        """Take columns as a frame has them: JSON scalars, None where there is none."""
        size = len(ids)
        return cls(
            list(ids),
            np.asarray(ts, dtype=np.int64),
            {name: column_of(values) for name, values in served.items()},
            {name: column_of(values) for name, values in trained.items()},
            np.ones(size, dtype=np.int8) if sign is None else sign,
            [None] * size if entities is None else list(entities),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Integers) -> SkewRows:
        """Return some of the rows, in the order given."""
        picked = rows.tolist()

        def some(columns: dict[str, Column]) -> dict[str, Column]:
            return {
                name: each[rows] if isinstance(each, np.ndarray) else [each[row] for row in picked]
                for name, each in columns.items()
            }

        return SkewRows(
            [self.ids[row] for row in picked],
            self.ts[rows],
            some(self.served),
            some(self.trained),
            self.sign[rows],
            [self.entities[row] for row in picked],
        )

    @property
    def names(self) -> list[str]:
        """Features that either side names, sorted."""
        return sorted(self.served.keys() | self.trained.keys())

    def pair(self, name: str) -> tuple[Column, Column]:
        """Return what was served of a feature, and what training says."""
        nothing = np.full(len(self), np.nan)
        return self.served.get(name, nothing), self.trained.get(name, nothing)


def scalars(column: Column) -> list[Scalar]:
    """Return the values of a column, None where there is none."""
    if isinstance(column, np.ndarray):
        return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124
    return column


def column_of(values: Sequence[Any] | Floats) -> Column:
    """Return a column of finite numbers, or of JSON scalars; anything else is no value."""
    if isinstance(values, Numbers):
        values = values.array
    elif not isinstance(values, np.ndarray) and not set(map(type, values)) <= _NUMERIC:
        column = [_scalar(value) for value in values]
        if any(value is not None and type(value) is not float for value in column):
            return column
        values = column
    found = np.array(values, dtype=np.float64)
    found[np.isinf(found)] = np.nan
    return found


_NUMERIC: set[type] = {int, float, type(None)}


def _scalar(value: Any) -> Scalar:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int | float) and abs(value) < float("inf"):
        return float(value)
    return None
