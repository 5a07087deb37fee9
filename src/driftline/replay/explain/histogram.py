"""One column's reference against what came since the change: shares on the reference's bins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.typing import typed
from driftline.replay.explain.numbers import brief
from driftline.stats import OTHER, Column
from driftline.stats.spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

__all__ = ["Bar", "Histogram", "column_of", "counts_of", "histogram"]

MOST_LEVELS = 12
"""Levels with a bar of their own; the others share one."""
GAINED = 1.25
WORTH = 0.005
"""A bin has gained, or lost, where its share moved by a quarter and by 0.5 % of the rows."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin: its values in the feature's units, its share of the rows then and now, in [0, 1]."""

    label: str
    was: float
    now: float

    @property
    def moved(self) -> int:
        """1 where the bin has gained, -1 where it has lost, else 0."""
        if abs(self.now - self.was) < WORTH:
            return 0
        if self.now > GAINED * self.was:
            return 1
        return -1 if self.was > GAINED * self.now else 0


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of all rows, missing ones among them.

    Attributes
    ----------
    now_rows
        Rows since the change; `was_rows` are the reference's.
    source
        Where the rows since the change were counted: ``alert``, ``events`` or ``windows``.
    """

    feature: str
    kind: str
    bars: list[Bar]
    was_rows: int
    now_rows: int
    source: str


def column_of(name: str, statistics: Mapping[str, Any]) -> Column | None:
    """Return a reference's column as an alert describes it; None where it tells no bins."""
    if "bins" not in statistics:
        return None
    numeric = statistics["kind"] == "numeric"
    nan = float("nan")
    known = {
        key: nan if statistics.get(key) is None else float(statistics[key])
        for key in ("mean", "sd", "median", "min", "max")
    }
    bins = list(statistics["bins"])
    return Column(
        name=name,
        kind=statistics["kind"],
        edges=np.array(bins if numeric else [], dtype=np.float64),
        categories=() if numeric else tuple(bins),
        open=not numeric and bins[-1:] == [OTHER],
        counts=np.array([*statistics["histogram"], 0, statistics["missing"]], dtype=np.int64),
        mean=known["mean"],
        sd=known["sd"],
        median=known["median"],
        minimum=known["min"],
        maximum=known["max"],
        center=0.0,
        unit=1.0,
    )


def counts_of(column: Column, values: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Count values as they came on a column's bins: interior, unseen, missing."""
    codes, _ = column.bin(typed(values, column.kind)[0])
    return np.bincount(codes, minlength=column.counts.size).astype(np.int64)


def histogram(
    column: Column,
    now: npt.NDArray[np.int64],
    source: str,
    *,
    ends: tuple[float | None, float | None] = (None, None),
    values: Sequence[Any] = (),
) -> Histogram:
    """Put a column's counts beside those of its reference.

    Parameters
    ----------
    now
        Counts since the change, int64 of shape (bins + 2,).
    ends
        Least and largest value since the change, of a numeric column, where known.
    values
        Values since the change, where known: they name the levels that are new.
    """
    was = column.counts
    totals = max(1, int(was.sum())), max(1, int(now.sum()))
    then, since = was / totals[0], now / totals[1]
    labels = _numbers(column) if column.numeric else list(column.categories)
    bars = [
        Bar(label, float(a), float(b)) for label, a, b in zip(labels, then, since, strict=False)
    ]
    if not column.numeric:
        bars = _few(bars)
    if now[-2] or was[-2]:
        name = _outside(column, ends) if column.numeric else _new(column, values)
        bars.append(Bar(name, float(then[-2]), float(since[-2])))
    if now[-1] or was[-1]:
        bars.append(Bar("missing", float(then[-1]), float(since[-1])))
    return Histogram(column.name, column.kind, bars, int(was.sum()), int(now.sum()), source)


def _numbers(column: Column) -> list[str]:
    spans = spans_of(column.edges, column.counts)
    if spans.low.size == column.bins and bool((spans.low == spans.high).all()):
        return [brief(level) for level in spans.low.tolist()]
    edges = np.minimum(column.edges, column.maximum)
    words = [brief(edge) for edge in edges.tolist()]
    atoms = column.edges[1:] <= np.nextafter(column.edges[:-1], np.inf)
    return [words[i] if atoms[i] else f"{words[i]} … {words[i + 1]}" for i in range(column.bins)]


def _few(bars: list[Bar]) -> list[Bar]:
    """Keep the levels that moved most or hold most, in the order of the reference."""
    if len(bars) <= MOST_LEVELS + 1:
        return bars
    weight = [max(bar.was, bar.now) + 3 * abs(bar.now - bar.was) for bar in bars]
    kept = set(sorted(range(len(bars)), key=lambda i: -weight[i])[:MOST_LEVELS])
    rest = [bar for i, bar in enumerate(bars) if i not in kept]
    others = Bar(f"{len(rest)} others", sum(b.was for b in rest), sum(b.now for b in rest))
    return [*(bar for i, bar in enumerate(bars) if i in kept), others]


def _outside(column: Column, ends: tuple[float | None, float | None]) -> str:
    low, high = ends
    below = low is not None and low < column.edges[0]
    above = high is not None and high >= column.edges[-1]
    if above and not below and high is not None:
        return f"above, to {brief(high)}"
    if below and not above and low is not None:
        return f"below, to {brief(low)}"
    if below and above and low is not None and high is not None:
        return f"{brief(low)} … {brief(high)}, outside"
    return "outside of all these"


def _new(column: Column, values: Sequence[Any]) -> str:
    known = set(column.categories)
    met = Counter(value for value in values if isinstance(value, str) and value not in known)
    if not met:
        return "levels never seen before"
    named = ", ".join(
        level if len(level) <= 16 else f"{level[:15]}…" for level, _ in met.most_common(2)
    )
    return f"new: {named}" + (f" and {len(met) - 2} more" if len(met) > 2 else "")
