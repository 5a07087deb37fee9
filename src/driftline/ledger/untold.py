"""Why it cannot be known whether acting on a model is better, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.sequences import asymptotic
from driftline.ledger.trialrows import BASELINE, MODEL
from driftline.ledger.trials import BAD_PROPENSITY, FOR_CERTAIN, NO_ARM_SAID, NO_OUTCOME, TOO_LARGE

if TYPE_CHECKING:
    from driftline.ledger.trials import Trials

__all__ = ["Untold", "untold"]

UNEVEN = 0.1
"""How far the arms must be from their propensities to matter: by this part of one of them."""
UNEVEN_ALPHA = 0.001
"""Chance that arms are ever called uneven that are not."""
_ONE = 1 << UNIT_BITS


class Untold(NamedTuple):
    """Why something cannot be known, and what would have to be done; no full stop at the end."""

    reason: str
    advice: str


def untold(trials: Trials, baseline: str) -> Untold | None:
    """Return why more data like these tell nothing; None where they do.

    Parameters
    ----------
    baseline
        Name of the baseline's arm.
    """
    if sum(each.rows for each in trials.plain) <= 0:
        return _without_rows(trials, baseline)
    if trials.rows <= 0:
        return _without_chance(trials, baseline)
    return _one_arm(trials, baseline) or _uneven(trials, baseline)


def _draw(baseline: str) -> str:
    return (
        f'give a share of the decisions, drawn by lot, to the arm "{baseline}", whatever the model '
        "says of them, and record arm and propensity with each one (or the share as "
        "decision.baseline.share in the contract)"
    )


def _without_rows(trials: Trials, baseline: str) -> Untold:
    if trials.refused.get(NO_ARM_SAID, 0) > 0:
        return Untold(
            f'no decision says whether it was of the arm "model" or "{baseline}"', _draw(baseline)
        )
    if trials.refused.get(NO_OUTCOME, 0) > 0 or trials.refused.get(TOO_LARGE, 0) > 0:
        return Untold(
            "no outcome is a number that can be summed", "publish what decisions were worth"
        )
    return Untold(
        "no outcomes have come", "publish what decisions were worth, by the predictions' ids"
    )


def _without_chance(trials: Trials, baseline: str) -> Untold:
    if trials.refused.get(BAD_PROPENSITY, 0) > 0:
        reason = "every decision was as good as certain to fall into its arm: nothing was drawn"
    else:
        reason = "nobody says with which probability a decision fell into its arm"
    return Untold(reason, _draw(baseline))


def _one_arm(trials: Trials, baseline: str) -> Untold | None:
    names = {BASELINE: baseline, MODEL: "model"}
    for arm, other in ((MODEL, BASELINE), (BASELINE, MODEL)):
        there = trials.arm(arm)
        if trials.arm(other).rows <= 0 and there.others >= FOR_CERTAIN:
            return Untold(
                f'{there.rows:,} decisions of the arm "{names[arm]}" have an outcome and none of '
                f'the arm "{names[other]}", of which about {there.others:,.0f} were to be expected',
                _draw(baseline),
            )
    return None


def _uneven(trials: Trials, baseline: str) -> Untold | None:
    """Tell arms that are not drawn as they should be, or the outcomes of one that go missing.

    Weights of the model's rows less those of the others are 0 in the mean if each row with an
    outcome was drawn with its propensity (a sample ratio mismatch, with a test that may be looked
    at whenever one likes).
    """
    without, with_ = trials.arm(BASELINE), trials.arm(MODEL)
    rows = without.rows + with_.rows
    total = (with_.w - without.w) / _ONE
    low, high = asymptotic(
        rows,
        total,
        (with_.ww + without.ww) / _ONE,
        rarer=min(without.rows, with_.rows),
        alpha=UNEVEN_ALPHA,
    )
    if low <= 0 <= high or abs(total) < UNEVEN * rows:
        return None
    expected = without.rows - without.others + with_.others
    return Untold(
        f'{without.rows / rows:.1%} of the decisions with an outcome are of the arm "{baseline}", '
        f"where {expected / rows:.1%} should be by their propensities: either these are not right, "
        "or the outcomes of one arm go missing",
        "draw arms with the probability that is recorded, and publish the outcomes of both alike",
    )
