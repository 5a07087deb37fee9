"""Quality in the report: how good predictions were, window by window, beside what was promised."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.time import read_ts, short_ts
from driftline.replay.foretold import span

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ModelQuality", "chart", "read_quality", "section"]

MAX_WINDOWS = 1_000
"""Windows of one model that are drawn, the latest."""
MAX_LISTED = 200


@dataclass(frozen=True)
class ModelQuality:
    """The quality windows of one model, each as it was last told, in order of time."""

    model: str
    windows: list[dict[str, Any]]

    @property
    def metric(self) -> str:
        """The promised metric."""
        return str(self.windows[-1]["metric"])

    @property
    def promised(self) -> float:
        """What it has to be."""
        last = self.windows[-1]
        return float(last["at_least"] if last["at_least"] is not None else last["at_most"])


def read_quality(windows: Path) -> list[ModelQuality]:
    """Read the quality windows of a replay.

    Parameters
    ----------
    windows
        ``windows.jsonl``, in which what was told later stands later.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with windows.open("rb") as file:
        for line in file:
            if b'"kind":"quality"' not in line:
                continue
            window = orjson.loads(line)
            held = found.setdefault(window["model"], {})
            held[window["start"]] = window
            if len(held) > MAX_WINDOWS:
                del held[min(held)]
    return [
        ModelQuality(model, [held[start] for start in sorted(held)])
        for model, held in sorted(found.items())
    ]


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
        f'<div class="quality" data-place="{place}"></div>'
        "<details><summary>All windows as a table</summary><div class=scroll><table><thead><tr>"
        "<th>Predictions of</th><th class=num>Predictions</th><th class=num>Labelled</th>"
        f"<th class=num>{escape(metric)}</th><th class=num>Estimated</th><th>Labels</th>"
        f"<th>Concept drift</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
        "</section>"
    )


def _row(metric: str, window: dict[str, Any]) -> str:
    made = window["counts"].get("predicted", 0)
    estimated = window["estimated"].get(metric)
    told = "–" if estimated is None else f"{estimated['value']:.4g} ± {estimated['sd']:.2g}"
    mature = "all there" if window["mature"] else f"{window['maturity']:.0%} there"
    return (
        f"<tr><td class=time>{short_ts(window['start'])}</td><td class=num>{made:,}</td>"
        f"<td class=num>{window['labelled']:,}</td>"
        f"<td class=num>{_number(window['realised'].get(metric))}</td><td class=num>{told}</td>"
        f"<td>{mature}</td><td>{escape(window['concept'] or '')}</td></tr>"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
