"""Is acting on the model better than what was done before? One model's answer, at any time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from driftline.detect.state import check
from driftline.ledger.bernstein import Bernstein
from driftline.ledger.contrast import Contrast, contrasts, expectation, rarer
from driftline.ledger.judging import Found, judge
from driftline.ledger.sequences import asymptotic
from driftline.ledger.trialrows import BASELINE, MODEL, baseline_of
from driftline.ledger.trials import UNIT, Trials

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.ledger.verdict import Verdict

__all__ = ["Uplift"]

FORMAT = 1
LEAST_LEARNT = 10
"""Rows of either arm from which outcomes are expected. Those before teach and are not counted:
against an expectation of 0, outcomes far from 0 would scatter for ever after."""
ALPHA = 0.05
"""Chance that a difference is ever claimed where there is none, or the truth ever outside."""
ALPHA_FEW = 0.01
"""What of it is for the interval that holds for few rows, too; the rest is for that of many."""
BEST_AT = 10_000.0
"""Rows at which the interval for many is tightest."""


class Uplift:
    """Adds up what acting on the model brought beyond its baseline, step by step.

    Call order: `add` for each step in which outcomes came, in ascending order. `verdict` may be
    asked after every one: a wrong claim is made in at most 5 of 100 models *ever*, not at each
    look.

    Two intervals are kept and both hold together. That for many rows (asymptotic) says nothing
    before either arm has 50 rows of the rarer outcome, or as many that its scatter rests on. That
    for few (empirical Bernstein) holds from the first row, but needs outcomes with known bounds and
    pays for the largest weight; an outcome outside of its bounds ends it for good.

    What is told is the average over all decisions so far, of as many models as there were behind
    the name meanwhile: whoever wants to know it of a new version begins a new one.

    Parameters
    ----------
    contract
        Its ``decision.baseline`` names the arm to compare with.
    bounds
        Where outcomes lie for certain, the same as given to `Trials.of`. By default 0 and 1, which
        is right for an event that came or did not, and dropped where it is not.
    least_effect
        The smallest difference per decision worth knowing, in the contract's currency. None: a
        twentieth of the usual size (root mean square) of an outcome.
    part
        Part of the chance of a wrong claim (`ALPHA`) that is this one's, above 0 and at most 1: of
        several that are looked at together each has its own. With a twenty-first the interval for
        many is 30 % wider at 10,000 rows, for which it takes 1.7 times the rows to make up.

    Notes
    -----
    A step costs 0.2 ms, a verdict 0.3 ms. A snapshot is some 5 kB.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        bounds: tuple[float, float] = UNIT,
        least_effect: float | None = None,
        part: float = 1.0,
    ) -> None:
        self._baseline, self._share = baseline_of(contract)
        self._bounds = bounds
        self._least_effect = least_effect
        self._past = Trials.empty()
        self._rows, self._total, self._squares = 0, 0.0, 0.0
        self._few = Bernstein(ALPHA_FEW * part)
        self._alpha = (ALPHA - ALPHA_FEW) * part
        self._bounded = True
        self._since: int | None = None
        self._until = 0

    def add(self, start: int, end: int, trials: Trials) -> None:
        """Take the outcomes that came in one step.

        Parameters
        ----------
        start, end
            Of the step, microseconds of event time.
        """
        if self._since is None:
            self._since = start
        self._until = max(self._until, end)
        if not trials:
            return
        self._bounded = self._bounded and trials.outside == 0
        if trials.strata and self._learnt:
            self._count(contrasts(trials, expectation(self._past)), trials.reach)
        self._past.merge(trials)

    @property
    def _learnt(self) -> bool:
        return min(self._past.arm(arm).rows for arm in (BASELINE, MODEL)) >= LEAST_LEARNT

    def _count(self, came: Contrast, weight: float) -> None:
        self._rows += came.rows
        self._total += came.total
        self._squares += came.squares
        if self._bounded and weight > 0:
            # With outcomes and what is expected of them within the bounds, no value is larger.
            self._few.add(came, weight * (self._bounds[1] - self._bounds[0]))

    @property
    def since(self) -> int:
        """Start of the first step with outcomes, microseconds; that of time where there is none."""
        return 0 if self._since is None else self._since

    @property
    def rows(self) -> int:
        """Rows that the interval is of."""
        return self._rows

    @property
    def effect(self) -> float | None:
        """What acting brought per decision beyond the baseline; None before there are rows."""
        return self._total / self._rows if self._rows > 0 else None

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the effect, at all times together; infinite where nothing is known yet."""
        low, high = asymptotic(
            max(self._rows, 0),
            self._total,
            self._squares,
            rarer=self._rarer,
            alpha=self._alpha,
            best_at=BEST_AT,
        )
        few = self._honest
        both = max(float(low), few[0]), min(float(high), few[1])
        # Two that cannot both be true: the one that rests on less is believed.
        return both if both[0] <= both[1] else few

    @property
    def _honest(self) -> tuple[float, float]:
        """The interval for few rows; infinite where it says no more than the bounds do."""
        low, high = self._few.bounds if self._bounded else (-math.inf, math.inf)
        widest = self._bounds[1] - self._bounds[0]
        return (low if low > -widest else -math.inf), (high if high < widest else math.inf)

    @property
    def _rarer(self) -> float:
        return min(rarer(self._past, arm) for arm in (BASELINE, MODEL))

    def verdict(self) -> Verdict:
        """Say whether acting on the model is better, how surely, and what is missing otherwise."""
        return judge(
            Found(
                baseline=self._baseline,
                trials=self._past,
                rows=self._rows,
                total=self._total,
                squares=self._squares,
                interval=self.interval,
                rarer=self._rarer,
                span=self._until - (self._until if self._since is None else self._since),
                least_effect=self._least_effect,
                alpha=self._alpha,
                best_at=BEST_AT,
            )
        )

    @property
    def _of(self) -> list[Any]:
        """What is added up: it cannot be taken up where that is another."""
        return [self._baseline, self._share, *self._bounds]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "format": FORMAT,
            "of": self._of,
            "past": self._past.to_values(),
            "sums": [self._rows, self._total, self._squares],
            "few": self._few.snapshot(),
            "bounded": self._bounded,
            "since": self._since,
            "until": self._until,
        }

    def can_restore(self, state: dict[str, Any] | None) -> bool:
        """Return whether a state is of a comparison like this one; contracts change."""
        return state is not None and state["of"] == self._of

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else."""
        check(state, format=FORMAT, of=self._of)
        self._past = Trials.from_values(state["past"])
        self._rows, self._total, self._squares = state["sums"]
        self._few.restore(state["few"])
        self._bounded = state["bounded"]
        self._since, self._until = state["since"], state["until"]
