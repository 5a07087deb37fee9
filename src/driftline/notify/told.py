"""What a route has been told about a cause, and what there is to tell it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from driftline.incidents.cause import is_open

if TYPE_CHECKING:
    from driftline.incidents import Cause
    from driftline.notify.message import Message
    from driftline.notify.routes import Route, State

__all__ = ["Plan", "Told", "about_to", "labels_of", "plan", "told_by"]

WORSE = frozenset({"escalated"})
NEWS = WORSE | {"opened", "updated", "reopened"}
"""States of an incident that add to what was known; in others somebody has done something."""


class Told(msgspec.Struct, frozen=True):
    """What the last message on a cause said.

    Attributes
    ----------
    key
        What the receiver knows the cause by: the id of the cause, or of one that has been merged
        into it.
    open
        Whether it told of something that goes on.
    since
        When that was opened or reopened, event time, microseconds.
    page, quiet
        Whether it was a page, and whether somebody was known to be on it.
    numbers
        Of the last change of each incident that it took into account.
    labels
        Those of Alertmanager.
    at
        Wall time, microseconds.
    count
        Messages so far.
    sure
        Whether it is known to have arrived. What is about to open something is noted before it is
        sent: after a crash nobody knows, and it has to be closed in any case.
    """

    key: str
    open: bool
    since: int
    page: bool
    quiet: bool
    numbers: dict[str, int]
    labels: dict[str, str]
    at: int
    count: int
    sure: bool = True


class Plan(NamedTuple):
    """A message to be sent, and when, wall time in microseconds."""

    state: State
    due: int


def plan(route: Route, view: Cause | None, told: Told | None, changed: int) -> Plan | None:
    """Return what there is to tell, or None.

    What was opened and resolved before it was told is not told; neither is what somebody has
    silenced. While somebody is on it there is nothing to tell but that it is worse, over, or back.

    Parameters
    ----------
    view
        The part of the cause that the route wants to hear of, as it stands.
    told
        What the route knows; None where it knows nothing.
    changed
        Since when there is something to tell, wall time in microseconds.
    """
    soon = changed + route.wait
    if told is None or not told.open:
        if view is None or not view.open or view.silenced:
            return None
        if route.match.severity == "page" and view.severity != "page":
            return None
        return Plan("opened" if told is None else "reopened", soon)
    if view is None or not view.open:
        return Plan("resolved", soon)
    if not told.sure:
        return Plan("reopened" if told.count else "opened", soon)
    if view.since > told.since:
        return Plan("reopened", soon)
    if _worse(view, told):
        return Plan("escalated", soon)
    quiet = view.acknowledged or view.silenced
    if quiet and not told.quiet and route.acknowledges:
        return Plan("silenced" if view.silenced else "acknowledged", changed)
    if quiet and not route.steady:
        return None
    if _news(view, told) and not route.steady:
        return Plan("updated", max(soon, told.at + route.update_every))
    return None if route.again is None else Plan("repeated", told.at + route.again)


def told_by(
    state: State, view: Cause, before: Told | None, key: str, labels: dict[str, str], at: int
) -> Told:
    """Return what a route knows once it has been told.

    Parameters
    ----------
    at
        Wall time of the message, microseconds.
    """
    return Told(
        key=key,
        open=state not in {"resolved", "merged"},
        since=view.since,
        page=view.severity == "page",
        # A page that nobody has been told of yet is not acknowledged with the same message.
        quiet=state not in {"opened", "reopened"} and (view.acknowledged or view.silenced),
        numbers={member.data.incident: member.data.number for member in view.members},
        labels=labels,
        at=at,
        count=1 if before is None else before.count + 1,
    )


def about_to(view: Cause, before: Told | None, message: Message) -> Told:
    """Return what a route may know while a message is on its way that opens something."""
    return Told(
        key=message.key,
        open=True,
        since=view.since,
        page=view.severity == "page",
        quiet=False,
        numbers={},
        labels=message.labels,
        at=message.at,
        count=0 if before is None else before.count,
        sure=False,
    )


def labels_of(view: Cause, told: Told | None, state: State) -> dict[str, str]:
    """Return what Alertmanager knows a cause by; but for the severity they stay as they were."""
    if told is None:
        lead = view.lead.data
        team = lead.owner.team if lead.owner is not None else None
        found = {
            "alertname": "driftline",
            "cause": view.id,
            "kind": view.kind,
            "model": lead.model,
            "severity": view.severity,
            "team": team or "",
        }
        return {name: text for name, text in found.items() if text}
    over = state in {"resolved", "merged"}
    return told.labels if over else {**told.labels, "severity": view.severity}


def _worse(view: Cause, told: Told) -> bool:
    """Whether it has become a page, or is one that nobody answers."""
    return (view.severity == "page" and not told.page) or any(
        member.data.state in WORSE
        and member.data.number > told.numbers.get(member.data.incident, 0)
        for member in view.members
        if is_open(member)
    )


def _news(view: Cause, told: Told) -> bool:
    return any(
        member.data.number > told.numbers.get(member.data.incident, 0) and member.data.state in NEWS
        for member in view.members
        if is_open(member)
    )
