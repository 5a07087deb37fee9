"""What moved in an incident, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.replay.summary import told_of
from driftline.stats.segments import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.replay.summary import Found

__all__ = ["Moved", "members_of", "moved"]

MOST_MOVED = 40


@dataclass(frozen=True, slots=True)
class Moved:
    """One column of an incident, in words.

    Attributes
    ----------
    segment
        Whose rows, in words; empty for all.
    interval
        What the change point lies in, where that is known.
    """

    feature: str | None
    segment: str
    kind: str
    text: str
    change_point: str
    detected_at: str
    detectors: list[str]
    interval: list[str] | None


def moved(found: Found) -> list[Moved]:
    """Return what moved, the whole before its segments, in order of detection."""
    members = sorted(found.members, key=lambda m: (bool(m.get("segment")), m["detected_at"]))
    if not members:
        members = [
            {
                "feature": found.feature,
                "kind": found.kind,
                "change_point": found.change_point,
                "detected_at": found.detected_at,
                "detectors": found.detectors,
            }
        ]
    return [_moved(found, member) for member in members[:MOST_MOVED]]


def members_of(found: Found, feature: str) -> list[Moved]:
    """Return the same of one column alone."""
    return [each for each in moved(found) if each.feature == feature]


def _moved(found: Found, member: Mapping[str, Any]) -> Moved:
    told = told_of(found.told, dict(member))
    segment = member.get("segment") or {}
    own = (member["feature"], segment) == (found.feature, found.segment)
    text = told.get("text") or (found.text if own else "")
    where = in_words(tuple(sorted(segment.items()))) if segment else ""
    return Moved(
        member["feature"],
        where,
        member["kind"],
        text.removeprefix(f"in {where}: "),
        member["change_point"],
        member["detected_at"],
        member["detectors"],
        told.get("interval"),
    )
