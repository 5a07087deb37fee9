"""Effects in words and in the feature's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.stats.column import Column

_LEVELS_TOLD = 3


def number(value: float) -> str:
    """Return a number in at most four significant digits, without an exponent where readable."""
    text = f"{value:.4g}"
    if "e" in text and 1e-4 < abs(value) < 1e9:
        text = f"{value:.0f}"
    return text


def percent(rate: float) -> str:
    """Return a rate as a percentage that does not round a small one to nothing."""
    value = 100 * rate
    return "0 %" if value <= 0 else f"{value:.2g} %" if value < 10 else f"{value:.0f} %"


def quantile(column: Column, counts: npt.NDArray[np.int64], level: float) -> float:
    """Return a quantile of binned numbers, interpolated inside its bin; NaN where there is none."""
    inside = counts[: column.bins].astype(np.float64)
    total = inside.sum()
    if not total:
        return float("nan")
    above = np.cumsum(inside)
    at = int(np.searchsorted(above, level * total))
    at = min(at, column.bins - 1)
    low = float(column.edges[at])
    high = min(float(column.edges[at + 1]), column.maximum)
    into = (level * total - (above[at] - inside[at])) / max(inside[at], 1.0)
    return low + max(high - low, 0.0) * float(into)


def describe(
    column: Column, aspect: str, counts: npt.NDArray[Any], *, adjusted: bool = False
) -> str:
    """Return one line on how a column's recent counts differ from its reference.

    Parameters
    ----------
    counts
        Recent counts in the column's own layout: interior bins, unseen, missing.
    adjusted
        Whether they were freed of a season: what the line tells is not what the rows held then.
    """
    text = _differ(column, aspect, counts)
    return f"{text}; seasonally adjusted" if text and adjusted else text


def _differ(column: Column, aspect: str, counts: npt.NDArray[Any]) -> str:
    then = column.counts
    if aspect == "missing":
        rates = [percent(c[-1] / max(1, int(c.sum()))) for c in (counts, then)]
        return f"{rates[0]} of values missing, was {rates[1]}"
    present = max(1, int(counts[:-1].sum()))
    if aspect == "range":
        least, most = number(column.minimum), number(column.maximum)
        outside = percent(counts[-2] / present)
        return f"{outside} of values outside {least} … {most}, the reference's range"
    if aspect == "unseen":
        return f"{percent(counts[-2] / present)} of values are levels that the reference never held"
    if column.numeric:
        was_low, was, was_high = (quantile(column, then, q) for q in (0.25, 0.5, 0.75))
        low, mid, high = (quantile(column, counts, q) for q in (0.25, 0.5, 0.75))
        return (
            f"median {number(was)} → {number(mid)}; middle half "
            f"{number(was_low)} … {number(was_high)} → {number(low)} … {number(high)}"
        )
    now = counts[: column.bins] / max(1, int(counts[: column.bins].sum()))
    old = then[: column.bins] / max(1, int(then[: column.bins].sum()))
    order = np.argsort(-np.abs(now - old), kind="stable")[:_LEVELS_TOLD]
    return "; ".join(
        f"{column.categories[i]!r} {percent(old[i])} → {percent(now[i])}"
        for i in order
        if now[i] != old[i]
    )
