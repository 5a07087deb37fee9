"""Alarms beside the promise: how many pages there were, and how many of them people call false."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from driftline.contract.types import DAY
from driftline.events.time import format_ts
from driftline.events.window_event import window_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.contract import Contract
    from driftline.contract.types import Rate
    from driftline.detect.protocol import Severity
    from driftline.incidents.history import History
    from driftline.incidents.incident import Change

__all__ = ["Alarms"]

SPAN = 90 * DAY
MOST = 1_000
"""Alarms that are remembered; of more the oldest are forgotten, and the figures begin later."""


@dataclass(slots=True)
class _Alarm:
    """One time that an incident was told of: when it opened, or came back."""

    incident: str
    at: int
    severity: Severity
    held: bool
    verdict: str | None = None


class Alarms:
    """The alarms of one model in the last 90 days of event time, and the verdicts on them.

    An incident counts once each time that it opens or comes back, as a page if it was told as one
    before it was over. What a silence or a maintenance held back as a notice, and was over before
    that was, is `withheld`: no page, but no notice either. A verdict is on all alarms of its
    incident that have none yet, and on the last of them in any case. It changes these figures and
    nothing else: no threshold moves because of it.
    """

    def __init__(self, contract: Contract, history: History) -> None:
        self._contract = contract
        self._history = history
        self._alarms: list[_Alarm] = []
        self._number = 0

    def on_change(self, change: Change) -> list[tuple[bytes, bytes]]:
        """Take a change; return the figures as a message for `windows` if it changes them."""
        if not self._count(change):
            return []
        self._number += 1
        return [self._message(change.at)]

    def _count(self, change: Change) -> bool:
        incident = change.incident
        mine = [alarm for alarm in self._alarms if alarm.incident == incident.id]
        if change.state in {"opened", "reopened"}:
            alarm = _Alarm(incident.id, change.at, incident.severity, incident.held)
            self._alarms.append(alarm)
            del self._alarms[:-MOST]
            return True
        if not mine:
            return False
        if change.state == "judged" and incident.verdict is not None:
            for alarm in mine:
                if alarm.verdict is None or alarm is mine[-1]:
                    alarm.verdict = incident.verdict.verdict
            return True
        last, before = mine[-1], (mine[-1].severity, mine[-1].held)
        last.held = incident.held or (last.held and incident.resolved_at is not None)
        if incident.severity == "page":
            last.severity = "page"
        return (last.severity, last.held) != before

    def _message(self, now: int) -> tuple[bytes, bytes]:
        self._alarms = [alarm for alarm in self._alarms if now - alarm.at <= SPAN]
        started = self._history.started
        since = max(now - SPAN, now if started is None else min(now, started))
        if len(self._alarms) == MOST:
            since = max(since, self._alarms[0].at)
        budget = self._contract.budget
        pages = [alarm for alarm in self._alarms if alarm.severity == "page"]
        notices = [a for a in self._alarms if a.severity == "notice" and not a.held]
        body = {
            "kind": "alarms",
            "model": self._contract.model,
            "as_of": format_ts(now),
            "number": self._number,
            "since": format_ts(since),
            "pages": _figures(pages, budget.false_pages, now - since),
            "notices": _figures(notices, budget.false_notices, now - since),
            "withheld": len(self._alarms) - len(pages) - len(notices),
        }
        return window_event(f"{self._contract.model}|alarms", body, at=self._number)

    def pages_since(self, since: int) -> Counter[str | None]:
        """Return how many pages there were from a time on (microseconds), by verdict."""
        return Counter(
            alarm.verdict
            for alarm in self._alarms
            if alarm.severity == "page" and alarm.at >= since
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        alarms = [list(astuple(alarm)) for alarm in self._alarms]
        return {"alarms": alarms, "number": self._number}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._alarms = [_Alarm(*alarm) for alarm in state["alarms"]]
        self._number = state["number"]


def _figures(alarms: Iterable[_Alarm], promise: Rate | None, span: int) -> dict[str, Any]:
    verdicts = [alarm.verdict for alarm in alarms]
    right, wrong = verdicts.count("true"), verdicts.count("false")
    return {
        "told": len(verdicts),
        "true": right,
        "false": wrong,
        "expected": verdicts.count("expected"),
        "unjudged": verdicts.count(None),
        "precision": right / (right + wrong) if right + wrong else None,
        "promised_false": None if promise is None else promise.count * span / promise.per,
    }
