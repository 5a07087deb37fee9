"""Thresholds, period by period: what acting from another score on would have brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract import DAY
from driftline.detect.plain import plain
from driftline.ledger.exposure import Exposure
from driftline.ledger.payoffs import Coverage, Payoffs, UnknownPayoffError
from driftline.ledger.scorecard import WEIGHT_STEPS, Scorecard
from driftline.ledger.task import acting_threshold
from driftline.ledger.thresholds import review_threshold

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.ledger.cell import Cell
    from driftline.ledger.telling import Classes

__all__ = ["Review", "Reviews"]

PERIOD = 30 * DAY
"""From one review to the next where the contract does not say."""


@dataclass(frozen=True, slots=True)
class Review:
    """What a period's labels say of the threshold in use.

    Attributes
    ----------
    since, at
        Start of the period's first window, and when it was reviewed, microseconds.
    today, best, low, high
        The threshold in use; the one that would have brought most (infinite: never to act), and an
        interval that it lies in. None where that cannot be known.
    regret, regret_at_least
        What was lost, in the contract's currency: as it came out, and what is certain of it.
    text
        All that in words, or why it cannot be known.
    """

    since: int
    at: int
    today: float
    text: str
    best: float | None = None
    low: float | None = None
    high: float | None = None
    regret: float = 0.0
    regret_at_least: float = 0.0

    @property
    def due(self) -> bool:
        """Whether somebody should look: another threshold would have been better for certain."""
        return self.regret_at_least > 0

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values; a threshold that is infinite or unknown is null."""
        return {
            "today": plain(self.today),
            "best": _finite(self.best),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "regret": plain(self.regret),
            "regret_at_least": plain(self.regret_at_least),
            "text": self.text,
        }


class Reviews:
    """Adds up windows whose labels are all there, and reviews the threshold once a period.

    It needs a contract that says from which score on it acts, and what right and wrong decisions
    cost; without one, and for a regression, nothing is reviewed.
    """

    def __init__(self, contract: Contract) -> None:
        decision = contract.decision
        today = acting_threshold(contract)
        self._today = today if decision is not None and decision.costs else None
        self._costs = dict(decision.costs) if decision is not None else {}
        every = decision.threshold_review_every if decision is not None else None
        self._every = PERIOD if every is None else every
        self._span = contract.quality.span if contract.quality is not None else 0
        self._card, self._exposure = Scorecard.empty(), Exposure.empty()
        self._since: int | None = None

    def add(self, window: int, cell: Cell, now: int, classes: Classes) -> Review | None:
        """Take a window that is over; return a review where a period is over with it.

        Parameters
        ----------
        window
            Its start, microseconds.
        now
            Event time, microseconds.
        """
        if self._today is None or not isinstance(cell.card, Scorecard):
            return None
        assert isinstance(cell.exposure, Exposure)
        if self._since is None:
            self._since = window
        self._card.merge(cell.card)
        self._exposure.merge(cell.exposure)
        if window + self._span - self._since < self._every:
            return None
        since, self._since = self._since, None
        found = self._review(since, now, self._today, classes)
        self._card, self._exposure = Scorecard.empty(), Exposure.empty()
        return found

    def _review(self, since: int, now: int, today: float, classes: Classes) -> Review:
        positive = classes.positive
        if positive is None or len(classes.known) > 2:
            return Review(since, now, today, "thresholds are reviewed of two classes only")
        table = self._card.table(positive, scored=True)
        made = self._exposure.table(positive, scored=True)
        acted, labelled = made.score >= today, table.probability >= today
        told = (table.absent + table.present) / WEIGHT_STEPS
        try:
            Coverage(
                acted=round(float((made.other + made.own)[acted].sum())),
                acted_labelled=round(float(told[labelled].sum())),
                left=round(float((made.other + made.own)[~acted].sum())),
                left_labelled=round(float(told[~labelled].sum())),
            ).check()
            found = review_threshold(Payoffs.of_labels(table, self._costs), today)
        except UnknownPayoffError as error:
            return Review(since, now, today, str(error))
        better = "never to act" if np.isinf(found.best) else f"to act from {found.best:.4g} on"
        text = (
            f"acting from {today:g} on brought {found.today_value:,.4g} over {found.rows:,.0f} "
            f"predictions; {better} would have brought {found.best_value:,.4g} (the best lies "
            f"between {found.low:.4g} and {found.high:.4g})"
        )
        text += (
            f"; at least {found.regret_at_least:,.4g} of that was lost for certain"
            if found.regret_at_least > 0
            else "; the difference is within chance"
        )
        return Review(
            since,
            now,
            today,
            text,
            best=found.best,
            low=found.low,
            high=found.high,
            regret=found.regret,
            regret_at_least=found.regret_at_least,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "since": self._since,
            "card": self._card.to_values(),
            "exposure": self._exposure.to_values(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._since = state["since"]
        self._card = Scorecard.from_values(state["card"])
        self._exposure = Exposure.from_values(state["exposure"])


def _finite(value: float | None) -> float | None:
    return None if value is None or np.isinf(value) else plain(value)
