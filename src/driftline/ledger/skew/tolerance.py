"""When a served value is the training value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.ledger.pairs import Floats
    from driftline.ledger.skew.rows import Scalar

__all__ = ["Tolerance", "Tolerances"]

FINEST = 1e-12
"""The narrowest relative tolerance: float64 arithmetic in another order differs by that much."""
WIDEST = 0.2
LARGEST = 1e100


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two numbers are the same if ``|served - training| <= atol + rtol · |training|``.

    Parameters
    ----------
    rtol
        From 1e-12 to 0.2. The default forgives a trip through float32 and sums in another
        order; larger ones hide rounding.
    atol
        In the feature's own units, from 0 to 1e100.

    Raises
    ------
    UsageError
        One of them is out of its range.
    """

    rtol: float = 1e-6
    atol: float = 1e-9

    def __post_init__(self) -> None:
        if not (FINEST <= self.rtol <= WIDEST and 0 <= self.atol <= LARGEST):
            msg = (
                f"skew.tolerance: expected rtol from {FINEST:g} to {WIDEST:g} and atol from 0 to "
                f"{LARGEST:g}, got rtol {self.rtol} and atol {self.atol}"
            )
            raise UsageError(msg)

    def same(self, served: Scalar, trained: Scalar) -> bool:
        """Return whether two values are the same; of different types they never are."""
        if type(served) is float and type(trained) is float:
            return abs(served - trained) <= self.atol + self.rtol * abs(trained)
        return type(served) is type(trained) and served == trained


@dataclass(frozen=True, slots=True)
class Tolerances:
    """The tolerance of each feature: its own, or the default."""

    default: Tolerance = field(default_factory=Tolerance)
    by_feature: Mapping[str, Tolerance] = field(default_factory=dict)

    def of(self, feature: str) -> Tolerance:
        """Return the tolerance of a feature."""
        return self.by_feature.get(feature, self.default)

    def stacked(self, features: Sequence[str]) -> tuple[Floats, Floats]:
        """Return rtol and atol of some features, each of shape (len(features), 1)."""
        found = [self.of(name) for name in features]
        both = np.array([[each.rtol, each.atol] for each in found], dtype=np.float64)
        rtol, atol = both.reshape(-1, 2, 1).transpose(1, 0, 2)
        return rtol, atol
