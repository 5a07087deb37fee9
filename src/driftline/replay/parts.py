"""Segments of windows: those that were told beside a whole, and which are worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from driftline.ledger.segments import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from driftline.events.frame import Segment

__all__ = ["beside", "latest_measured", "loss", "read_quality_parts", "segment_of", "worst_first"]


def segment_of(window: Mapping[str, Any]) -> Segment:
    """Return the segment that a message is of; that of a whole is empty."""
    return tuple(sorted((window.get("segment") or {}).items()))


def beside(whole: Mapping[str, Any], parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the segments that were told with a window as it was last told.

    A segment that stands apart no more, as there are too many, was last told earlier.
    """
    of = [whole.get(name) for name in ("start", "as_of")]
    return [part for part in parts if [part.get(name) for name in ("start", "as_of")] == of]


def latest_measured(windows: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the last window whose promised metric is known on labels that are mature."""
    found = None
    for window in windows:
        if window["mature"] and window["realised"].get(window["metric"]) is not None:
            found = window
    return found


def loss(part: Mapping[str, Any]) -> float | None:
    """Return by how much a segment falls short of the promise, times its rows; below 0: not at all.

    None where its metric is not known.
    """
    value = part["realised"].get(part["metric"])
    if value is None:
        return None
    short = part["at_least"] - value if part["at_least"] is not None else value - part["at_most"]
    return float(short * part["labelled"])


def worst_first(parts: Iterable[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return segments of quality with their names, those that lose most first."""

    def order(named: tuple[str, dict[str, Any]]) -> tuple[bool, float, str]:
        lost = loss(named[1])
        return lost is None, -(lost or 0.0), named[0]

    return sorted(((name_of(segment_of(part)), part) for part in parts), key=order)


def read_quality_parts(
    windows: Path, wanted: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Read the segments of one quality window of each model, worst first.

    Parameters
    ----------
    windows
        ``windows.jsonl``.
    wanted
        The window by model, as it was last told.
    """
    found: dict[str, list[dict[str, Any]]] = {model: [] for model in wanted}
    with windows.open("rb") as file:
        for line in file:
            if b'"kind":"quality"' not in line or b'"segment":{}' in line:
                continue
            part = orjson.loads(line)
            whole = wanted.get(part["model"])
            if whole is not None and segment_of(part):
                found[part["model"]] += beside(whole, [part])
    return {model: [part for _, part in worst_first(parts)] for model, parts in found.items()}
