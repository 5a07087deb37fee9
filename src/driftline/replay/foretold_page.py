"""The page of `driftline reference check`: what will be seen, and how soon, with plots."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from driftline.replay.foretold import Told, label
from driftline.replay.page import CHART_SCRIPTS, read_assets, to_script

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.detect.foresight import Outlook

__all__ = ["write_page"]

MAX_FEATURES = 200
TITLES = {
    "mean": "mean moves by, in reference sd",
    "spread": "spread grows by the factor",
    "mix": "share of values that change level",
    "new": "share of values on a new level",
    "missing": "added to the rate of missing values",
}


def write_page(path: Path, told: Told) -> None:
    """Write one HTML file that needs no network and nothing beside it."""
    outlooks = told.foresight.outlooks()
    style = read_assets("uPlot.min.css", "report.css")
    script = read_assets(*CHART_SCRIPTS, "foretold.js")
    kinds = list(dict.fromkeys(each.kind for each in outlooks))
    groups = [[each for each in outlooks if each.kind == kind] for kind in kinds]
    data = [_plots(told, group) for group in groups]
    body = [_head(told), *(_kind(told, place, group) for place, group in enumerate(groups))]
    body.append(_features(told))
    model = escape(told.reference.model)
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>driftline: what the alarm of {model} will see</title><style>{style}</style>"
        "</head><body><main>"
        + "\n".join(body)
        + f'</main><script type="application/json" id="data">{to_script(data)}</script>'
        f"<script>{script}</script></body></html>\n"
    )
    path.write_text(text, encoding="utf-8")


def _head(told: Told) -> str:
    sentences = "".join(f"<p class=quiet>{escape(text)}</p>" for text in told.promise)
    caveats = "".join(
        f"<p><span class=notice>note</span> {escape(each.text)}.</p>"
        for each in told.foresight.caveats
    )
    title = f"What the alarm of {escape(told.reference.model)} will see"
    return f"<header><h1>{title}</h1>{sentences}{caveats}</header>"


def _kind(told: Told, place: int, outlooks: list[Outlook]) -> str:
    features = max(each.features for each in outlooks)
    count = f"{features} features" if features > 1 else outlooks[0].middle.feature
    rows = "".join(_row(told, each) for each in outlooks)
    return (
        f"<section><h2>{outlooks[0].kind}: {escape(count)}</h2>"
        '<p class="legend"><span class="line"></span>events until half of the runs have rung, of '
        'the median feature <span class="late"></span>until 90 % have '
        '<span class="band"></span>from the soonest feature to the latest</p>'
        f'<div class="foretold" data-kind="{place}"></div>'
        "<div class=scroll><table><thead><tr><th>Shift</th><th class=num>Median feature</th>"
        "<th class=num>Time</th><th class=num>90 % of runs</th><th>Soonest</th><th>Latest</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _row(told: Told, each: Outlook) -> str:
    shift, *figures, soonest, latest = map(escape, told.row(each))
    cells = "".join(f"<td class=num>{figure}</td>" for figure in figures)
    return f"<tr><td>{shift}</td>{cells}<td>{soonest}</td><td>{latest}</td></tr>"


def _features(told: Told) -> str:
    shifts: dict[str, list[str]] = {}
    for each in told.foresight.found:
        text = f"{label(each.shift)}: {told.outcome(each)}"
        shifts.setdefault(each.feature, []).append(text)
    rows = "".join(
        f"<tr><td>{escape(f.feature)}</td><td>{f.kind}</td><td class=num>{f.rows:,}</td>"
        f"<td class=num>{f.independent:,.0f}</td><td class=num>{f.margin:.2g}</td>"
        f"<td class=num>{f.tolerance:.2g}</td>"
        f"<td>{escape('; '.join(shifts.get(f.feature, ())))}</td></tr>"
        for f in told.foresight.footings[:MAX_FEATURES]
    )
    return (
        "<details><summary>All features</summary><div class=scroll><table><thead><tr>"
        "<th>Feature</th><th>Kind</th><th class=num>Rows</th>"
        "<th class=num>As independent</th><th class=num>Margin</th><th class=num>Tolerance</th>"
        f"<th>Shifts</th></tr></thead><tbody>{rows}</tbody></table></div>"
        "<p class=quiet>Margin and tolerance: reference sd of numbers, else share of values.</p>"
        "</details>"
    )


def _plots(told: Told, outlooks: list[Outlook]) -> list[dict[str, Any]]:
    """Return what the page's script draws of one kind: a plot for each sort of shift."""
    plots = []
    for what in dict.fromkeys(each.shift.what for each in outlooks):
        mine = [each for each in outlooks if each.shift.what == what]
        plots.append(
            {
                "title": TITLES[what],
                "slot": max(1.0, told.foresight.rows),
                "sizes": [_size(each) for each in mine],
                "middle": [each.middle.events for each in mine],
                "late": [each.middle.events and each.middle.events_late for each in mine],
                "soonest": [each.soonest.events for each in mine],
                "latest": [each.latest.events for each in mine],
                "why": ["" if each.middle.events else told.outcome(each.middle) for each in mine],
                "said": [_said(told, each) for each in mine],
            }
        )
    return plots


def _size(each: Outlook) -> str:
    size = each.shift.size
    return f"{size:g}" if each.shift.what in {"mean", "spread"} else f"{100 * size:g} %"


def _said(told: Told, each: Outlook) -> str:
    shift, found, time, late, soonest, latest = told.row(each)
    if each.middle.events is None:
        return f"{shift}: {found}"
    return f"{shift}: {found}, {time}; 90 % {late}; soonest {soonest}; latest {latest}"
