"""An incident: findings that have one cause, and what is known of each of them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from driftline.events.frame import segment_of

if TYPE_CHECKING:
    from driftline.detect.protocol import Finding, Severity
    from driftline.events.frame import Segment

__all__ = ["Change", "ChangeState", "Incident", "Member", "hash_of"]

ChangeState = Literal["opened", "updated", "resolved"]


def hash_of(*about: object) -> str:
    """Return a stable id: 16 hex digits of the SHA-256 of what something is about."""
    return hashlib.sha256(orjson.dumps(about)).hexdigest()[:16]


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
    number
        Count of changes reported so far.
    alert
        The opening finding's part of the alert, repeated when it is resolved.
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
    resolved_at: int | None = None
    alert: dict[str, Any] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)

    @property
    def delay(self) -> int:
        """How long after its change the opening finding came, microseconds."""
        return max(0, self.detected_at - self.change_point)

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
        return cls(**{**state, "members": members})


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
        Event time of the change, microseconds.
    finding
        The finding that made it; None when the incident was resolved without one (a new reference).
    incident
        A copy of the incident as it stood then.
    """

    state: ChangeState
    number: int
    reason: str
    at: int
    finding: Finding | None
    incident: Incident
