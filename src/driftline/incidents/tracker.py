"""The incidents of one model: findings in, changes out."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.events.errors import Fault
from driftline.incidents.acts import INCIDENT, named_act, read_act
from driftline.incidents.alarms import Alarms
from driftline.incidents.alerts import alert_message, finding_part
from driftline.incidents.closed import Closed
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
from driftline.incidents.history import Told
from driftline.incidents.incident import Change, Incident, Member, hash_of
from driftline.incidents.life import NEVER, Life, Turn
from driftline.incidents.refused import refused_message

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    from driftline.contract import Contract
    from driftline.detect.protocol import Finding, Severity
    from driftline.incidents.acts import Act
    from driftline.incidents.context import Context

__all__ = ["Incidents", "Step"]

FORMAT = 2
MAX_OPEN = 100
"""Open incidents of one model, beyond which findings join one that is about "many"."""
OF_PEOPLE = frozenset({"acknowledged", "silenced", "judged"})
"""States that nothing in the data has brought about: systems are not told."""


class Step(NamedTuple):
    """What one step publishes: (key, value) for the topics."""

    alerts: list[tuple[bytes, bytes]]
    feedback: list[tuple[bytes, bytes]]
    windows: list[tuple[bytes, bytes]]


class Incidents:
    """Groups the findings of one model into incidents and says when one changes.

    Pure: the same findings, acts and times in the same order give the same changes, ids included.
    It makes no difference whether findings of different moments come in one step or in several.

    A change is reported when an incident opens, when a further column (or kind) joins, when it
    becomes a page (*escalated*), when an effect has doubled since it was last told, when it comes
    back (*reopened*: the same change within a day, another one within the contract's time of
    flapping), and when everything in it has cleared. A second detector that agrees is listed as a
    witness and reported with the next change, and so is a segment of what has moved as a whole,
    unless the effect is twice as large in it. What people do about it is reported as well, and what
    time does; for that see `driftline.incidents.life`.

    Complexity: time O(findings × open incidents); at most 100 open incidents are kept, 100 that
    were resolved in the last day and a short record of 200 of the last 90.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._life = Life(contract)
        self._open: list[Incident] = []
        self._closed = Closed()
        self._reference: str | None = None
        self._feedback = Feedback(contract)
        self._alarms = Alarms(contract, self._feedback.history)
        self.due = NEVER
        """Event time at which time alone changes an incident next, microseconds."""

    @property
    def open(self) -> list[Incident]:
        """Copies of the open incidents, oldest first."""
        return deepcopy(self._open)

    @property
    def severities(self) -> dict[str, Severity]:
        """Severity of each open incident, by id."""
        return {incident.id: incident.severity for incident in self._open}

    def pages_since(self, since: int) -> Counter[str | None]:
        """Return how many pages there were from a time on (microseconds), by verdict."""
        return self._alarms.pages_since(since)

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
        out = self._told(self.on_findings(findings, context), context)
        # A silence is noticed at a time that depends on how the marks came; what is done because
        # time has passed waits for a slot without such news, so that every run does it then.
        if not any(family_of(finding.kind) == FLOW for finding in findings):
            out.feedback.extend(self._feedback.on_slot(context.now, context.served))
        return out

    def on_findings(self, findings: Sequence[Finding], context: Context) -> list[Change]:
        """Take findings into account and return the changes of incidents they make, in order."""
        changes = self._on_reference(context)
        in_time = sorted(map(self._rated, findings), key=lambda f: f.detected_at)
        for at, group in groupby(in_time, key=lambda f: f.detected_at):
            changes.extend(self._pass(at))
            self._closed.forget(at)
            words = net(list(group))
            for finding in in_order_of_rank(f for f in words if f.state == "raised"):
                changes.extend(self._raise(finding))
            for finding in words:
                if finding.state == "cleared":
                    changes.extend(self._clear(finding))
        changes.extend(self._pass(context.now))
        return changes

    def _rated(self, finding: Finding) -> Finding:
        """Return a finding as severe as the contract has its kind."""
        severity = self._contract.alerts.severity.get(finding.kind, finding.severity)
        return finding if severity == finding.severity else replace(finding, severity=severity)

    def on_time(self, context: Context) -> Step:
        """Let event time pass to ``context.now`` without a slot: silences end, pages wait."""
        return self._told(list(self._pass(context.now)), context)

    def _pass(self, now: int) -> Iterator[Change]:
        """Take what time alone does up to now, in its order."""
        while (at := self._due()) <= now:
            incident = next(i for i in self._open if self._life.due(i) == at)
            turn = self._life.on_time(incident, at)
            if turn is not None and turn.state == "resolved":
                yield self._resolve(incident, at, None, turn.reason)
            elif turn is not None:
                yield self._turned(incident, turn, at, None)
        # Asked for with every mark, of every model: it is not worked out anew each time.
        self.due = at

    def _due(self) -> int:
        return min((self._life.due(incident) for incident in self._open), default=NEVER)

    def on_act(self, kind: str, at: int, told: Mapping[str, Any], context: Context) -> Step:
        """Take what somebody does, as of ``context.now``.

        What cannot be read or done is answered with a feedback event `act_refused`.

        Parameters
        ----------
        kind, at, told
            As in `driftline.incidents.acts.read_act`.
        """
        try:
            act = read_act(kind, at, told)
            changes = self._maintain(act) if kind == "maintenance" else self._act(act)
        except Fault as fault:
            refused = refused_message(self._contract, named_act(kind, at, told), fault)
            return Step([], [refused], [])
        self.due = self._due()
        return self._told(changes, context)

    def _act(self, act: Act) -> list[Change]:
        incident = next((i for i in self._open if i.id == act.incident), None)
        incident = incident or self._closed.find(act.incident or "")
        if incident is None:
            expected = "an incident of this model, open or resolved within 90 days"
            raise Fault(INCIDENT, expected, f'"{act.incident}"')
        turn = self._life.act(incident, act)
        return [] if turn is None else [self._turned(incident, turn, act.at, None)]

    def _maintain(self, act: Act) -> list[Change]:
        self._feedback.history.on_event(act.kind, Told(act.at, None, act.by, act.why))
        silence, changes = self._life.maintenance.add(act), []
        for incident in self._open:
            turn = self._life.maintain(incident, silence, act.since or act.at)
            if turn is not None:
                changes.append(self._turned(incident, turn, act.at, None))
        return changes

    def _told(self, changes: Sequence[Change], context: Context) -> Step:
        out = Step([], [], [])
        for change in changes:
            out.alerts.append(alert_message(change, self._contract, context))
            out.windows.extend(self._alarms.on_change(change))
            if change.state not in OF_PEOPLE:
                out.feedback.extend(self._feedback.on_change(change))
        return out

    def _on_reference(self, context: Context) -> list[Change]:
        """Resolve what was found against a reference that does not hold any more."""
        name = context.reference.id if context.reference is not None else None
        if name is None or name == self._reference:
            return []
        before, self._reference = self._reference, name
        if before is None:
            return []
        # Detectors start anew on a new reference: nobody would ever clear these.
        ended = [i for i in self._open if i.family not in OF_NO_REFERENCE]
        for incident in ended:
            incident.over = True
        return [self._resolve(i, context.now, None, "a new reference holds") for i in ended]

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
        at = finding.detected_at
        back = self._closed.take(finding, self._id(finding), self._life.within)
        if back is not None:
            self._open.append(back)
            if finding.change_point >= (back.resolved_at or 0):
                # Another change of the same thing: what is near to it now is near to that one.
                back.change_point, back.alert = finding.change_point, finding_part(finding)
            # What brings it back decides: a page that is over must not wake anyone for a notice.
            turn = self._life.come_back(back, finding.severity, at)
            self._witness(back, finding)
            return self._turned(back, turn, at, finding)
        many = self._crowded
        incident = Incident(
            id=self._id(finding),
            family=MANY if many else family_of(finding.kind),
            feature=None if many else finding.feature,
            kind=finding.kind,
            detector=finding.detector,
            severity=finding.severity,
            change_point=finding.change_point,
            detected_at=at,
            alert=finding_part(finding),
        )
        self._open.append(incident)
        self._life.begin(incident, finding.severity, at)
        self._witness(incident, finding)
        reason = f"more than {MAX_OPEN} incidents are open" if many else "first finding"
        return self._turned(incident, Turn("opened", reason), at, finding)

    def _join(self, incident: Incident, finding: Finding) -> list[Change]:
        at = finding.detected_at
        fresh = incident.member(finding.feature, finding.kind, finding.segment) is None
        whole = incident.member(finding.feature, finding.kind) if finding.segment else None
        worse = not incident.pages and finding.severity == "page"
        grown = self._witness(incident, finding)
        incident.calm_since = None
        if worse:
            turn = self._life.worsen(incident, at)
            return [] if turn is None else [self._turned(incident, turn, at, finding)]
        if incident.family == MANY or incident.quiet:
            return []
        # A column that vanished is missing as well: that is one thing said twice.
        vanished = incident.member(finding.feature, "schema") is not None
        reasons = {
            "it joined": fresh and not whole and not (finding.kind == "missing" and vanished),
            "the effect has doubled": grown and not fresh,
            "the effect is twice as large in this segment": fresh
            and whole is not None
            and _doubled(finding, whole),
        }
        reason = next((text for text, is_so in reasons.items() if is_so), None)
        if reason is None:
            return []
        return [self._turned(incident, Turn("updated", reason), at, finding)]

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
            at = finding.detected_at
            if incident.cleared and self._life.clear(incident, at):
                return [self._resolve(incident, at, finding, "everything in it has cleared")]
            return []
        return []

    def _resolve(self, incident: Incident, at: int, finding: Finding | None, why: str) -> Change:
        self._open.remove(incident)
        for member in incident.members:
            member.witnesses.clear()
        incident.resolved_at = at
        incident.held, incident.unattended = False, None
        incident.flapping = incident.calm_since = None
        change = self._turned(incident, Turn("resolved", why), at, finding)
        self._closed.add(incident)
        return change

    def _turned(self, incident: Incident, turn: Turn, at: int, finding: Finding | None) -> Change:
        incident.number += 1
        if incident.told_at is not None:
            # An act may come before slots close that ended before it: sorted by time, as files are,
            # changes stay in the order of their numbers.
            at = max(at, incident.told_at)
        incident.told_at = at
        copy = deepcopy(incident)
        return Change(turn.state, incident.number, turn.reason, at, finding, copy, turn.escalate_to)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "format": FORMAT,
            "open": [incident.to_json() for incident in self._open],
            "closed": self._closed.snapshot(),
            "maintenance": self._life.maintenance.snapshot(),
            "reference": self._reference,
            "feedback": self._feedback.snapshot(),
            "alarms": self._alarms.snapshot(),
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
        self._closed.restore(state["closed"])
        self._life.maintenance.restore(state["maintenance"])
        self._reference = state["reference"]
        self._feedback.restore(state["feedback"])
        self._alarms.restore(state["alarms"])
        self.due = self._due()


def _doubled(finding: Finding, member: Member) -> bool:
    """Return whether an effect is twice what was told of a member.

    Detectors measure in units of their own; only the same unit can double.
    """
    told = member.told.get(finding.effect_unit)
    return told is not None and abs(finding.effect) >= 2 * told > 0
