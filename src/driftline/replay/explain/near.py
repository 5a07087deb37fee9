"""What happened around the time of a change: what people told, what was published, what broke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract.types import DAY
from driftline.events.time import read_ts
from driftline.replay.explain.case import apart_of

if TYPE_CHECKING:
    from driftline.replay.explain.case import Case
    from driftline.replay.summary import Found

__all__ = ["Happened", "Other", "happened", "others"]

MOST = 30
MOST_OTHERS = 20
MOST_FIELDS = 8
REMADE = ("deployed", "retrained")
"""What is told even where it was long ago: the first question is always what was released."""
BROKEN = ("unannounced_version", "served_after_deprecation")
SLOWER = 1.5
LATE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened; ``at`` is event time, microseconds."""

    at: int
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Other:
    """An incident that began near the same time.

    Attributes
    ----------
    same
        Columns that it has in common with this one, by name.
    """

    found: Found
    apart: int
    same: list[str]


def others(case: Case) -> list[Other]:
    """Return incidents whose change is near this one's, those of the same columns first."""
    mine = set(case.found.features)
    out = []
    for each in case.others:
        apart = read_ts(each.change_point) - case.change
        if abs(apart) > case.lead:
            continue
        same = [name for name in each.features if name in mine]
        out.append(Other(each, apart, same))
    out.sort(key=lambda other: (not other.same, abs(other.apart), other.found.incident))
    return out[:MOST_OTHERS]


def happened(case: Case) -> list[Happened]:
    """Return what happened near the change, in order of time."""
    near = max(case.lead, DAY)
    found = _told(case, near)
    found += _feedback(case)
    found += _versions(case)
    found += _fields(case)
    found += [
        Happened(dead.at, f"{dead.count:,} dead letters of {dead.topic}: {dead.message}", "events")
        if dead.count > 1
        else Happened(dead.at, f"a dead letter of {dead.topic}: {dead.message}", "events")
        for dead in case.dead
    ]
    found += _labels(case)
    found += _windows(case)
    found += [
        Happened(
            case.change, f"nothing more came on {name}, while other partitions went on", "events"
        )
        for name in case.rows.quiet
    ]
    found.sort(key=lambda each: abs(each.at - case.change))
    return sorted(found[:MOST], key=lambda each: each.at)


def _told(case: Case, near: int) -> list[Happened]:
    held: dict[tuple[str, int], str] = {}
    for window in case.told.get("lifecycle", []):
        for kind, told in window["last"].items():
            version = f" {told['version']}" if told["version"] else ""
            by = f" by {told['by']}" if told["by"] else ""
            why = f": {told['why']}" if told["why"] else ""
            held[kind, read_ts(told["at"])] = f"{kind.replace('_', ' ')}{version}{by}{why}"
    out = [
        Happened(at, text, "lifecycle")
        for (_, at), text in held.items()
        if abs(at - case.change) <= near
    ]
    for kind in REMADE:
        before = [at for what, at in held if what == kind and at <= case.change]
        if before and max(before) < case.change - near:
            out.append(Happened(max(before), held[kind, max(before)], "lifecycle"))
    return out


def _feedback(case: Case) -> list[Happened]:
    out = []
    told = {alert["data"]["text"] for alert in case.alerts}
    for event in case.feedback:
        at, kind = read_ts(event["time"]), event["type"].rpartition(".")[2]
        about = event["data"].get("incident") == case.found.incident
        if kind.startswith("drill_") or not (about or abs(at - case.change) <= case.lead):
            continue
        # What a contract lacks is lacking all the time; it has no part in this.
        if kind == "contract_violated" and event["data"].get("violation") not in BROKEN:
            continue
        text = event["data"]["text"]
        # Nobody wants to read a second time what moved.
        more = "" if text == case.found.text or text in told else f": {text}"
        out.append(Happened(at, f"{kind.replace('_', ' ')}{more}", "feedback"))
    return out


def _versions(case: Case) -> list[Happened]:
    """Tell of versions that began or ceased to predict meanwhile."""
    rows = case.rows
    named = np.array([version or "" for version in rows.versions], dtype=object)
    out = []
    for version in sorted(set(named.tolist()) - {""}):
        at = rows.ts[named == version]
        share = f"{np.mean(named[rows.ts >= at[0]] == version):.0%} of predictions since"
        if at[0] - rows.ts[0] > case.lead // 100:
            text = f"version {version} begins to predict ({share})"
            out.append(Happened(int(at[0]), text, "predictions"))
        if rows.ts[-1] - at[-1] > case.lead // 10:
            text = f"version {version} predicts for the last time"
            out.append(Happened(int(at[-1]), text, "predictions"))
    return out


def _fields(case: Case) -> list[Happened]:
    """Tell of columns that appeared or vanished meanwhile."""
    rows, out = case.rows, []
    for name, values in rows.values.items():
        held = np.array([value is not None for value in values], dtype=bool)
        could = rows.carries[name]
        before, after = could & (rows.ts < case.change), could & (rows.ts >= case.change)
        if not held.any() or min(before.sum(), after.sum()) < MOST_FIELDS:
            continue
        at = rows.ts[held]
        if not held[before].any():
            out.append(Happened(int(at[0]), f"{name} appears: no event had it before", "events"))
        elif not held[after].any():
            out.append(Happened(int(at[-1]), f"{name} vanishes: no event has it since", "events"))
    return out[:MOST_FIELDS]


def _labels(case: Case) -> list[Happened]:
    """Tell where labels have become slower."""
    told = [w for w in case.told.get("quality", []) if w["label_delay_s"] is not None]
    before = [w for w in told if read_ts(w["end"]) <= case.change]
    after = [w for w in told if read_ts(w["end"]) > case.change]
    if not before or not after:
        return []
    then, now = before[-1]["label_delay_s"], after[0]["label_delay_s"]
    if then <= 0 or max(then, now) < SLOWER * min(then, now):
        return []
    word = "slower" if now > then else "faster"
    text = f"labels have become {word}: {apart_of(now)} in the median, was {apart_of(then)}"
    return [Happened(read_ts(after[0]["start"]), text, "quality")]


def _windows(case: Case) -> list[Happened]:
    """Tell of windows in which unusually much came late, or could not be read."""
    out = []
    least = min((w["length_s"] for w in case.windows), default=0)
    for window in case.windows:
        start, end = read_ts(window["start"]), read_ts(window["end"])
        if window["length_s"] != least or end < case.around.first or start > case.around.last:
            continue
        events = sum(window["events"].values())
        parts: list[str] = []
        told: dict[str, Any] = {"late": window["late"]}
        if not case.dead:
            told["that could not be read"] = window["dead"]
        for what, count in told.items():
            if count > LATE_SHARE * max(1, events):
                parts.append(f"{count:,} events {what}")
        if parts:
            text = f"{' and '.join(parts)} within {apart_of((end - start) / 1e6)}"
            out.append(Happened(start, text, "windows"))
    return out
