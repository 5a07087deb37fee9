"""Windows in the view: statistics column by column, and what else is told of a model."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.time import read_ts
from driftline.replay.review.facts import KINDS, MOST_PART_WINDOWS, MOST_WINDOWS
from driftline.ui.view.tables import pack

if TYPE_CHECKING:
    import sqlite3

    from driftline.ui.view.tables import Limits

__all__ = ["segment_key", "take_reference", "take_told", "take_window"]

SLACK = 1.1
"""Rows are taken away a tenth at a time, as each time asks for a look at every feature."""
SEGMENT_PART = 4


def segment_key(segment: dict[str, str]) -> str:
    """Return a segment as it stands in the tables; empty for all rows."""
    return orjson.dumps(segment, option=orjson.OPT_SORT_KEYS).decode() if segment else ""


def take_window(db: sqlite3.Connection, window: dict[str, Any], limits: Limits) -> bool:
    """Take a window of statistics; return whether it is of the kind that is kept.

    Of several lengths the shortest is kept, as it can be summed up to the others; of hopping
    windows those that do not overlap.
    """
    model, segment = window["model"], segment_key(window["segment"])
    length = round(window["length_s"] * 1e6)
    start, end = read_ts(window["start"]), read_ts(window["end"])
    held = db.execute("select span, heard from models where model = ?", (model,)).fetchone()
    if not segment and sum(window["events"].values()) and end > (held["heard"] or 0):
        db.execute("update models set heard = ? where model = ?", (end, model))
    if held["span"] is not None and length > held["span"]:
        return False
    if held["span"] is None or length < held["span"]:
        db.execute("update models set span = ? where model = ?", (length, model))
        for table in ("windows", "columns"):
            db.execute(f"delete from {table} where model = ?", (model,))
    if start % length:
        return False
    events = window["events"]
    db.execute(
        "insert or replace into windows values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(model, segment, start, end, window["reference"] or "", sum(events.values())),
            *(events.get("prediction", 0), window["late"]),
        ),
    )
    db.executemany(
        "insert or replace into columns values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(model, segment, name, start, each["missing"], each["unseen"]),
                *(each["min"], each["max"], orjson.dumps(each["histogram"]).decode()),
                each.get("evidence"),
            )
            for name, each in window["features"].items()
        ],
    )
    _trim(db, model, segment, limits.rows if not segment else limits.rows // SEGMENT_PART)
    return True


def _trim(db: sqlite3.Connection, model: str, segment: str, most: int) -> None:
    of = (model, segment)
    count = "select count(*) from windows where model = ? and segment = ?"
    if db.execute(count, of).fetchone()[0] <= most * SLACK:
        return
    (cut,) = db.execute(
        "select start from windows where model = ? and segment = ? order by start desc "
        "limit 1 offset ?",
        (*of, most - 1),
    ).fetchone()
    for table in ("windows", "columns"):
        db.execute(
            f"delete from {table} where model = ? and segment = ? and start < ?",
            (*of, cut),
        )


def take_told(db: sqlite3.Connection, window: dict[str, Any]) -> bool:
    """Take what else is told of a model; of what is told again the latest holds."""
    kind = window["kind"]
    if kind not in KINDS:
        return False
    segment, start = segment_key(window.get("segment") or {}), window.get("start", "")
    key = (window["model"], kind, segment, start)
    at = read_ts(window.get("as_of") or window["end"])
    db.execute(
        "insert into told values (?, ?, ?, ?, ?, ?) on conflict do update "
        "set at = excluded.at, body = excluded.body where excluded.at >= told.at",
        (*key, at, pack(window)),
    )
    db.execute(
        "delete from told where model = ? and kind = ? and segment = ? and start < (select start "
        "from told where model = ? and kind = ? and segment = ? order by start desc "
        "limit 1 offset ?)",
        (*key[:3], *key[:3], (MOST_PART_WINDOWS if segment else MOST_WINDOWS) - 1),
    )
    return True


def take_reference(db: sqlite3.Connection, message: dict[str, Any], raw: bytes) -> str:
    """Take a message of the topic `references`; of each model the newest is kept."""
    model, start = message["reference"]["model"], int(message["holds_from"])
    raw = raw.strip()
    db.execute(
        "insert into reference values (?, ?, ?, ?) on conflict do update "
        "set holds_from = excluded.holds_from, digest = excluded.digest, body = excluded.body "
        "where excluded.holds_from >= reference.holds_from",
        (model, start, sha256(raw).hexdigest(), pack(orjson.Fragment(raw))),
    )
    return str(model)
