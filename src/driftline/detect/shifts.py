"""Shifts that are planted into a column's law, to see whether they would be found."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from driftline.contract import PlantedShift
from driftline.detect.law import normal_scores

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.events.frame import Kind
    from driftline.stats import Column

_NORMAL = NormalDist()


def _of(
    what: Literal["mean", "spread", "missing", "mix", "new"], *sizes: float
) -> list[PlantedShift]:
    return [PlantedShift(what=what, size=size) for size in sizes]


SHIFTS: dict[Kind, tuple[PlantedShift, ...]] = {
    "numeric": (
        *_of("mean", 0.25, 0.5, 1.0, 2.0),
        *_of("spread", 1.5, 2.0),
        *_of("missing", 0.01, 0.04, 0.2),
    ),
    "categorical": (
        *_of("mix", 0.05, 0.1, 0.2),
        *_of("new", 0.01, 0.05),
        *_of("missing", 0.01, 0.04, 0.2),
    ),
    "boolean": (*_of("mix", 0.05, 0.1, 0.2), *_of("missing", 0.01, 0.04, 0.2)),
}
"""What is planted into columns of each kind, where nothing else is asked for."""


def quiet(column: Column) -> Floats:
    """Return the law of a column while nothing has changed, float64 of shape (bins + 2,).

    Interior bins, unseen, missing. Half a count is added to each cell (Jeffreys); of numbers, the
    share beyond both extremes of n values is 2 / (n + 2).
    """
    law = column.counts + 0.5
    if column.numeric:
        present = law[:-2].sum()
        law[-2] = present * 2 / (present + 2)
    elif column.open or column.kind == "boolean":
        law[-2] = 0.0
    return np.asarray(law / law.sum())


def plant(column: Column, shift: PlantedShift, sign: int = 1) -> Floats | None:
    """Return the law of a column after a shift; None where it has no meaning for the column.

    Parameters
    ----------
    sign
        1 or -1: as it is told or the other way round, which for a mix is towards the frequent
        levels instead of away from them. Where a mix fits only one way it goes that way.

    Notes
    -----
    Means and spreads are on the scale of normal scores: exact for a normal feature, and for any
    other the same change of its ranks. What is missing is added to the rate. What is new lies
    outside the reference's range, or is a level that it never held.
    A mix shift moves its share between the most frequent levels that hold half of the values and
    the rest, in proportion: of all shifts of that total variation the one with the smallest chi
    distance, that is, the hardest to see.
    """
    law = quiet(column)
    moved: Floats | None = None
    match shift.what:
        case "missing":
            missing = law[-1] + shift.size
            if missing > 1:
                return None
            return np.append(law[:-1] * (1 - missing) / (1 - law[-1]), missing)
        case "mean" | "spread" if column.numeric:
            moved = _ordered(column, law, shift, sign)
        case "mix" if not column.numeric:
            moved = _mixed(law, shift.size, sign)
        case "new" if column.kind != "boolean":
            moved = law[:-1] * (1 - shift.size)
            moved[-2 if column.open else -1] += shift.size * law[:-1].sum()
    return None if moved is None else np.append(moved, law[-1])


def _ordered(column: Column, law: Floats, shift: PlantedShift, sign: int) -> Floats | None:
    if column.bins < 2:
        return None
    inside = law[:-2] / law[:-2].sum()
    _, cuts = normal_scores(inside)
    far = -_NORMAL.inv_cdf(float(law[-2] / law[:-1].sum()) / 2)
    cuts[0], cuts[-1] = -far, far
    if shift.what == "mean":
        cuts -= sign * shift.size
    else:
        cuts /= shift.size
    cdf = np.array([_NORMAL.cdf(float(cut)) for cut in cuts])
    beyond = cdf[0] + 1 - cdf[-1]
    return np.append(np.diff(cdf), beyond) * law[:-1].sum()


def _mixed(law: Floats, size: float, sign: int) -> Floats | None:
    inside = law[:-2]
    if inside.size < 2:
        return None
    share = inside / inside.sum()
    order = np.argsort(-share, kind="stable")
    held = np.cumsum(share[order])[:-1]
    frequent = order[: int(np.abs(held - 0.5).argmin()) + 1]
    mass = float(share[frequent].sum())
    left = mass - sign * size
    if not 0 < left < 1:
        left = mass + sign * size
    if not 0 < left < 1:
        return None
    moved = share * (1 - left) / (1 - mass)
    moved[frequent] = share[frequent] * left / mass
    return np.append(moved * inside.sum(), law[-2])
