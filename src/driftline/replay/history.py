"""What the report draws: each column over time, from the windows, in a bounded number of points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.events.time import read_ts
from driftline.stats import distance
from driftline.stats.spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from driftline.events.frame import Segment
    from driftline.stats import Column, Reference
    from driftline.stats.spans import Spans

__all__ = ["Drawn", "History", "Points", "View", "draw", "read_windows", "survey"]

MAX_POINTS = 500
MAX_COLUMNS = 50
ROWS_A_POINT = 200
"""Fewer rows than this say little of a distribution; windows are joined until they have them."""
ROWS_CLOSE = 40
"""As many are enough for a median, where what matters is when it moved."""
MIN_POINTS = 24
SHOWN_LEVELS = 4
FEW_LEVELS = 4
"""Numbers that take no more values than this (0/1) are drawn as shares, not as a median."""
ENOUGH = 0.3
BAND = np.array([0.05, 0.5, 0.95])
HALF = np.array([0.25, 0.5, 0.75])


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


@dataclass(frozen=True, slots=True)
class View:
    """What is to be drawn of a history.

    Attributes
    ----------
    first, last
        Event time, microseconds; all of the history that is outside is left out.
    since
        When a change began; None draws a history as such. From a change on it is drawn more
        closely: fewer rows a point, the middle half for the middle 90 %, and of levels those whose
        shares have moved most.
    segment
        Whose rows are drawn, against what was normal of them; empty for all.
    """

    names: list[str]
    first: int
    last: int
    since: int | None = None
    segment: Segment = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A view as points.

    Attributes
    ----------
    first, last
        Ends of the axis, epoch seconds: whole stretches of the history.
    times
        Middle of each point's stretch, epoch seconds.
    points
        One for each name, in their order.
    """

    first: float
    last: float
    times: list[float]
    points: list[Points]


@dataclass(slots=True)
class Points:
    """One column over time, ready to be drawn; each list has one entry a point, None for none.

    Attributes
    ----------
    shares
        Whether the lines are shares of levels, rather than numbers.
    lines
        For numbers ``median``, ``low`` and ``high`` (the middle 90 %, or half); for levels the
        share of each of the most frequent, and of those never seen before.
    normal
        The same of the reference, one number each.
    floor
        PSI to be expected of so few rows without any change.
    evidence
        The most there was, as a part of what rings.
    """

    column: Column
    shares: bool
    lines: dict[str, list[float | None]]
    normal: dict[str, float]
    psi: list[float | None]
    floor: list[float | None]
    missing: list[float | None]
    evidence: list[float | None]


def survey(
    windows: Iterable[Mapping[str, Any]], references: Mapping[str, Reference]
) -> dict[str, History]:
    """Sum all windows up by model.

    Parameters
    ----------
    windows
        Messages of the topic `windows` that hold statistics, see `read_windows`.
    references
        The latest reference by model; windows of earlier ones have other bins and are passed over.
    """
    found: dict[str, History] = {}
    for window in windows:
        reference = None if window["segment"] else references.get(window["model"])
        if reference is None or window["reference"] != reference.id:
            continue
        length = round(window["length_s"] * 1e6)
        start, end = read_ts(window["start"]), read_ts(window["end"])
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


def draw(
    windows: Iterable[Mapping[str, Any]], history: History, views: Sequence[View]
) -> list[Drawn]:
    """Read the windows once for all views, and turn each view's columns into points."""
    tables = [_Table(history, view) for view in views]
    for window in windows:
        if (
            window["model"] != history.reference.model
            or window["reference"] != history.reference.id
        ):
            continue
        start = read_ts(window["start"])
        if _counts_for(history, round(window["length_s"] * 1e6), start):
            segment = tuple(sorted(window["segment"].items()))
            for table in tables:
                if table.segment == segment:
                    table.add(start, window["features"])
    return [table.drawn() for table in tables]


