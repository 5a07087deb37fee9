"""What a worker measures of itself: one table, from which the metrics and their reference are made.

Names follow Prometheus's conventions: base units in the name, ``_total`` for what only grows. No
label holds free text: stages, types, reasons and states are closed lists, partitions are those that
a worker owns, models are as many as `health.models` says and all others together are ``other``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

from driftline.events.errors import FaultCode
from driftline.events.frame import EventType
from driftline.events.outputs import AlertState, VerdictWord

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["LABELS", "MEASURES", "OTHER", "PROCESS", "Measure", "instruments"]

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


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric, by the name without ``driftline_`` that it has in a scrape.

    Attributes
    ----------
    buckets
        Upper bounds of a histogram, in the unit that its name ends with.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, about: str, *labels: str) -> Measure:
    return Measure("counter", name, about, labels)


def _gauge(name: str, about: str, *labels: str) -> Measure:
    return Measure("gauge", name, about, labels)


_BATCH_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_DELAY_S = (1.0, 5.0, 15.0, 30.0, 45.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 86_400.0)

MEASURES: tuple[Measure, ...] = (
    # Whether it works at all.
    _gauge("build_info", "Always 1; its version is a label", "version"),
    _gauge("ready", "1 while partitions are assigned and their state is restored, else 0"),
    _gauge("stalled_seconds", "How long the slowest partition with lag has waited to be handled"),
    _counter("assignments_total", "Times that partitions were taken over"),
    _gauge("partitions", "Partitions that this worker owns", "stage"),
    _gauge("idle_partitions", "Input partitions that hold nothing more and do not hold time back"),
    # How far it has come.
    _gauge("lag_records", "Records on the topic that are not handled yet", *PARTITION),
    _gauge("committed_offset", "Offset last committed", *PARTITION),
    _gauge(
        "watermark_delay_seconds",
        "Wall time minus the event time that all partitions have passed; 0 where all are idle, and "
        "large while old topics are read",
        "stage",
    ),
    _gauge("last_batch_timestamp_seconds", "Wall time at which a chunk was last handled", "stage"),
    _counter("records_total", "Kafka records handled", "stage"),
    _counter("batches_total", "Chunks handled", "stage"),
    Measure("histogram", "batch_seconds", "Time to handle a chunk", ("stage",), _BATCH_S),
    # What came in.
    _counter("events_total", "Events read; some are read again after a restart", "type"),
    _counter("late_events_total", "Events that came after their slot had closed"),
    _counter("duplicate_events_total", "Predictions whose id had come before in the same slot"),
    _counter("dead_letters_total", "Elements that could not be read", "reason"),
    # What was made of it.
    Measure(
        "histogram",
        "slot_seconds",
        "Time to close one slot of one model: its panes, all its detectors, its incidents",
        (),
        _SLOT_S,
    ),
    Measure(
        "histogram",
        "slot_close_delay_seconds",
        "Wall time at which a slot was closed minus the event time at which it ended; the lateness "
        "that the contract allows is part of it",
        (),
        _DELAY_S,
    ),
    _counter("joined_total", "Sums of joined rows that were sent to detect"),
    _counter("outputs_total", "Messages published by detect", "topic"),
    _gauge("snapshot_bytes", "Size of the last snapshot", *PARTITION),
    _gauge("snapshot_age_seconds", "Since the last snapshot that is durable", *PARTITION),
    # What it says of the models.
    _gauge("models", "Models that this worker judges, or is collecting a reference for", "state"),
    _gauge("incidents_open", "Incidents open now", "model", "severity"),
    _counter("alerts_total", "Alerts published", "state", "severity"),
    _counter("feedback_total", "Feedback events published", "kind"),
    _gauge("pages_promised", "False pages that the contract allows in 30 days", "model"),
    _gauge(
        "pages_raised",
        "Pages of the last 30 days of event time, by what people say of them",
        "model",
        "verdict",
    ),
    _gauge("drill_due", "1 while a drill is due or under way, else 0", "model"),
    _counter("drills_total", "Drills that have ended", "model", "outcome"),
)

PROCESS: dict[str, str] = {
    "process_cpu_seconds_total": "CPU time used",
    "process_resident_memory_bytes": "Memory in use",
    "process_virtual_memory_bytes": "Address space in use",
    "process_start_time_seconds": "When the process began: `changes()` of it counts restarts",
    "process_open_fds": "Open files and connections",
    "process_max_fds": "How many may be open",
    "python_info": "Always 1; Python's version is a label",
    "python_gc_collections_total": "Collections, by generation",
    "python_gc_objects_collected_total": "Objects found by them",
    "python_gc_objects_uncollectable_total": "Objects they could not free",
}
"""Metrics of prometheus_client's own collectors; those of the process exist on Linux alone."""

_KINDS: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


def instruments(registry: CollectorRegistry) -> dict[str, Any]:
    """Register every measure; return prometheus_client's objects by the names of the table."""
    made: dict[str, Any] = {}
    for measure in MEASURES:
        more = {"buckets": measure.buckets} if measure.buckets else {}
        made[measure.name] = _KINDS[measure.kind](
            f"driftline_{measure.name}", measure.about, measure.labels, registry=registry, **more
        )
    return made
