"""The table of a contract's YAML form: reading, JSON Schema and canonical form all come from it."""

from __future__ import annotations

from typing import Final

from driftline.contract import checks
from driftline.contract.blocks import BlockOf, Field, ListOf, MapOf
from driftline.contract.duties import ALERTS, BUDGET, FALLBACK, MAINTENANCE, NAME, OWNER, RETRAIN
from driftline.contract.kinds import (
    DATE,
    INSTANT,
    RATE,
    SHIFT,
    Choice,
    Duration,
    Integer,
    Number,
    Share,
    Text,
)
from driftline.contract.names import DETECTORS, METRICS
from driftline.contract.plans import DetectorKind, Only, ReferenceKind, WindowKind
from driftline.contract.types import (
    Baseline,
    Block,
    Contract,
    Decision,
    Drill,
    FeaturePlan,
    LedgerPlan,
    Quality,
    ReferencePlan,
    SegmentPlan,
    SkewPlan,
    Sla,
    WindowPlan,
)

_LITERAL: Final = (
    r"""(?:[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|"[^"]*"|'[^']*')"""
)

REFERENCE: Final = BlockOf(
    ReferencePlan,
    (
        Field(
            "from",
            Choice(tuple(checks.SOURCES)),
            "Where normal comes from: the first events, a file, a range of a topic, or the "
            "reference of another version.",
            attribute="source",
        ),
        Field(
            "path",
            Text(),
            "A parquet, csv or jsonl file; a relative path starts at this contract's folder.",
            attribute="path_as_written",
        ),
        Field(
            "topic",
            Text(longest=249, pattern=r"[A-Za-z0-9._-]+", example="a topic's name"),
            "The topic to read.",
        ),
        Field("start", INSTANT, "First event time taken; from the beginning if left out."),
        Field("end", INSTANT, "First event time not taken; to the end if left out."),
        Field("events", Integer(100, 10_000_000), "Events to learn from before detection starts."),
        Field(
            "version",
            NAME,
            "The version whose reference holds on: as a retrained or deployed event has named it, "
            "or the id of a reference.",
        ),
        Field(
            "seasonal",
            Choice(("hour_of_day", "hour_of_week", "month_of_year")),
            "Keep a separate normal for each hour of the day or of the week, or month of the year.",
        ),
    ),
    (checks.reference_keys,),
    checks.reference_schema(),
)

FEATURE: Final = BlockOf(
    FeaturePlan,
    (
        Field(
            "type",
            Choice(("numeric", "categorical", "boolean")),
            "Type of the values; inferred from the reference if left out.",
        ),
        Field(
            "tolerance",
            Number(least=0),
            "Changes smaller than this are not worth a page: standard deviations for a numeric "
            "feature, probability for the others.",
        ),
        Field("importance", Number(least=0), "Weight beside the other features."),
    ),
    (checks.tolerance_of_kind,),
)

SEGMENTS: Final = BlockOf(
    SegmentPlan,
    (
        Field(
            "most",
            Integer(0, 64),
            "The largest segments of the reference, at most so many, are watched each by itself "
            "beside the whole; 0 for none. Quality, decisions, uplift and skew are told of as many "
            "(20 at most), the first in order of name.",
        ),
    ),
)

WINDOW: Final = BlockOf(
    WindowPlan,
    (
        Field("length", Duration("1s"), "Length, a multiple of the slot.", required=True),
        Field("hop", Duration("1s"), "From one start to the next; divides the length."),
    ),
)

QUALITY: Final = BlockOf(
    Quality,
    (
        Field("metric", Choice(METRICS), "What is measured on matured labels.", required=True),
        Field("at_least", Number(), "The worst value that is still good, if larger is better."),
        Field("at_most", Number(), "The worst value that is still good, if smaller is better."),
        Field("label_horizon", Duration("1s"), "How long a prediction waits for its label."),
        Field("window", Duration("1s"), "Predictions of such a span of time are judged as one."),
        Field("positive", NAME, "The class that scores are of; the last one in order if left out."),
    ),
    (checks.quality_bounds,),
    checks.quality_schema(),
)

SKEW: Final = BlockOf(
    SkewPlan,
    (
        Field("tolerance", Number(), "By how much two numbers may differ, relative to training."),
        Field("allowed", Share(), "Share of mismatched rows of a feature that is put up with."),
        Field("page_from", Share(), "Share of mismatched rows from which on it is a page."),
    ),
    (checks.skew_in_range,),
)

LEDGER: Final = BlockOf(
    LedgerPlan,
    (Field("share", Share(), "Share of the predictions that is kept, by a hash of their ids."),),
)

BASELINE: Final = BlockOf(
    Baseline,
    (
        Field("arm", NAME, "The arm that the model does not decide for.", required=True),
        Field("share", Share(), "Share of traffic in that arm."),
    ),
)

