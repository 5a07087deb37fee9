"""Incidents that are resolved: what may come back, and what may still be judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from driftline.contract.types import DAY
from driftline.incidents.grouping import MANY
from driftline.incidents.incident import Incident

if TYPE_CHECKING:
    from driftline.detect.protocol import Finding

__all__ = ["Closed"]

MOST_RECENT = 100
RECENT_US = DAY
"""How long a resolved incident may still be reopened by a slower detector of the same change."""
MOST_PAST = 200
PAST_US = 90 * DAY
"""How long one may be judged; what is kept of it after a day is what an alert says, in short."""
MOST_MEMBERS = 10


class Closed:
    """The resolved incidents of one model: at most 100 of the last day, 200 of the last 90."""

    def __init__(self) -> None:
        self._recent: list[Incident] = []
        self._past: list[Incident] = []

    def add(self, incident: Incident) -> None:
        """Take one that has just been resolved."""
        self._recent.append(incident)
        while len(self._recent) > MOST_RECENT:
            self._shelve(self._recent.pop(0))

    def take(self, finding: Finding, name: str, within: int) -> Incident | None:
        """Return the one that a finding brings back, which is closed no more.

        That is the one of its id; or one that holds its column and kind, of the same change told of
        late (the one whose change is closest), or of another not long after it was resolved (the
        latest).

        Parameters
        ----------
        name
            Id of the incident that the finding would open.
        within
            How long is not long, microseconds.
        """
        began, at = finding.change_point, finding.detected_at
        same = [i for i in reversed(self._recent) if i.id == name]
        holding = [
            incident
            for incident in reversed(self._recent)
            if incident.member(finding.feature, finding.kind, finding.segment) is not None
        ]
        late = [i for i in holding if began < (i.resolved_at or 0)]
        late.sort(key=lambda incident: abs(incident.change_point - began))
        again = [
            i
            for i in holding
            if not i.over and i.family != MANY and at - (i.resolved_at or 0) <= within
        ]
        back = next(iter((*same, *late, *again)), None)
        if back is not None:
            self._recent.remove(back)
        return back

    def find(self, name: str) -> Incident | None:
        """Return the one with an id, as long as it is remembered."""
        held = (*reversed(self._recent), *reversed(self._past))
        return next((incident for incident in held if incident.id == name), None)

    def forget(self, now: int) -> None:
        """Let time pass, microseconds."""
        for incident in [i for i in self._recent if now - (i.resolved_at or 0) > RECENT_US]:
            self._recent.remove(incident)
            self._shelve(incident)
        self._past = [i for i in self._past if now - (i.resolved_at or 0) <= PAST_US]

    def _shelve(self, incident: Incident) -> None:
        members = [replace(m, witnesses=[], told={}) for m in incident.members[:MOST_MEMBERS]]
        alert = {**incident.alert, "evidence": {}}
        kept = replace(incident, members=members, alert=alert, silenced=None, returns=[])
        self._past = [i for i in self._past if i.id != incident.id]
        self._past.append(kept)
        del self._past[:-MOST_PAST]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "recent": [incident.to_json() for incident in self._recent],
            "past": [incident.to_json() for incident in self._past],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._recent = [Incident.from_json(incident) for incident in state["recent"]]
        self._past = [Incident.from_json(incident) for incident in state["past"]]
