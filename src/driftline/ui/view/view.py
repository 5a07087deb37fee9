"""Who writes the view: takes records of the output topics, and keeps within its limits."""

from __future__ import annotations

import datetime as dt
import logging
import os
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from driftline.contract import gaps
from driftline.events.errors import Fault
from driftline.events.record import UNATTRIBUTED, Source
from driftline.events.time import format_ts, read_ts
from driftline.ui.view.alerts import take_alert
from driftline.ui.view.causes import Spanning
from driftline.ui.view.tables import Limits, empty, locked, opened, pack, unpack
from driftline.ui.view.windows import take_reference, take_told, take_window
from driftline.ui.worry import HEALED_BY, Concern, Worry, worry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from driftline.contract import Book

__all__ = ["INPUTS", "Changed", "View"]

log = logging.getLogger(__name__)

INPUTS = ("references", "windows", "feedback", "alerts")
"""What is read, without prefix."""
DAY = 86_400_000_000
MOST_CONCERNS = 200
"""Open incidents of one model that its worry is made of, pages first; the count is of all."""
MOST_LEFT_OUT = 1_000
"""Names of models beyond the limit that are remembered, to count them."""
PRUNE_EVERY = 200
"""Batches between two looks at what has become too old."""

_UNREADABLE = (
    *(KeyError, TypeError, ValueError, AttributeError, Fault, msgspec.MsgspecError),
    *(sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError),  # nor of the type
)


@dataclass(slots=True)
class Changed:
    """What a batch was about: names of models, and ids of incidents."""

    models: set[str] = field(default_factory=set)
    incidents: set[str] = field(default_factory=set)


