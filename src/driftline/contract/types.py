"""The contract's types: one immutable value for each block of the YAML file.

All durations are whole microseconds, all instants microseconds since the epoch. How each field is
written in YAML, what it may be and what it means stands in one table, in form.py.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
HORIZON = 30 * DAY
"""How long what belongs to a prediction is waited for, where the contract does not say."""
QUALITY_WINDOWS = 60
"""Quality windows that may wait for labels at a time: each is held until its last one may come."""
STEPS = 60
"""Steps in which labels arrive during one quality window: what comes in one is judged at once."""


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every block."""


class Rate(Block, frozen=True, kw_only=True):
    """``count`` per ``per`` microseconds: "1 per 30d", "10/min"."""

    count: float
    per: int


class Owner(Block, frozen=True, kw_only=True):
    """Who answers for the model."""

    team: str | None = None
    contact: str | None = None
    escalation: str | None = None
    confirm_every: int = 180 * DAY
    """How often an ``owner_confirmed`` event has to say that it is still so."""
    escalate_after: int | None = None
    """A page that nobody has acknowledged for so long names ``escalation``; None: none does."""


class Budget(Block, frozen=True, kw_only=True):
    """How many false pages a model may cause, over all its features, segments and detectors."""

    false_pages: Rate = Rate(count=1, per=30 * DAY)
    false_notices: Rate | None = None
    """None: nothing statistical is told before it is worth a page."""


class AlertPlan(Block, frozen=True, kw_only=True):
    """What of an incident wakes people, and when it is enough."""

    severity: dict[str, Literal["page", "notice"]] = msgspec.field(default_factory=dict)
    """By kind of finding, in place of what its detector says."""
    flapping: Rate = Rate(count=4, per=6 * HOUR)
    """What comes back within ``per`` is the same incident; once it has come back ``count`` times
    within that, this is told, and nothing more until it is calm (`driftline.incidents.life`)."""

    @property
    def calm(self) -> int:
        """How long a flapping incident has to be over before it is resolved, microseconds."""
        return int(self.flapping.per / self.flapping.count)


class MaintenanceWindow(Block, frozen=True, kw_only=True):
    """A time in which people work on the model, once or again and again; nothing pages then.

    Once: from ``since`` to ``until``. With ``every`` it begins again and again, each time for
    ``lasts``, up to ``until`` if that is stated.
    """

    since: int
    until: int | None = None
    every: int | None = None
    lasts: int | None = None
    why: str | None = None

    def end(self, at: int) -> int | None:
        """Return the end of the window that a moment lies in, microseconds; None where in none."""
        if at < self.since or (self.until is not None and at >= self.until):
            return None
        if self.every is None or self.lasts is None:
            return self.until
        end = self.since + (at - self.since) // self.every * self.every + self.lasts
        end = end if self.until is None else min(end, self.until)
        return end if at < end else None


class ReferencePlan(Block, frozen=True, kw_only=True):
    """Where "normal" comes from."""

    source: Literal["warmup", "file", "topic", "version"] = "warmup"
    path: str | None = None
    """Resolved against the directory of the contract's file."""
    path_as_written: str | None = None
    """The same as the file has it: the fingerprint must not depend on where a file lies."""
    topic: str | None = None
    start: int | None = None
    end: int | None = None
    events: int = 5_000
    version: str | None = None
    seasonal: Literal["hour_of_day", "hour_of_week", "month_of_year"] | None = None


class FeaturePlan(Block, frozen=True, kw_only=True):
    """What the contract says of one feature."""

    type: Literal["numeric", "categorical", "boolean"] | None = None
    tolerance: float | None = None
    importance: float = 1.0


class SegmentPlan(Block, frozen=True, kw_only=True):
    """Which of the events' segments are watched each by itself, beside the whole."""

    most: int = 20
    """The largest ones of the reference; 0 for none. The ledger, which knows no reference, tells as
    many apart (`driftline.ledger.segments.MOST_SEGMENTS` at most), the first in order of name."""


class DetectorPlan(Block, frozen=True, kw_only=True):
    """A detector by name, with its parameters."""

    name: str
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class WindowPlan(Block, frozen=True, kw_only=True):
    """A tumbling window (``hop == length``) or a hopping one."""

    length: int
    hop: int


