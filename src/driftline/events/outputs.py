"""What driftline publishes for others to read, as types: alerts, feedback, windows, dead letters.

Alerts and feedback are CloudEvents 1.0 in structured JSON mode. A test holds what is really
written to these shapes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from driftline.events.errors import FaultCode
from driftline.events.windows import (
    AlarmsWindow,
    ColumnStatistics,
    DecisionsWindow,
    Instant,
    LifecycleWindow,
    QualityWindow,
    SkewWindow,
    ThresholdFigures,
    UpliftWindow,
    Window,
)

__all__ = [
    "OUTPUTS",
    "Alert",
    "AlertData",
    "AlertState",
    "DeadLetterHeaders",
    "Feedback",
    "FeedbackData",
    "VerdictWord",
]

FindingKind = Literal[
    "drift",
    "schema",
    "missing",
    "volume",
    "silence",
    "skew",
    "loop",
    "quality",
    "decision",
    "contract",
    "drill",
]


AlertState = Literal[
    "opened",
    "updated",
    "escalated",
    "acknowledged",
    "silenced",
    "resolved",
    "reopened",
    "judged",
]
VerdictWord = Literal["true", "false", "expected"]


class CloudEvent(msgspec.Struct, kw_only=True):
    """The envelope: CloudEvents 1.0, structured mode."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Meta(description="The same event has the same id in every run.")]
    source: Literal["driftline"] = "driftline"
    subject: Annotated[str, Meta(description="'model/feature', or 'model'.")]
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"


class Owner(msgspec.Struct, kw_only=True):
    """Who answers for the model, from its contract."""

    team: str | None = None
    contact: str | None = None
    escalation: str | None = None


class ReferenceNote(msgspec.Struct, kw_only=True):
    """What an alert was measured against."""

    id: str
    events: int
    statistics: dict[str, Any] | None


class WindowNote(msgspec.Struct, kw_only=True):
    """The column of an alert since the change."""

    start: Instant
    end: Instant
    statistics: ColumnStatistics | None


class MemberNote(msgspec.Struct, kw_only=True):
    """One finding of an incident."""

    feature: str | None
    kind: FindingKind
    change_point: Instant
    detected_at: Instant
    detectors: list[str]
    segment: Annotated[
        dict[str, str] | msgspec.UnsetType,
        Meta(description="Whose rows it is about; left out where it is about all."),
    ] = msgspec.UNSET


class Acknowledgement(msgspec.Struct, kw_only=True):
    """Who sees to an incident."""

    by: str | None
    at: Instant
    why: str | None


class SilenceNote(Acknowledgement, kw_only=True):
    """Who has silenced an incident; what changes in it is not told until then."""

    until: Instant
    maintenance: Annotated[bool, Meta(description="Whether all that begins now is silenced.")]


class VerdictNote(Acknowledgement, kw_only=True):
    """Who says whether it was right to tell of an incident."""

    verdict: VerdictWord


class FlappingNote(msgspec.Struct, kw_only=True):
    """It comes and goes: nothing more is told until it is calm."""

    since: Instant
    returns: Annotated[list[Instant], Meta(description="When it came back lately.")]


class AlertData(msgspec.Struct, kw_only=True):
    """What changed about an incident."""

    model: str
    feature: Annotated[str | None, Meta(description="Null where it is about the whole model.")]
    features: Annotated[list[str | None], Meta(description="All columns of the incident.")]
    features_total: int
    kind: FindingKind
    detector: str
    detectors: list[str]
    severity: Literal["page", "notice"]
    change_point: Instant
    detected_at: Instant
    effect: float | None
    effect_unit: str
    text: Annotated[str, Meta(description="The effect in words, one line.")]
    log_e: Annotated[float | None, Meta(description="Natural logarithm of the e-value.")]
    evidence: dict[str, Any]
    incident: Annotated[str, Meta(description="Id of the incident; the key of the message.")]
    state: AlertState
    number: Annotated[int, Meta(description="Of this change, within the incident.")]
    reason: str
    members: list[MemberNote]
    opened_at: Instant
    resolved_at: Instant | None
    reference: ReferenceNote | None
    window: WindowNote | None
    runbook: str | None
    owner: Owner | None
    replay: Annotated[str, Meta(description="The command that shows the incident again.")]
    segment: Annotated[
        dict[str, str] | msgspec.UnsetType,
        Meta(description="Whose rows it is about; left out where it is about all."),
    ] = msgspec.UNSET
    acknowledged: Acknowledgement | msgspec.UnsetType = msgspec.UNSET
    silenced: SilenceNote | msgspec.UnsetType = msgspec.UNSET
    verdict: VerdictNote | msgspec.UnsetType = msgspec.UNSET
    flapping: FlappingNote | msgspec.UnsetType = msgspec.UNSET
    escalate_to: Annotated[
        str | msgspec.UnsetType | None,
        Meta(description="Whom the contract names for a page that nobody has acknowledged."),
    ] = msgspec.UNSET


