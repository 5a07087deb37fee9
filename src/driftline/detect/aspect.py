"""What about a column has changed, in a word."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.effect import Effects
    from driftline.stats import Column

RANGE_TOLD = 3.0
"""A shift carries values over the edge too; only far more than that is told as out of range."""
_LOCATION_PART = 0.6
_SPREAD_TOLD = 0.1


class Told(NamedTuple):
    """Aspect, direction, size and its unit.

    Aspects are location, spread, shape, mix, range, unseen and missing; see `naming` for causes.
    """

    aspect: str
    direction: str
    effect: float
    unit: str


def tell(
    column: Column, effects: Effects, tolerance: Floats, *, values: bool = True, unseen: bool = True
) -> Told:
    """Name the change of a column's values; `effects` are of this one column.

    Parameters
    ----------
    tolerance
        Shape (3,), as in `EffectScale.tolerance`.
    values, unseen
        Which aspects are judged at all.
    """
    size = effects.size[0]
    relative = effects.net[0] / tolerance
    if unseen and (relative[1] > RANGE_TOLD * relative[0] or not values):
        return Told("range" if column.numeric else "unseen", _way(size[1]), float(size[1]), "rate")
    if not column.numeric:
        return Told("mix", "changed", float(size[0]), "total variation")
    shift, stretch = float(effects.shift[0]), float(effects.stretch[0])
    if abs(shift) >= _LOCATION_PART * size[0]:
        return Told("location", _way(shift), float(size[0]), "reference sd")
    if abs(math.log(max(stretch, 1e-9))) >= _SPREAD_TOLD:
        return Told("spread", _way(stretch - 1), float(size[0]), "reference sd")
    return Told("shape", "changed", float(size[0]), "reference sd")


def tell_missing(effects: Effects) -> Told:
    """Name the change of a column's missing rate."""
    size = float(effects.size[0, 2])
    return Told("missing", _way(size), size, "rate")


def _way(change: float) -> str:
    return "up" if change > 0 else "down"
