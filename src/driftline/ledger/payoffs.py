"""What acting on a prediction is worth, rather than leaving it: sums by score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.errors import DriftlineError
from driftline.ledger.contrast import contrast, expectation, rarer
from driftline.ledger.scorecard import WEIGHT_STEPS
from driftline.ledger.trialrows import BASELINE, MODEL
from driftline.ledger.trials import BANDS, FOR_CERTAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.ledger.pairs import Floats
    from driftline.ledger.scorecard import ScoreTable
    from driftline.ledger.trials import Trials

__all__ = ["Coverage", "Payoffs", "UnknownPayoffError"]

FEW_EVENTS = 10
"""Of the rarer kind: with fewer a sum is not near the normal law."""
LEAST_COVERED = 0.5
"""Labels of one side as a share of the other side's, below which they are called selective."""


class UnknownPayoffError(DriftlineError):
    """What a threshold is worth cannot be known from these data.

    Operator action: what the text says would have to be recorded or randomised.
    """


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whose labels came: predictions by what was done, and those of them with a label."""

    acted: int
    acted_labelled: int
    left: int
    left_labelled: int

    def check(self) -> None:
        """Refuse labels that came for one action only.

        A threshold between two actions is judged by what became of rows on either side of it.
        Where an action itself decides whether a label comes (a loan that is refused is never paid
        back), rows of one side look as the other ones would have, at best.

        Raises
        ------
        UnknownPayoffError
            Labels of one side are missing, or much rarer; or there are none at all.
        """
        shares = (
            self.acted_labelled / max(self.acted, 1),
            self.left_labelled / max(self.left, 1),
        )
        if not max(shares):
            msg = "labels: expected some, got none yet: wait for them"
            raise UnknownPayoffError(msg)
        # A side without predictions has no labels to miss.
        if not (self.acted and self.left) or min(shares) >= LEAST_COVERED * max(shares):
            return
        sides = ("were acted on", "were not acted on")
        few, many = sides if shares[0] <= shares[1] else sides[::-1]
        labelled, of = (
            (self.acted_labelled, self.acted)
            if shares[0] <= shares[1]
            else (self.left_labelled, self.left)
        )
        msg = (
            f"labels are selective: {labelled:,} of {of:,} predictions that {few} have one, "
            f"against {max(shares):.0%} of those that {many}, so what the other action would have "
            "brought is not known; act at random on a small share of predictions of every score, "
            "whatever the threshold says, and record their labels"
        )
        raise UnknownPayoffError(msg)


@dataclass(frozen=True, slots=True)
class Payoffs:
    """What acting brings beyond leaving it, summed by score, in the contract's currency.

    Attributes
    ----------
    score
        Different scores, ascending, shape (k,).
    rows
        Rows of each score, above 0, shape (k,).
    total, squares
        Sums of the rows' payoffs of acting, and of their squares, shape (k,).
    idle
        What all rows bring if none is acted on.
    spread
        Variance of one row's payoff where acting and leaving are worth the same.
    least
        Rows from which on their sum is taken for normal.
    """

    score: Floats
    rows: Floats
    total: Floats
    squares: Floats
    idle: float
    spread: float
    least: float

    @classmethod
    def of_labels(cls, table: ScoreTable, costs: Mapping[str, float]) -> Payoffs:
        """Work payoffs out of labels that are the same whatever is done.

        Parameters
        ----------
        table
            Scores of the positive class, by label.
        costs
            Of ``fp``, ``fn``, ``tp`` and ``tn``: what a row costs that is acted on (p) or left (n),
            wrongly (f) or rightly (t); a gain is negative, what is left out costs nothing.

        Raises
        ------
        UnknownPayoffError
            The costs make one action the better one whatever the label, or labels of one class are
            all there is.
        """
        fp, fn, tp, tn = (float(costs.get(name, 0.0)) for name in ("fp", "fn", "tp", "tn"))
        hit, miss = fn - tp, tn - fp
        if not (hit > 0 > miss):
            msg = (
                "costs: expected acting to pay on the positive class (fn above tp) and to cost on "
                f"the other one (fp above tn), got fp {fp:g}, fn {fn:g}, tp {tp:g}, tn {tn:g}: the "
                "best threshold is then to act always or never, whatever the scores"
            )
            raise UnknownPayoffError(msg)
        absent = np.maximum(table.absent, 0) / WEIGHT_STEPS
        present = np.maximum(table.present, 0) / WEIGHT_STEPS
        if not (absent.any() and present.any()):
            msg = "labels: expected some of both classes, got those of one: wait for more"
            raise UnknownPayoffError(msg)
        there = absent + present > 0
        absent, present = absent[there], present[there]
        # Where acting is worth as much as leaving it, so many are positive.
        even = -miss / (hit - miss)
        return cls(
            score=table.probability[there],
            rows=absent + present,
            total=present * hit + absent * miss,
            squares=present * hit**2 + absent * miss**2,
            idle=-float(present.sum() * fn + absent.sum() * tn),
            spread=-hit * miss,
            least=FEW_EVENTS / min(even, 1 - even),
        )

    @classmethod
    def of_trials(cls, trials: Trials) -> Payoffs:
        """Work payoffs out of what came of both actions, where chance had a part in choosing.

        For labels that come for one action only: a small share of predictions that are acted on, or
        left, whatever their score, stands for all others (inverse propensity, about the mean of
        each action and band). What came of the same row under the other action is never known, so
        it takes far more rows than `of_labels` does.

        Parameters
        ----------
        trials
            Here the arm is what was done, `MODEL` for acting, and its propensity the probability of
            that. Thresholds are told to a tenth of the score, as trials are.

        Raises
        ------
        UnknownPayoffError
            One action was hardly ever taken, at some scores or at all, or its outcomes are all
            alike; or no row has a score.
        """
        least = min(rarer(trials, arm) for arm in (BASELINE, MODEL))
        if least < 1:
            acted, left = trials.arm(MODEL).rows, trials.arm(BASELINE).rows
            msg = (
                "trials: expected outcomes, not all alike, of predictions that were acted on and "
                f"of such that were not, got {acted:,} and {left:,}: act at random on a small "
                "share of predictions of every score, and record its probability"
            )
            raise UnknownPayoffError(msg)
        expected = expectation(trials)
        idle, sums = 0.0, np.zeros((BANDS, 3))
        for (arm, band), each in sorted(trials.strata.items()):
            if band == BANDS:
                continue
            if each.others >= FOR_CERTAIN and (1 - arm, band) not in trials.strata:
                never = "left" if arm == MODEL else "acted on"
                msg = (
                    f"trials: of {each.rows:,} predictions with scores from {band / BANDS:g} to "
                    f"{(band + 1) / BANDS:g} none was {never}, where {each.others:,.0f} should be "
                    "by their propensities: let chance decide on a share of them"
                )
                raise UnknownPayoffError(msg)
            without = expected[BASELINE][band]
            sums[band] += contrast(each, arm, without, expected[MODEL][band])
            idle += each.rows * without
            if arm == BASELINE:
                idle -= contrast(each, arm, without, without).total
        there = np.flatnonzero(sums[:, 0] > 0)
        if not there.size:
            msg = "scores: expected some from 0 to 1, got none"
            raise UnknownPayoffError(msg)
        rows, total, squares = sums[there].T
        return cls(
            score=there / BANDS,
            rows=rows,
            total=total,
            squares=squares,
            idle=idle,
            spread=float((squares - total**2 / rows).sum() / rows.sum()),
            least=FEW_EVENTS * trials.rows / least,
        )
