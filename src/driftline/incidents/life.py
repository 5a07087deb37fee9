"""What becomes of one incident beside its findings: by people, by time, by coming back too often.

- Somebody *acknowledges* it: it is not escalated for want of an answer. That ends when it comes
  back after it was resolved.
- Somebody *silences* it until a time: what joins or grows is not told until then. That it is
  resolved is told, and that it comes back, as a notice. A silence outlives both; at the end of it
  what is still open is told of again: what was held back as *escalated*, the rest as *updated*.
- A silence of a notice does not hide a page: what becomes a page ends it and is escalated.
- In *maintenance* whatever begins is silenced until the end of it, and a page is told as a notice:
  it wakes nobody and counts as no page, unless it is there when the maintenance is over. A notice
  that becomes a page in maintenance is held back alike, whoever else has silenced it.
- A page that nobody acknowledges or silences within the contract's ``owner.escalate_after`` is
  escalated, once, and names whom the contract would call.
- What comes back within the contract's ``alerts.flapping`` time is the same incident. At so many
  returns within that time (a dozen slots at least) it is told as *flapping*. From then on it stays
  open: nothing is told until it has been over for that time divided by that number, except that it
  becomes a page, and what people do about it.
- A *verdict* may come at any time, before it is resolved or after, and another one in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.contract.quantities import format_duration
from driftline.events.errors import Fault
from driftline.events.time import format_ts
from driftline.incidents.acts import INCIDENT
from driftline.incidents.incident import Silence, Verdict, Word
from driftline.incidents.maintenance import Maintenance

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.detect.protocol import Severity
    from driftline.events.outputs import AlertState
    from driftline.incidents.acts import Act
    from driftline.incidents.incident import Incident

__all__ = ["Life", "Turn"]

NEVER = 2**62
LEAST_SLOTS = 12
"""Slots that the time of flapping spans at least: fewer cannot show that anything is over."""


class Turn(NamedTuple):
    """A turn in an incident's life that is told."""

    state: AlertState
    reason: str
    escalate_to: str | None = None


