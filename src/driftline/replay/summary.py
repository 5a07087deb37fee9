"""What a replay came to: ``summary.json``, and the same in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from driftline.stats import Reference

__all__ = [
    "Drilled",
    "Followed",
    "Found",
    "Summary",
    "drill_of",
    "drills_of",
    "follow",
    "incidents_of",
    "told_of",
]

MAX_FOUND = 1_000
OF_FINDINGS = ("opened", "updated", "escalated", "reopened")
"""States of alerts that may tell of a finding; what time alone has done repeats the first one."""


@dataclass(slots=True)
class Found:
    """One incident, as its last alert left it; times are RFC 3339, as in the alerts."""

    incident: str
    model: str
    feature: str | None
    features: list[str]
    kind: str
    severity: str
    detectors: list[str]
    change_point: str
    detected_at: str
    resolved_at: str | None
    effect: float
    effect_unit: str
    text: str
    members: list[dict[str, Any]] = field(default_factory=list)
    """Its columns: ``feature``, ``kind``, ``change_point``, ``detected_at``, ``detectors``; and
    ``segment`` where it is about one."""
    segment: dict[str, str] = field(default_factory=dict)
    """Whose rows the text is about; empty where it is about all."""
    told: list[dict[str, Any]] = field(default_factory=list)
    """What alerts last told of each column: ``feature``, ``segment`` where it is about one, and
    ``text``; where evidence has them ``interval`` (of the change point) and ``with`` (the columns
    that it moves with, or no longer)."""
    verdict: str | None = None
    """What people have judged: ``true``, ``false``, ``expected``; None where nobody has."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; ``segment`` is left out where it is empty."""
        return {key: value for key, value in asdict(self).items() if key != "segment" or value}


@dataclass(slots=True)
class Followed:
    """An incident on its way through its alerts.

    Attributes
    ----------
    number
        The highest of its changes so far.
    told_at
        Detection of the latest finding that was told, as in the alert.
    """

    found: Found
    number: int = 0
    told_at: str = ""


