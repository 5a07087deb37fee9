"""Causes that can be named: a change of unit, a stuck value, nulls that are filled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.detect.aspect import Told
from driftline.stats.wording import number, percent, quantile

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.stats import Column

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]

LEAST_FACTOR = 3.0
"""Smaller factors are changes of spread that happen without anybody's touching a unit."""
ALIKE = 0.1
"""How far a factor read from values may be from a round one that is then told in its place."""
LEAST_VALUES = 12
STUCK_SHARE = 0.8
"""A column that is one value this often anyway is not called stuck for being only that."""
FILLED_PART = 0.5
"""Part of the nulls gone that must have come back as one and the same value."""


class Named(NamedTuple):
    """What is told in place of the aspect found, and in which words."""

    told: Told
    text: str


def name_cause(column: Column, told: Told, counts: Counts, values: Floats) -> Named | None:
    """Name the cause of a change of one column, if it is one that leaves a mark.

    Parameters
    ----------
    counts
        Counts since the change, in the column's own layout.
    values
        The newest slot's sample of the column in event-time order, float64 of shape (k,), NaN where
        missing: numbers, or bin codes of a categorical.
    """
    if told.aspect == "missing":
        return _filled(column, told, counts, values) if told.direction == "down" else None
    # The newest half: the change may have begun within this very slot.
    newest = values[values.size // 2 :]
    newest = newest[~np.isnan(newest)]
    if newest.size < LEAST_VALUES:
        return None
    return _stuck(column, newest) or (_unit(column, newest) if column.numeric else None)


def _stuck(column: Column, newest: Floats) -> Named | None:
    share = column.counts[: column.bins].max() / max(1, int(column.counts[:-1].sum()))
    if newest.min() < newest.max() or share > STUCK_SHARE:
        return None
    text = f"stuck at {_shown(column, float(newest[0]))} in all of the last {newest.size} values"
    return Named(Told("stuck", "changed", 1.0, "share"), text)


def _unit(column: Column, newest: Floats) -> Named | None:
    low, middle, high = (quantile(column, column.counts, q) for q in (0.25, 0.5, 0.75))
    now_low, now, now_high = (float(q) for q in np.quantile(newest, (0.25, 0.5, 0.75)))
    if not high > low or not now_high > now_low:
        return None
    factor = (now_high - now_low) / (high - low)
    if not (factor >= LEAST_FACTOR or factor <= 1 / LEAST_FACTOR):
        return None
    if abs(now - factor * middle) > 0.5 * (now_high - now_low):
        return None  # moved as well: that is no multiplication
    if abs(middle) > high - low:
        factor = now / middle  # far from zero the median tells more precisely than the spread
    size = _round(factor)
    by = f"multiplied by {number(size)}" if size >= 1 else f"divided by {number(1 / size)}"
    text = f"values are {by}, as by a change of unit: median {number(middle)} → {number(now)}"
    return Named(Told("unit", "up" if size > 1 else "down", size, "factor"), text)


def _round(factor: float) -> float:
    """Return the power of ten, or two significant digits, that a factor stands for."""
    ten = 10.0 ** round(math.log10(factor))
    return ten if abs(factor / ten - 1) <= ALIKE else float(f"{factor:.2g}")


def _filled(column: Column, told: Told, counts: Counts, values: Floats) -> Named | None:
    rows, was = int(counts.sum()), column.counts / max(1, int(column.counts.sum()))
    gone = was[-1] - counts[-1] / max(1, rows)
    gain = counts[:-1] / max(1, rows) - was[:-1] * (1 + gone)
    if not rows or gain.max() < FILLED_PART * gone:
        return None
    at = int(gain.argmax())
    codes = column.bin_numbers(values) if column.numeric else np.nan_to_num(values, nan=-1.0)
    found, tally = np.unique(values[codes == at], return_counts=True)
    if not found.size:
        return None
    value = _shown(column, float(found[tally.argmax()]))
    rates = percent(was[-1]), percent(counts[-1] / rows)
    text = f"nulls are filled with {value}: {rates[0]} missing → {rates[1]}"
    return Named(Told("null handling", "down", told.effect, "rate"), text)


def _shown(column: Column, value: float) -> str:
    if column.numeric:
        return number(value)
    at = int(value)
    return repr(column.categories[at]) if at < column.bins else "a level the reference never held"
