"""Is acting on the model better than not? The mean effect of acting, sure at any time.

Of each decision that chance had a part in, the doubly robust score (AIPW: Robins, Rotnitzky, Zhao
1994) has the effect of acting for its mean, if only the chances are right: ``f1 - f0`` plus the
weighted surprise ``(v - f) / chance`` of the action taken, with the sign of that action. The
guesses f of the outcome, by band of the score, come from earlier slots alone; the better they are
the less the scores scatter. On these an asymptotic confidence sequence stands
(`driftline.ledger.sequences`), which may be looked at whenever one likes.

Where no chance was at work nothing is claimed: people who are acted on differ from those who are
not, and so would their outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from driftline.detect.wording import number
from driftline.ledger.sequences import LEAST_RARER, asymptotic
from driftline.ledger.trials import Trials

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers

__all__ = ["Uplift", "UpliftReport", "Verdict"]

Verdict = Literal["better", "worse", "cannot tell yet", "cannot be known from these data"]

BEST_AT = 5000.0
"""Decisions at which the interval is tightest."""
TEACHING_ROWS = 100
"""First decisions, which only teach the guesses: judged by none, they would scatter widely."""
_CELLS = 8
_PRIOR_ROWS = 20
"""The guess of a cell counts the mean of all as so many rows."""
_MOST_ROWS = 10**9


@dataclass(frozen=True, slots=True)
class UpliftReport:
    """What acting changed, in the unit of the outcomes, for each decision.

    Attributes
    ----------
    verdict
        Whether acting on the model is better than leaving it.
    effect
        Mean effect of acting on a decision; None where nothing can be said of it.
    low, high
        An interval that holds the truth at all times together but in a share `alpha` of all cases;
        infinite while there are too few decisions.
    rows
        Decisions that it rests on.
    effective
        How many evenly weighted decisions they are worth, left and acted on: ``(Σw)² / Σw²`` of
        weights w that are 1 / chance (Kish 1965).
    more
        Decisions that it will take to tell, if the effect is what it seems; None where there is
        nothing to wait for, or longer than a thousand million.
    reason
        One line for people.
    """

    verdict: Verdict
    effect: float | None
    low: float
    high: float
    rows: int
    effective: tuple[float, float]
    more: int | None
    reason: str


class Uplift:
    """Follows the effect of acting on one model, slot after slot; 50 to 100 kB of state.

    Parameters
    ----------
    alpha
        Chance of ever calling it better or worse where acting makes no difference; asymptotic, so
        with few rows of the rarer action somewhat more.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        self._alpha = alpha
        self._past = Trials()
        self._rows = 0.0
        self._total = 0.0
        self._squares = 0.0

    def update(self, slot: Trials) -> None:
        """Take the decisions whose outcome came in one slot; 1 ms.

        Corrected outcomes may be among them: the guesses of now then take back what earlier ones
        had added, which is the same but for how much the guesses have learnt since.
        """
        if sum(self._past.by_action(self._past.rows)) >= TEACHING_ROWS:
            t = slot.table()
            left, acted = self._guesses(t.band)
            effect, guess = acted - left, np.where(t.acted, acted, left)
            surprise = np.where(t.acted, 1.0, -1.0) * (t.value - guess * t.weight)
            squares = t.value2_weight2 - 2 * guess * t.value_weight2 + guess**2 * t.weight2
            self._rows += float(t.rows.sum())
            self._total += float((t.rows * effect + surprise).sum())
            squared = t.rows * effect**2 + 2 * effect * surprise + np.maximum(squares, 0.0)
            self._squares += float(squared.sum())
        self._past.merge(slot)

    def _guesses(self, band: Integers) -> tuple[Floats, Floats]:
        """Return the guessed outcome of leaving and of acting, at each band."""
        t = self._past.table()
        # Bands in their order, cut to cells of about as many decisions; there are no scores to cut
        # where all are in one band.
        middle = np.cumsum(t.rows) - t.rows / 2
        cell = np.clip(middle / t.rows.sum() * _CELLS, 0, _CELLS - 1).astype(np.int64)
        starts = t.band[np.searchsorted(cell, np.arange(1, _CELLS)).clip(max=cell.size - 1)]
        past, now = (np.searchsorted(starts, each, side="right") for each in (t.band, band))
        found = []
        for arm in (~t.acted, t.acted):
            weight = np.bincount(past[arm], t.weight[arm], minlength=_CELLS)
            value = np.bincount(past[arm], t.value[arm], minlength=_CELLS)
            rows = t.rows[arm].sum()
            mean = value.sum() / max(weight.sum(), 1e-300)
            prior = _PRIOR_ROWS * weight.sum() / max(rows, 1.0) + 1e-300
            found.append(((value + prior * mean) / (weight + prior))[now])
        return found[0], found[1]

    def report(self) -> UpliftReport:
        """Return what is sure by now."""
        past = self._past
        left, acted = past.by_action(past.rows)
        t = past.table()
        effective = (_effective(t.weight, t.weight2, ~t.acted),
                     _effective(t.weight, t.weight2, t.acted))  # fmt: skip
        if not (left and acted):
            reason = self._unknowable(left, acted)
            return UpliftReport(
                "cannot be known from these data", None, -np.inf, np.inf,
                left + acted, effective, None, reason,
            )  # fmt: skip
        low, high = (
            float(end)
            for end in asymptotic(
                self._rows, self._total, self._squares,
                rarer=self._rarer(left, acted, effective), alpha=self._alpha, best_at=BEST_AT,
            )
        )  # fmt: skip
        effect = self._total / self._rows if self._rows else None
        verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "cannot tell yet"
        more = self._more(effect) if verdict == "cannot tell yet" else None
        reason = self._told(verdict, effect, low, high, more)
        return UpliftReport(verdict, effect, low, high, int(self._rows), effective, more, reason)

    def _rarer(self, left: int, acted: int, effective: tuple[float, float]) -> float:
        """Return how many of the rarer outcome the action with fewer of them has."""
        past = self._past
        events = past.by_action(past.events)
        sums, squares = past.sums_by_action(past.values), past.sums_by_action(past.squares)
        counts = [*events, *effective]
        if np.array_equal(sums, squares) and np.array_equal(sums, events):
            # All outcomes are 0 or 1, and either may be the rare one.
            counts += [left - events[0], acted - events[1]]
        return float(min(counts))

    def _more(self, effect: float | None) -> int | None:
        if not effect:
            return None
        variance = self._squares / self._rows - (self._total / self._rows) ** 2

        def sure(rows: float) -> bool:
            low, _ = asymptotic(
                rows, rows * abs(effect), rows * (variance + effect**2),
                alpha=self._alpha, best_at=BEST_AT,
            )  # fmt: skip
            return bool(low > 0)

        if not sure(_MOST_ROWS):
            return None
        few, many = int(self._rows), _MOST_ROWS
        while many - few > max(1, many // 100):
            middle = (few + many) // 2
            few, many = (few, middle) if sure(middle) else (middle, many)
        return many - int(self._rows)

    def _told(
        self, verdict: Verdict, effect: float | None, low: float, high: float, more: int | None
    ) -> str:
        if effect is None or not np.isfinite(low):
            return (
                f"too few decisions yet: it takes {LEAST_RARER} of the rarer outcome with either "
                f"action, and {TEACHING_ROWS} decisions before"
            )
        found = (
            f"acting brings {number(effect)} a decision beyond leaving it, between {number(low)} "
            f"and {number(high)} by {int(self._rows):,} decisions"
        )
        if verdict != "cannot tell yet":
            return found
        wait = f"about {more:,} more decisions would tell" if more else "no number would tell soon"
        return f"{found}, which may be nothing; if the effect is what it seems, {wait}"

    def _unknowable(self, left: int, acted: int) -> str:
        past = self._past
        certain, unlogged = past.by_action(past.certain), past.by_action(past.unlogged)
        if left or acted:
            never = "acted on" if left else "left"
            return (
                f"of {left + acted:,} decisions that chance had a part in none was {never}: hold "
                "out a small share at random from what the model says, and log the chance"
            )
        aside = certain[0] + unlogged[0], certain[1] + unlogged[1]
        told = f"no decision with an outcome was left to chance ({sum(aside):,} were not)"
        if sum(unlogged):
            told = f"{told}, or nobody logged it ({sum(unlogged):,})"
        if all(aside):
            means = past.sums_by_action(past.aside) / np.array(aside)
            told += (
                f"; those acted on brought {number(float(means[1] - means[0]))} more each, which "
                "is association, not uplift"
            )
        return (
            f"{told}. Hold out a small share of predictions at random, or log each decision's "
            "propensity"
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        sums = [self._rows, self._total, self._squares]
        return {"past": self._past.to_values(), "sums": sums}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._past = Trials.from_values(state["past"])
        self._rows, self._total, self._squares = state["sums"]


def _effective(weight: Floats, weight2: Floats, arm: Any) -> float:
    squares = float(weight2[arm].sum())
    return float(weight[arm].sum()) ** 2 / squares if squares else 0.0
