"""An incident: findings that have one cause, and what is known of each of them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.frame import segment_of

if TYPE_CHECKING:
    from driftline.detect.protocol import Finding, Severity
    from driftline.events.frame import Segment
    from driftline.events.outputs import AlertState

__all__ = ["Change", "Incident", "Member", "Silence", "Verdict", "Word", "hash_of"]


def hash_of(*about: object) -> str:
    """Return a stable id: 16 hex digits of the SHA-256 of what something is about."""
    return hashlib.sha256(orjson.dumps(about)).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What somebody has said of an incident: who, when (event time, microseconds) and why."""

    by: str | None
    at: int
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Word):
    """Nothing is to be told until a time; `maintenance` where it is not of this incident alone."""

    until: int
    maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Word):
    """Whether it was right to tell of it: ``true``, ``false`` or ``expected``."""

    verdict: str


@dataclass(slots=True)
class Member:
    """One column and kind inside an incident, of all rows or of a segment, and who sees it.

    Attributes
    ----------
    witnesses
        Detectors whose finding is raised now, in the order in which they came.
    seen_by
        All that ever raised it here.
    told
        Largest effect that an alert has told, by its unit.
    """

    feature: str | None
    kind: str
    change_point: int
    detected_at: int
    witnesses: list[str] = field(default_factory=list)
    seen_by: list[str] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)
    segment: Segment = ()

    @property
    def key(self) -> tuple[str | None, str, Segment]:
        """What tells members apart."""
        return self.feature, self.kind, self.segment


@dataclass(slots=True)
class Incident:
    """What people are told about: one cause, open until every finding in it has cleared.

    Attributes
    ----------
    id
        Hash of model, kind, leading feature, detector and slot of the change.
    family
        Which findings may join, see `driftline.incidents.grouping`.
    change_point, detected_at
        Of the finding that opened it, event time in microseconds.
    delay
        How long after its change that finding came, microseconds.
    number, told_at
        Count of changes reported so far, and event time of the last one, microseconds.
    alert
        The opening finding's part of the alert, repeated when it is resolved.
    severity, held
        What alerts say; `held` where that is a notice only until a silence is over.
    acknowledged, silenced, verdict
        What people have said, since it opened or came back last.
    returns
        When it came back lately, microseconds.
    flapping
        Since when it comes and goes too often to be told each time.
    calm_since
        Since when it has been over, while it is flapping.
    unattended
        Since when it is a page that nobody has answered; None where somebody has, where it is no
        page, and once that has been escalated.
    over
        It was resolved for good: only what is told of that change once more brings it back.
    """

    id: str
    family: str
    feature: str | None
    kind: str
    detector: str
    severity: Severity
    change_point: int
    detected_at: int
    number: int = 0
    told_at: int | None = None
    resolved_at: int | None = None
    alert: dict[str, Any] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    held: bool = False
    acknowledged: Word | None = None
    silenced: Silence | None = None
    verdict: Verdict | None = None
    returns: list[int] = field(default_factory=list)
    flapping: int | None = None
    calm_since: int | None = None
    unattended: int | None = None
    over: bool = False

    @property
    def opened_last(self) -> int:
        """When it was last opened or came back, microseconds."""
        return self.returns[-1] if self.returns else self.detected_at

    @property
    def delay(self) -> int:
        """How long after its change the opening finding came, microseconds."""
        return max(0, self.detected_at - self.change_point)

    @property
    def pages(self) -> bool:
        """True where it is a page, told as one or held back."""
        return self.held or self.severity == "page"

    @property
    def quiet(self) -> bool:
        """True where it is not told of what changes in it."""
        return self.silenced is not None or self.flapping is not None

    @property
    def cleared(self) -> bool:
        """True when no detector sees anything of it any more."""
        return not any(member.witnesses for member in self.members)

    @property
    def features(self) -> list[str]:
        """Its columns in the order in which they joined."""
        return list(dict.fromkeys(m.feature for m in self.members if m.feature is not None))

    @property
    def detectors(self) -> list[str]:
        """All detectors that have seen it, sorted."""
        return sorted({name for member in self.members for name in member.seen_by})

    def member(self, feature: str | None, kind: str, segment: Segment = ()) -> Member | None:
        """Return the member for a column and kind, of all rows or of a segment, if there is one."""
        key = feature, kind, segment
        return next((m for m in self.members if m.key == key), None)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Incident:
        """Take up what `to_json` gave."""
        members = [
            Member(**{**member, "segment": segment_of(member.get("segment", ()))})
            for member in state["members"]
        ]
        said = {
            name: None if state[name] is None else kind(**state[name])
            for name, kind in (
                ("acknowledged", Word),
                ("silenced", Silence),
                ("verdict", Verdict),
            )
        }
        return cls(**{**state, **said, "members": members})


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an incident: what an alert reports.

    Attributes
    ----------
    number
        1 for the first change of the incident, and so on.
    reason
        Why it is reported, in a few words.
    at
        Event time of the change, microseconds; not before the change before it.
    finding
        The finding that made it; None where it was time, a person or a new reference.
    incident
        A copy of the incident as it stood then.
    escalate_to
        Whom the contract names for a page that nobody answers.
    """

    state: AlertState
    number: int
    reason: str
    at: int
    finding: Finding | None
    incident: Incident
    escalate_to: str | None = None

    @property
    def text(self) -> str:
        """What has happened to the data, in words: as the finding has it, or the opening one."""
        told: str = self.incident.alert["text"] if self.finding is None else self.finding.text
        return told
