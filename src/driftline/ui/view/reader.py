"""Who reads the view: lists for the first screens, and one incident with its life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from driftline.events.time import read_ts
from driftline.replay.parts import beside, latest_measured, worst_first
from driftline.replay.quality import ModelQuality
from driftline.replay.review.facts import KINDS, Facts
from driftline.replay.summary import drill_of
from driftline.ui.view.alerts import followed
from driftline.ui.view.tables import opened, unpack
from driftline.ui.worry import Level, silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from driftline.contract import Contract
    from driftline.replay.summary import Found

__all__ = ["Incident", "ModelRow", "Page", "Reader"]

PAGE_ROWS = 50
MOST_CAUSES = 10
"""That are told above the models, the worst."""
MISSED_WINDOWS = 3
"""Windows that have to be missing before a model counts as silent."""
MOST_FOUND = 300
"""Incidents of one model that its page and its review look at: open ones, then the latest."""

# What is stored is as of the last word of the model; that nothing comes any more shows only later.
_JUDGED = f"""
with judged as (select *, (heard is null or heard < :as_of - {MISSED_WINDOWS} * coalesce(span, 0))
  and level < {int(Level.SILENT)} and :as_of > 0 as gone from models),
  ranked as (select *, case when gone then {int(Level.SILENT)} else level end as rank from judged)