@dataclass(frozen=True, slots=True)
class Drilled:
    """One drill and how it ended, as its feedback event tells it; times are RFC 3339."""

    model: str
    feature: str
    shift: str
    rang: bool
    planted_at: str
    ended_at: str
    seconds: float
    slots: int
    within_slots: int
    events: int
    detector: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of a whole replay. All but `seconds` and what follows from it is deterministic.

    Attributes
    ----------
    counts
        Events by type, dead letters, late events, duplicates, skipped (outside of the span),
        unknown fields, slots.
    windows, alerts, feedback
        Lines of the output files.
    differing
        Outputs that came twice with different content; anything but 0 is a fault.
    sources
        What was read, with the number of records.
    drills
        Drills that came to an end, in order of time.
    alarms
        Pages beside the promise by model, as last told (`driftline.replay.alarms`).
    references
        The latest reference of each model that was met; not part of the file.
    warming_up
        Models that have no reference because too few of their events came: rows by model.
    """

    counts: dict[str, Any]
    windows: int
    alerts: int
    feedback: int
    differing: int
    found: list[Found]
    sources: list[dict[str, Any]]
    warming_up: dict[str, int] = field(default_factory=dict)
    drills: list[Drilled] = field(default_factory=list)
    alarms: dict[str, dict[str, Any]] = field(default_factory=dict)
    references: Mapping[str, Reference] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def events(self) -> int:
        """Everything that was read, in whatever count it ended."""
        rest = ("dead_letters", "late", "duplicates", "skipped")
        return sum(self.counts["events"].values()) + sum(self.counts[name] for name in rest)

    def to_json(self) -> bytes:
        """Return the content of ``summary.json``."""
        speed = round(self.events / self.seconds) if self.seconds > 0 else None
        body = {
            **self.counts,
            "windows": self.windows,
            "incidents": len(self.found),
            "alerts": self.alerts,
            "feedback": self.feedback,
            "differing": self.differing,
            "warming_up": self.warming_up,
            "sources": self.sources,
            "alarms": dict(list(self.alarms.items())[:MAX_FOUND]),
            "drills": [asdict(drilled) for drilled in self.drills[:MAX_FOUND]],
            "found": [found.to_json() for found in self.found[:MAX_FOUND]],
            "seconds": round(self.seconds, 3),
            "events_per_second": speed,
        }
        return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def incidents_of(alerts: Path) -> list[Found]:
    """Read alerts in canonical order, and return each incident once, in the order of opening."""
    found: dict[str, Followed] = {}
    with alerts.open("rb") as file:
        for line in file:
            data = orjson.loads(line)["data"]
            found[data["incident"]] = follow(found.get(data["incident"]), data)
    return [held.found for held in found.values()]


def follow(held: Followed | None, data: dict[str, Any]) -> Followed:
    """Take what an alert says of its incident; return the incident as it is now.

    An act may stand before changes that have a lower number, by its own time: of an incident the
    highest number has the last word.

    Parameters
    ----------
    held
        The same incident as its earlier alerts left it, which is changed; None where there is none.
    """
    held = held or Followed(_opened(data))
    found = held.found
    if data["number"] > held.number:
        held.number = data["number"]
        found.features = data["features"]
        found.members = data["members"]
        found.severity = data["severity"]
        found.detectors = data["detectors"]
        found.resolved_at = data["resolved_at"]
        found.verdict = data.get("verdict", {}).get("verdict")
    if data["state"] not in OF_FINDINGS or data["detected_at"] < held.told_at:
        return held
    held.told_at = data["detected_at"]
    if (data["feature"], data.get("segment", {})) == (found.feature, found.segment):
        found.effect, found.effect_unit = data["effect"], data["effect_unit"]
        found.text = data["text"]
    if data["feature"] is not None:
        _tell(found.told, data)
    return held


def drills_of(feedback: Path) -> list[Drilled]:
    """Read the outcomes of drills from feedback in canonical order."""
    with feedback.open("rb") as file:
        return [drill_of(orjson.loads(line)) for line in file if b"feedback.drill_" in line]


def drill_of(event: dict[str, Any]) -> Drilled:
    """Read the feedback event that tells how a drill ended."""
    names = [each.name for each in fields(Drilled) if each.name != "rang"]
    rang = event["type"] == "driftline.feedback.drill_rang"
    return Drilled(rang=rang, **{name: event["data"][name] for name in names})


def told_of(told: list[dict[str, Any]], about: dict[str, Any]) -> dict[str, Any]:
    """Return what was told of the column and segment that an alert or a member is about."""
    key = about["feature"], about.get("segment")
    return next((each for each in told if (each["feature"], each.get("segment")) == key), {})


def _tell(all_told: list[dict[str, Any]], data: dict[str, Any]) -> None:
    """Take what an alert says of its column; a detector that has no interval leaves the last."""
    evidence = data["evidence"]
    told = told_of(all_told, data)
    if not told:
        told = {key: data[key] for key in ("feature", "segment") if key in data}
        all_told.append(told)
    told["text"] = data["text"]
    if evidence.get("change_point_interval"):
        told["interval"] = evidence["change_point_interval"]
    if evidence.get("aspect") == "correlation":
        pairs = (name for each in evidence["pairs"] for name in each["pair"])
        told["with"] = [name for name in dict.fromkeys(pairs) if name != data["feature"]]


def _opened(data: dict[str, Any]) -> Found:
    return Found(
        incident=data["incident"],
        model=data["model"],
        feature=data["feature"],
        features=[],
        kind=data["kind"],
        severity=data["severity"],
        detectors=[],
        change_point=data["change_point"],
        detected_at=data["detected_at"],
        resolved_at=None,
        effect=data["effect"],
        effect_unit=data["effect_unit"],
        text=data["text"],
        segment=data.get("segment", {}),
    )