class Quality(Block, frozen=True, kw_only=True):
    """The quality promised."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    label_horizon: int = HORIZON
    window: int | None = None
    """Span of the predictions' event time that is judged as one; a multiple of the slot. None
    stated: a day, or a sixtieth of the horizon if that is longer, in whole slots."""
    positive: str | None = None
    """The class that scores are probabilities of; None: the last one in sorted order."""

    @property
    def span(self) -> int:
        """`window` as it is in a contract, where it always stands."""
        assert self.window is not None
        return self.window


class LedgerPlan(Block, frozen=True, kw_only=True):
    """What is kept of each prediction until its label comes."""

    share: float = 1.0
    """Of all predictions, chosen by a hash of their ids: the same ones in every event type."""


class SkewPlan(Block, frozen=True, kw_only=True):
    """How rows that were served are compared with the same rows as training makes them."""

    tolerance: float = 1e-6
    """Of numbers, relative: the default forgives a trip through 32 bits."""
    allowed: float = 0.001
    """Share of mismatched rows of a feature that is put up with."""
    page_from: float = 0.05
    """Share from which on it is a page."""


class Baseline(Block, frozen=True, kw_only=True):
    """What acting on the model is compared with."""

    arm: str | None = None
    share: float | None = None


class Decision(Block, frozen=True, kw_only=True):
    """How predictions become actions."""

    act_when: str | None = None
    action: str | None = None
    within: int | None = None
    costs: dict[str, float] = msgspec.field(default_factory=dict)
    threshold_review_every: int | None = None
    baseline: Baseline | None = None


class Retrain(Block, frozen=True, kw_only=True):
    """When a retraining is asked for."""

    at_most_every: int = 7 * DAY
    max_age: int | None = None
    on: tuple[str, ...] = ("drift", "quality")


class Fallback(Block, frozen=True, kw_only=True):
    """What takes over when the model cannot be trusted."""

    to: str
    on: tuple[str, ...] = ("quality", "silence", "schema")
    release_after: int = 30 * MINUTE
    test_every: int = 180 * DAY
    """How often a ``fallback_tested`` event has to say that it still works."""


class Sla(Block, frozen=True, kw_only=True):
    """What the system around the model promises."""

    min_rate: Rate | None = None
    silence: int | None = None
    """None: an hour, a slot, or half as long again as the reference was ever silent, whichever is
    the longest: what is usual at night wakes nobody."""


class PlantedShift(Block, frozen=True, kw_only=True):
    """A change that a drill plants: "mean +1sd", "spread x2", "missing +20%", "mix 20%", "new 5%".

    ``size`` is signed for a mean; a factor for a spread; else a share of the rows.
    """

    what: Literal["mean", "spread", "missing", "mix", "new"]
    size: float


class Drill(Block, frozen=True, kw_only=True):
    """How the alarm is tried out: a shift in a shadow copy of the detectors, never in themselves.

    ``within`` is time in which the model speaks: slots without events do not count.
    """

    every: int | None = None
    """In event time, at multiples of itself; None for a drill that somebody has ordered."""
    shifts: tuple[PlantedShift, ...] = (
        PlantedShift(what="mean", size=1.0),
        PlantedShift(what="mix", size=0.2),
    )
    features: tuple[str, ...] | None = None
    within: int = HOUR
    at: int | None = None
    """When an ordered drill begins, event time; no contract's file says so."""


class Contract(Block, frozen=True, kw_only=True):
    """Everything promised about one model; only `model` has no default."""

    model: str
    owner: Owner | None = None
    runbook: str | None = None
    slot: int = 10 * SECOND
    lateness: int = 30 * SECOND
    idle_after: int = 60 * SECOND
    max_ahead: int = HOUR
    """How far an event's ``ts`` may run ahead of its Kafka record's timestamp."""
    sample: int = 512
    """Rows a pane keeps for the detectors that step on values."""
    windows: tuple[WindowPlan, ...] = ()
    """None stated: tumbling, of as many whole slots as it takes to fill an hour."""
    budget: Budget = Budget()
    alerts: AlertPlan = AlertPlan()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    reference: ReferencePlan = ReferencePlan()
    features: dict[str, FeaturePlan] | None = None
    segments: SegmentPlan = SegmentPlan()
    detectors: tuple[DetectorPlan, ...] = (
        DetectorPlan(name="evidence"),
        DetectorPlan(name="adwin"),
        DetectorPlan(name="correlation"),
        DetectorPlan(name="joint"),
    )
    deadletter_share: float = 0.01
    """Share of undecodable events above which the producer's schema counts as broken."""
    quality: Quality | None = None
    skew: SkewPlan | None = None
    """None: features are not kept to be compared."""
    ledger: LedgerPlan = LedgerPlan()
    decision: Decision | None = None
    retrain: Retrain = Retrain()
    fallback: Fallback | None = None
    sla: Sla = Sla()
    drill: Drill | None = None
    """None: no drills."""
    review_by: dt.date | None = None
    deprecate_after: dt.date | None = None
    stated: frozenset[str] = frozenset()
    """Top-level keys the file has; the others are defaults. Empty where there is no file."""

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of `driftline.contract.canonical.canonical`.

        Equal for contracts of equal effect: defaults spelled out or left out, keys in any order,
        in any directory. Costs about a tenth of a millisecond: keep it, do not ask in a loop.
        """
        from driftline.contract.canonical import fingerprint

        return fingerprint(self)

    @property
    def joins(self) -> bool:
        """Whether anything in it needs predictions joined with what comes later."""
        return not (self.quality is None and self.decision is None and self.skew is None)

    @property
    def span(self) -> int:
        """Length of the windows of predictions whose joined rows are summed up, microseconds."""
        return -(-DAY // self.slot) * self.slot if self.quality is None else self.quality.span

    @property
    def horizon(self) -> int:
        """How long after a prediction what belongs to it may come, microseconds."""
        horizon = HORIZON if self.quality is None else self.quality.label_horizon
        within = self.decision.within if self.decision is not None else None
        return max(horizon, within or 0)

    @property
    def step(self) -> int:
        """Span of arrival time in which joined rows are summed up, microseconds: whole slots."""
        return max(1, self.span // (STEPS * self.slot)) * self.slot

    def __post_init__(self) -> None:
        """Fit the defaults that depend on the slot."""
        if not self.windows:
            length = -(-HOUR // self.slot) * self.slot
            window = WindowPlan(length=length, hop=length)
            msgspec.structs.force_setattr(self, "windows", (window,))
        if self.quality is not None and self.quality.window is None:
            least = max(DAY, -(-self.quality.label_horizon // QUALITY_WINDOWS))
            window_us = -(-least // self.slot) * self.slot
            quality = msgspec.structs.replace(self.quality, window=window_us)
            msgspec.structs.force_setattr(self, "quality", quality)

    def feature(self, name: str) -> FeaturePlan:
        """Return what is said of a feature, or the defaults."""
        return (self.features or {}).get(name) or FeaturePlan()
