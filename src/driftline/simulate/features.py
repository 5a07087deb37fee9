"""What a simulated feature is, and the columns it is drawn into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from driftline.simulate.encode import NULL, number_tokens, tokens

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.simulate.encode import Tokens

__all__ = ["NEW_LEVEL", "Columns", "Feature", "FeatureKind", "categorical", "zipf"]

NEW_LEVEL = "unheard-of"
"""The level that no reference holds, code ``len(levels)``."""

FeatureKind = Literal["numeric", "integer", "categorical", "boolean"]

Columns = dict[str, "npt.NDArray[Any]"]
"""By feature name: float64 with NaN for missing (numeric, integer), or int64 codes into the
levels with -1 for missing (categorical, boolean)."""


@dataclass(frozen=True, eq=False)
class Feature:
    """One feature of a simulated model.

    Attributes
    ----------
    levels, shares
        Levels of a categorical feature and their probabilities, float64 of shape (levels,).
    missing
        Share of values that are missing in healthy traffic, in [0, 1).
    decimals
        Digits after the point that the producer sends of a numeric value.
    moves_with
        Features that it is correlated with.
    about
        A few words for the list of features.
    """

    name: str
    kind: FeatureKind
    about: str = ""
    levels: tuple[str, ...] = ()
    shares: npt.NDArray[np.float64] | None = None
    missing: float = 0.0
    decimals: int = 2
    moves_with: tuple[str, ...] = ()

    @property
    def counted(self) -> bool:
        """True where values are numbers."""
        return self.kind in {"numeric", "integer"}

    @cached_property
    def words(self) -> list[Any]:
        """What each code stands for; one past the levels is the one nobody knows."""
        return [False, True] if self.kind == "boolean" else [*self.levels, NEW_LEVEL]

    @cached_property
    def _table(self) -> npt.NDArray[np.object_]:
        # Code -1, missing, picks the last entry.
        table = np.empty(len(self.words) + 1, dtype=object)
        table[:] = tokens([*self.words, None])
        return table

    def sent(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a column to the digits that the producer sends."""
        return np.round(column, self.decimals) if self.kind == "numeric" else column

    def to_tokens(self, column: npt.NDArray[Any]) -> Tokens:
        """Encode a column as the producer sends it, missing as null.

        Parameters
        ----------
        column
            Shape (n,), as in `Columns`.
        """
        if self.kind == "numeric":
            return number_tokens(self.sent(column))
        if self.kind == "integer":
            gone = np.isnan(column)
            sent = number_tokens(np.where(gone, 0.0, column).astype(np.int64))
            for row in np.flatnonzero(gone).tolist():
                sent[row] = NULL
            return sent
        return self._table[column].tolist()

    def draw_codes(self, rng: np.random.Generator, rows: int) -> npt.NDArray[np.int64]:
        """Draw level codes by `shares`, int64 of shape (rows,)."""
        assert self.shares is not None
        cumulated = np.cumsum(self.shares)
        codes = np.searchsorted(cumulated, rng.random(rows) * cumulated[-1], side="right")
        return np.minimum(codes, self.shares.size - 1).astype(np.int64)

    def lose(self, rng: np.random.Generator, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Make the healthy share of a column's values missing."""
        if not self.missing:
            return column
        gone = rng.random(column.size) < self.missing
        return np.where(gone, np.nan if self.counted else -1, column)


def categorical(
    name: str, levels: dict[str, float], about: str = "", missing: float = 0.0
) -> Feature:
    """Return a categorical feature from {level: share}; the shares are normalised."""
    shares = np.array(list(levels.values()), dtype=np.float64)
    return Feature(
        name, "categorical", about, tuple(levels), shares / shares.sum(), missing=missing
    )


def zipf(name: str, prefix: str, levels: int, exponent: float, about: str = "") -> Feature:
    """Return a categorical feature of many levels, whose shares fall as rank ** -exponent."""
    shares = np.arange(1, levels + 1, dtype=np.float64) ** -exponent
    names = tuple(f"{prefix}{i}" for i in range(levels))
    return Feature(name, "categorical", about, names, shares / shares.sum())
