"""How a column went before the change and after it, in equal stretches of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.time import read_ts
from driftline.events.typing import typed
from driftline.stats import distance
from driftline.stats.summary import column_quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.replay.explain.case import Case
    from driftline.stats import Column

__all__ = [
    "Course",
    "course_of_events",
    "course_of_pair",
    "course_of_quality",
    "course_of_rate",
    "course_of_windows",
]

POINTS = 60
"""Stretches that a course has, about: one for each column of a narrow terminal."""
LEAST_ROWS = 3
LEAST_POINTS = 4
LEAST_PAIRS = 10
LEAST_TAKEN = 0.02
"""Part of a stretch that must have been read to say how many events it had."""
SHOWN_LEVELS = 3
ROUND_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200)

Line = list[float | None]


@dataclass
class Course:
    """One or a few lines over time, about the change.

    Attributes
    ----------
    what
        What is drawn, in words: "median of age", "share of rows without age".
    shares
        Whether the lines are shares in [0, 1].
    times
        Begin of each stretch, microseconds; `stretch` is their length.
    lines
        The first is what moved most; ``low`` and ``high`` are the middle half about a ``median``.
    normal
        The same of the reference, or what is promised.
    marks
        ``change``, ``detected`` and ``resolved`` and the ``interval`` of the change, microseconds.
    source
        ``events`` or ``windows``.
    """

    what: str
    shares: bool
    times: list[int]
    stretch: int
    lines: dict[str, Line]
    normal: dict[str, float]
    source: str
    marks: dict[str, Any] = field(default_factory=dict)
    normal_name: str = "reference"

    @property
    def main(self) -> str:
        """Name of the line that matters."""
        return next(iter(self.lines))


def _stretches(case: Case) -> tuple[npt.NDArray[np.int64], int]:
    """Return where stretches begin, so that one of them begins with the change; and their length.

    They are no finer than rows are many.
    """
    first, change, last = case.around
    ts = case.rows.ts
    last = min(last, int(ts[-1])) if ts.size else last
    wanted = max((last - first) / POINTS, 0.5 * LEAST_ROWS * (last - first) / max(1, ts.size))
    slot = 1 if case.contract is None else case.contract.slot
    fitting = [s * 1_000_000 for s in ROUND_S if s * 1_000_000 >= max(wanted, slot)]
    stretch = fitting[0] if fitting else round(wanted / 86_400e6 + 1) * 86_400_000_000
    low, high = -((change - first) // stretch), (last - change) // stretch + 1
    return change + np.arange(low, high, dtype=np.int64) * stretch, stretch


def course_of_events(case: Case, name: str, column: Column, aspect: str) -> Course | None:
    """Draw a column from single events; None where there are too few."""
    rows = case.rows
    if name not in rows.values or not len(rows):
        return None
    starts, stretch = _stretches(case)
    held = np.flatnonzero(rows.carries[name])
    values = typed([rows.values[name][row] for row in held.tolist()], column.kind)[0]
    codes, numbers = column.bin(values)
    place = np.searchsorted(starts, rows.ts[held], side="right") - 1
    table = np.zeros((starts.size, column.counts.size), dtype=np.int64)
    inside = place >= 0
    np.add.at(table, (place[inside], codes[inside]), 1)
    if (table.sum(axis=1) >= LEAST_ROWS).sum() < LEAST_POINTS:
        return None
    marks = marks_of(case, name)
    if aspect in {"missing", "unseen"} or not column.numeric:
        after = starts >= case.change
        what, lines, normal = _shares(column, table, after, aspect)
        return Course(what, True, starts.tolist(), stretch, lines, normal, "events", marks)
    found: dict[str, Line] = {"median": [], "low": [], "high": []}
    for at in range(starts.size):
        mine = numbers[(place == at) & ~np.isnan(numbers)]
        enough = mine.size >= LEAST_ROWS
        spread = np.quantile(mine, (0.5, 0.25, 0.75)).tolist() if enough else [None] * 3
        for line, value in zip(found.values(), spread, strict=True):
            line.append(value)
    what, lines, normal = _numbers(column, found, table, aspect)
    return Course(what, False, starts.tolist(), stretch, lines, normal, "events", marks)


def _numbers(
    column: Column, found: dict[str, Line], table: npt.NDArray[np.int64], aspect: str
) -> tuple[str, dict[str, Line], dict[str, float]]:
    """Choose the line that shows what has moved: where numbers lie, how far apart, or neither."""
    normal = _normal(column)
    if aspect == "spread":
        width: Line = [
            None if low is None or high is None else high - low
            for low, high in zip(found["low"], found["high"], strict=True)
        ]
        usual = {"width": normal["high"] - normal["low"]}
        return f"width of the middle half of {column.name}", {"width": width}, usual
    if aspect == "shape":
        far = _plain(distance.psi(column.counts, table))
        return f"distance of {column.name} from the reference (PSI)", {"PSI": far}, {}
    return f"median of {column.name}", found, normal


def course_of_pair(case: Case, pair: dict[str, Any]) -> Course | None:
    """Draw how two columns hang together: their rank correlation, stretch by stretch."""
    from scipy.stats import spearmanr  # here: it takes a second that other incidents need not

    rows, names = case.rows, pair["pair"]
    if not len(rows) or any(name not in rows.values for name in names):
        return None
    starts, stretch = _stretches(case)
    place = np.searchsorted(starts, rows.ts, side="right") - 1
    values = np.array(
        [
            [v if isinstance(v, int | float) else np.nan for v in rows.values[name]]
            for name in names
        ],
        dtype=np.float64,
    )
    line: Line = []
    for at in range(starts.size):
        mine = values[:, (place == at) & np.isfinite(values).all(axis=0)]
        if mine.shape[1] < LEAST_PAIRS or (np.ptp(mine, axis=1) == 0).any():
            line.append(None)
            continue
        line.append(float(spearmanr(mine[0], mine[1]).statistic))
    if sum(value is not None for value in line) < LEAST_POINTS:
        return None
    what = f"rank correlation of {names[0]} and {names[1]}"
    usual = {"correlation": float(pair["reference"])}
    return Course(
        what, False, starts.tolist(), stretch, {"correlation": line}, usual, "events",
        marks_of(case, names[0]),
    )  # fmt: skip


def _normal(column: Column) -> dict[str, float]:
    own = column_quantiles(column)
    return {"median": own["0.5"], "low": own["0.25"], "high": own["0.75"]}


def _shares(
    column: Column,
    table: npt.NDArray[np.int64],
    after: npt.NDArray[np.bool_],
    aspect: str,
) -> tuple[str, dict[str, Line], dict[str, float]]:
    rows = table.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = table / np.where(rows >= LEAST_ROWS, rows, 0)[:, None]
    own = column.counts / max(1, int(column.counts.sum()))
    if aspect == "missing":
        name = "missing"
        return (
            f"share of rows without {column.name}",
            {name: _plain(shares[:, -1])},
            {name: float(own[-1])},
        )
    if aspect == "unseen":
        name = "never seen before"
        return (
            f"share of {column.name} never seen before",
            {name: _plain(shares[:, -2])},
            {name: float(own[-2])},
        )
    moved = np.abs(table[after].sum(axis=0) / max(1, int(table[after].sum())) - own)
    order = np.argsort(-moved[: column.bins], kind="stable")[:SHOWN_LEVELS].tolist()
    names = column.categories
    if column.bins == 2:
        order = [1]  # the other is the rest
    return (
        f"share of {column.name} {names[order[0]]!r}" + (" and others" if len(order) > 1 else ""),
        {names[i]: _plain(shares[:, i]) for i in order},
        {names[i]: float(own[i]) for i in order},
    )


def course_of_windows(case: Case, name: str, column: Column, aspect: str) -> Course | None:
    """Draw a column from the windows, which last longer than events; None where they are few."""
    told = [w for w in case.windows if name in w["features"] and w["length_s"] == w["hop_s"]]
    least = min((w["length_s"] for w in told), default=0)
    told = [w for w in told if w["length_s"] == least]
    if len(told) < LEAST_POINTS:
        return None
    times = [read_ts(w["start"]) for w in told]
    stretch, marks = round(least * 1e6), marks_of(case, name)
    held = [w["features"][name] for w in told]
    if aspect in {"missing", "unseen"} or not column.numeric:
        if any(len(each["histogram"]) != column.bins for each in held):
            return None
        table = np.array([[*h["histogram"], h["unseen"], h["missing"]] for h in held])
        after = np.array(times) >= case.change
        what, lines, normal = _shares(column, table, after, aspect)
        return Course(what, True, times, stretch, lines, normal, "windows", marks)
    wanted = {"median": "0.5", "low": "0.25", "high": "0.75"}
    found: dict[str, Line] = {
        line: [(each["quantiles"] or {}).get(p) for each in held] for line, p in wanted.items()
    }
    what = f"median of {name}"
    return Course(what, False, times, stretch, found, _normal(column), "windows", marks)


def course_of_rate(case: Case) -> Course | None:
    """Draw how many events came; of a sample, by the time that its pieces take up."""
    rows = case.rows
    if not len(rows):
        return None
    starts, stretch = _stretches(case)
    counts = np.zeros(starts.size)
    sources = np.array([[*place[:2]] for place in rows.places], dtype=object)
    for (topic, partition), pieces in rows.cover.items():
        mine = (sources[:, 0] == topic) & (sources[:, 1] == partition)
        place = np.searchsorted(starts, rows.ts[mine], side="right") - 1
        came = np.bincount(place[place >= 0], minlength=starts.size)
        taken = np.zeros(starts.size)
        for low, high in pieces:
            taken += np.clip(np.minimum(high, starts + stretch) - np.maximum(low, starts), 0, None)
        with np.errstate(divide="ignore", invalid="ignore"):
            counts += np.where(taken >= LEAST_TAKEN * stretch, came * stretch / taken, np.nan)
    before = counts[(starts < case.change) & np.isfinite(counts)]
    normal = {"events": float(np.median(before))} if before.size else {}
    what = "predictions and features"
    return Course(
        what, False, starts.tolist(), stretch, {"events": _plain(counts)}, normal, "events",
        marks_of(case, None), normal_name="before",
    )  # fmt: skip


def course_of_quality(case: Case) -> Course | None:
    """Draw the promised metric as labels have shown it, window by window."""
    told = [w for w in case.told.get("quality", []) if w["realised"].get(w["metric"]) is not None]
    if len(told) < LEAST_POINTS:
        return None
    metric = told[-1]["metric"]
    promised = told[-1]["at_least"] if told[-1]["at_least"] is not None else told[-1]["at_most"]
    estimated = [w["estimated"].get(metric) for w in told]
    lines: dict[str, Line] = {metric: [w["realised"].get(metric) for w in told]}
    lines["estimated"] = [None if each is None else each["value"] for each in estimated]
    if not any(value is not None for value in lines["estimated"]):
        del lines["estimated"]
    times = [read_ts(w["start"]) for w in told]
    stretch = read_ts(told[-1]["end"]) - times[-1]
    normal = {} if promised is None else {metric: float(promised)}
    what = f"{metric}, as labels have shown it"
    return Course(
        what, False, times, stretch, lines, normal, "windows", marks_of(case, None),
        normal_name="promised",
    )  # fmt: skip


def marks_of(case: Case, name: str | None) -> dict[str, Any]:
    """Return what is marked on the axis of time."""
    members = case.found.members
    mine = next((m for m in members if m["feature"] == name), members[0] if members else None)
    marks: dict[str, Any] = {"change": case.change, "detected": read_ts(case.found.detected_at)}
    if mine is not None:
        marks = {
            "change": read_ts(mine["change_point"]), "detected": read_ts(mine["detected_at"])
        }  # fmt: skip
    for told in case.found.told:
        if told["feature"] == name and "interval" in told:
            marks["interval"] = [read_ts(end) for end in told["interval"]]
            break
    if case.found.resolved_at is not None:
        marks["resolved"] = read_ts(case.found.resolved_at)
    return marks


def _plain(values: npt.NDArray[np.float64]) -> Line:
    return [float(value) if np.isfinite(value) else None for value in values.tolist()]


def spans(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Return the least and the largest of what is known."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None