DECISION: Final = BlockOf(
    Decision,
    (
        Field(
            "act_when",
            Text(
                longest=500,
                pattern=rf"[^\s<>=!]+ *(?:>=|<=|==|!=|>|<) *{_LITERAL}",
                example='a comparison such as "score >= 0.6"',
            ),
            "When a prediction asks for action.",
        ),
        Field("action", NAME, "What is done then."),
        Field("within", Duration("1s"), "How soon it must be done."),
        Field(
            "costs",
            MapOf(
                Number(), "a mapping with tp, fp, fn or tn", keys=("tp", "fp", "fn", "tn"), least=0
            ),
            "What a right or wrong decision costs, in any one currency; a gain is negative.",
        ),
        Field("threshold_review_every", Duration("1d"), "How often the threshold is reconsidered."),
        Field("baseline", BASELINE, "What acting on the model is compared with."),
    ),
)

SLA: Final = BlockOf(
    Sla,
    (
        Field("min_rate", RATE, "Fewer events than this are an incident."),
        Field(
            "silence",
            Duration("1s"),
            "No event for so long is an incident; if left out, an hour or more than is usual.",
        ),
    ),
)


DRILL: Final = BlockOf(
    Drill,
    (
        Field("every", Duration("1m"), "From one drill to the next, event time.", required=True),
        Field(
            "shifts",
            ListOf(SHIFT, "a list of shifts such as [mean +1sd, missing +20%]", 1),
            "What is planted: one of those that fit the feature, a different one each time.",
        ),
        Field(
            "features",
            ListOf(NAME, "a list of feature names", 1),
            "Where it is planted: any of these; any feature at all if left out.",
        ),
        Field(
            "within",
            Duration("1s"),
            "Time in which it must ring; slots without events do not count.",
        ),
    ),
    (checks.drill_ends,),
)


class _DeadLetters(Block, frozen=True, kw_only=True):
    """Shape of the block ``deadletters``."""

    share: float = 0.01


CONTRACT: Final = BlockOf(
    Contract,
    (
        Field(
            "model",
            Text(
                longest=200,
                pattern=r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?",
                example="the model's name, 1 to 200 characters",
            ),
            "The model's name, as its events carry it.",
            required=True,
        ),
        Field("owner", OWNER, "Who answers for the model."),
        Field("runbook", Text(), "What to do when it pages: a link."),
        Field("slot", Duration("100ms", "1d"), "Span of event time that is summarised as one."),
        Field("lateness", Duration("0s", "30d"), "How long events may come out of order."),
        Field(
            "idle_after",
            Duration("1s", "30d"),
            "Wall time without a record after which a partition stops holding time back.",
        ),
        Field(
            "max_ahead",
            Duration("0s", "365d"),
            "How far an event's ts may be ahead of its record's timestamp.",
        ),
        Field(
            "sample",
            Integer(1, 65_536),
            "Rows of a slot kept for the detectors that step on values.",
        ),
        Field(
            "windows",
            ListOf(WindowKind(WINDOW), "a list of windows such as [1h, {length: 1d, hop: 1h}]", 1),
            "Windows published for dashboards: lengths, or lengths with hops.",
        ),
        Field("budget", BUDGET, "The false pages that people put up with."),
        Field("alerts", ALERTS, "What of an incident wakes people, and when it is enough."),
        Field(
            "maintenance",
            ListOf(MAINTENANCE, "a list of windows such as [{since: …, until: …}]"),
            "When people work on it: what begins then is a notice until the end of it.",
        ),
        Field("reference", ReferenceKind(REFERENCE), "What normal is."),
        Field(
            "features",
            MapOf(FEATURE, "a mapping of feature names (leave it out to infer them)", empty=True),
            "The features, by name; inferred from the reference or the first events if left out.",
        ),
        Field("segments", SEGMENTS, "Segments that are watched each by itself."),
        Field(
            "detectors",
            ListOf(DetectorKind(DETECTORS), "a list of detectors such as [evidence, adwin]"),
            "The detectors, by name or as {name: {parameter: value}}.",
        ),
        Field(
            "deadletters",
            Only(
                BlockOf(
                    _DeadLetters,
                    (
                        Field(
                            "share",
                            Share(),
                            "Share above which the schema counts as broken.",
                            required=True,
                        ),
                    ),
                ),
                "share",
            ),
            "How many events may be undecodable.",
            attribute="deadletter_share",
        ),
        Field("quality", QUALITY, "The quality promised."),
        Field("skew", SKEW, "How served features are compared with training's."),
        Field("ledger", LEDGER, "What is kept of predictions until their labels come."),
        Field("decision", DECISION, "How predictions become actions."),
        Field("retrain", RETRAIN, "When a retraining is asked for."),
        Field("fallback", FALLBACK, "What takes over when the model cannot be trusted."),
        Field("sla", SLA, "What the system around the model promises."),
        Field("drill", DRILL, "How the alarm is tried out, in a shadow copy of the detectors."),
        Field("review_by", DATE, "When this contract is next reviewed."),
        Field("deprecate_after", DATE, "When the model is to be out of use."),
    ),
    (
        checks.windows_fit,
        checks.silence_spans_a_slot,
        checks.detectors_once,
        checks.drilled_features_are_there,
        checks.quality_window_fits,
    ),
)
