"""An incident explained: what moved, since when, who says so, what else happened, what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract.quantities import format_duration
from driftline.events.frame import segment_of
from driftline.events.time import format_ts, read_ts, short_ts
from driftline.replay.alarms import alarms_in_words
from driftline.replay.explain.case import apart_of
from driftline.replay.explain.course import (
    course_of_events,
    course_of_pair,
    course_of_quality,
    course_of_rate,
    course_of_windows,
)
from driftline.replay.explain.example import examples
from driftline.replay.explain.histogram import column_of, counts_of, histogram
from driftline.replay.explain.moved import moved_columns
from driftline.replay.explain.near import happened, others
from driftline.replay.summary import OF_FINDINGS
from driftline.stats import in_words
from driftline.stats.wording import number

if TYPE_CHECKING:
    from driftline.replay.explain.case import Case
    from driftline.replay.explain.course import Course
    from driftline.replay.explain.example import Examples
    from driftline.replay.explain.histogram import Histogram
    from driftline.replay.explain.moved import Moved
    from driftline.replay.explain.near import Happened, Other
    from driftline.stats import Column

__all__ = ["Explanation", "Part", "Step", "explain"]

CERTAIN = ("schema", "silence", "volume", "contract")
"""Kinds that are facts: nothing of the promise is spent on them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One column of the incident.

    Attributes
    ----------
    text
        How much it moved, in its own units; empty where no alert about it is kept.
    interval
        Between which moments its change began, microseconds; None where nobody says.
    strength
        Who says so, and how strongly against what is asked for.
    """

    feature: str | None
    kind: str
    segment: dict[str, str]
    text: str
    change: int
    interval: tuple[int, int] | None
    detected: int
    strength: list[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the incident; ``by`` is the person who made it."""

    number: int
    at: int
    state: str
    text: str
    by: str | None = None