class View:
    """Writes the file; one at a time, from one thread at a time.

    Parameters
    ----------
    source
        Where the records come from (broker and prefix). A file that was filled from elsewhere is
        emptied first.

    Raises
    ------
    DriftlineError
        Another one writes it.

    Attributes
    ----------
    unreadable
        Records that were no such messages; each is logged and passed over.
    left_out
        Models beyond the limit.
    """

    def __init__(self, folder: Path, book: Book, source: str, limits: Limits | None = None) -> None:
        self._lock = locked(folder)
        self._db = opened(folder, write=True)
        self._book = book
        self._limits = limits or Limits()
        self._batches = 0
        self._stale: set[str] = set()
        self._changed = Changed()
        self._known: set[str] = set()
        self._as_of = 0
        self.unreadable = 0
        self.left_out: set[str] = set()
        told = self._db.execute("select value from meta where name = 'source'").fetchone()
        if told is None or told[0] != source:
            self.reset(source)
        self._causes = Spanning(self._db)
        self._known = {row[0] for row in self._db.execute("select model from models")}
        # Contracts may have changed since the file was written.
        self._stale |= self._known
        self._stale |= set(book.models)
        with self._db:
            self._db.execute("begin")
            for model in book.models:
                self._know(model)
        self.refresh()

    def reset(self, source: str) -> None:
        """Forget everything."""
        empty(self._db)
        self._known, self._as_of, self._causes = set(), 0, Spanning(self._db)
        self._db.execute("insert or replace into meta values ('source', ?)", (source,))

    def offsets(self) -> dict[Source, int]:
        """Return where each partition is to be read on."""
        rows = self._db.execute("select topic, partition, next from offsets")
        return {Source(row["topic"], row["partition"]): row["next"] for row in rows}

    def take(self, name: str, values: Iterable[bytes | None], next_: Mapping[Source, int]) -> None:
        """Take records of one topic, and the offsets behind them, in one transaction.

        Parameters
        ----------
        name
            One of `INPUTS`.
        next_
            The offset to read on from, by partition.
        """
        with self._db:
            self._db.execute("begin")
            for value in values:
                if value is not None:
                    self._take(name, value)
            self._db.executemany(
                "insert or replace into offsets values (?, ?, ?)",
                [(*source, offset) for source, offset in next_.items()],
            )
        self._batches += 1
        if self._batches % PRUNE_EVERY == 0:
            self.prune()

    def refresh(self) -> Changed:
        """Judge anew the models that something was said of; return what has changed since."""
        changed = self._changed
        self._changed = Changed()
        with self._db:
            self._db.execute("begin")
            self._causes.write()
            for model in self._stale:
                self._judge(model)
        self._stale.clear()
        return changed

    def sent(self, incident: str, kind: str, by: str, at: int, body: dict[str, Any]) -> None:
        """Note what somebody has decided, until an alert confirms it."""
        self._db.execute(
            "insert or replace into sent values (?, ?, ?, ?, ?, null)",
            (incident, kind, by, at, orjson.dumps(body).decode()),
        )
        self._changed.incidents.add(incident)

    def close(self) -> None:
        """Close the file, and let others have it."""
        self._db.close()
        os.close(self._lock)

    def _take(self, name: str, value: bytes) -> None:
        try:
            body = orjson.loads(value)
            model = _model_of(name, body)
            if model.startswith(UNATTRIBUTED) or not self._know(model):
                return
            if name == "alerts":
                self._changed.incidents.add(take_alert(self._db, body))
                self._changed.incidents |= self._causes.take(body)
                self._advance(read_ts(body["time"]))
            elif name == "feedback":
                self._feedback(model, body)
            elif name == "references":
                take_reference(self._db, body, value)
            elif "kind" in body:
                take_told(self._db, body)
            else:
                take_window(self._db, body, self._limits)
                self._advance(read_ts(body["end"]))
        except _UNREADABLE as error:
            self.unreadable += 1
            log.warning("%s: expected one of its messages, got %r (%r)", name, value[:80], error)
            return
        self._stale.add(model)
        self._changed.models.add(model)

    def _know(self, model: str) -> bool:
        """Make a row of a model, and return whether there is room for it."""
        if model in self._known:
            return True
        if len(self._known) >= self._limits.models:
            if len(self.left_out) < MOST_LEFT_OUT:
                self.left_out.add(model)
            return False
        contract = self._book.of(model)
        owner = None if contract.owner is None else contract.owner.team
        self._db.execute("insert into models (model, owner) values (?, ?)", (model, owner))
        self._known.add(model)
        return True

    def _advance(self, at: int) -> None:
        if at <= self._as_of:
            return
        self._as_of = at
        self._db.execute(
            "insert into meta values ('as_of', ?) on conflict do update set value = excluded.value "
            "where cast(excluded.value as integer) > cast(meta.value as integer)",
            (str(at),),
        )

    def _feedback(self, model: str, event: dict[str, Any]) -> None:
        at, kind = read_ts(event["time"]), event["type"].removeprefix("driftline.feedback.")
        data = event["data"]
        self._db.execute(
            "insert or replace into feedback values (?, ?, ?, ?, ?)",
            (event["id"], model, kind, at, pack(event)),
        )
        self._db.execute(
            "delete from feedback where id in (select id from feedback where model = ? "
            "order by at desc, id limit -1 offset ?)",
            (model, self._limits.feedback),
        )
        self._db.execute(
            "update models set contract = ?, owner = coalesce(?, owner) where model = ?",
            (data["contract"], data["team"], model),
        )
        if kind == "act_refused" and data["incident"] is not None:
            self._db.execute(
                "update sent set refused = ? where incident = ? and kind = ? and by = ?",
                (f"expected {data['expected']}, got {data['got']}", *_refused(data)),
            )
            self._changed.incidents.add(data["incident"])
        self._advance(at)

    def _judge(self, model: str) -> None:
        db = self._db
        rows = db.execute(
            "select * from incidents where model = ? and open "
            "order by severity desc, changed desc limit ?",
            (model, MOST_CONCERNS),
        ).fetchall()
        counts = dict(
            db.execute(
                "select severity, count(*) from incidents where model = ? and open group by 1",
                (model,),
            ).fetchall()
        )
        drill = db.execute(
            "select type, body from feedback where model = ? and type like 'drill_%' "
            "order by at desc limit 1",
            (model,),
        ).fetchone()
        failed = None
        if drill is not None and drill["type"] == "drill_failed":
            planted = unpack(drill["body"])["data"]
            failed = f"{planted['feature']} {planted['shift']}"
        found: Worry = worry([_concern(row) for row in rows], self._violations(model), failed)
        db.execute(
            "update models set level = ?, weight = ?, since = ?, why = ?, pages = ?, notices = ? "
            "where model = ?",
            (
                *(int(found.level), found.weight, found.since, found.why),
                *(counts.get("page", 0), counts.get("notice", 0), model),
            ),
        )

    def _violations(self, model: str) -> dict[str, str]:
        """Return what breaks the contract now: what feedback told of the contract as it is."""
        if model in self._book:
            contract = self._book.of(model)
            lacks = {gap.code: gap.text for gap in gaps(contract, self._today())}
        else:
            lacks = {}
        row = self._db.execute("select contract from models where model = ?", (model,)).fetchone()
        told = self._db.execute(
            "select body from feedback where model = ? and type = 'contract_violated' order by at",
            (model,),
        )
        found: dict[str, str] = {}
        last = self._lifecycle(model)
        for (body,) in told:
            event = unpack(body)
            data, code = event["data"], event["data"]["violation"]
            if data["incident"] is not None or data["contract"] != row["contract"]:
                continue  # the incident itself says it; another contract has gaps of its own
            if code.startswith("no_") and model in self._book:
                continue  # the file says so, and more recently
            healed = [last[kind]["at"] for kind in HEALED_BY.get(code, ()) if kind in last]
            if not any(at > event["time"] for at in healed):
                found[code] = data["text"]
        return found | lacks

    def _lifecycle(self, model: str) -> dict[str, Any]:
        row = self._db.execute(
            "select body from told where model = ? and kind = 'lifecycle' and segment = ''",
            (model,),
        ).fetchone()
        return {} if row is None else dict(unpack(row["body"])["last"])

    def _today(self) -> dt.date:
        row = self._db.execute("select value from meta where name = 'as_of'").fetchone()
        return dt.date.min if row is None else dt.date.fromisoformat(format_ts(int(row[0]))[:10])

    def prune(self) -> None:
        """Forget what is too old or too much; what is open stays."""
        row = self._db.execute("select value from meta where name = 'as_of'").fetchone()
        if row is None:
            return
        cut = int(row[0]) - self._limits.days * DAY
        with self._db:
            self._db.execute("begin")
            self._db.execute("delete from incidents where not open and changed < ?", (cut,))
            (count,) = self._db.execute("select count(*) from incidents where not open").fetchone()
            self._db.execute(
                "delete from incidents where incident in (select incident from incidents "
                "where not open order by changed limit ?)",
                (max(0, count - self._limits.incidents),),
            )
            self._db.execute("delete from causes where not open and changed < ?", (cut,))
            for table in ("changes", "sent", "caused"):
                self._db.execute(
                    f"delete from {table} where incident not in (select incident from incidents)"
                )
            self._db.execute("delete from feedback where at < ?", (cut,))
            self._db.execute("delete from told where at < ? and start <> ''", (cut,))
            for table in ("windows", "columns"):
                self._db.execute(f"delete from {table} where start < ?", (cut,))


def _model_of(name: str, body: dict[str, Any]) -> str:
    where = {"alerts": "data", "feedback": "data", "references": "reference"}.get(name)
    model = (body if where is None else body[where])["model"]
    if not isinstance(model, str):
        msg = f"model: expected a string, got {model!r}"
        raise TypeError(msg)
    return model


def _refused(data: dict[str, Any]) -> tuple[str, str, str | None]:
    return data["incident"], data["act"], data.get("by")


def _concern(row: Any) -> Concern:
    data = unpack(row["last"])
    word = {"judged": "verdict"}.get(row["status"], row["status"])
    by = (data.get(word) or {}).get("by") if row["status"] != "open" else None
    return Concern(row["severity"], row["text"], row["status"], row["since"], by)
