"""Acts: what people do about incidents, as lifecycle events tell it.

========================= ================================================ =====================
kind                      fields beside ``model``, ``ts``, ``by``, ``why`` what it does
========================= ================================================ =====================
`incident_acknowledged`   ``incident``                                     somebody sees to it
`incident_silenced`       ``incident``, ``until``                          nothing is told till then
`incident_unsilenced`     ``incident``                                     a silence is over
`incident_judged`         ``incident``, ``verdict``                        whether it was right
`maintenance`             ``since`` (now if absent), ``until``             nothing pages meanwhile
========================= ================================================ =====================

An act counts as of its own time, among the slots that had closed by then: that is what whoever
acted had seen, and it is the same whenever the act is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from driftline.contract.types import DAY
from driftline.events.errors import Fault
from driftline.events.outputs import VerdictWord
from driftline.events.time import format_ts, parse_ts

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ACTS", "INCIDENT", "VERDICTS", "Act", "named_act", "read_act"]

ACTS = (
    "incident_acknowledged",
    "incident_silenced",
    "incident_unsilenced",
    "incident_judged",
    "maintenance",
)
"""Kinds of lifecycle event that are acts."""
INCIDENT = "$.incident"
_VERDICT, _UNTIL = "$.verdict", "$.until"
VERDICTS: tuple[str, ...] = get_args(VerdictWord)
LONGEST = 30 * DAY
"""Of a silence or a maintenance: what is to be quiet for longer is forgotten about."""


class Act(NamedTuple):
    """One act, its fields read.

    Attributes
    ----------
    at
        Its event time, microseconds.
    incident
        Whose id it names; None for maintenance.
    since, until
        Microseconds; None where its kind has none.
    """

    kind: str
    at: int
    incident: str | None
    by: str | None
    why: str | None
    since: int | None = None
    until: int | None = None
    verdict: str | None = None


def named_act(kind: str, at: int, told: Mapping[str, Any]) -> Act:
    """Read of an act whose it is and what it is about, and nothing that could be wrong."""
    incident, by, why = (_text(told, name) for name in ("incident", "by", "why"))
    return Act(kind, at, incident, by, why)


def read_act(kind: str, at: int, told: Mapping[str, Any]) -> Act:
    """Read an act.

    Parameters
    ----------
    at
        Event time, microseconds.
    told
        Its fields, as they came.

    Raises
    ------
    Fault
        A field that its kind needs is missing, or is something else.
    """
    act = named_act(kind, at, told)
    if kind == "maintenance":
        since = at if told.get("since") is None else parse_ts(told["since"], "$.since")
        return act._replace(incident=None, since=since, until=_until(told, max(since, at)))
    if act.incident is None:
        raise Fault(INCIDENT, "an incident's id", "nothing")
    if kind == "incident_silenced":
        return act._replace(until=_until(told, at))
    if kind == "incident_judged":
        verdict = _text(told, "verdict")
        if verdict not in VERDICTS:
            got = "nothing" if verdict is None else f'"{verdict}"'
            raise Fault(_VERDICT, f"one of {', '.join(VERDICTS)}", got)
        return act._replace(verdict=verdict)
    return act


def _until(told: Mapping[str, Any], since: int) -> int:
    if told.get("until") is None:
        raise Fault(_UNTIL, "a time", "nothing")
    until = parse_ts(told["until"], _UNTIL)
    if not since < until <= since + LONGEST:
        expected = f"a time after {format_ts(since)}, by at most {LONGEST // DAY} days"
        raise Fault(_UNTIL, expected, format_ts(until))
    return until


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    return None if value is None or value == "" else str(value)
