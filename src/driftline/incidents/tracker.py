"""The incidents of one model: findings in, changes out."""

from __future__ import annotations

from copy import deepcopy
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.contract.types import DAY
from driftline.incidents.alerts import alert_message, finding_part
from driftline.incidents.feedback import Feedback
from driftline.incidents.grouping import (
    DATA,
    FLOW,
    MANY,
    OF_NO_REFERENCE,
    family_of,
    find_incident,
    in_order_of_rank,
    net,
)
from driftline.incidents.incident import Change, ChangeState, Incident, Member, hash_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Contract
    from driftline.detect.protocol import Finding
    from driftline.incidents.context import Context
    from driftline.incidents.history import Told

__all__ = ["Incidents", "Step"]

FORMAT = 1
MAX_OPEN = 100
"""Open incidents of one model, beyond which findings join one that is about "many"."""
MAX_CLOSED = 100
REMEMBERED_US = DAY
"""How long a resolved incident may still be reopened by a slower detector of the same change."""


class Step(NamedTuple):
    """What one step publishes: (key, value) for the topics `alerts` and `feedback`."""

    alerts: list[tuple[bytes, bytes]]
    feedback: list[tuple[bytes, bytes]]


class Incidents:
    """Groups the findings of one model into incidents and says when one changes.

    Pure: the same findings in the same order give the same changes, ids included. It makes no
    difference whether findings of different moments come in one step or in several.

    A change is reported when an incident opens, when a further column (or kind) joins, when it
    becomes a page, when an effect has doubled since it was last told, when it comes back within a
    day, and when everything in it has cleared. A second detector that agrees is listed as a witness
    and reported with the next change, and so is a segment of what has moved as a whole, unless the
    effect is twice as large in it.

    Complexity: time O(findings × open incidents); at most 100 open and 100 closed incidents are
    kept.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._open: list[Incident] = []
        self._closed: list[Incident] = []
        self._reference: str | None = None
        self._feedback = Feedback(contract)

    @property
    def open(self) -> list[Incident]:
        """Copies of the open incidents, oldest first."""
        return deepcopy(self._open)

    def troubled(self) -> set[str]:
        """Return the columns of which something is known to be wrong, failed drills apart."""
        members = (member for incident in self._open for member in incident.members)
        return {m.feature for m in members if m.feature is not None and m.kind != "drill"}

    @property
    def drifting(self) -> bool:
        """Whether data are known to have moved."""
        return any(incident.family == DATA for incident in self._open)

    def beside(self, feature: str) -> set[str]:
        """Return the columns of the open incidents that a feature is part of."""
        return {name for i in self._open if feature in i.features for name in i.features}

    def on_lifecycle(self, kind: str, told: Told) -> list[tuple[bytes, bytes]]:
        """Take what was told of the model; return messages for the topic `feedback`."""
        return self._feedback.on_lifecycle(kind, told)

    def history(self, now: int) -> list[tuple[bytes, bytes]]:
        """Return the model's history as a message for the topic `windows`, if it has changed."""
        return self._feedback.history.message(self._contract.model, now)

    def step(self, findings: Sequence[Finding], context: Context) -> Step:
        """Take the findings of a slot and return the messages that report what changed.

        Called for each slot, with or without findings, and when silence is noticed.
        """
        out = Step([], [])
        for change in self.on_findings(findings, context):
            out.alerts.append(alert_message(change, self._contract, context))
            out.feedback.extend(self._feedback.on_change(change))
        # A silence is noticed at a time that depends on how the marks came; what is done because
        # time has passed waits for a slot without such news, so that every run does it then.
        if not any(family_of(finding.kind) == FLOW for finding in findings):
            out.feedback.extend(self._feedback.on_slot(context.now, context.served))
        return out

    def on_findings(self, findings: Sequence[Finding], context: Context) -> list[Change]:
        """Take findings into account and return the changes of incidents they make, in order."""
        changes = self._on_reference(context)
        in_time = sorted(findings, key=lambda f: f.detected_at)
        for at, group in groupby(in_time, key=lambda f: f.detected_at):
            self._forget(at)
            words = net(list(group))
            for finding in in_order_of_rank(f for f in words if f.state == "raised"):
                changes.extend(self._raise(finding))
            for finding in words:
                if finding.state == "cleared":
                    changes.extend(self._clear(finding))
        return changes

    def _on_reference(self, context: Context) -> list[Change]:
        """Resolve what was found against a reference that does not hold any more."""
        name = context.reference.id if context.reference is not None else None
        if name is None or name == self._reference:
            return []
        before, self._reference = self._reference, name
        if before is None:
            return []
        # Detectors start anew on a new reference: nobody would ever clear these.
        return [
            self._resolve(incident, context.now, None, "a new reference holds")
            for incident in list(self._open)
            if incident.family not in OF_NO_REFERENCE
        ]

    def _raise(self, finding: Finding) -> list[Change]:
        incident = find_incident(finding, self._open, self._contract.slot)
        if incident is None and self._crowded:
            incident = next((i for i in self._open if i.family == MANY), None)
        if incident is None:
            return [self._open_for(finding)]
        return self._join(incident, finding)

    @property
    def _crowded(self) -> bool:
        return sum(incident.family != MANY for incident in self._open) >= MAX_OPEN

    def _id(self, finding: Finding) -> str:
        slot = finding.change_point // self._contract.slot
        about = (finding.kind, finding.feature, finding.detector, slot)
        own = (finding.segment,) if finding.segment else ()
        return hash_of("incident", self._contract.model, *about, *own)

    def _open_for(self, finding: Finding) -> Change:
        back = self._reopened(finding)
        if back is not None:
            self._closed.remove(back)
            self._open.append(back)
            back.resolved_at = None
            # What brings it back decides: a page that is over must not wake anyone for a notice.
            back.severity = finding.severity
            self._witness(back, finding)
            return self._change(back, "updated", "it came back", finding.detected_at, finding)
        many = self._crowded
        incident = Incident(
            id=self._id(finding),
            family=MANY if many else family_of(finding.kind),
            feature=None if many else finding.feature,
            kind=finding.kind,
            detector=finding.detector,
            severity=finding.severity,
            change_point=finding.change_point,
            detected_at=finding.detected_at,
            alert=finding_part(finding),
        )
        self._open.append(incident)
        self._witness(incident, finding)
        reason = f"more than {MAX_OPEN} incidents are open" if many else "first finding"
        return self._change(incident, "opened", reason, finding.detected_at, finding)

    def _reopened(self, finding: Finding) -> Incident | None:
        """Return the resolved incident whose change a finding tells of once more."""
        name = self._id(finding)
        began = finding.change_point
        for incident in reversed(self._closed):
            if incident.id == name:
                return incident
        same = [
            incident
            for incident in self._closed
            if incident.member(finding.feature, finding.kind, finding.segment) is not None
            and began < (incident.resolved_at or 0)
        ]
        return min(same, key=lambda incident: abs(incident.change_point - began), default=None)

    def _join(self, incident: Incident, finding: Finding) -> list[Change]:
        fresh = incident.member(finding.feature, finding.kind, finding.segment) is None
        whole = incident.member(finding.feature, finding.kind) if finding.segment else None
        worse = incident.severity == "notice" and finding.severity == "page"
        grown = self._witness(incident, finding)
        if worse:
            incident.severity = "page"
        if incident.family == MANY and not worse:
            return []
        # A column that vanished is missing as well: that is one thing said twice.
        vanished = incident.member(finding.feature, "schema") is not None
        reasons = {
            "it is a page now": worse,
            "it joined": fresh and not whole and not (finding.kind == "missing" and vanished),
            "the effect has doubled": grown and not fresh,
            "the effect is twice as large in this segment": fresh
            and whole is not None
            and _doubled(finding, whole),
        }
        reason = next((text for text, is_so in reasons.items() if is_so), None)
        if reason is None:
            return []
        return [self._change(incident, "updated", reason, finding.detected_at, finding)]

    def _witness(self, incident: Incident, finding: Finding) -> bool:
        """Write a finding into its member; return whether its effect has doubled since told."""
        member = incident.member(finding.feature, finding.kind, finding.segment)
        if member is None:
            member = Member(
                finding.feature,
                finding.kind,
                finding.change_point,
                finding.detected_at,
                segment=finding.segment,
            )
            incident.members.append(member)
        for names in (member.witnesses, member.seen_by):
            if finding.detector not in names:
                names.append(finding.detector)
        grown = _doubled(finding, member)
        if grown or finding.effect_unit not in member.told:
            member.told[finding.effect_unit] = abs(finding.effect)
        return grown

    def _clear(self, finding: Finding) -> list[Change]:
        for incident in self._open:
            member = incident.member(finding.feature, finding.kind, finding.segment)
            if member is None or finding.detector not in member.witnesses:
                continue
            member.witnesses.remove(finding.detector)
            if incident.cleared:
                at = finding.detected_at
                return [self._resolve(incident, at, finding, "everything in it has cleared")]
            return []
        return []

    def _resolve(self, incident: Incident, at: int, finding: Finding | None, why: str) -> Change:
        self._open.remove(incident)
        for member in incident.members:
            member.witnesses.clear()
        incident.resolved_at = at
        self._closed.append(incident)
        del self._closed[:-MAX_CLOSED]
        return self._change(incident, "resolved", why, at, finding)

    def _change(
        self, incident: Incident, state: ChangeState, reason: str, at: int, finding: Finding | None
    ) -> Change:
        incident.number += 1
        return Change(state, incident.number, reason, at, finding, deepcopy(incident))

    def _forget(self, now: int) -> None:
        self._closed = [i for i in self._closed if now - (i.resolved_at or 0) <= REMEMBERED_US]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "format": FORMAT,
            "open": [incident.to_json() for incident in self._open],
            "closed": [incident.to_json() for incident in self._closed],
            "reference": self._reference,
            "feedback": self._feedback.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave.

        Raises
        ------
        ValueError, KeyError, TypeError
            For anything else.
        """
        if state["format"] != FORMAT:
            msg = f"incidents: expected state of format {FORMAT}, got {state['format']!r}"
            raise ValueError(msg)
        self._open = [Incident.from_json(incident) for incident in state["open"]]
        self._closed = [Incident.from_json(incident) for incident in state["closed"]]
        self._reference = state["reference"]
        self._feedback.restore(state["feedback"])


def _doubled(finding: Finding, member: Member) -> bool:
    """Return whether an effect is twice what was told of a member.

    Detectors measure in units of their own; only the same unit can double.
    """
    told = member.told.get(finding.effect_unit)
    return told is not None and abs(finding.effect) >= 2 * told > 0
