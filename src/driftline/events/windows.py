"""What stands on the topic `windows`, as types: statistics, and what follows from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "ColumnStatistics",
    "DecisionsWindow",
    "Instant",
    "LifecycleWindow",
    "QualityWindow",
    "SkewWindow",
    "ThresholdFigures",
    "UpliftWindow",
    "Window",
    "WindowColumn",
]

Instant = Annotated[
    str,
    Meta(
        description="Event time, RFC 3339 in UTC.",
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}|\d{6}))?Z$",
    ),
]


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


class ColumnStatistics(msgspec.Struct, kw_only=True):
    """One column over a span of time, with its histogram; null is what cannot be told."""

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
    bins: Annotated[
        list[float | str | bool],
        Meta(description="Edges of numeric bins, or levels."),
    ]
    histogram: Annotated[list[int], Meta(description="Values in each of the reference's bins.")]


class WindowColumn(ColumnStatistics, kw_only=True):
    """One column of a window."""

    evidence: Annotated[
        float | msgspec.UnsetType,
        Meta(
            description="How far the detector `evidence` has come with the column, at most, in "
            "the window: on a logarithmic scale, 1 rings by itself. Left out where it does not "
            "judge."
        ),
    ] = msgspec.UNSET


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

    Told again whenever more is known; the latest `as_of` holds. With a segment it is of that one's
    predictions alone: their labels are taken to come as those of the whole, their scores to be
    worth what those of the whole are (of the promised metric alone that is estimated), and
    `interval` holds for each segment by itself, not for all of them together. Probabilities are
    rounded there: AUC, log loss and the like are near.
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


class Rate(msgspec.Struct, kw_only=True):
    """A share, and an interval that holds it however often one looks."""

    value: float
    low: float
    high: float


class BandActs(msgspec.Struct, kw_only=True):
    """Predictions of one band of the score, and what was done about them."""

    band: str
    made: int
    due: Annotated[int, Meta(description="That ask for a decision.")]
    due_decided: int
    decided: int
    late: int
    followed: int
    overridden: int


class ActorActs(msgspec.Struct, kw_only=True):
    """What one person or machine decided."""

    actor: Annotated[str | None, Meta(description="'…': all further ones; null: nobody is named.")]
    automatic: bool
    decided: int
    late: int
    followed: int
    overridden: int
    median_latency_s: float | None


class DirectionActs(msgspec.Struct, kw_only=True):
    """What was recommended, and what was done."""

    recommended: Annotated[str, Meta(description="Empty: to leave it.")]
    action: str
    followed: bool
    decided: int
    person_right: Annotated[int, Meta(description="As labels say, where it was overridden.")]
    model_right: int


class DecisionsWindow(msgspec.Struct, kw_only=True):
    """What was done about the predictions of one window; told again as decisions come.

    With a segment it is of that one's predictions; what is usual and what is raised is of the whole
    alone, and who took how long is not known.
    """

    id: str
    kind: Literal["decisions"]
    model: str
    segment: dict[str, str]
    start: Annotated[Instant, Meta(description="Of the predictions' event time.")]
    end: Instant
    as_of: Instant
    judged: Annotated[bool, Meta(description="Whether all that came in time is in it.")]
    final: bool
    action: Annotated[str | None, Meta(description="What the contract asks for.")]
    within_s: float | None
    counts: dict[str, int]
    rates: dict[str, Rate | None]
    median_latency_s: float | None
    bands: list[BandActs]
    actors: list[ActorActs]
    directions: list[DirectionActs]
    calm: Annotated[
        dict[str, Any] | None, Meta(description="What the first, healthy windows were like.")
    ]
    open: Annotated[list[str], Meta(description="What is raised.")]


class TrialArm(msgspec.Struct, kw_only=True):
    """What came of the decisions of one arm, whoever was chosen for it."""

    name: str
    rows: int
    total: float
    mean: float | None
    used: Annotated[int, Meta(description="Rows whose chance of being there is known.")]
    effective: Annotated[float, Meta(description="Rows of equal weight that they are worth.")]


class UpliftWindow(msgspec.Struct, kw_only=True):
    """Whether acting on a model beats what was done before, as of all outcomes so far.

    That of the whole is wrong in at most 5 of 100 models, ever; so are those of its segments, all
    of them together.
    """

    id: str
    kind: Literal["uplift"]
    model: str
    segment: dict[str, str]
    as_of: Instant
    answer: Literal["better", "worse", "cannot tell yet", "cannot be known from these data"]
    text: str
    baseline: TrialArm
    model_arm: Annotated[TrialArm, Meta(description="Where the model was acted on.")]
    rows: int
    effect: Annotated[float | None, Meta(description="Of acting, per decision.")]
    low: float | None
    high: float | None
    per_period: list[float | None] | None
    period_s: float
    least_effect: float | None
    more_at_effect: int | None
    more_at_least: int | None
    reason: str | None
    advice: str | None
    association: Annotated[float | None, Meta(description="Difference of means: no uplift.")]
    refused: dict[str, int]


class SkewFeature(msgspec.Struct, kw_only=True):
    """One feature of the rows that were compared."""

    pairs: int
    same: int
    differ: int
    filled: Annotated[int, Meta(description="Served, where training has no value.")]
    lost: Annotated[int, Meta(description="Not served, where training has a value.")]
    mismatched: Annotated[float | None, Meta(description="Share of the pairs.")]
    interval: list[float]
    mistake: Annotated[str | None, Meta(description="What is wrong, where anything is.")]
    text: str | None


class SkewWindow(msgspec.Struct, kw_only=True):
    """Rows as they were served against the same rows as training makes them.

    With a segment it is of that one's pairs: how many mismatch, and not what the mistake is. Each
    interval holds for itself.
    """

    id: str
    kind: Literal["skew"]
    model: str
    segment: dict[str, str]
    start: Annotated[Instant, Meta(description="Of the time in which pairs were complete.")]
    end: Instant
    final: bool
    allowed: Annotated[float, Meta(description="Share of mismatches that is put up with.")]
    pairs: int
    features: dict[str, SkewFeature]
    not_compared: Annotated[dict[str, str], Meta(description="Features, and why.")]


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


class AlarmFigures(msgspec.Struct, kw_only=True, rename={"right": "true", "wrong": "false"}):
    """How often it was told, and what people said of it."""

    told: int
    right: Annotated[int, Meta(description="Judged true.")]
    wrong: Annotated[int, Meta(description="Judged false.")]
    expected: Annotated[int, Meta(description="Judged expected: there was something, and meant.")]
    unjudged: int
    precision: Annotated[float | None, Meta(description="true / (true + false).")]
    promised_false: Annotated[
        float | None, Meta(description="As the contract's budget has it, for that time.")
    ]


class AlarmsWindow(msgspec.Struct, kw_only=True):
    """Alarms of the last 90 days beside the promise; told again when that changes."""

    id: str
    kind: Literal["alarms"]
    model: str
    as_of: Instant
    number: Annotated[int, Meta(description="The highest one holds.")]
    since: Annotated[Instant, Meta(description="90 days before, or when the model was first seen.")]
    pages: AlarmFigures
    notices: AlarmFigures
    withheld: Annotated[
        int, Meta(description="Over before the silence or maintenance that held them back was.")
    ]
