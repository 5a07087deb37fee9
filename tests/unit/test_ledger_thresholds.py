from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from driftline.ledger.contrast import expectation
from driftline.ledger.payoffs import Coverage, Payoffs, UnknownPayoffError
from driftline.ledger.scorecard import SCORE_STEPS, WEIGHT_STEPS, ScoreTable, score_codes
from driftline.ledger.thresholds import review_threshold
from driftline.ledger.trialrows import TrialRows
from driftline.ledger.trials import Trials

Array = npt.NDArray[np.float64]
COSTS = {"fp": 100.0, "fn": 800.0}
BEST = 1 / 9
"""Of calibrated scores: there 8 times the chance of a hit is as much as the chance of a miss."""


def table(score: Array, label: npt.NDArray[np.bool_]) -> ScoreTable:
    codes, at = np.unique(score_codes(score), return_inverse=True)
    sides = [np.bincount(at[label == kind], minlength=codes.size) for kind in (False, True)]
    absent, present = (side.astype(np.int64) * WEIGHT_STEPS for side in sides)
    return ScoreTable(codes, absent, present)


def calibrated(rng: np.random.Generator, rows: int) -> ScoreTable:
    chance = expit(rng.normal(-2, 1.5, rows))
    return table(chance, rng.random(rows) < chance)


def test_values_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(1)
    score = np.round(rng.random(200), 1)
    label = rng.random(200) < score
    costs = {"fp": 3.0, "fn": 8.0, "tp": -2.0, "tn": 0.5}
    found = review_threshold(Payoffs.of_labels(table(score, label), costs), 0.4)
    for threshold, value in zip(found.thresholds, found.values, strict=True):
        acted = score_codes(score) >= threshold * SCORE_STEPS
        cost = np.select(
            [acted & ~label, ~acted & label, acted & label],
            [costs["fp"], costs["fn"], costs["tp"]],
            costs["tn"],
        )
        assert value == pytest.approx(-cost.sum())
    assert found.best_value == found.values.max()
    assert found.values[found.thresholds == found.best] == found.best_value
    assert found.regret == pytest.approx(found.best_value - found.today_value)
    # Between two scores a threshold acts on the same rows as at the upper one.
    for low, high in pairwise(found.thresholds[:4]):
        between = review_threshold(
            Payoffs.of_labels(table(score, label), costs), (low + min(high, 1)) / 2
        )
        assert between.today_value == pytest.approx(found.values[found.thresholds == high][0])


@pytest.mark.parametrize("rows", [300, 1500])
def test_the_interval_holds_the_best_threshold(rows: int) -> None:
    rng = np.random.default_rng(rows)
    held, wrong, width = 0, 0, []
    for _ in range(40):
        found = review_threshold(Payoffs.of_labels(calibrated(rng, rows), COSTS), BEST)
        held += found.low <= BEST <= found.high
        wrong += found.regret_at_least > 0
        width.append(min(found.high, 1.0) - found.low)
        assert found.low <= found.best <= found.high
    assert held >= 38
    assert wrong <= 2
    assert np.mean(width) < {300: 0.25, 1500: 0.13}[rows]


def test_a_threshold_that_no_longer_pays_is_found_out() -> None:
    rng = np.random.default_rng(3)
    payoffs = Payoffs.of_labels(calibrated(rng, 3000), COSTS)
    high, low = review_threshold(payoffs, 0.5), review_threshold(payoffs, 0.0)
    # The truth, from so many rows that chance is nothing.
    many = review_threshold(Payoffs.of_labels(calibrated(rng, 300_000), COSTS), 0.5)
    true = (many.values[np.searchsorted(many.thresholds, BEST)] - many.today_value) / 100
    assert 0 < high.regret_at_least < true
    assert high.regret_at_least > 0.5 * true
    assert low.regret_at_least > 0
    assert high.regret_at_least <= high.regret


def test_a_handful_of_rows_of_one_class_proves_nothing() -> None:
    rng = np.random.default_rng(4)
    false = 0
    for _ in range(40):
        score = rng.random(100)
        # All thresholds are worth the same: whatever is claimed is false.
        payoffs = Payoffs.of_labels(table(score, rng.random(100) < BEST), COSTS)
        false += review_threshold(payoffs, 0.5).regret_at_least > 0
    assert false <= 3


def test_acting_may_never_pay() -> None:
    score = np.linspace(0, 1, 400)
    label = np.arange(400) % 100 == 7
    found = review_threshold(Payoffs.of_labels(table(score, label), COSTS), 0.5)
    assert found.best == np.inf
    assert found.best_value == -4 * 800
    assert found.regret_at_least > 0


def acted_on(rng: np.random.Generator, rows: int, random: float) -> Trials:
    """Acted on from 0.5, but for a share at random; only then something comes of it: 8, or -1."""
    score = rng.random(rows)
    chance = np.where(score >= 0.5, 1 - random / 2, random / 2)
    acted = rng.random(rows) < chance
    value = np.where(rng.random(rows) < score, 8.0, -1.0)
    propensity = np.where(acted, chance, 1 - chance)
    # What is left alone brings a little, whatever the score.
    value = np.where(acted, value, rng.normal(0.1, 0.1, rows))
    sign = np.ones(rows, dtype=np.int8)
    return Trials.of(TrialRows(acted.astype(np.int8), propensity, score, value, sign))


