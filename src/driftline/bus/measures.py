"""What a worker measures of itself: one table, from which the metrics and their reference are made.

No label holds free text: stages, types, reasons and states are closed lists, partitions are those
that a worker owns, models are as many as `health.models` says and all others together are
``other``.
"""

from __future__ import annotations

from typing import get_args

from driftline.bus.instruments import Measure, counter, gauge, histogram
from driftline.events.errors import FaultCode
from driftline.events.frame import EventType
from driftline.events.outputs import AlertState, VerdictWord

__all__ = ["LABELS", "MEASURES", "OTHER"]

OTHER = "other"
STAGES = ("observe", "join", "detect")
PARTITION = ("topic", "partition")
TOPICS = ("references", "windows", "alerts", "feedback")
STATES: tuple[str, ...] = get_args(AlertState)
VERDICTS: tuple[str, ...] = get_args(VerdictWord)
UNJUDGED = "unjudged"
SEVERITIES = ("page", "notice")

LABELS: dict[str, str] = {
    "stage": f"{', '.join(STAGES)}",
    "type": f"{', '.join(get_args(EventType))}",
    "reason": f"{', '.join(get_args(FaultCode))}: the `error.code` of a dead letter",
    "topic": "name of the topic; of outputs without the prefix",
    "partition": "number of a partition that this worker owns",
    "severity": f"{', '.join(SEVERITIES)}",
    "state": f"what the alert says: {', '.join(STATES)}; of models: watched, warming_up",
    "kind": "the feedback event's, see `deploy/schemas/feedback.json`",
    "model": f"the first `health.models` models (100); all further ones together are `{OTHER}`",
    "verdict": f"{', '.join(VERDICTS)}, {UNJUDGED}",
    "outcome": "rang, failed",
    "version": "driftline's version",
}
"""What each label may hold."""


_BATCH_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_DELAY_S = (1.0, 5.0, 15.0, 30.0, 45.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 86_400.0)

MEASURES: tuple[Measure, ...] = (
    # Whether it works at all.
    gauge("build_info", "Always 1; its version is a label", "version"),
    gauge("ready", "1 while partitions are assigned and their state is restored, else 0"),
    gauge("stalled_seconds", "How long the slowest partition with lag has waited to be handled"),
    counter("assignments_total", "Times that partitions were taken over"),
    gauge("partitions", "Partitions that this worker owns", "stage"),
    gauge("idle_partitions", "Input partitions that hold nothing more and do not hold time back"),
    # How far it has come.
    gauge("lag_records", "Records on the topic that are not handled yet", *PARTITION),
    gauge("committed_offset", "Offset last committed", *PARTITION),
    gauge(
        "watermark_delay_seconds",
        "Wall time minus the event time that all partitions have passed; 0 where all are idle, and "
        "large while old topics are read",
        "stage",
    ),
    gauge("last_batch_timestamp_seconds", "Wall time at which a chunk was last handled", "stage"),
    counter("records_total", "Kafka records handled", "stage"),
    counter("batches_total", "Chunks handled", "stage"),
    histogram("batch_seconds", "Time to handle a chunk", _BATCH_S, "stage"),
    # What came in.
    counter("events_total", "Events read; some are read again after a restart", "type"),
    counter("late_events_total", "Events that came after their slot had closed"),
    counter("duplicate_events_total", "Predictions whose id had come before in the same slot"),
    counter("dead_letters_total", "Elements that could not be read", "reason"),
    # What was made of it.
    histogram(
        "slot_seconds",
        "Time to close one slot of one model: its panes, all its detectors, its incidents",
        _SLOT_S,
    ),
    histogram(
        "slot_close_delay_seconds",
        "Wall time at which a slot was closed minus the event time at which it ended; the lateness "
        "that the contract allows is part of it",
        _DELAY_S,
    ),
    counter("joined_total", "Sums of joined rows that were sent to detect"),
    counter("outputs_total", "Messages published by detect", "topic"),
    gauge("snapshot_bytes", "Size of the last snapshot", *PARTITION),
    gauge("snapshot_age_seconds", "Since the last snapshot that is durable", *PARTITION),
    # What it says of the models.
    gauge("models", "Models that this worker judges, or is collecting a reference for", "state"),
    gauge("incidents_open", "Incidents open now", "model", "severity"),
    counter("alerts_total", "Alerts published", "state", "severity"),
    counter("feedback_total", "Feedback events published", "kind"),
    gauge("pages_promised", "False pages that the contract allows in 30 days", "model"),
    gauge(
        "pages_raised",
        "Pages of the last 30 days of event time, by what people say of them",
        "model",
        "verdict",
    ),
    gauge("drill_due", "1 while a drill is due or under way, else 0", "model"),
    counter("drills_total", "Drills that have ended", "model", "outcome"),
)
