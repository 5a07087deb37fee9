"""``report.html``: one page that explains a replay, with no network and nothing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.time import read_ts
from driftline.replay.closeup import closeups
from driftline.replay.history import MAX_COLUMNS, View, draw, read_windows, survey
from driftline.replay.page import Model, page
from driftline.replay.quality import read_quality
from driftline.stats.segments import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from driftline.replay.closeup import Plot
    from driftline.replay.history import Drawn, History, Points
    from driftline.replay.summary import Found, Summary
    from driftline.stats import Reference

__all__ = ["chart_of", "close_chart", "marks_of", "write_report"]

MAX_MODELS = 20
"""Models that are drawn; of further ones only the incidents are listed."""


def write_report(out: Path, summary: Summary, references: Mapping[str, Reference]) -> None:
    """Write the report beside the outputs it is made from.

    Parameters
    ----------
    out
        Folder with ``windows.jsonl``.
    references
        The latest reference by model.

    Notes
    -----
    Bounded: 20 models, of each 50 columns and 20 incidents of 4 columns, 500 points a line; about
    40 kB a column. The windows are read once, and once more for each model.
    """
    windows = out / "windows.jsonl"
    histories = survey(read_windows(windows), references)
    found = {name: [f for f in summary.found if f.model == name] for name in histories}
    # Models with something to tell come first, then those with more rows.
    order = sorted(histories, key=lambda name: (-len(found[name]), -histories[name].rows, name))
    models = [_model(windows, histories[name], found[name]) for name in order[:MAX_MODELS]]
    quality = read_quality(windows, MAX_MODELS)
    text = page(summary, models, len(order) - len(models), quality)
    (out / "report.html").write_text(text, encoding="utf-8")


def _model(windows: Path, history: History, found: list[Found]) -> Model:
    psi = history.psi()
    first_seen: dict[str, int] = {}
    for place, each in enumerate(found):
        for feature in each.features:
            first_seen.setdefault(feature, place)
    known = [name for name in history.reference.index if name in psi]
    # What was reported comes first, then what moved most.
    known.sort(key=lambda name: (name not in first_seen, -psi[name], name))
    shown = known[:MAX_COLUMNS]
    close = closeups(history, found)
    whole = View(shown, history.first, history.last)
    plots = [plot for each in close.values() for plot in each]
    drawn, *near = draw(read_windows(windows), history, [whole, *(plot.view for plot in plots)])
    rest = iter(near)
    return Model(
        history=history,
        found=found,
        psi=psi,
        ranked=known,
        charts=[chart_of(each, marks_of(each.column.name, found)) for each in drawn.points],
        drawn=drawn,
        close={
            name: [close_chart(plot, next(rest)) for plot in each] for name, each in close.items()
        },
    )


def close_chart(plot: Plot, drawn: Drawn) -> dict[str, Any]:
    """Return what the page's script draws of one column of an incident."""
    (points,) = drawn.points
    return {
        "times": drawn.times,
        "ends": [drawn.first, drawn.last],
        "of": in_words(plot.view.segment) if plot.view.segment else "",
        "chart": chart_of(points, [plot.mark]),
    }


def marks_of(name: str, found: list[Found]) -> list[dict[str, Any]]:
    """Return when incidents say that a column moved, and when that was seen."""
    return [
        {
            "change": read_ts(member["change_point"]) / 1e6,
            "detected": read_ts(member["detected_at"]) / 1e6,
            "kind": member["kind"],
        }
        for each in found
        for member in each.members
        if member["feature"] == name
    ]


def chart_of(points: Points, marks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the page's script draws of one column."""
    return {
        "name": points.column.name,
        "kind": points.column.kind,
        "shares": points.shares,
        "lines": points.lines,
        "normal": points.normal,
        "psi": points.psi,
        "floor": points.floor,
        "missing": points.missing if any(points.missing) else None,
        "normal_missing": _share_missing(points),
        "evidence": points.evidence if any(e is not None for e in points.evidence) else None,
        "marks": marks,
    }


def _share_missing(points: Points) -> float:
    counts = points.column.counts
    return float(counts[-1] / max(1, int(counts.sum())))
