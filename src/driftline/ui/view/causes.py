"""Causes in the view: what several models have in common, kept beside the incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from driftline.contract.types import DAY
from driftline.events.outputs import Alert
from driftline.events.time import format_ts, read_ts
from driftline.incidents.causes import Causes
from driftline.ui.view.tables import pack, unpack

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Spanning"]

FORMAT = 1
REMEMBERED = 2 * DAY
"""Event time since which resolved incidents are looked at again: `Causes` asks for one day."""


class Spanning:
    """Follows the causes of incidents, and keeps each in a row of its own.

    The rows are written now and then (`write`), as a cause of a thousand models would be written a
    thousand times otherwise. A file that was left in between is made good from its incidents. A
    cause that is forgotten, as all of it is long over, keeps its last row.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._causes = Causes()
        self._touched: set[str] = set()
        told = db.execute("select value from meta where name = 'causes'").fetchone()
        self._written = told is None or told[0] == "written"
        if self._written:
            self._restore()
        else:
            self._again()

    def take(self, event: dict[str, Any]) -> set[str]:
        """Take an alert; return the incidents whose cause has changed."""
        self._mark("unwritten")
        return self._take(msgspec.convert(event, Alert))

    def write(self) -> None:
        """Bring the rows up to date, inside the transaction that is open."""
        for name in self._touched:
            cause = self._causes.get(name)
            if cause is None:  # merged into another, or forgotten as it is over
                self._db.execute("delete from causes where cause = ? and open", (name,))
                continue
            last = max(member.time for member in cause.members)
            self._db.execute(
                "insert or replace into causes values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(name, cause.title.replace("`", ""), cause.severity, cause.open),
                    *(len(cause.models), read_ts(cause.change_point), read_ts(last)),
                    pack(self._causes.part(name)),
                ),
            )
            members = [(member.data.incident, name) for member in cause.members]
            self._db.executemany("insert or replace into caused values (?, ?)", members)
        self._touched.clear()
        self._mark("written")

    def _take(self, alert: Alert) -> set[str]:
        changed: set[str] = set()
        for change in self._causes.on_alert(alert):
            self._touched.add(change.cause.id)
            if change.into is not None:
                changed |= {member.data.incident for member in change.cause.members}
        cause = self._causes.of(alert.data.incident)
        if cause is not None:
            self._touched.add(cause.id)
            changed |= {member.data.incident for member in cause.members}
        return changed

    def _restore(self) -> None:
        rows = self._db.execute(
            "select part from causes where open or changed >= ?", (self._since,)
        )
        parts = [unpack(row["part"]) for row in rows]
        spoke = [each["spoke"] for part in parts for each in part["incidents"]]
        count = max(spoke, default=0)
        self._causes.restore({"format": FORMAT, "count": count, "causes": parts})

    def _again(self) -> None:
        rows = self._db.execute(
            "select changed, last from incidents where open or changed >= ? order by opened",
            (self._since,),
        )
        for row in rows.fetchall():
            data = unpack(row["last"])
            envelope = {"id": "", "subject": "", "time": format_ts(row["changed"])}
            kind = f"driftline.alert.{data['state']}"
            self._take(msgspec.convert({**envelope, "type": kind, "data": data}, Alert))

    @property
    def _since(self) -> int:
        row = self._db.execute("select value from meta where name = 'as_of'").fetchone()
        return 0 if row is None else int(row[0]) - REMEMBERED

    def _mark(self, word: str) -> None:
        if self._written == (word == "written"):
            return
        self._written = word == "written"
        self._db.execute("insert or replace into meta values ('causes', ?)", (word,))
