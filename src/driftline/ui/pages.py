"""What each page shows, read from the view."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from driftline.contract import gaps
from driftline.events.time import format_ts
from driftline.replay.alarms import alarms_in_words
from driftline.replay.quality import chart
from driftline.replay.review import answers
from driftline.replay.review.acting import counts_of
from driftline.replay.review.page import MARKS
from driftline.ui.draw import multiple, timeline
from driftline.ui.moved import members_of, moved
from driftline.ui.view.columns import columns_now, history_of, reference_of
from driftline.ui.worry import Level

if TYPE_CHECKING:
    from driftline.contract import Book
    from driftline.ui.view import Reader

__all__ = ["cause", "feature", "incident", "incidents", "model", "models"]

SHOWN_FEATURES = 24
SHOWN_INCIDENTS = 20
SHOWN_DRILLS = 10
ON_TIMELINE = 25


def models(reader: Reader, asked: str, level: str, number: int) -> dict[str, Any]:
    """Return the first screen: models by how worried one should be."""
    known = {each.name.lower(): each for each in Level}
    levels = reader.levels()
    return {
        "asked": asked,
        "level": level if level in known else "",
        "levels": levels,
        "all": sum(levels.values()),
        "causes": reader.causes() if not (asked or level or number > 1) else [],
        "page": reader.models(asked, known.get(level), number),
    }


def incidents(reader: Reader, asked: str, state: str, model_: str, number: int) -> dict[str, Any]:
    """Return the list of incidents."""
    state = state if state in ("open", "resolved") else ""
    return {
        "asked": asked,
        "state": state,
        "of": model_,
        "page": reader.incidents(model_ or None, state, asked, number),
    }


def model(reader: Reader, book: Book, name: str, *, every: bool) -> dict[str, Any] | None:
    """Return a model's page.

    Parameters
    ----------
    every
        Whether all features are drawn, rather than those that moved most.
    """
    row = reader.model(name)
    if row is None:
        return None
    contract = book.of(name)
    facts = reader.facts(contract)
    quality = reader.quality(facts)
    reference = reference_of(reader.db, name)
    history = None if reference is None else history_of(reader.db, reference)
    ranked = [] if history is None else _ranked(reader, history, facts.incidents)
    shown = ranked if every else ranked[:SHOWN_FEATURES]
    latest = [i for i in facts.incidents if i.resolved_at is None][-ON_TIMELINE:]
    rest = [i for i in facts.incidents if i.resolved_at is not None]
    latest += rest[-max(0, ON_TIMELINE - len(latest)) :] if len(latest) < ON_TIMELINE else []
    latest.sort(key=lambda each: (each.detected_at, each.incident))
    first = history.first if history else facts.predictions[0][0] if facts.predictions else 0
    as_of = reader.as_of() or 0
    today = dt.date.fromisoformat(format_ts(facts.as_of or as_of)[:10])
    alarms = facts.last("alarms")
    decisions = [w for w in facts.windows["decisions"] if w["judged"]]
    return {
        "row": row,
        "contract": contract,
        "written": name in book,
        "owner": contract.owner or _owner_told(reader, name),
        "gaps": gaps(contract, today) if name in book else [],
        "answers": answers(facts) if facts.as_of is not None else [],
        "marks": MARKS,
        "open": reader.incidents(name, "open"),
        "past": reader.incidents(name, "resolved"),
        "shown_incidents": SHOWN_INCIDENTS,
        "timeline": timeline(latest, first, facts.as_of or as_of),
        "features": [(each, multiple(each)) for each in shown],
        "features_total": len(ranked),
        "reported": {f for i in facts.incidents if i.resolved_at is None for f in i.features},
        "reference": reference,
        "quality": quality,
        "metric": None if quality is None else chart(quality),
        "acts": counts_of(facts),
        "rates": decisions[-1]["rates"] if decisions else {},
        "uplift": facts.last("uplift"),
        "drills": facts.drills[: -SHOWN_DRILLS - 1 : -1],
        "drills_total": len(facts.drills),
        "asked": _requests(facts.feedback),
        "alarms": None if alarms is None else alarms_in_words(alarms),
        "predictions": sum(
            n for start, _, n in facts.predictions if start >= as_of - 86_400_000_000
        ),
    }


def feature(reader: Reader, name: str, column: str) -> dict[str, Any] | None:
    """Return a feature's page; of one that only incidents know, what they say."""
    row = reader.model(name)
    reference = reference_of(reader.db, name)
    known = reference is not None and column in reference.index
    found = [i for i in reader.found(name) if column in i.features]
    if row is None or not (known or found):
        return None
    history = None if reference is None or not known else history_of(reader.db, reference)
    now = [] if history is None else columns_now(reader.db, history, [column])
    return {
        "row": row,
        "name": column,
        "column": now[0].column if now else None,
        "reference": reference,
        "now": now[0] if now else None,
        "drawing": multiple(now[0]) if now else None,
        "found": found[::-1],
        "moved": {i.incident: members_of(i, column) for i in found},
        "evidence": reader.evidence([i.incident for i in found], column),
    }


def cause(reader: Reader, name: str, number: int) -> dict[str, Any] | None:
    """Return the page of what several models have in common."""
    found = reader.cause(name)
    if found is None:
        return None
    return {"cause": found, "page": reader.incidents(cause=name, number=number)}


def incident(reader: Reader, name: str) -> dict[str, Any] | None:
    """Return an incident's page."""
    found = reader.incident(name)
    if found is None:
        return None
    every = moved(found.found)
    whole = [each for each in every if not each.segment]
    return {
        "it": found,
        "row": found.row,
        "stand": {
            key: found.data.get(key) for key in ("acknowledged", "silenced", "verdict", "flapping")
        },
        "waiting": {each["kind"] for each in found.sent if each["refused"] is None},
        "moved": whole or every,
        "parts_of": [each for each in every if each.segment] if whole else [],
        "evidence": reader.evidence([name]),
        "cause": reader.cause_of(name),
        "owner": _whole(found.data["owner"]),
    }


def _ranked(reader: Reader, history: Any, found: Any) -> list[Any]:
    """Return the columns of a model: those of open incidents first, then what moved most."""
    reported = {name for each in found if each.resolved_at is None for name in each.features}
    now = columns_now(reader.db, history)
    return sorted(now, key=lambda each: (each.column.name not in reported, -each.excess))


def _owner_told(reader: Reader, name: str) -> dict[str, Any] | None:
    """Return the owner that the last alert names, where there is no contract here."""
    page = reader.incidents(name)
    if not page.rows:
        return None
    found = reader.incident(page.rows[0]["incident"])
    return None if found is None else _whole(found.data["owner"])


def _whole(owner: dict[str, Any] | None) -> dict[str, Any]:
    return {key: (owner or {}).get(key) for key in ("team", "contact", "escalation")}


def _requests(feedback: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is asked for and not over: retraining, fallback, reviews."""
    over = {e["data"].get("request") for e in feedback if e["type"].endswith("retrain_closed")}
    over |= {e["data"].get("request") for e in feedback if e["type"].endswith("fallback_released")}
    kinds = ("retrain_requested", "fallback_engaged", "threshold_review_due", "loop_suspected")
    return [
        {"kind": e["type"].rpartition(".")[2].replace("_", " "), **e}
        for e in feedback
        if e["type"].rpartition(".")[2] in kinds and e["id"] not in over
    ][-5:]