def test_randomised_outcomes_of_both_actions_tell_the_threshold() -> None:
    rng = np.random.default_rng(6)
    payoffs = Payoffs.of_trials(acted_on(rng, 20_000, 0.1))
    # 9 times the score, less the 1.1 that acting costs.
    middle = payoffs.score + 0.05
    assert payoffs.total / payoffs.rows == pytest.approx(9 * middle - 1.1, abs=0.8)
    assert payoffs.rows.sum() == 20_000
    assert payoffs.idle == pytest.approx(2000, rel=0.1)
    found = review_threshold(payoffs, 0.5)
    assert found.low <= 0.2
    assert found.high >= 0.1
    assert found.best <= 0.3
    # Acting from 0.2 on rather than from 0.5 is worth 2.05 on three tenths of the rows.
    assert 0 < found.regret_at_least < 0.3 * 2.05 * 20_000 < 1.5 * found.regret


def test_what_all_bring_if_left_stands_for_those_that_were_acted_on() -> None:
    # One band of few rows: what is expected there is drawn towards the mean of all.
    score = np.repeat([0.25, 0.85], [100, 10])
    acted = (np.arange(110) % 2).astype(np.int8)
    value = np.where(score > 0.5, 7.0, 2.0) + 0.01 * np.arange(110)
    signs = np.ones(110, dtype=np.int8)
    trials = Trials.of(TrialRows(acted, np.full(110, 0.5), score, value, signs))
    expected = np.array(expectation(trials)[0])[(score * 10).astype(np.int64)]
    told = expected.sum() + 2 * (value - expected)[acted == 0].sum()
    assert Payoffs.of_trials(trials).idle == pytest.approx(told)
    # The ten rows pull by a good deal: left as expected they would bring less.
    assert told - expected.sum() > 10


def test_where_all_actions_are_worth_the_same_no_regret_is_certain() -> None:
    rng = np.random.default_rng(7)
    false = 0
    for _ in range(40):
        arm = (rng.random(500) < 0.3).astype(np.int8)
        value = np.where(rng.random(500) < 0.2, 0.8, -0.2)
        propensity = np.where(arm == 1, 0.3, 0.7)
        sign = np.ones(500, dtype=np.int8)
        trials = Trials.of(TrialRows(arm, propensity, rng.random(500), value, sign))
        false += review_threshold(Payoffs.of_trials(trials), 0.5).regret_at_least > 0
    assert false <= 3


def test_trials_of_one_action_are_refused_with_what_to_do() -> None:
    rng = np.random.default_rng(8)
    ones = np.ones(100, dtype=np.int8)
    chance = np.full(100, 0.9)
    alone = TrialRows(ones, chance, rng.random(100), rng.random(100), ones)
    with pytest.raises(UnknownPayoffError, match="got 100 and 0: act at random"):
        Payoffs.of_trials(Trials.of(alone))
    # Both actions below 0.5 only.
    score, low = rng.random(400), rng.integers(0, 2, 400)
    both = np.where(score < 0.5, low, 1).astype(np.int8)
    signs = np.ones(400, dtype=np.int8)
    rows = TrialRows(both, np.full(400, 0.5), score, rng.normal(size=400), signs)
    with pytest.raises(UnknownPayoffError, match=r"from 0\.5 to 0\.6 none was left"):
        Payoffs.of_trials(Trials.of(rows))
    unscored = TrialRows(
        (np.arange(100) % 2).astype(np.int8),
        np.full(100, 0.5),
        np.full(100, np.nan),
        rng.normal(size=100),
        ones,
    )
    with pytest.raises(UnknownPayoffError, match="expected some from 0 to 1"):
        Payoffs.of_trials(Trials.of(unscored))


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"fp": 100}, "fn above tp"),
        ({"fn": 5, "fp": 1, "tp": 6}, "fn 5, tp 6"),
        ({"fn": 5, "tn": 1}, "fp above tn"),
    ],
)
def test_costs_that_need_no_threshold_are_refused(costs: dict[str, float], message: str) -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(UnknownPayoffError, match=message):
        Payoffs.of_labels(calibrated(rng, 50), costs)


def test_labels_of_one_class_are_refused() -> None:
    with pytest.raises(UnknownPayoffError, match="both classes"):
        Payoffs.of_labels(table(np.array([0.2, 0.4]), np.array([True, True])), COSTS)


def test_selective_labels_are_refused_with_what_to_do() -> None:
    with pytest.raises(UnknownPayoffError) as caught:
        Coverage(acted=4000, acted_labelled=0, left=6000, left_labelled=5900).check()
    said = str(caught.value)
    assert "0 of 4,000 predictions that were acted on have one" in said
    assert "98% of those that were not acted on" in said
    assert "act at random" in said
    with pytest.raises(UnknownPayoffError, match="were not acted on have one"):
        Coverage(acted=400, acted_labelled=300, left=600, left_labelled=100).check()
    with pytest.raises(UnknownPayoffError, match="none yet"):
        Coverage(acted=400, acted_labelled=0, left=600, left_labelled=0).check()
    Coverage(acted=4000, acted_labelled=3000, left=6000, left_labelled=4000).check()
    Coverage(acted=0, acted_labelled=0, left=600, left_labelled=10).check()