"""


class Page(NamedTuple):
    """One page of a list.

    Attributes
    ----------
    number, pages
        From 1.
    """

    rows: list[Any]
    total: int
    number: int
    pages: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model on the first screen."""

    model: str
    level: Level
    why: str
    since: int | None
    pages: int
    notices: int
    heard: int | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident, whole.

    Attributes
    ----------
    row
        As in the table `incidents`.
    data
        Of its last alert.
    changes
        Its life, ascending: ``number``, ``at`` and what the alert of the time said.
    sent
        What was decided here and is not confirmed: ``kind``, ``by``, ``at`` and the event.
    """

    row: Any
    found: Found
    data: dict[str, Any]
    changes: list[dict[str, Any]]
    sent: list[dict[str, Any]]


class Reader:
    """Reads the file; each thread has its own."""

    def __init__(self, folder: Path) -> None:
        self.db = opened(folder, write=False)

    def as_of(self) -> int | None:
        """Return the latest event time that anything was said of."""
        row = self.db.execute("select value from meta where name = 'as_of'").fetchone()
        return None if row is None else int(row[0])

    def levels(self) -> dict[Level, int]:
        """Return how many models there are of each level, the worst first."""
        rows = self.db.execute(
            _JUDGED + "select rank, count(*) from ranked group by 1 order by 1 desc",
            {"as_of": self.as_of() or 0},
        )
        return {Level(rank): count for rank, count in rows}

    def models(self, asked: str = "", level: Level | None = None, number: int = 1) -> Page:
        """Return models, those that one should worry about most first.

        Parameters
        ----------
        asked
            Part of the name of the model or of its owner.
        """
        where, values = "1", {"as_of": self.as_of() or 0}
        if asked:
            where += " and (model like :asked escape '\\' or owner like :asked escape '\\')"
            values["asked"] = _like(asked)  # type: ignore[assignment]
        if level is not None:
            where += " and rank = :level"
            values["level"] = int(level)
        return self._page(
            f"{_JUDGED} select %s from ranked where {where}",
            "rank desc, weight desc, since is null, since, model",
            values,
            number,
            _model_row,
        )

    def model(self, name: str) -> ModelRow | None:
        """Return one model as the first screen has it."""
        row = self.db.execute(
            _JUDGED + "select * from ranked where model = :model",
            {"as_of": self.as_of() or 0, "model": name},
        ).fetchone()
        return None if row is None else _model_row(row)

    def incidents(
        self,
        model: str | None = None,
        state: str = "",
        asked: str = "",
        number: int = 1,
        cause: str | None = None,
    ) -> Page:
        """Return incidents: open ones first, pages before notices, the latest first.

        Parameters
        ----------
        state
            ``open``, ``resolved`` or empty.
        asked
            Part of what they are about, of their kind or of their model.
        """
        where, values = "1", {}
        if model is not None:
            where, values["model"] = "model = :model", model
        if cause is not None:
            where += " and incident in (select incident from caused where cause = :cause)"
            values["cause"] = cause
        if state:
            where += " and open" if state == "open" else " and not open"
        if asked:
            where += " and (model || ' ' || kind || ' ' || about like :asked escape '\\')"
            values["asked"] = _like(asked)
        return self._page(
            f"select %s from incidents where {where}",
            "open desc, severity desc, changed desc",
            values,
            number,
            dict,
        )

    def incident(self, name: str) -> Incident | None:
        """Return one incident with its life."""
        row = self.db.execute("select * from incidents where incident = ?", (name,)).fetchone()
        if row is None:
            return None
        changes = self.db.execute(
            "select number, at, body from changes where incident = ? order by number", (name,)
        )
        sent = self.db.execute("select * from sent where incident = ? order by at", (name,))
        return Incident(
            row,
            followed(row["found"]).found,
            unpack(row["last"]),
            [
                {"number": each["number"], "at": each["at"], **unpack(each["body"])}
                for each in changes
            ],
            [{**each, "event": orjson.loads(each["body"])} for each in map(dict, sent)],
        )

    def causes(self) -> list[dict[str, Any]]:
        """Return open causes that several models have in common, the most widespread first."""
        rows = self.db.execute(
            "select cause, title, severity, models, since from causes where open and models > 1 "
            "order by severity desc, models desc, since limit ?",
            (MOST_CAUSES,),
        )
        return [dict(row) for row in rows]

    def cause(self, name: str) -> dict[str, Any] | None:
        """Return one cause."""
        row = self.db.execute(
            "select cause, title, severity, open, models, since, changed from causes "
            "where cause = ?",
            (name,),
        ).fetchone()
        return None if row is None else dict(row)

    def cause_of(self, incident: str) -> dict[str, Any] | None:
        """Return the cause of an incident, where it is of several models."""
        row = self.db.execute("select cause from caused where incident = ?", (incident,)).fetchone()
        found = None if row is None else self.cause(row["cause"])
        return found if found is not None and found["models"] > 1 else None

    def evidence(self, names: Sequence[str], feature: str | None = None) -> list[dict[str, Any]]:
        """Return what detectors had against their thresholds, at each alert that says so."""
        found = []
        for name in names:
            for row in self.db.execute(
                "select at, body from changes where incident = ? order by number", (name,)
            ):
                told = unpack(row["body"])
                if told.get("evidence") and feature in (None, told["column"]):
                    found.append({"incident": name, "at": row["at"], **told})
        return found

    def found(self, model: str) -> list[Found]:
        """Return a model's incidents in the order of their detection, at most `MOST_FOUND`."""
        rows = self.db.execute(
            "select found from incidents where model = ? "
            "order by open desc, severity desc, changed desc limit ?",
            (model, MOST_FOUND),
        )
        found = [followed(row["found"]).found for row in rows]
        return sorted(found, key=lambda each: (each.detected_at, each.incident))

    def facts(self, contract: Contract, readers: dict[str, int] | None = None) -> Facts:
        """Gather what the five answers of a review stand on."""
        model = contract.model
        facts = Facts(contract, readers=readers)
        facts.windows = {kind: [] for kind in KINDS}
        for row in self.db.execute(
            "select kind, segment, body from told where model = ? order by kind, segment, start",
            (model,),
        ):
            window = unpack(row["body"])
            if not row["segment"]:
                facts.windows[row["kind"]].append(window)
            else:
                segment = tuple(sorted(orjson.loads(row["segment"]).items()))
                facts.parts.setdefault(row["kind"], {}).setdefault(segment, []).append(window)
        feedback = self.db.execute(
            "select body from feedback where model = ? order by at", (model,)
        )
        facts.feedback = [unpack(row["body"]) for row in feedback]
        facts.incidents = self.found(model)
        facts.drills = [
            drill_of(event)
            for event in facts.feedback
            if event["type"].startswith("driftline.feedback.drill_")
        ]
        facts.predictions = [
            tuple(row)
            for row in self.db.execute(
                "select start, end, predictions from windows where model = ? and segment = '' "
                "order by start",
                (model,),
            )
        ]
        times = [read_ts(event["time"]) for event in facts.feedback[-1:]]
        times += [read_ts(each.detected_at) for each in facts.incidents[-1:]]
        times += [end for _, end, _ in facts.predictions[-1:]]
        facts.as_of = max(times, default=None)
        return facts

    def quality(self, facts: Facts) -> ModelQuality | None:
        """Return what was told of a model's quality, as the report has it."""
        windows = facts.windows["quality"]
        if not windows:
            return None
        latest = latest_measured(windows)
        parts = [w for each in facts.parts.get("quality", {}).values() for w in each]
        ranked = [] if latest is None else worst_first(beside(latest, parts))
        return ModelQuality(facts.contract.model, windows, [part for _, part in ranked])

    def _page(self, query: str, order: str, values: dict[str, Any], number: int, make: Any) -> Page:
        (total,) = self.db.execute(query % "count(*)", values).fetchone()
        pages = max(1, -(-total // PAGE_ROWS))
        number = min(max(1, number), pages)
        rows = self.db.execute(
            f"{query % '*'} order by {order} limit {PAGE_ROWS} offset {(number - 1) * PAGE_ROWS}",
            values,
        )
        return Page([make(row) for row in rows], total, number, pages)


def _like(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


def _model_row(row: Any) -> ModelRow:
    level = Level(row["rank"])
    why, since = row["why"], row["since"]
    if row["gone"]:
        since = row["heard"]
        why = "Nothing has been heard of it yet" if since is None else silent(since)
    return ModelRow(
        *(row["model"], level, why, since, row["pages"], row["notices"], row["heard"]), row["owner"]
    )