class _Table:
    """Counts of a view's columns, stretch by stretch of event time."""

    def __init__(self, history: History, view: View) -> None:
        reference, length = history.reference, history.length
        self.segment = view.segment
        columns = reference.segments.get(view.segment, reference).columns
        self._columns = [columns[reference.index[name]] for name in view.names]
        whole = max(1, (history.last - history.first) // length)
        low = max(0, (view.first - history.first) // length)
        slots = max(1, min(whole, -(-(view.last - history.first) // length)) - low)
        rows_a_point = ROWS_A_POINT if view.since is None else ROWS_CLOSE
        wanted = max(MIN_POINTS, history.rows * slots // whole // rows_a_point)
        self._since = view.since
        self._first = history.first + low * length
        self._stretch = -(-slots // min(slots, wanted, MAX_POINTS)) * length
        self._size = -(-slots * length // self._stretch)
        shape = len(self._columns), self._size
        self._counts = [
            np.zeros((self._size, column.counts.size), dtype=np.int64) for column in self._columns
        ]
        self._low, self._high = np.full(shape, np.inf), np.full(shape, -np.inf)
        self._evidence = np.full(shape, np.nan)

    def add(self, start: int, features: Mapping[str, Any]) -> None:
        at = (start - self._first) // self._stretch
        if not 0 <= at < self._size:
            return
        for row, column in enumerate(self._columns):
            told = features.get(column.name)
            if told is None:
                continue
            self._counts[row][at] += _counts(told)
            most = told.get("evidence")
            if most is not None:
                self._evidence[row, at] = np.fmax(self._evidence[row, at], most)
            if told["min"] is not None:
                self._low[row, at] = min(self._low[row, at], told["min"])
                self._high[row, at] = max(self._high[row, at], told["max"])

    def drawn(self) -> Drawn:
        held = np.flatnonzero(sum(counts.sum(axis=1) for counts in self._counts))
        middles = self._first + held * self._stretch + self._stretch // 2
        moved = None if self._since is None else middles >= self._since
        each = zip(self._columns, self._counts, self._low, self._high, self._evidence, strict=True)
        return Drawn(
            first=self._first / 1e6,
            last=(self._first + self._size * self._stretch) / 1e6,
            times=(middles / 1e6).tolist(),
            points=[
                _points(column, counts[held], low[held], high[held], evidence[held], moved)
                for column, counts, low, high, evidence in each
            ],
        )


def _points(
    column: Column,
    table: npt.NDArray[np.int64],
    lowest: npt.NDArray[np.float64],
    highest: npt.NDArray[np.float64],
    evidence: npt.NDArray[np.float64],
    moved: npt.NDArray[np.bool_] | None,
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
        wanted = BAND if moved is None else HALF
        band = distance.quantiles(table, spans, low, high, wanted)
        names = ("low", "median", "high")
        lines = {name: _plain(band[:, i]) for i, name in enumerate(names)}
        ends = np.array(column.minimum), np.array(column.maximum)
        usual = distance.quantiles(column.counts, spans, *ends, wanted)
        normal = dict(zip(names, usual.tolist(), strict=True))
    else:
        own = column.counts[:-1] / max(1, int(column.counts[:-1].sum()))
        weight = own[: column.bins]
        if moved is not None and (after := table[moved, :-1].sum(axis=0)).any():
            weight = np.abs(after / after.sum() - own)[: column.bins]
        shown = np.argsort(-weight, kind="stable")[:SHOWN_LEVELS].tolist()
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
        evidence=_plain(evidence),
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


def read_windows(windows: Path) -> Iterator[dict[str, Any]]:
    """Read the windows of statistics from ``windows.jsonl``."""
    with windows.open("rb") as file:
        for line in file:
            window = orjson.loads(line)
            if "kind" not in window and window["features"]:
                yield window


def _plain(values: npt.NDArray[np.float64]) -> list[float | None]:
    # Five digits are more than a pixel; a report of fifty columns is half the size for it.
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values.tolist()]
