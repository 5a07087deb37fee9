"""The verdict on a model's worth, in figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from driftline.contract import DAY
from driftline.detect.plain import plain, plain_or_none

__all__ = ["PERIOD", "Answer", "Arm", "Verdict"]

Answer = Literal["better", "worse", "cannot tell yet", "cannot be known from these data"]
PERIOD = 30 * DAY
"""Over which the total is told."""
Bounded = tuple[float, float | None, float | None]
"""A figure, and its lower and upper bound where there are any."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What came of the decisions of one arm, as it is, whoever was chosen for it.

    Attributes
    ----------
    rows, total
        Decisions with an outcome, and its sum.
    used, effective
        Those with a known propensity, and how many of equal weight they are worth.
    """

    name: str
    rows: int
    total: float
    used: int
    effective: float

    @property
    def mean(self) -> float | None:
        """Outcome of a decision in the mean; None of none."""
        return self.total / self.rows if self.rows > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "name": self.name,
            "rows": self.rows,
            "total": plain(self.total),
            "mean": plain_or_none(self.mean),
            "used": self.used,
            "effective": plain(self.effective),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether acting on the model is better than its baseline.

    Attributes
    ----------
    answer
        ``better`` or ``worse`` for certain; ``cannot tell yet``, and more decisions will tell;
        ``cannot be known from these data``, however many more like them come.
    baseline, model
        The arms as they are.
    rows
        Decisions that the effect is of.
    effect, low, high
        What acting on the model brings per decision beyond the baseline, and an interval that holds
        it at all times together in 95 of 100 cases; None where it is not known.
    per_period
        Effect and interval over `PERIOD` at the rate of decisions so far, were all of them made
        with the model rather than none; None where there is no effect or no time.
    least_effect
        The smallest effect per decision worth knowing.
    more_at_effect, more_at_least
        About how many more decisions it takes to tell an effect like the one seen, or one that is
        just worth knowing, in half of the cases; None where that is known, or beyond all measure.
    reason, advice
        Why it cannot be known, and what would have to be done for it.
    association
        Difference of the arms' means where only that is to be had. It is no uplift.
    refused
        Rows that were not used, by reason.
    text
        All of it in words.
    """

    answer: Answer
    baseline: Arm
    model: Arm
    rows: int
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    per_period: Bounded | None = None
    least_effect: float | None = None
    more_at_effect: int | None = None
    more_at_least: int | None = None
    reason: str | None = None
    advice: str | None = None
    association: float | None = None
    refused: dict[str, int] = field(default_factory=dict)
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        period = self.per_period
        return {
            "answer": self.answer,
            "text": self.text,
            "baseline": self.baseline.to_json(),
            "model": self.model.to_json(),
            "rows": self.rows,
            "effect": plain_or_none(self.effect),
            "low": plain_or_none(self.low),
            "high": plain_or_none(self.high),
            "per_period": None if period is None else [plain_or_none(each) for each in period],
            "period_s": PERIOD / 1e6,
            "least_effect": plain_or_none(self.least_effect),
            "more_at_effect": self.more_at_effect,
            "more_at_least": self.more_at_least,
            "reason": self.reason,
            "advice": self.advice,
            "association": plain_or_none(self.association),
            "refused": dict(sorted(self.refused.items())),
        }
