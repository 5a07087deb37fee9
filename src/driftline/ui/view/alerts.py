"""Incidents in the view, from their alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.time import read_ts
from driftline.replay.summary import OF_FINDINGS, Followed, Found, follow
from driftline.stats.segments import in_words
from driftline.ui.view.tables import pack, unpack
from driftline.ui.worry import WHOLE

if TYPE_CHECKING:
    import sqlite3

__all__ = ["about", "followed", "sentence", "status_of", "take_alert"]

MOST_CHANGES = 100
"""Changes of one incident that are kept, the latest."""
MOST_NAMED = 3
_CONFIRMED = {
    "incident_acknowledged": "acknowledged",
    "incident_silenced": "silenced",
    "incident_judged": "verdict",
}
"""The field of an alert that shows that a lifecycle event was taken up."""


def take_alert(db: sqlite3.Connection, event: dict[str, Any]) -> str:
    """Take one alert; return the id of its incident."""
    data = event["data"]
    name, model, number = data["incident"], data["model"], data["number"]
    held = db.execute("select found, last from incidents where incident = ?", (name,)).fetchone()
    before = None if held is None else followed(held["found"])
    if before is not None and number < before.number:
        # An older one, among an archive's: it tells of its finding, the newer one of all the rest.
        data = unpack(held["last"])
    told = follow(before, event["data"])
    found, at = told.found, read_ts(event["time"])
    verdict = (data.get("verdict") or {}).get("verdict")
    db.execute(
        "insert or replace into incidents values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(name, model, data["severity"], data["kind"], status_of(data)),
            data["resolved_at"] is None,
            *(read_ts(found.change_point), read_ts(data["opened_at"])),
            at,
            None if data["resolved_at"] is None else read_ts(data["resolved_at"]),
            *(about(found), sentence(found), verdict, pack(told), pack(data)),
        ),
    )
    db.execute(
        "insert or replace into changes values (?, ?, ?, ?)",
        (name, number, at, pack(_change(event["data"]))),
    )
    if number > MOST_CHANGES:
        last = (name, number - MOST_CHANGES)
        db.execute("delete from changes where incident = ? and number <= ?", last)
    _confirm(db, name, data)
    return str(name)


def about(found: Found) -> str:
    """Return what an incident is about, short: "age and 3 more"."""
    names = [each for each in dict.fromkeys(found.features) if each]
    if not names:
        return WHOLE
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    where = f" in {in_words(tuple(sorted(found.segment.items())))}" if found.segment else ""
    return f"{shown} and {more} more{where}" if more > 0 else f"{shown}{where}"


def sentence(found: Found) -> str:
    """Return what happened, in a sentence: that of what was seen first, then what joined it."""
    if found.feature is None:
        return f"{found.text[:1].upper()}{found.text[1:]}"
    others = [each for each in dict.fromkeys(found.features) if each not in (None, found.feature)]
    names = ", ".join(others[: MOST_NAMED - 1])
    more = len(others) - (MOST_NAMED - 1)
    rest = f"; {names}{f' and {more} more' if more > 0 else ''} too" if others else ""
    return f"{found.feature}: {found.text}{rest}"


def status_of(data: dict[str, Any]) -> str:
    """Return how people stand to an incident: open, acknowledged, silenced, judged or resolved."""
    if data["resolved_at"] is not None:
        return "resolved"
    if (data.get("verdict") or {}).get("verdict") in ("false", "expected"):
        return "judged"
    for word in ("silenced", "acknowledged"):
        if data.get(word):
            return word
    return "open"


def followed(blob: bytes) -> Followed:
    """Read back an incident as its alerts have left it."""
    held = unpack(blob)
    return Followed(Found(**held.pop("found")), **held)


def _change(data: dict[str, Any]) -> dict[str, Any]:
    """Return what the life of an incident says of one change."""
    told = {key: data.get(key) for key in ("state", "reason", "severity", "feature")}
    told |= {"column": data["feature"], "evidence": _evidence(data)}
    if data["feature"] is not None and data.get("segment"):
        told["feature"] = f"{data['feature']} in {in_words(tuple(data['segment'].items()))}"
    return told


def _evidence(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return what speaks for a finding, where the alert is about one: numbers that are seen."""
    if data["state"] not in OF_FINDINGS:
        return None
    threshold = data["evidence"].get("log_threshold")
    return {
        "detector": data["detector"],
        "log_e": data["log_e"],
        "log_threshold": threshold,
        "effect": data["effect"],
        "effect_unit": data["effect_unit"],
        "events": data["evidence"].get("events_since_change"),
        "reference_events": data["evidence"].get("reference_events"),
    }


def _confirm(db: sqlite3.Connection, incident: str, data: dict[str, Any]) -> None:
    """Strike out what was sent from here and is part of the incident now."""
    waiting = db.execute("select kind, by from sent where incident = ?", (incident,)).fetchall()
    for kind, by in waiting:
        if kind == "incident_unsilenced":
            done = not data.get("silenced")
        else:
            done = (data.get(_CONFIRMED[kind]) or {}).get("by") == by
        if done or data["resolved_at"] is not None:
            db.execute("delete from sent where incident = ? and kind = ?", (incident, kind))
