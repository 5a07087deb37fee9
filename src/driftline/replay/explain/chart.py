"""An explanation's bars and its course as one drawing, in SVG or PNG."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from driftline.replay.explain.numbers import brief, share
from driftline.replay.explain.telling import bar_title, course_title, headline

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.replay.explain.course import Course
    from driftline.replay.explain.explanation import Explanation
    from driftline.replay.explain.histogram import Histogram

__all__ = ["draw"]

LINE, CHANGE, SEEN, QUIET, ENDED = "#2563c9", "#c4321c", "#d98a00", "#8a94a6", "#0f8a6d"
LEVELS = (LINE, ENDED, "#a14fc4")
WIDTH = 9.0
DOTS = 144


def draw(told: Explanation, path: Path) -> None:
    """Write the drawing; its suffix says how.

    Raises
    ------
    ModuleNotFoundError
        matplotlib is not installed: ``pip install 'driftline[picture]'``.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same explanation gives the same file.
    with mpl.rc_context({"svg.hashsalt": told.case.found.incident, "svg.fonttype": "path",
                         "font.size": 9}):  # fmt: skip
        parts = [part for part in (told.histogram, told.course) if part is not None]
        sizes = [0.9 + 0.26 * len(told.histogram.bars)] if told.histogram is not None else []
        sizes += [2.6] if told.course is not None else []
        figure = Figure(figsize=(WIDTH, 0.9 + sum(sizes)), layout="constrained")
        found = told.case.found
        text = told.parts[0].text if told.parts else found.text
        figure.suptitle(
            f"{found.model}: {headline(told)}\n{text}", x=0.01, ha="left", fontsize=11, wrap=True
        )
        if parts:
            axes = figure.subplots(len(parts), 1, height_ratios=sizes, squeeze=False)[:, 0]
            for each, part in zip(axes, parts, strict=True):
                if part is told.histogram and told.histogram is not None:
                    _bars(each, told.histogram, bar_title(told, told.histogram))
                elif told.course is not None:
                    _course(each, told.course)
        figure.savefig(path, dpi=DOTS, metadata={"Date": None} if path.suffix == ".svg" else None)


def _bars(axes: Any, histogram: Histogram, title: str) -> None:
    places = range(len(histogram.bars))
    now = [CHANGE if bar.moved > 0 else LINE for bar in histogram.bars]
    was = axes.barh([p - 0.2 for p in places], [b.was for b in histogram.bars], 0.36, color=QUIET)
    since = axes.barh([p + 0.2 for p in places], [b.now for b in histogram.bars], 0.36, color=now)
    axes.bar_label(was, [share(b.was) for b in histogram.bars], padding=3, fontsize=7, color=QUIET)
    axes.bar_label(since, [share(b.now) for b in histogram.bars], padding=3, fontsize=7)
    axes.set_yticks(list(places), [bar.label for bar in histogram.bars])
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.margins(x=0.08, y=0.01)
    axes.set_title(title, loc="left", fontsize=9)
    axes.legend([was, since], ["reference", "since the change"], frameon=False, loc="lower right")
    _plain(axes)


def _course(axes: Any, course: Course) -> None:
    half = course.stretch // 2
    times = [_moment(at + half) for at in course.times]
    nan = float("nan")
    lines = {n: [nan if v is None else v for v in line] for n, line in course.lines.items()}
    low, high = lines.pop("low", None), lines.pop("high", None)
    if low is not None and high is not None:
        axes.fill_between(times, low, high, color=LINE, alpha=0.16, lw=0, label="middle half")
    for color, (name, line) in zip(LEVELS, lines.items(), strict=False):
        axes.plot(times, line, color=color, lw=1.6, label=name)
        if name in course.normal:
            label = course.normal_name if name == course.main else None
            beside = QUIET if len(lines) == 1 else color
            axes.axhline(course.normal[name], color=beside, lw=1, ls="--", label=label)
    marks = course.marks
    if "interval" in marks:
        axes.axvspan(*map(_moment, marks["interval"]), color=CHANGE, alpha=0.15, lw=0)
    axes.axvline(_moment(marks["change"]), color=CHANGE, lw=1.6, label="change")
    axes.axvline(_moment(marks["detected"]), color=SEEN, lw=1.4, ls=":", label="seen")
    if "resolved" in marks and marks["resolved"] <= course.times[-1] + course.stretch:
        axes.axvline(_moment(marks["resolved"]), color=ENDED, lw=1.4, ls=":", label="resolved")
    axes.set_title(course_title(course), loc="left", fontsize=9)
    axes.yaxis.set_major_formatter(lambda value, _: share(value) if course.shares else brief(value))
    if course.shares or course.main == "events":
        axes.set_ylim(bottom=0)
    axes.set_xlim(_moment(course.times[0]), _moment(course.times[-1] + course.stretch))
    axes.xaxis.set_major_formatter(_times(axes))
    axes.grid(color="#e3e7ee", lw=0.6)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    _plain(axes)


def _times(axes: Any) -> Any:
    from matplotlib.dates import ConciseDateFormatter

    return ConciseDateFormatter(axes.xaxis.get_major_locator(), tz=dt.UTC)  # type: ignore[no-untyped-call]


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)


def _moment(us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(us / 1e6, tz=dt.UTC)
