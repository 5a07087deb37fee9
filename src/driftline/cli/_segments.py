"""What is told of a reference's segments: those watched each by itself, and those left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.detect import build_segments
from driftline.detect.budget import run_of_data, run_of_segment
from driftline.replay.foretold import span
from driftline.stats import in_words
from driftline.stats.segments import LEAST_ROWS, MOST_OF_ALL

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.stats import Reference

SHOWN = 5


def in_sentences(contract: Contract, reference: Reference) -> list[str]:
    """Say which segments are watched and which are not, and why; nothing where there are none."""
    told = as_json(contract, reference)
    watched, left_out = told["watched"], told["left_out"]
    sentences = []
    if watched:
        run = run_of_segment(run_of_data(contract), len(watched)) * contract.slot / 1e6
        names = _listed([f"{each['name']} ({each['rows']:,} rows)" for each in watched])
        sentences.append(
            f"Segments watched each by itself: {len(watched)}, each at 1 per {span(run)}: {names}."
        )
    if left_out:
        names = _listed([f"{e['name']} ({e['rows']:,} rows: {e['why']})" for e in left_out])
        sentences.append(f"Watched as part of the whole alone: {names}.")
    return sentences


def as_json(contract: Contract, reference: Reference) -> dict[str, list[dict[str, Any]]]:
    """Return the same as JSON values."""
    watched = build_segments(contract, reference)
    rows = {segment: own.events for segment, own in reference.segments.items()}
    rows |= reference.left_out
    return {
        "watched": [_segment(segment, rows[segment]) for segment in watched],
        "left_out": [
            _segment(segment, count) | {"why": _why(count, reference.events)}
            for segment, count in rows.items()
            if segment not in watched
        ],
    }


def _segment(segment: Segment, rows: int) -> dict[str, Any]:
    return {"name": in_words(segment), "segment": dict(segment), "rows": rows}


def _why(rows: int, events: int) -> str:
    if rows < LEAST_ROWS:
        return f"fewer than {LEAST_ROWS}"
    return "nearly all" if rows > MOST_OF_ALL * events else "more segments than are watched"


def _listed(told: list[str]) -> str:
    more = len(told) - SHOWN
    return ", ".join(told[:SHOWN]) + (f" and {more} more" if more > 0 else "")
