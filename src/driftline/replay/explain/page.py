"""An explanation as one HTML page, with the report's own plots and nothing to load."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from driftline.replay.explain.case import clock
from driftline.replay.explain.numbers import share
from driftline.replay.explain.telling import (
    bar_title,
    course_title,
    headline,
    moved_lines,
    other_line,
    part_name,
    since_line,
    where_of,
    whom,
    worded,
)
from driftline.replay.page import REPORT_SCRIPTS, read_assets, to_script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.replay.explain.course import Course
    from driftline.replay.explain.explanation import Explanation
    from driftline.replay.explain.histogram import Histogram

__all__ = ["page"]


def page(told: Explanation) -> str:
    """Write the page."""
    found = told.case.found
    style = read_assets("uPlot.min.css", "report.css", "explain.css")
    script = read_assets(*REPORT_SCRIPTS)
    close = {} if told.course is None else {found.incident: [_plot(told.course, found.kind)]}
    data = {"models": [{"close": close}], "quality": []}
    title = f"{found.model}: {headline(told)}"
    header = (
        f'<header><h1><span class="{escape(found.severity)}">{escape(found.severity)}</span> '
        f"{escape(title)}</h1>{_facts(told)}</header>"
    )
    body = [header, _section("What moved", "".join(_parts(told)))]
    if told.histogram is not None:
        body.append(_section(bar_title(told, told.histogram), _bars(told.histogram)))
    if told.course is not None:
        host = f'<div class="close" data-model="0" data-incident="{escape(found.incident)}"></div>'
        body.append(_section(course_title(told.course), host + LEGEND))
    body += [
        _section("What else moved then", _moved(told)),
        _section("What happened near it", _happened(told)),
        _section("The events", _events(told)),
        _section("The incident so far", _life(told)),
        _section(
            "Whether to believe it",
            f"<p>Promised: {escape(told.promise)}.</p><p>{escape(told.drill)}.</p>",
        ),
        _section("See it again", f"<pre>{escape(told.replay)}</pre>"),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f'<body><main class="explain">{"".join(body)}</main>'
        f'<script type="application/json" id="data">{to_script(data)}</script>'
        f"<script>{script}</script></body></html>\n"
    )


LEGEND = (
    '<p class="legend"><span class="change"></span>estimated change '
    '<span class="between"></span>it lies in here <span class="seen"></span>detected '
    '<span class="dash"></span>what is normal</p>'
)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _facts(told: Explanation) -> str:
    last, found = told.case.last, told.case.found
    runbook = escape(last["runbook"] or "nobody has written one")
    if last["runbook"] and last["runbook"].startswith(("http://", "https://")):
        runbook = f'<a href="{runbook}">{runbook}</a>'
    kind = "resolved" if found.resolved_at else "open"
    facts = {
        "state": f'<span class="{kind}">{escape(told.state)}</span>',
        "incident": escape(found.incident),
        "owner": escape(whom(told)),
        "runbook": runbook,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<dl class="facts">{rows}</dl>'


def _parts(told: Explanation) -> Iterable[str]:
    for part in told.parts:
        said = "".join(f"<small>{escape(each)}</small>" for each in part.strength)
        yield (
            f'<p class="moved"><b>{escape(part_name(part))}</b> {escape(part.text or part.kind)}'
            f"<small>{escape(since_line(part))}</small>{said}</p>"
        )


def _bars(histogram: Histogram) -> str:
    most = max(max(bar.was, bar.now) for bar in histogram.bars) or 1.0
    rows = []
    for bar in histogram.bars:
        up = " up" if bar.moved > 0 else ""
        rows.append(
            f"<tr><td class=num>{escape(bar.label)}</td>"
            f"<td class=num>{share(bar.was)}</td><td class=bar>{_bar(bar.was / most)}</td>"
            f'<td class="num{up}">{share(bar.now)}</td>'
            f'<td class="bar now{up}">{_bar(bar.now / most)}</td></tr>'
        )
    head = "<tr><th></th><th colspan=2>reference</th><th colspan=2>since the change</th></tr>"
    return (
        f'<div class=scroll><table class="bars"><thead>{head}</thead>{"".join(rows)}</table></div>'
    )


def _bar(part: float) -> str:
    return f'<i style="width:{100 * part:.2f}%"></i>' if part > 0 else ""


def _plot(course: Course, kind: str) -> dict[str, Any]:
    half = course.stretch / 2e6
    begun, ended = course.times[0] / 1e6, (course.times[-1] + course.stretch) / 1e6
    mark: dict[str, Any] = {
        "change": course.marks["change"] / 1e6,
        "detected": course.marks["detected"] / 1e6,
        "kind": kind,
    }
    if "interval" in course.marks:
        mark["interval"] = [at / 1e6 for at in course.marks["interval"]]
    spread = "median" in course.lines
    return {
        "times": [at / 1e6 + half for at in course.times],
        "ends": [begun, ended],
        "of": "",
        "chart": {
            "name": course.what,
            "shares": not spread,
            "counted": not course.shares,
            "cropped": course.normal_name == "promised",
            "lines": course.lines,
            "normal": course.normal,
            "missing": None,
            "marks": [mark],
        },
    }


def _moved(told: Explanation) -> str:
    lines = moved_lines(told)
    text = "".join(
        f"<tr><td>{escape(name)}</td><td class=num>{escape(psi)}</td><td>{escape(said)}</td></tr>"
        for name, psi, said in lines
    )
    table = f"<div class=scroll><table>{text}</table></div>" if lines else _quiet(worded(told))
    others = "".join(f"<li>{escape(other_line(other))}</li>" for other in told.others)
    beside = f"<ul>{others}</ul>" if others else _quiet("no other incident began near it")
    return table + beside


def _happened(told: Explanation) -> str:
    rows = "".join(
        f"<tr><td class=time>{clock(each.at)}</td><td class=time>{told.case.after(each.at)}</td>"
        f"<td>{escape(each.text)} <small>{escape(each.source)}</small></td></tr>"
        for each in told.happened
    )
    return f"<div class=scroll><table>{rows}</table></div>" if rows else _quiet("nothing is known")


def _events(told: Explanation) -> str:
    events = told.examples.events
    if not events:
        return _quiet(told.examples.text)
    names = list(events[0].values)
    head = "".join(f"<th>{name}</th>" for name in ("prediction", "at", "where"))
    head += "".join(f"<th class=num>{escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{escape(event.id or '–')}</td><td class=time>{clock(event.at)}</td>"
        f"<td>{escape(where_of(event.place))}</td>"
        + "".join(f"<td class=num>{escape(str(event.values[name]))}</td>" for name in names)
        + "</tr>"
        for event in events
    )
    table = f"<table><thead><tr>{head}</tr></thead>{rows}</table>"
    note = told.case.rows.note
    beside = _quiet(f"out of {note}") if note else ""
    return f"<p>{escape(told.examples.text)}:</p><div class=scroll>{table}</div>{beside}"


def _life(told: Explanation) -> str:
    rows = "".join(
        f"<tr><td class=time>{clock(step.at)}</td><td>{escape(step.state)}</td>"
        f"<td>{escape(step.text)}{escape(f' by {step.by}' if step.by else '')}</td></tr>"
        for step in told.life
    )
    return f"<div class=scroll><table>{rows}</table></div>"


def _quiet(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'
