"""What driftline publishes for others to read, as types: alerts, feedback, windows, dead letters.

Alerts and feedback are CloudEvents 1.0 in structured JSON mode. A test holds what is really
written to these shapes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "OUTPUTS",
    "Alert",
    "AlertData",
    "ColumnStatistics",
    "DeadLetterHeaders",
    "Feedback",
    "FeedbackData",
    "LifecycleWindow",
    "QualityWindow",
    "Window",
]

Instant = Annotated[
    str,
    Meta(
        description="Event time, RFC 3339 in UTC.",
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}|\d{6}))?Z$",
    ),
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


class ColumnStatistics(msgspec.Struct, kw_only=True):
    """One column over a span of time; null is what cannot be told."""

    kind: Literal["numeric", "categorical", "boolean"]
    count: Annotated[int, Meta(description="Values that are not missing.")]
    missing: int
    invalid: Annotated[int, Meta(description="Values of the wrong type, among the missing.")]
    unseen: Annotated[int, Meta(description="Values the reference has no bin for.")]
    mean: float | None
    sd: float | None
    min: float | None
    max: float | None
    quantiles: Annotated[dict[str, float] | None, Meta(description="By probability: '0.01' …")]
    psi: float | None
    jensen_shannon: float | None
    hellinger: float | None
    ks: float | None
    wasserstein: Annotated[float | None, Meta(description="In reference standard deviations.")]
    chi_squared: float | None
    chi_squared_df: int


class WindowColumn(ColumnStatistics, kw_only=True):
    """One column of a window, with its histogram."""

    bins: Annotated[
        list[float | str | bool],
        Meta(description="Edges of numeric bins, or levels."),
    ]
    histogram: Annotated[list[int], Meta(description="Values in each of the reference's bins.")]


class Window(msgspec.Struct, kw_only=True):
    """Statistics of one model (and segment) over one window, for dashboards."""

    id: str
    model: str
    segment: dict[str, str]
    start: Instant
    end: Instant
    length_s: float
    hop_s: Annotated[float, Meta(description="Equal to length_s for tumbling windows.")]
    reference: Annotated[str | None, Meta(description="Id; null during warm-up.")]
    events: Annotated[dict[str, int], Meta(description="Events by type.")]
    late: int
    dead: int
    duplicates: int
    unknown_fields: int
    extra: Annotated[dict[str, int], Meta(description="Columns the reference does not know.")]
    features: Annotated[dict[str, WindowColumn], Meta(description="By column.")]


class EstimatedMetric(msgspec.Struct, kw_only=True):
    """What a metric is expected to be, before the labels are there."""

    value: float
    sd: Annotated[float, Meta(description="Standard deviation of what labels will show about it.")]


class QualityWindow(msgspec.Struct, kw_only=True):
    """How good the predictions of one window are, as far as their labels have come.

    Told again whenever more is known; the latest `as_of` holds.
    """

    id: str
    kind: Literal["quality"]
    model: str
    segment: dict[str, str]
    start: Annotated[Instant, Meta(description="Of the predictions' event time.")]
    end: Instant
    as_of: Annotated[Instant, Meta(description="Labels that came up to then are in it.")]
    final: Annotated[bool, Meta(description="Whether no label can come any more.")]
    metric: Annotated[str, Meta(description="What the contract promises.")]
    at_least: float | None
    at_most: float | None
    no_alarm: Annotated[
        str | None, Meta(description="Why a broken promise would wake nobody; null if it would.")
    ]
    counts: Annotated[
        dict[str, int],
        Meta(
            description="predicted, labelled, again (labels that said what was known), repeated "
            "(ids predicted twice), waiting (labels without prediction), too late, and rows that "
            "make no sense, by reason."
        ),
    ]
    labelled: Annotated[int, Meta(description="Rows that the realised metrics stand on.")]
    realised: Annotated[
        dict[str, float | None], Meta(description="Metrics by name; null is what is not defined.")
    ]
    interval: Annotated[
        dict[str, list[float]],
        Meta(description="Where a metric lies, 95 %, however often one looks."),
    ]
    estimated: Annotated[
        dict[str, EstimatedMetric],
        Meta(description="From scores alone, of all predictions; concept drift is not in it."),
    ]
    concept: Annotated[
        str | None, Meta(description="What of the promised metric moved inputs do not explain.")
    ]
    threshold: Annotated[
        ThresholdReview | None,
        Meta(description="The last review of the threshold from which on is acted."),
    ]
    maturity: Annotated[float, Meta(description="Part of its labels that has come, expected.")]
    mature: bool
    never_labelled: Annotated[
        float | None, Meta(description="Share of predictions that get no label, where it is known.")
    ]
    label_delay_s: Annotated[float | None, Meta(description="Median.")]
    early_labels: Annotated[
        str | None, Meta(description="Why labels that came early are no fair sample.")
    ]


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


class LifecycleEntry(msgspec.Struct, kw_only=True):
    """What was last told of one kind."""

    at: Instant
    version: str | None
    by: str | None
    why: str | None


class LifecycleWindow(msgspec.Struct, kw_only=True):
    """What was told of a model, and whose predictions came; told again when that changes."""

    id: str
    kind: Literal["lifecycle"]
    model: str
    as_of: Instant
    since: Annotated[Instant | None, Meta(description="When the model was first seen.")]
    last: Annotated[dict[str, LifecycleEntry], Meta(description="By kind of lifecycle event.")]
    announced: Annotated[dict[str, Instant], Meta(description="By version, when.")]
    served: Annotated[dict[str, Instant], Meta(description="By version, as of then the last.")]


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
    state: Literal["opened", "updated", "resolved"]
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


class Alert(CloudEvent, kw_only=True):
    """An incident opened, changed or was resolved. Compacted by incident."""

    type: Literal["driftline.alert.opened", "driftline.alert.updated", "driftline.alert.resolved"]
    data: AlertData


class ThresholdFigures(msgspec.Struct, kw_only=True):
    """What thresholds brought over a period, in the contract's currency."""

    today: Annotated[float, Meta(description="The score from which on is acted.")]
    best: Annotated[
        float | None,
        Meta(description="What would have brought most; null: never to act, or not known."),
    ]
    low: Annotated[float | None, Meta(description="Between this and `high` lies the best.")]
    high: float | None
    regret: Annotated[float, Meta(description="What was lost, as it came out.")]
    regret_at_least: Annotated[float, Meta(description="What was lost for certain.")]


class ThresholdReview(ThresholdFigures, kw_only=True):
    """The same in words as well, or why it cannot be known."""

    text: str


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
        "driftline.feedback.contract_violated",
        "driftline.feedback.drill_rang",
        "driftline.feedback.drill_failed",
        "driftline.feedback.threshold_review_due",
    ]
    data: FeedbackData


class DeadLetterHeaders(
    msgspec.Struct,
    kw_only=True,
    rename=lambda name: name if name == "model" else name.replace("_", ".", 1),
):
    """Headers of a dead letter; its value is the original bytes, its key the element's id."""

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
    "lifecycle-window": LifecycleWindow,
    "deadletter-headers": DeadLetterHeaders,
}
"""The type of each message that others read, by name."""
