"""Quality in the report: how good predictions were, window by window, beside what was promised."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.time import read_ts, short_ts
from driftline.ledger.segments import name_of
from driftline.replay.foretold import span
from driftline.replay.parts import latest_measured, read_quality_parts, segment_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ModelQuality", "chart", "read_quality", "section"]

MAX_WINDOWS = 1_000
"""Windows of one model that are drawn, the latest."""
MAX_LISTED = 200


@dataclass(frozen=True)
class ModelQuality:
    """The quality windows of one model, each as it was last told, in order of time.

    Attributes
    ----------
    parts
        Segments of the last window whose labels are mature, worst first.
    """

    model: str
    windows: list[dict[str, Any]]
    parts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def metric(self) -> str:
        """The promised metric."""
        return str(self.windows[-1]["metric"])

    @property
    def promised(self) -> float:
        """What it has to be."""
        last = self.windows[-1]
        return float(last["at_least"] if last["at_least"] is not None else last["at_most"])


def read_quality(windows: Path, most: int | None = None) -> list[ModelQuality]:
    """Read the quality windows of a replay.

    Parameters
    ----------
    windows
        ``windows.jsonl``, in which what was told later stands later.
    most
        Models at most, the first in order of name; None: all.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with windows.open("rb") as file:
        for line in file:
            if b'"kind":"quality"' not in line:
                continue
            window = orjson.loads(line)
            if segment_of(window):
                continue
            held = found.setdefault(window["model"], {})
            held[window["start"]] = window
            if len(held) > MAX_WINDOWS:
                del held[min(held)]
    told = {
        model: [held[start] for start in sorted(held)]
        for model, held in sorted(found.items())[:most]
    }
    latest = {model: latest_measured(each) for model, each in told.items()}
    parts = read_quality_parts(windows, {m: last for m, last in latest.items() if last is not None})
    return [ModelQuality(model, each, parts.get(model, [])) for model, each in told.items()]


def chart(quality: ModelQuality) -> dict[str, Any]:
    """Return what the page's script draws: values in the middle of their windows."""
    metric, windows = quality.metric, quality.windows
    starts = [read_ts(window["start"]) / 1e6 for window in windows]
    ends = [read_ts(window["end"]) / 1e6 for window in windows]
    estimated = [window["estimated"].get(metric) for window in windows]
    return {
        "name": metric,
        "times": [(start + end) / 2 for start, end in zip(starts, ends, strict=True)],
        "ends": [starts[0], ends[-1]],
        "realised": [window["realised"].get(metric) for window in windows],
        "estimated": [None if each is None else each["value"] for each in estimated],
        "promised": quality.promised,
    }


def section(place: int, quality: ModelQuality) -> str:
    """Write one model's section of the page."""
    metric = quality.metric
    side = "at least" if quality.windows[-1]["at_least"] is not None else "at most"
    last = quality.windows[-1]
    delay = last["label_delay_s"]
    words = [f"{escape(metric)}, promised {side} {quality.promised:g}."]
    if delay is not None:
        words.append(f"Half of the labels come within {span(delay)}.")
    if last["never_labelled"]:
        words.append(f"{last['never_labelled']:.1%} of predictions get none.")
    warnings = [last["no_alarm"], last["early_labels"]]
    notes = "".join(f"<p><b>{escape(text)}</b></p>" for text in warnings if text)
    rows = "".join(_row(metric, window) for window in quality.windows[-MAX_LISTED:])
    return (
        f"<section><h2>{escape(quality.model)}: quality</h2>"
        f'<p class="quiet">{" ".join(words)}</p>{notes}'
        '<p class="legend"><span class="line"></span>realised, on the labels that came '
        '<span class="estimate"></span>estimated from scores alone '
        '<span class="dash"></span>promised</p>'
        f'<div class="quality" data-place="{place}"></div>{_by_segment(quality)}'
        "<details><summary>All windows as a table</summary><div class=scroll><table><thead><tr>"
        "<th>Predictions of</th><th class=num>Predictions</th><th class=num>Labelled</th>"
        f"<th class=num>{escape(metric)}</th><th class=num>Estimated</th><th>Labels</th>"
        f"<th>Concept drift</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
        "</section>"
    )


def _by_segment(quality: ModelQuality) -> str:
    if not quality.parts:
        return ""
    metric, first = quality.metric, quality.parts[0]
    rows = "".join(
        f"<tr><td>{escape(name_of(segment_of(part)))}</td>"
        f"<td class=num>{part['counts'].get('predicted', 0):,}</td>"
        f"<td class=num>{part['labelled']:,}</td>"
        f"<td class=num>{_number(part['realised'].get(metric))}</td>"
        f"<td class=num>{_between(part['interval'].get(metric))}</td>"
        f"<td class=num>{_estimated(part, metric)}</td></tr>"
        for part in quality.parts
    )
    return (
        f"<h3>By segment</h3><p class=quiet>Predictions of {short_ts(first['start'])}, the last "
        "whose labels are there; what loses most first. Each interval holds for itself.</p>"
        "<div class=scroll><table><thead><tr><th>Segment</th><th class=num>Predictions</th>"
        f"<th class=num>Labelled</th><th class=num>{escape(metric)}</th>"
        "<th class=num>95 % interval</th><th class=num>Estimated</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _between(interval: list[float] | None) -> str:
    return "–" if interval is None else f"{_number(interval[0])} to {_number(interval[1])}"


def _estimated(window: dict[str, Any], metric: str) -> str:
    estimated = window["estimated"].get(metric)
    return "–" if estimated is None else f"{estimated['value']:.4g} ± {estimated['sd']:.2g}"


def _row(metric: str, window: dict[str, Any]) -> str:
    made = window["counts"].get("predicted", 0)
    mature = "all there" if window["mature"] else f"{window['maturity']:.0%} there"
    return (
        f"<tr><td class=time>{short_ts(window['start'])}</td><td class=num>{made:,}</td>"
        f"<td class=num>{window['labelled']:,}</td>"
        f"<td class=num>{_number(window['realised'].get(metric))}</td>"
        f"<td class=num>{_estimated(window, metric)}</td>"
        f"<td>{mature}</td><td>{escape(window['concept'] or '')}</td></tr>"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
