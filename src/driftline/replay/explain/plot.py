"""Bars and curves out of block characters, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from driftline.replay.explain.case import apart_of, clock
from driftline.replay.explain.course import spans
from driftline.replay.explain.numbers import brief, share

if TYPE_CHECKING:
    from driftline.replay.explain.course import Course
    from driftline.replay.explain.histogram import Histogram

__all__ = ["bars", "curve"]

EIGHTHS = " ▏▎▍▌▋▊▉█"
RISING = " ▁▂▃▄▅▆▇█"
LABEL = 24
SHARE = 7
HEIGHT = 6
FLAT = 0.02
"""Where a line varies by less than this part of its value, the axis is not drawn closer."""


def bars(histogram: Histogram, width: int) -> list[Text]:
    """Draw each bin as two bars side by side, its share then and its share now.

    Parameters
    ----------
    width
        Characters a line may take.
    """
    label = min(LABEL, max(len(bar.label) for bar in histogram.bars))
    room = max(6, (width - label - 2 * SHARE - 6) // 2)
    most = max(max(bar.was, bar.now) for bar in histogram.bars) or 1.0
    head = Text(" " * (label + 2))
    head.append("reference".ljust(room + SHARE + 2), style="dim")
    head.append("since the change", style="dim")
    lines = [head]
    for bar in histogram.bars:
        name = bar.label if len(bar.label) <= label else f"{bar.label[: label - 1]}…"
        style = {1: "red", 0: "", -1: "blue"}[bar.moved]
        line = Text(name.rjust(label) + "  ")
        line.append(_share(bar.was)).append(" ")
        line.append(_across(bar.was / most, room).ljust(room), style="dim").append(" ")
        line.append(_share(bar.now), style=style).append(" ")
        line.append(_across(bar.now / most, room), style=style)
        line.rstrip()
        lines.append(line)
    return lines


def _share(part: float) -> str:
    return share(part).rjust(SHARE)


def _across(part: float, room: int) -> str:
    eighths = round(part * room * 8)
    if part > 0:
        eighths = max(1, eighths)
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def curve(course: Course, width: int) -> list[Text]:
    """Draw the main line of a course, with the change, and what is normal, marked."""
    line = course.lines[course.main]
    normal = course.normal.get(course.main)
    known = spans([*line, normal])
    if known is None:
        return []
    low, high = _ends(*known, zero=course.shares or course.main == "events")
    say = share if course.shares else brief
    label = max(len(say(high)), len(say(low)), 0 if normal is None else len(say(normal)))
    columns = _columns(course, line, width - label - 2)
    level = None if normal is None else _cell(normal, low, high)
    rows = [_row(row, columns, level, low, high) for row in range(HEIGHT - 1, -1, -1)]
    lines = []
    for place, text in enumerate(rows):
        row = HEIGHT - 1 - place
        names = {HEIGHT - 1: say(high), 0: say(low)}
        if level is not None and normal is not None and names.get(level) is None:
            names[level] = say(normal)
        lines.append(
            Text("")
            .append(names.get(row, "").rjust(label), style="dim")
            .append(" │")
            .append_text(text)
        )
    return [*lines, *_axis(course, columns, label)]


def _ends(low: float, high: float, *, zero: bool) -> tuple[float, float]:
    if zero:
        return 0.0, high or 1.0
    room = max(high - low, FLAT * max(abs(high), abs(low)), 1e-12)
    # A quantity that is never below zero has no axis below it.
    bottom = low - 0.1 * room
    return (max(bottom, 0.0) if low >= 0 else bottom), high + 0.05 * room


class _Columns:
    """The line as columns of the terminal, each over one or more points."""

    def __init__(self, starts: list[int], ends: list[int], values: list[float | None]) -> None:
        self.starts, self.ends, self.values = starts, ends, values
        self.change = 0

    def at(self, moment: int) -> int | None:
        """Return the column of a moment, None where it lies outside."""
        for place, (start, end) in enumerate(zip(self.starts, self.ends, strict=True)):
            if start <= moment < end:
                return place
        return None


def _columns(course: Course, line: list[float | None], room: int) -> _Columns:
    each = max(1, -(-len(line) // max(10, room)))
    change = course.marks["change"]
    # Columns begin at the change, so that no one of them holds both sides of it.
    begun = int(np.searchsorted(course.times, change)) % each
    cuts = sorted({0, *range(begun, len(line), each)})
    starts, ends, values = [], [], []
    for first, last in zip(cuts, [*cuts[1:], len(line)], strict=True):
        mine = [value for value in line[first:last] if value is not None]
        starts.append(course.times[first])
        ends.append(course.times[last - 1] + course.stretch)
        values.append(float(np.mean(mine)) if mine else None)
    wide = 2 if 2 * len(values) <= room else 1
    if wide == 2:
        starts = [
            s + half * (e - s) // 2 for s, e in zip(starts, ends, strict=True) for half in (0, 1)
        ]
        ends = [*starts[1:], ends[-1]]
        values = [value for value in values for _ in (0, 1)]
    found = _Columns(starts, ends, values)
    found.change = sum(start < change for start in starts)
    return found


def _cell(value: float, low: float, high: float) -> int:
    return min(HEIGHT - 1, int((value - low) / (high - low) * HEIGHT))


def _row(row: int, columns: _Columns, level: int | None, low: float, high: float) -> Text:
    text = Text()
    for place, value in enumerate(columns.values):
        style = "red" if place >= columns.change else "blue"
        if value is None:
            text.append("─" if level == row else " ", style="dim")
            continue
        filled = (value - low) / (high - low) * HEIGHT - row
        eighth = min(8, max(0, round(filled * 8)))
        if row == 0:
            eighth = max(1, eighth)
        if eighth:
            text.append(RISING[eighth], style=style)
        else:
            text.append("─" if level == row else " ", style="dim")
    return text


def _axis(course: Course, columns: _Columns, label: int) -> list[Text]:
    size = len(columns.values)
    rule = ["─"] * size
    place = min(columns.change, size - 1)
    seen = columns.at(course.marks["detected"])
    ended = columns.at(course.marks["resolved"]) if "resolved" in course.marks else None
    for moment in course.marks.get("interval", ()):
        at = columns.at(moment)
        if at is not None and at != place:
            rule[at] = "┄"
    if ended is not None:
        rule[ended] = "○"
    if seen is not None and seen != place:
        rule[seen] = "●"
    rule[place] = "▲"
    axis = Text(" " * label + " └")
    for mark in rule:
        axis.append(mark, style={"▲": "bold red", "●": "yellow", "○": "green"}.get(mark, "dim"))
    first, last = clock(columns.starts[0])[11:], clock(columns.ends[-1])[11:]
    if columns.ends[-1] - columns.starts[0] > 86_400_000_000:
        first, last = clock(columns.starts[0])[5:16], clock(columns.ends[-1])[5:16]
    times = Text(" " * (label + 2) + first, style="dim")
    times.append(last.rjust(max(1, size - len(first))))
    legend = Text(" " * (label + 2))
    legend.append("▲", style="bold red").append(f" change {clock(course.marks['change'])[5:]}")
    late = (course.marks["detected"] - course.marks["change"]) / 1e6
    dot = "  ● " if seen is not None and seen != place else "  "
    legend.append(dot, style="yellow").append(f"seen {apart_of(late)} later")
    if ended is not None:
        legend.append("  ○", style="green").append(" resolved")
    return [axis, times, legend]