@dataclass(frozen=True)
class Explanation:
    """All of it; times are event time in microseconds.

    Attributes
    ----------
    state
        ``open`` or ``resolved``, with ``acknowledged`` and ``silenced`` where people said so.
    forgotten
        Changes of it that are no longer on the topic.
    """

    case: Case
    state: str
    parts: list[Part]
    life: list[Step]
    forgotten: int
    histogram: Histogram | None
    course: Course | None
    promise: str
    drill: str
    moved: list[Moved]
    others: list[Other]
    happened: list[Happened]
    examples: Examples
    replay: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, times as RFC 3339."""
        found, last, case = self.case.found, self.case.last, self.case
        return {
            "incident": found.incident,
            "model": found.model,
            "kind": found.kind,
            "severity": found.severity,
            "state": self.state,
            "acknowledged": last.get("acknowledged"),
            "silenced": last.get("silenced"),
            "verdict": last.get("verdict"),
            "owner": last["owner"],
            "runbook": last["runbook"],
            "change_point": found.change_point,
            "detected_at": found.detected_at,
            "resolved_at": found.resolved_at,
            "parts": [
                _timed(asdict(part), "change", "interval", "detected") for part in self.parts
            ],
            "life": [_timed(asdict(step), "at") for step in self.life],
            "forgotten": self.forgotten,
            "histogram": None if self.histogram is None else asdict(self.histogram),
            "course": None if self.course is None else _course(self.course),
            "promise": self.promise,
            "drill": self.drill,
            "moved": [asdict(each) | {"stands_out": each.stands_out} for each in self.moved],
            "others": [
                {
                    "incident": other.found.incident,
                    "model": other.found.model,
                    "kind": other.found.kind,
                    "features": other.found.features,
                    "text": other.found.text,
                    "change_point": other.found.change_point,
                    "seconds": other.apart / 1e6,
                    "same_features": other.same,
                }
                for other in self.others
            ],
            "happened": [
                _timed(asdict(each), "at") | {"seconds": (each.at - case.change) / 1e6}
                for each in self.happened
            ],
            "events": {
                "text": self.examples.text,
                "sample": [
                    {
                        "prediction_id": event.id,
                        "ts": format_ts(event.at),
                        **event.place._asdict(),
                        "values": event.values,
                    }
                    for event in self.examples.events
                ],
                "read": len(case.rows),
                "note": case.rows.note,
            },
            "replay": self.replay,
        }


def explain(case: Case) -> Explanation:
    """Put everything together; pure: the same case gives the same explanation."""
    found, last = case.found, case.last
    told = case.told_alert(case.feature)
    aspect = _aspect(case, told)
    column = _column(case, told)
    mine = moved_columns(case)
    numbers = [alert["data"]["number"] for alert in case.alerts]
    return Explanation(
        case=case,
        state=_state(case),
        parts=[_part(case, member) for member in found.members],
        life=[_step(alert) for alert in case.alerts],
        forgotten=numbers[-1] - len(set(numbers)),
        histogram=None if column is None else _histogram(case, column, aspect, told),
        course=_draw(case, column, aspect, told),
        promise=_promise(case),
        drill=_drill(case),
        moved=mine,
        others=others(case),
        happened=happened(case),
        examples=examples(case, column, aspect, _beside(told)),
        replay=last["replay"],
    )


def _aspect(case: Case, told: dict[str, Any] | None) -> str:
    """Return what about the column has moved, as detectors call it."""
    if case.found.kind == "missing":
        return "missing"
    aspect = (told or {}).get("evidence", {}).get("aspect")
    if aspect in {"vanished", "missing"}:
        return "missing"
    return str(aspect or "location")


def _column(case: Case, told: dict[str, Any] | None) -> Column | None:
    reference = (told or {}).get("reference") or {}
    statistics = reference.get("statistics")
    if case.feature is None or statistics is None:
        return None
    return column_of(case.feature, statistics)


def _beside(told: dict[str, Any] | None) -> list[str]:
    """Return the columns that the leading one moves with, or no longer."""
    pairs = (told or {}).get("evidence", {}).get("pairs") or []
    return [str(name) for each in pairs for name in each["pair"]]


def _histogram(
    case: Case, column: Column, aspect: str, told: dict[str, Any] | None
) -> Histogram | None:
    if aspect == "correlation":
        return None  # each column by itself is what it was
    rows = case.rows
    since = (rows.ts >= case.change) & (rows.ts < case.ended)
    values = rows.of(column.name, since)
    known = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if values:
        ends = (min(known, default=None), max(known, default=None))
        return histogram(column, counts_of(column, values), "events", ends=ends, values=values)
    window = ((told or {}).get("window") or {}).get("statistics")
    if window is None or "histogram" not in window:
        return None
    now = np.array([*window["histogram"], window["unseen"], window["missing"]], dtype=np.int64)
    return histogram(column, now, "alert", ends=(window["min"], window["max"]))


def _draw(
    case: Case, column: Column | None, aspect: str, told: dict[str, Any] | None
) -> Course | None:
    if case.found.kind == "quality":
        return course_of_quality(case)
    if case.found.kind in {"silence", "volume"}:
        return course_of_rate(case)
    if column is None:
        return None
    if aspect == "correlation" and told is not None:
        return course_of_pair(case, told["evidence"]["pairs"][0])
    of_rows = course_of_events(case, column.name, column, aspect)
    return of_rows or (course_of_windows(case, column.name, column, aspect))


def _state(case: Case) -> str:
    last = case.last
    words = ["open" if case.found.resolved_at is None else "resolved"]
    words += ["flapping"] if last.get("flapping") else []
    for name in ("acknowledged", "silenced", "verdict"):
        said = last.get(name)
        if said:
            word = f"judged {said['verdict']}" if name == "verdict" else name
            until = f" until {short_ts(said['until'])}" if name == "silenced" else ""
            words.append(word + until + (f" by {said['by']}" if said["by"] else ""))
    return ", ".join(words)


def _part(case: Case, member: dict[str, Any]) -> Part:
    segment = member.get("segment", {})
    about = [
        data
        for data in (alert["data"] for alert in case.alerts)
        if (data["feature"], data["kind"], data.get("segment", {}))
        == (member["feature"], member["kind"], segment)
        and data["state"] in OF_FINDINGS
    ]
    data = about[-1] if about else None
    interval = (data or {}).get("evidence", {}).get("change_point_interval")
    text = data["text"] if data else ""
    found = case.found
    if not text and (member["feature"], member["kind"], segment) == (
        found.feature, found.kind, found.segment
    ):  # fmt: skip
        text = found.text
    where = f"in {in_words(segment_of(sorted(segment.items())))}: " if segment else ""
    return Part(
        feature=member["feature"],
        kind=member["kind"],
        segment=segment,
        text=text.removeprefix(where),
        change=read_ts(member["change_point"]),
        interval=None if not interval else (read_ts(interval[0]), read_ts(interval[1])),
        detected=read_ts(member["detected_at"]),
        strength=_strength(member, data),
    )


def _strength(member: dict[str, Any], data: dict[str, Any] | None) -> list[str]:
    said: list[str] = []
    beside: list[str] = []
    evidence = {} if data is None else data["evidence"]
    for name in member["detectors"]:
        if data is None or name != data["detector"]:
            beside.append(name)
        elif data["log_e"] is not None and "log_threshold" in evidence:
            after = evidence.get("events_since_change")
            rows = "" if after is None else f", after {after:,} events"
            said.append(
                f"{name}: log evidence {number(data['log_e'])} against a threshold of "
                f"{number(evidence['log_threshold'])}{rows}"
            )
        elif "promised" in evidence and "value" in evidence:
            labels = f" over {evidence['labels']:,} labels" if "labels" in evidence else ""
            value, promised = number(evidence["value"]), number(evidence["promised"])
            said.append(f"{name}: {value}{labels} against {promised} promised")
        elif member["kind"] in CERTAIN:
            said.append(f"{name}: a fact, not a test; it costs nothing of the promise")
        else:
            said.append(name)
    also = "seen by " if not said else "also seen by "
    return [*said, also + ", ".join(beside)] if beside else said


def _step(alert: dict[str, Any]) -> Step:
    data = alert["data"]
    who = data.get({"judged": "verdict"}.get(data["state"], data["state"]))
    by = who.get("by") if isinstance(who, dict) else None
    text = data["reason"]
    if isinstance(who, dict):
        said = [who.get("verdict"), who.get("why")]
        until = who.get("until")
        said += [f"until {short_ts(until)}"] if until else []
        text = "; ".join(str(each) for each in said if each) or text
    if data["state"] in OF_FINDINGS and data["feature"]:
        text += f" ({data['feature']})"
    if data["state"] == "escalated" and data.get("escalate_to"):
        text += f": to {data['escalate_to']}"
    return Step(data["number"], read_ts(alert["time"]), data["state"], text, by)


def _promise(case: Case) -> str:
    budget = None if case.contract is None else case.contract.budget.false_pages
    mine = [case.found, *(each for each in case.others if each.model == case.found.model)]
    pages = [each for each in mine if each.severity == "page"]
    if budget is None:
        return "no contract was given, so what is promised is not known"
    since = case.change - budget.per
    count = sum(since <= read_ts(each.detected_at) for each in pages)
    many = f"{budget.count:g} false page{'' if budget.count == 1 else 's'}"
    promised = f"at most {many} per {format_duration(budget.per)}, over everything of this model"
    if case.found.severity != "page":
        return f"{promised}; this is a notice, which wakes nobody"
    judged = case.told.get("alarms", [])
    if judged:
        return f"{promised}. {alarms_in_words(judged[-1])}".removesuffix(".")
    return f"{promised}; with this one it had {count:,} in that time, true and false"


def _drill(case: Case) -> str:
    held = [drill for drill in case.drills if read_ts(drill.ended_at) <= case.around.last]
    if not held:
        return "no drill is known: nobody has tried lately whether the alarm rings"
    last = max(held, key=lambda drill: drill.ended_at)
    ago = apart_of(abs(case.change - read_ts(last.ended_at)) / 1e6)
    what = f"{last.feature} {last.shift}"
    if last.rang:
        return f"the last drill ({what}, {ago} before) rang after {last.events:,} events"
    return f"the last drill ({what}, {ago} before) did not ring"


def _timed(values: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        value = values[name]
        if isinstance(value, list | tuple):
            values[name] = [format_ts(each) for each in value]
        elif value is not None:
            values[name] = format_ts(value)
    return values


def _course(course: Course) -> dict[str, Any]:
    told = asdict(course)
    told["times"] = [format_ts(at) for at in course.times]
    told["stretch_s"] = told.pop("stretch") / 1e6
    return told | {"marks": _timed(dict(course.marks), *course.marks)}
