"""The report's HTML: tables written here, plots drawn by the page's own script."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.time import format_ts, read_ts, short_ts
from driftline.replay.foretold import span
from driftline.replay.quality import chart, section
from driftline.replay.summary import told_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.replay.history import Drawn, History
    from driftline.replay.quality import ModelQuality
    from driftline.replay.summary import Drilled, Found, Summary

__all__ = ["CHART_SCRIPTS", "REPORT_SCRIPTS", "Model", "page", "read_assets", "to_script"]

CHART_SCRIPTS = ("uPlot.iife.min.js", "colors.js", "axes.js")
"""What every script that draws charts needs before it."""
REPORT_SCRIPTS = (*CHART_SCRIPTS, "plots.js", "report.js")
MAX_INCIDENTS = 200
MAX_RANKED = 200
MAX_DRILLS = 200


@dataclass(frozen=True)
class Model:
    """One model's part of the report.

    Attributes
    ----------
    psi
        PSI of the whole replay against the reference, by column.
    ranked
        Columns, those that incidents name first, then by PSI.
    charts
        What the script draws of each column over the whole replay, at the times of `drawn`.
    close
        The same of single incidents, by id: plots with ``times``, ``ends`` of the axis, ``chart``
        and, in words, the segment that it is ``of``.
    """

    history: History
    found: list[Found]
    psi: dict[str, float]
    ranked: list[str]
    charts: list[dict[str, Any]]
    drawn: Drawn
    close: dict[str, list[dict[str, Any]]]


def page(
    summary: Summary,
    models: list[Model],
    left_out: int,
    quality: Sequence[ModelQuality] = (),
) -> str:
    """Write the whole page.

    Parameters
    ----------
    left_out
        Models that are not drawn.
    quality
        Of the models whose quality was told.
    """
    drawn = {model.history.reference.model for model in models}
    others = [found for found in summary.found if found.model not in drawn]
    body = [_head(summary)]
    if others:
        body += ["<section><h2>Without a reference</h2>", _incidents(others), "</section>"]
    body += [section(place, each) for place, each in enumerate(quality)]
    body += [_model(place, model) for place, model in enumerate(models)]
    if summary.drills:
        body += ["<section><h2>Drills</h2>", _drills(summary.drills), "</section>"]
    if left_out:
        body.append(f"<p>{left_out:,} more models are in windows.jsonl.</p>")
    drawn_models = [
        {
            "times": m.drawn.times,
            "ends": [m.drawn.first, m.drawn.last],
            "charts": m.charts,
            "close": m.close,
            "timeline": _timeline(m),
        }
        for m in models
    ]
    data = {"models": drawn_models, "quality": [chart(each) for each in quality]}
    style = read_assets("uPlot.min.css", "report.css")
    script = read_assets(*REPORT_SCRIPTS)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>driftline replay</title><style>{style}</style></head><body><main>"
        + "\n".join(body)
        + f'</main><script type="application/json" id="data">{to_script(data)}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _head(summary: Summary) -> str:
    counts = summary.counts
    tiles = {
        "events": f"{sum(counts['events'].values()):,}",
        "incidents": f"{len(summary.found):,}",
        "slots": f"{counts['slots']:,}",
        "dead letters": f"{counts['dead_letters']:,}",
        "late": f"{counts['late']:,}",
        "duplicates": f"{counts['duplicates']:,}",
    }
    if counts["skipped"]:
        tiles["outside of the span"] = f"{counts['skipped']:,}"
    cells = "".join(f"<div><b>{value}</b>{name}</div>" for name, value in tiles.items())
    sources = ", ".join(
        f"{escape(str(source['name']))} ({source['records']:,})" for source in summary.sources[:20]
    )
    more = len(summary.sources) - 20
    sources += f" and {more} more" if more > 0 else ""
    waiting = "".join(
        f"<p>{escape(model)}: {rows:,} rows came, too few for a reference: nothing was judged.</p>"
        for model, rows in summary.warming_up.items()
    )
    return (
        f'<header><h1>driftline replay</h1><div class="tiles">{cells}</div>'
        f'<p class="quiet">Read {sources}.</p>{waiting}</header>'
    )


def _model(place: int, model: Model) -> str:
    reference, history = model.history.reference, model.history
    since, until = short_ts(format_ts(history.first)), short_ts(format_ts(history.last))
    about = (
        f"{history.rows:,} events from {since} to {until} UTC, against {reference.events:,} rows "
        f"of reference {reference.id}."
    )
    text = [f'<section><h2>{escape(reference.model)}</h2><p class="quiet">{about}</p>']
    if model.found:
        text.append(f'<div class="timeline" data-model="{place}"></div>')
        text.append(_incidents(model.found))
    else:
        text.append("<p>No incident.</p>")
    if model.close:
        text.append(_legend("half"))
        text += [_near(place, each) for each in model.found if each.incident in model.close]
        text.append("<h3>The whole replay</h3>")
    text.append(_legend("90 %"))
    text.append(f'<div class="charts" data-model="{place}"></div>')
    hidden = len(model.ranked) - len(model.charts)
    if hidden > 0:
        text.append(f'<p class="quiet">{hidden:,} more columns are only in the table.</p>')
    text.append(_ranking(model))
    text.append("</section>")
    return "\n".join(text)


def _legend(middle: str) -> str:
    between = '<span class="between"></span>it lies in here ' if middle == "half" else ""
    return (
        '<p class="legend"><span class="line"></span>median, or share of a level '
        f'<span class="band"></span>middle {middle} '
        '<span class="dash"></span>reference '
        '<span class="change"></span>estimated change '
        f'{between}<span class="seen"></span>detected</p>'
    )


def _incidents(found: list[Found]) -> str:
    rows = "".join(_incident(each) for each in found[:MAX_INCIDENTS])
    more = len(found) - MAX_INCIDENTS
    note = f'<p class="quiet">{more:,} more are in alerts.jsonl.</p>' if more > 0 else ""
    return (
        '<div class="scroll"><table><thead><tr><th>Kind</th><th>Features</th><th>Since</th>'
        "<th>Detected</th><th>What</th><th>By</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _incident(found: Found) -> str:
    names = ", ".join(map(escape, found.features[:8])) or "whole model"
    names += f" and {len(found.features) - 8} more" if len(found.features) > 8 else ""
    ended = f"; resolved {short_ts(found.resolved_at)}" if found.resolved_at else ""
    return (
        f'<tr><td><span class="{escape(found.severity)}">{escape(found.kind)}</span></td>'
        f"<td>{names}</td><td class=time>{short_ts(found.change_point)}</td>"
        f"<td class=time>{short_ts(found.detected_at)}</td>"
        f"<td>{escape(found.text)}{ended}</td><td>{escape(', '.join(found.detectors))}</td></tr>"
    )


def _near(place: int, found: Found) -> str:
    """One incident in words, and where its plots go."""
    names = ", ".join(map(escape, found.features[:8]))
    names += f" and {len(found.features) - 8} more" if len(found.features) > 8 else ""
    late = span(max(0, read_ts(found.detected_at) - read_ts(found.change_point)) / 1e6)
    opened = told_of(found.told, found.members[0])
    interval = opened.get("interval")
    between = f" (between {short_ts(interval[0])} and {short_ts(interval[1])})" if interval else ""
    ended = f"resolved {short_ts(found.resolved_at)}" if found.resolved_at else "open to the end"
    told = "".join(
        f"<li><b>{escape(each['feature'])}</b> {escape(each['text'])}</li>"
        for each in found.told[:8]
    )
    return (
        f'<article><h3><span class="{escape(found.severity)}">{escape(found.kind)}</span> {names}'
        f"</h3><p>Since {short_ts(found.change_point)}{between}, detected {late} later at "
        f"{short_ts(found.detected_at)} by {escape(', '.join(found.detectors))}; {ended}.</p>"
        f'<ul>{told}</ul><div class="close" data-model="{place}" '
        f'data-incident="{escape(found.incident)}"></div></article>'
    )


def _drills(drills: list[Drilled]) -> str:
    rows = "".join(_drill(each) for each in drills[:MAX_DRILLS])
    more = len(drills) - MAX_DRILLS
    note = f'<p class="quiet">{more:,} more are in feedback.jsonl.</p>' if more > 0 else ""
    return (
        '<p class="quiet">Shifts planted into a shadow copy of the detectors, to see that the '
        "alarm rings; the detectors themselves never met them.</p>"
        '<div class="scroll"><table><thead><tr><th>Outcome</th><th>Model</th><th>Feature</th>'
        "<th>Shift</th><th>Planted</th><th class=num>Events</th><th class=num>Slots</th>"
        "<th class=num>Seconds</th><th>By</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _drill(drilled: Drilled) -> str:
    outcome = "rang" if drilled.rang else '<span class="page">did not ring</span>'
    return (
        f"<tr><td>{outcome}</td><td>{escape(drilled.model)}</td><td>{escape(drilled.feature)}</td>"
        f"<td>{escape(drilled.shift)}</td><td class=time>{short_ts(drilled.planted_at)}</td>"
        f"<td class=num>{drilled.events:,}</td><td class=num>{drilled.slots:,}</td>"
        f"<td class=num>{drilled.seconds:,.0f}</td><td>{escape(drilled.detector or '')}</td></tr>"
    )


def _ranking(model: Model) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(_kind(model, name))}</td>"
        f"<td class=num>{model.psi[name]:.3f}</td><td class=num>{_missing(model, name)}</td>"
        f"<td>{escape(_reported(model, name))}</td></tr>"
        for name in model.ranked[:MAX_RANKED]
    )
    return (
        "<details><summary>All columns as a table</summary><div class=scroll><table><thead><tr>"
        "<th>Column</th><th>Kind</th><th class=num>PSI over all</th>"
        "<th class=num>Missing, was</th><th>Reported as</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _kind(model: Model, name: str) -> str:
    reference = model.history.reference
    return reference.columns[reference.index[name]].kind


def _missing(model: Model, name: str) -> str:
    place = model.history.reference.index[name]
    now, before = model.history.counts[place], model.history.reference.columns[place].counts
    shares = [float(c[-1]) / max(1, int(c.sum())) for c in (now, before)]
    return f"{shares[0]:.1%}, {shares[1]:.1%}"


def _reported(model: Model, name: str) -> str:
    kinds = [m["kind"] for f in model.found for m in f.members if m["feature"] == name]
    return ", ".join(dict.fromkeys(kinds))


def _timeline(model: Model) -> dict[str, Any]:
    return {
        "first": model.history.first / 1e6,
        "last": model.history.last / 1e6,
        "incidents": [
            {
                "label": f"{f.features[0] if f.features else 'whole model'}: {f.kind}"
                + (f" (+{len(f.features) - 1})" if len(f.features) > 1 else ""),
                "severity": f.severity,
                "change": read_ts(f.change_point) / 1e6,
                "detected": read_ts(f.detected_at) / 1e6,
                "resolved": read_ts(f.resolved_at) / 1e6 if f.resolved_at else None,
            }
            for f in model.found[:40]
        ],
    }


def to_script(data: Any) -> str:
    """Return JSON that may stand inside a script element: nothing in it can close the element."""
    return orjson.dumps(data).decode().replace("<", "\\u003c")


def read_assets(*names: str) -> str:
    """Return the text of styles, or of scripts, one after the other."""
    assets = resources.files("driftline.replay") / "assets"
    return "\n".join((assets / name).read_text(encoding="utf-8") for name in names)
