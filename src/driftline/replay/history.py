"""What the report draws: each column over time, from the windows, in a bounded number of points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.events.time import parse_ts
from driftline.stats import distance
from driftline.stats.spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from driftline.stats import Column, Reference
    from driftline.stats.spans import Spans

__all__ = ["History", "Points", "draw", "survey"]

MAX_POINTS = 500
MAX_COLUMNS = 50
ROWS_A_POINT = 200
"""Fewer rows than this say little of a distribution; windows are joined until they have them."""
MIN_POINTS = 24
SHOWN_LEVELS = 4
FEW_LEVELS = 4
"""Numbers that take no more values than this (0/1) are drawn as shares, not as a median."""
ENOUGH = 0.3
BAND = np.array([0.05, 0.5, 0.95])


@dataclass(slots=True)
class History:
    """What the windows of one model hold in all, for its latest reference.

    Attributes
    ----------
    length, first, last
        Of the shortest kind of windows: their length, the first start and the last end; event time
        in microseconds.
    counts
        Counts by column over all windows, in the reference's order.
    """

    reference: Reference
    length: int
    first: int
    last: int
    rows: int = 0
    counts: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def psi(self) -> dict[str, float]:
        """Return the PSI of everything against the reference, by column."""
        pairs = zip(self.reference.columns, self.counts, strict=True)
        found = {column.name: float(distance.psi(column.counts, c)) for column, c in pairs}
        return {name: value for name, value in found.items() if np.isfinite(value)}


@dataclass(slots=True)
class Points:
    """One column over time, ready to be drawn; each list has one entry a point, None for none.

    Attributes
    ----------
    shares
        Whether the lines are shares of levels, rather than numbers.
    lines
        For numbers ``median``, ``low`` and ``high`` (the middle 90 %); for levels the share of each
        of the most frequent, and of those never seen before.
    normal
        The same of the reference, one number each.
    floor
        PSI to be expected of so few rows without any change.
    """

    column: Column
    shares: bool
    lines: dict[str, list[float | None]]
    normal: dict[str, float]
    psi: list[float | None]
    floor: list[float | None]
    missing: list[float | None]


def survey(windows: Path, references: Mapping[str, Reference]) -> dict[str, History]:
    """Read all windows once, and sum them up by model.

    Parameters
    ----------
    references
        The latest reference by model; windows of earlier ones have other bins and are passed over.
    """
    found: dict[str, History] = {}
    for window in _read(windows):
        reference = references.get(window["model"])
        if reference is None or window["reference"] != reference.id:
            continue
        length = round(window["length_s"] * 1e6)
        start, end = parse_ts(window["start"]), parse_ts(window["end"])
        history = found.get(reference.model)
        if history is None or length < history.length:
            nothing = [np.zeros_like(column.counts) for column in reference.columns]
            history = History(reference, length, start, end, counts=nothing)
            found[reference.model] = history
        if not _counts_for(history, length, start):
            continue
        history.last = max(history.last, end)
        history.rows += sum(window["events"].values())
        for place, column in enumerate(reference.columns):
            history.counts[place] += _counts(window["features"][column.name])
    return found


def draw(windows: Path, history: History, names: Sequence[str]) -> tuple[list[float], list[Points]]:
    """Read the windows again, and turn the named columns of one model into points.

    Returns
    -------
    times
        Middle of each point's stretch, epoch seconds.
    points
        One for each name, in their order.
    """
    reference = history.reference
    columns = [reference.columns[reference.index[name]] for name in names]
    slots = max(1, (history.last - history.first) // history.length)
    wanted = max(MIN_POINTS, history.rows // ROWS_A_POINT)
    stretch = -(-slots // min(slots, wanted, MAX_POINTS)) * history.length
    size = -(-(history.last - history.first) // stretch)
    tables = [np.zeros((size, column.counts.size), dtype=np.int64) for column in columns]
    lowest = np.full((len(columns), size), np.inf)
    highest = np.full((len(columns), size), -np.inf)
    for window in _read(windows):
        if window["model"] != reference.model or window["reference"] != reference.id:
            continue
        start = parse_ts(window["start"])
        if not _counts_for(history, round(window["length_s"] * 1e6), start):
            continue
        at = (start - history.first) // stretch
        for row, column in enumerate(columns):
            told = window["features"][column.name]
            tables[row][at] += _counts(told)
            if told["min"] is not None:
                lowest[row, at] = min(lowest[row, at], told["min"])
                highest[row, at] = max(highest[row, at], told["max"])
    held = np.flatnonzero(sum(table.sum(axis=1) for table in tables))
    times = ((history.first + held * stretch + stretch // 2) / 1e6).tolist()
    points = [
        _points(column, table[held], low[held], high[held])
        for column, table, low, high in zip(columns, tables, lowest, highest, strict=True)
    ]
    return times, points


def _points(
    column: Column,
    table: npt.NDArray[np.int64],
    lowest: npt.NDArray[np.float64],
    highest: npt.NDArray[np.float64],
) -> Points:
    rows = table.sum(axis=1)
    filled = table[:, :-1].sum(axis=1)
    normal_rows = max(1, int(column.counts.sum()))
    df = (table + column.counts > 0).sum(axis=1) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = df * (1 / normal_rows + 1 / rows)
        missing = table[:, -1] / rows
        shares = table[:, :-1] / filled[:, None]
    lines: dict[str, list[float | None]]
    spans = spans_of(column.edges, column.counts) if column.numeric else None
    levels = _levels(column, spans)
    if spans is not None and not levels:
        low, high = (np.where(filled > 0, side, np.nan) for side in (lowest, highest))
        band = distance.quantiles(table, spans, low, high, BAND)
        names = ("low", "median", "high")
        lines = {name: _plain(band[:, i]) for i, name in enumerate(names)}
        ends = np.array(column.minimum), np.array(column.maximum)
        usual = distance.quantiles(column.counts, spans, *ends, BAND)
        normal = dict(zip(names, usual.tolist(), strict=True))
    else:
        own = column.counts[:-1] / max(1, int(column.counts[:-1].sum()))
        shown = np.argsort(-own[: column.bins], kind="stable")[:SHOWN_LEVELS].tolist()
        if len(levels) == 2:
            shown = [1]  # the other is the rest
        lines = {levels[i]: _plain(shares[:, i]) for i in shown}
        normal = {levels[i]: float(own[i]) for i in shown}
        if table[:, column.bins].any():
            lines["never seen before"] = _plain(shares[:, column.bins])
    # The last stretch may be cut short: a distance of so few rows would only be noise.
    judged = rows >= np.median(rows) * ENOUGH
    return Points(
        column=column,
        shares=bool(levels),
        lines=lines,
        normal=normal,
        psi=_plain(np.where(judged, distance.psi(column.counts, table), np.nan)),
        floor=_plain(np.where(judged, floor, np.nan)),
        missing=_plain(missing),
    )


def _levels(column: Column, spans: Spans | None) -> tuple[str, ...]:
    """Return the names of a column's levels; none for numbers, except where they are very few."""
    if spans is None:
        return column.categories
    few = column.bins <= FEW_LEVELS and bool((spans.low == spans.high).all())
    return tuple(f"{level:g}" for level in spans.low.tolist()) if few else ()


def _counts_for(history: History, length: int, start: int) -> bool:
    """Return whether a window is of the kind that is drawn; of hopping ones, every length-th."""
    return length == history.length and (start - history.first) % length == 0


def _counts(told: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    return np.array([*told["histogram"], told["unseen"], told["missing"]], dtype=np.int64)


def _read(windows: Path) -> Iterator[dict[str, Any]]:
    with windows.open("rb") as file:
        for line in file:
            window = orjson.loads(line)
            if not window["segment"] and window["features"]:
                yield window


def _plain(values: npt.NDArray[np.float64]) -> list[float | None]:
    # Five digits are more than a pixel; a report of fifty columns is half the size for it.
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values.tolist()]
