"""What acting on a prediction is worth, rather than leaving it: sums by score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.errors import DriftlineError
from driftline.ledger.scorecard import WEIGHT_STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.ledger.pairs import Floats
    from driftline.ledger.scorecard import ScoreTable

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
