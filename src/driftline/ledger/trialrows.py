"""Rows of a trial: which way a decision went, how likely that was, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Contract
    from driftline.ledger.pairs import Floats, Integers

__all__ = ["BASELINE", "HOLDOUT", "MODEL", "NO_ARM", "TrialRows", "baseline_of", "read_trials"]

BASELINE, MODEL, NO_ARM = 0, 1, -1
HOLDOUT = "holdout"
"""Name of the arm that the model does not decide for, where the contract gives none."""
MODEL_NAME = "model"

Arms = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class TrialRows:
    """n predictions whose outcomes are known, as columns.

    Attributes
    ----------
    arm
        `MODEL` where the model was acted on, `BASELINE` where it was not, `NO_ARM` where nobody
        says, int8 of shape (n,).
    propensity
        Probability with which the row got *the arm that it got*, whichever that is: a row of a 5 %
        holdout has 0.05, one of the model's arm beside it 0.95. NaN where unknown, shape (n,).
    score
        Probability of the positive class, NaN where there is none, shape (n,).
    value
        What came of it, in the contract's currency, or 0 and 1; NaN is no outcome, shape (n,).
    sign
        +1, or -1 where an earlier row is taken back, shape (n,).
    """

    arm: Arms
    propensity: Floats
    score: Floats
    value: Floats
    sign: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return int(self.sign.size)

    def take(self, rows: Integers | slice) -> TrialRows:
        """Return some of the rows, in the order given."""
        return TrialRows(
            arm=self.arm[rows],
            propensity=self.propensity[rows],
            score=self.score[rows],
            value=self.value[rows],
            sign=self.sign[rows],
        )


def baseline_of(contract: Contract) -> tuple[str, float | None]:
    """Return the name of the baseline's arm, and its share of traffic where the contract says."""
    decision = contract.decision
    plan = decision.baseline if decision is not None else None
    if plan is None:
        return HOLDOUT, None
    return plan.arm or HOLDOUT, plan.share


def read_trials(
    contract: Contract,
    value: Sequence[Any],
    said: Sequence[tuple[Sequence[str | None], Sequence[Any]]],
    *,
    score: Sequence[Any] | None = None,
    sign: npt.NDArray[np.int8] | None = None,
) -> TrialRows:
    """Read joined rows; all columns have n values, None where there is none.

    Parameters
    ----------
    value
        Of the outcome, a number.
    said
        Arm and propensity as events have them: those of the decision, then those of the prediction.
        The first event that has both is believed. Where none has, the arm is the prediction's
        rather than the decision's, as it was drawn before anybody looked; the propensity is one
        that was told without an arm, else that of the contract's ``decision.baseline.share``.
    score
        Probability of the positive class.
    sign
        +1, or -1 where an earlier row is taken back; +1 by default.

    Notes
    -----
    Every row is read by itself, 0.3 µs a row in batches of thousands.
    """
    size = len(value)
    name, share = baseline_of(contract)
    codes = {MODEL_NAME: MODEL, name: BASELINE}
    arm = np.full(size, NO_ARM, dtype=np.int8)
    propensity = np.full(size, np.nan)
    read = [(_arms(arms, codes), _unnamed(arms), _numbers(told)) for arms, told in said]
    for code, _, told in read:
        both = np.isnan(propensity) & (code != NO_ARM) & ~np.isnan(told)
        arm[both], propensity[both] = code[both], told[both]
    for code, _, _ in reversed(read):
        lacking = arm == NO_ARM
        arm[lacking] = code[lacking]
    for _, unnamed, told in read:
        lacking = np.isnan(propensity) & unnamed
        propensity[lacking] = told[lacking]
    if share is not None:
        lacking = np.isnan(propensity) & (arm != NO_ARM)
        propensity[lacking] = np.where(arm == MODEL, 1 - share, share)[lacking]
    return TrialRows(
        arm=arm,
        propensity=propensity,
        score=np.full(size, np.nan) if score is None else _numbers(score),
        value=_numbers(value),
        sign=np.ones(size, dtype=np.int8) if sign is None else sign,
    )


def _arms(names: Sequence[str | None], codes: dict[str, int]) -> Arms:
    found = (NO_ARM if name is None else codes.get(name, NO_ARM) for name in names)
    return np.fromiter(found, dtype=np.int8, count=len(names))


def _unnamed(names: Sequence[str | None]) -> npt.NDArray[np.bool_]:
    return np.fromiter((name is None for name in names), dtype=np.bool_, count=len(names))


def _numbers(column: Sequence[Any]) -> Floats:
    return np.array(column, dtype=np.float64)
