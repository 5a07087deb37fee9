"""The sentences of an explanation, shared by terminal, page and picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.replay.explain.case import apart_of, clock
from driftline.replay.explain.numbers import brief, share
from driftline.stats import in_words

if TYPE_CHECKING:
    from driftline.replay.explain.course import Course
    from driftline.replay.explain.explanation import Explanation, Part
    from driftline.replay.explain.histogram import Histogram
    from driftline.replay.explain.near import Other
    from driftline.replay.explain.rows import Place
    from driftline.replay.summary import Found

__all__ = [
    "bar_title",
    "course_title",
    "headline",
    "moved_lines",
    "other_line",
    "part_name",
    "since_line",
    "what_of",
    "where_of",
    "whom",
    "worded",
]

MOST_NAMED = 4
MOST_MOVED = 8
SOURCES = {"events": "events around the change", "alert": "the alert", "windows": "windows"}


def what_of(found: Found) -> str:
    """Return what an incident is about: "drift of age, score"."""
    names = found.features or ["the whole model"]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    where = "".join(f" in {k}={v}" for k, v in sorted(found.segment.items()))
    return f"{found.kind} of {', '.join(names[:MOST_NAMED])}{more}{where}"


def headline(told: Explanation) -> str:
    """Return what the incident is about."""
    return what_of(told.case.found)


def whom(told: Explanation) -> str:
    """Return who answers for the model."""
    owner = told.case.last["owner"]
    if owner is None:
        return "nobody has said who owns it"
    parts = [owner["team"] or "no team", owner["contact"]]
    text = ", ".join(part for part in parts if part)
    return text + (f"; then {owner['escalation']}" if owner["escalation"] else "")


def part_name(part: Part) -> str:
    """Return what moved."""
    name = part.feature or "the whole model"
    where = ", ".join(f"{k}={v}" for k, v in sorted(part.segment.items()))
    return f"{name} in {where}" if where else name


def where_of(place: Place) -> str:
    """Return where an event stands: "topic/partition @offset", and its place in an envelope."""
    more = f"+{place.element}" if place.element else ""
    return f"{place.topic}/{place.partition} @{place.offset}{more}"


def worded(told: Explanation) -> str:
    """Return why there is no other column to tell of."""
    if told.moved:
        return "no other column of this model moved by more than chance"
    return f"other columns: not known ({told.case.rows.note or 'too few events'})"


def since_line(part: Part) -> str:
    """Return since when it is so, and when it was seen."""
    text = f"since {clock(part.change)}"
    if part.interval is not None:
        low, high = part.interval
        if low != high:
            text += f" (between {clock(low)[11:]} and {clock(high)[11:]})"
            if clock(low)[:10] != clock(high)[:10]:
                text = f"since {clock(part.change)} (between {clock(low)} and {clock(high)})"
    late = max(0, part.detected - part.change) / 1e6
    return f"{text}, seen {apart_of(late)} later"


def bar_title(told: Explanation, histogram: Histogram) -> str:
    """Return what the bars show."""
    segment = told.case.segment
    where = f" in {in_words(segment)}" if segment else ""
    return (
        f"{histogram.feature}{where}: the reference ({histogram.was_rows:,} rows) against "
        f"since the change ({histogram.now_rows:,} rows)"
    )


def course_title(course: Course) -> str:
    """Return what the curve shows."""
    what = course.what[:1].upper() + course.what[1:]
    normal = course.normal.get(course.main)
    say = share if course.shares else brief
    beside = "" if normal is None else f" ({course.normal_name} {say(normal)})"
    return f"{what}{beside}, each point {apart_of(course.stretch / 1e6)}"


def moved_lines(told: Explanation) -> list[tuple[str, str, str]]:
    """Return other columns that moved, the furthest first: name, PSI and words."""
    mine = {part.feature for part in told.parts}
    found = [each for each in told.moved if each.feature not in mine and each.stands_out]
    lines = [(each.feature, f"PSI {each.psi:.2g}", each.text) for each in found[:MOST_MOVED]]
    if len(found) > MOST_MOVED:
        lines.append((f"{len(found) - MOST_MOVED} more", "", "see --json"))
    return lines


def other_line(other: Other) -> str:
    """Return an incident that began near this one."""
    found = other.found
    apart = abs(other.apart) / 1e6
    when = (
        "at the same time"
        if apart < 1
        else f"{apart_of(apart)} {'later' if other.apart > 0 else 'earlier'}"
    )
    same = f", as here ({', '.join(other.same[:MOST_NAMED])})" if other.same else ""
    ended = "" if found.resolved_at is None else ", resolved"
    return f"{found.model}: {what_of(found)}{same}, {when}{ended} ({found.incident[:8]})"