class Alert(CloudEvent, kw_only=True):
    """What became of an incident. Compacted by incident: the last one has its whole state.

    It is open where ``resolved_at`` is null, whatever ``state`` the last change has.
    """

    type: Literal[
        "driftline.alert.opened",
        "driftline.alert.updated",
        "driftline.alert.escalated",
        "driftline.alert.acknowledged",
        "driftline.alert.silenced",
        "driftline.alert.resolved",
        "driftline.alert.reopened",
        "driftline.alert.judged",
    ]
    data: AlertData


class LoopFigures(msgspec.Struct, kw_only=True):
    """What speaks for a feedback loop, and what to do about it."""

    at: Annotated[Instant, Meta(description="End of the window that showed it.")]
    by: Annotated[list[str], Meta(description="Which signals, the strongest first.")]
    retrains: Annotated[int, Meta(description="Since it seems to have begun.")]
    signals: Annotated[dict[str, Any], Meta(description="What each signal says.")]
    advice: list[str]


class FeedbackData(msgspec.Struct, kw_only=True):
    """What is asked for, and why."""

    model: str
    contract: Annotated[str, Meta(description="Fingerprint of the contract.")]
    team: str | None
    text: str
    incident: str | None
    why: str | msgspec.UnsetType = msgspec.UNSET
    feature: str | msgspec.UnsetType | None = msgspec.UNSET
    since: Instant | msgspec.UnsetType | None = msgspec.UNSET
    violation: str | msgspec.UnsetType = msgspec.UNSET
    path: str | msgspec.UnsetType = msgspec.UNSET
    act: Annotated[str, Meta(description="What was not done: its kind of lifecycle event.")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    expected: str | msgspec.UnsetType = msgspec.UNSET
    got: str | msgspec.UnsetType = msgspec.UNSET
    shift: Annotated[str, Meta(description="What a drill planted: 'mean +1sd'.")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    planted_at: Instant | msgspec.UnsetType = msgspec.UNSET
    ended_at: Instant | msgspec.UnsetType = msgspec.UNSET
    seconds: Annotated[float, Meta(description="Event time from planting to the end.")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    slots: int | msgspec.UnsetType = msgspec.UNSET
    events: int | msgspec.UnsetType = msgspec.UNSET
    within_slots: int | msgspec.UnsetType = msgspec.UNSET
    detector: Annotated[str, Meta(description="Who rang.")] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    threshold: ThresholdFigures | msgspec.UnsetType = msgspec.UNSET
    request: Annotated[str, Meta(description="Id of the request that this is about.")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    number: Annotated[int, Meta(description="Times that it was escalated.")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    escalation: Annotated[str, Meta(description="Who is to hear of it.")] | (
        msgspec.UnsetType | None
    ) = msgspec.UNSET
    version: Annotated[str, Meta(description="Of the model that answers it.")] | (
        msgspec.UnsetType | None
    ) = msgspec.UNSET
    by: str | msgspec.UnsetType | None = msgspec.UNSET
    live: Annotated[
        bool, Meta(description="Seen by the worker in wall time; no replay has it.")
    ] | (msgspec.UnsetType) = msgspec.UNSET
    loop: LoopFigures | msgspec.UnsetType = msgspec.UNSET
    to: Annotated[str, Meta(description="The fallback, as the contract names it.")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET


class Feedback(CloudEvent, kw_only=True):
    """What driftline tells the systems around a model."""

    type: Literal[
        "driftline.feedback.retrain_requested",
        "driftline.feedback.retrain_escalated",
        "driftline.feedback.retrain_closed",
        "driftline.feedback.fallback_engaged",
        "driftline.feedback.fallback_verified",
        "driftline.feedback.fallback_released",
        "driftline.feedback.loop_suspected",
        "driftline.feedback.contract_violated",
        "driftline.feedback.drill_rang",
        "driftline.feedback.drill_failed",
        "driftline.feedback.threshold_review_due",
        "driftline.feedback.act_refused",
    ]
    data: FeedbackData


class DeadLetterHeaders(
    msgspec.Struct,
    kw_only=True,
    rename=lambda name: name if name == "model" else name.replace("_", ".", 1),
):
    """Headers of a dead letter; its value is the original bytes, its key the element's id."""

    error_code: Annotated[FaultCode, Meta(description="The kind of fault, one of a few.")]
    error_path: Annotated[str, Meta(description="JSON path of what is wrong.")]
    error_expected: str
    error_got: str
    error_message: str
    source_topic: str
    source_partition: str
    source_offset: str
    source_index: Annotated[str, Meta(description="Position in an array of events; else 0.")]
    source_timestamp: Annotated[str, Meta(description="Milliseconds, or empty.")]
    model: Annotated[str, Meta(description="Where it can be told; else empty.")]


OUTPUTS: dict[str, type[msgspec.Struct]] = {
    "alert": Alert,
    "feedback": Feedback,
    "window": Window,
    "quality-window": QualityWindow,
    "decisions-window": DecisionsWindow,
    "uplift-window": UpliftWindow,
    "skew-window": SkewWindow,
    "lifecycle-window": LifecycleWindow,
    "alarms-window": AlarmsWindow,
    "deadletter-headers": DeadLetterHeaders,
}
"""The type of each message that others read, by name."""