class Life:
    """The rules above for the incidents of one model; the incidents themselves hold their state."""

    def __init__(self, contract: Contract) -> None:
        rate, owner = contract.alerts.flapping, contract.owner
        self.within = max(rate.per, LEAST_SLOTS * contract.slot)
        """How long after it was resolved what comes back is the same incident, microseconds."""
        self._times = int(rate.count)
        self._calm = self.within // self._times
        self._after = None if owner is None else owner.escalate_after
        self._whom = None if owner is None else owner.escalation or owner.contact or owner.team
        self.maintenance = Maintenance(contract)

    def begin(self, incident: Incident, severity: Severity, at: int) -> None:
        """Open it, or open it again: what people said of it is over, but for a silence."""
        incident.acknowledged = incident.verdict = None
        incident.calm_since = incident.resolved_at = None
        incident.over = False
        self._silence(incident, at)
        incident.held = severity == "page" and incident.silenced is not None
        incident.severity = "notice" if incident.held else severity
        incident.unattended = at if incident.severity == "page" else None

    def _silence(self, incident: Incident, at: int) -> None:
        """End a silence whose time is over, and let a maintenance begin that lasts longer."""
        silence, window = incident.silenced, self.maintenance.at(at)
        if silence is not None and silence.until <= at:
            silence = None
        if window is not None and (silence is None or silence.until < window.until):
            silence = window
        incident.silenced = silence

    def come_back(self, incident: Incident, severity: Severity, at: int) -> Turn:
        """Open it again, and see whether it does so too often."""
        recent = [when for when in incident.returns if at - when < self.within]
        incident.returns = [*recent, at][-self._times :]
        self.begin(incident, severity, at)
        if len(incident.returns) < self._times:
            return Turn("reopened", "it came back")
        incident.flapping = at
        often = f"{self._times} times within {format_duration(self.within)}"
        return Turn("reopened", f"it is flapping: it came back {often}")

    def worsen(self, incident: Incident, at: int) -> Turn | None:
        """Let a notice become a page."""
        window, silence = self.maintenance.at(at), incident.silenced
        if silence is not None and silence.maintenance:
            incident.held = True
            return None
        if window is not None:
            incident.held, incident.silenced = True, window
            return Turn("silenced", f"it is a page, held back: {_maintenance(window)}")
        incident.silenced, incident.severity = None, "page"
        incident.unattended = None if incident.acknowledged is not None else at
        return Turn("escalated", "it is a page now")

    def clear(self, incident: Incident, at: int) -> bool:
        """Take word that nothing is left of it; return whether it is resolved with that."""
        if incident.flapping is None:
            return True
        if incident.calm_since is None:
            incident.calm_since = at
        return False

    def due(self, incident: Incident) -> int:
        """Return when time alone changes an open incident next, microseconds."""
        when = [NEVER]
        if incident.silenced is not None:
            when.append(incident.silenced.until)
        elif incident.unattended is not None and self._after is not None:
            when.append(incident.unattended + self._after)
        if incident.calm_since is not None:
            when.append(incident.calm_since + self._calm)
        return min(when)

    def on_time(self, incident: Incident, at: int) -> Turn | None:
        """Take the change that was `due`; of several at one moment one after another.

        A turn that resolves it has not done so yet.
        """
        silence = incident.silenced
        if silence is not None and silence.until <= at:
            window = self.maintenance.at(at)
            if window is not None and (silence.maintenance or incident.held):
                incident.silenced = window
                return Turn("silenced", _maintenance(window))
            what = "the maintenance" if silence.maintenance else "its silence"
            return self._unsilence(incident, at, f"{what} is over, and it is not")
        if incident.calm_since is not None and incident.calm_since + self._calm <= at:
            incident.calm_since = incident.flapping = None
            return Turn("resolved", f"it has not come back for {format_duration(self._calm)}")
        assert self._after is not None
        incident.unattended = None
        whom = self._whom or "nobody named"
        reason = f"nobody has acknowledged it for {format_duration(self._after)}: calling {whom}"
        return Turn("escalated", reason, self._whom)

    def _unsilence(self, incident: Incident, at: int, reason: str) -> Turn | None:
        incident.silenced = None
        if incident.resolved_at is not None:
            return Turn("updated", reason)
        if incident.severity == "page" or incident.held:
            incident.unattended = None if incident.acknowledged is not None else at
        if incident.held:
            incident.held, incident.severity = False, "page"
            return Turn("escalated", f"it is a page: {reason}")
        return Turn("updated", reason) if incident.flapping is None else None

    def act(self, incident: Incident, act: Act) -> Turn | None:
        """Take what somebody does about it; None where it has been done before, word for word.

        Raises
        ------
        Fault
            It cannot be done to this incident as it is.
        """
        by = f"by {act.by or 'somebody'}"
        why = f"{by}: {act.why}" if act.why else by
        if incident.silenced is not None and incident.silenced.until <= act.at:
            # Of what is resolved nobody ends a silence in time.
            incident.silenced = None if incident.resolved_at is not None else incident.silenced
        word: dict[str, Any] = {"by": act.by, "at": act.at, "why": act.why}
        if act.kind == "incident_judged":
            assert act.verdict is not None
            verdict = Verdict(**word, verdict=act.verdict)
            if verdict == incident.verdict:
                return None
            incident.verdict = verdict
            return Turn("judged", f"judged {act.verdict} {why}")
        if act.kind == "incident_unsilenced":
            if incident.silenced is None or incident.silenced.until <= act.at:
                raise Fault(INCIDENT, "an incident that is silenced", "one that is not")
            reason = f"no longer silenced, {why}"
            return self._unsilence(incident, act.at, reason) or Turn("updated", reason)
        if incident.resolved_at is not None:
            got = f"one that was resolved at {format_ts(incident.resolved_at)}"
            raise Fault(INCIDENT, "an incident that is open", got)
        incident.unattended = None
        if act.kind == "incident_acknowledged":
            answer = Word(**word)
            if answer == incident.acknowledged:
                return None
            incident.acknowledged = answer
            return Turn("acknowledged", f"acknowledged {why}")
        assert act.until is not None
        silence = Silence(**word, until=act.until)
        if silence == incident.silenced:
            return None
        incident.silenced = silence
        return Turn("silenced", f"silenced until {format_ts(act.until)} {why}")

    def maintain(self, incident: Incident, silence: Silence, since: int) -> Turn | None:
        """Let a maintenance that was told of reach an open incident that began in it."""
        held = incident.silenced
        began = incident.opened_last
        mine = held is not None and held.maintenance
        begun_in_it = since <= began < silence.until and (
            held is None or held.until < silence.until
        )
        if not (mine or begun_in_it):
            return None
        incident.silenced, incident.unattended = silence, None
        return Turn("silenced", _maintenance(silence))


def _maintenance(silence: Silence) -> str:
    why = f" ({silence.why})" if silence.why else ""
    return f"maintenance until {format_ts(silence.until)}{why}"
