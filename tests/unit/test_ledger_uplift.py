"""Uplift: what it claims, how soon, and what it never claims."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.contract import DAY, parse
from driftline.detect.errors import StateError
from driftline.ledger.bernstein import Bernstein
from driftline.ledger.contrast import Contrast, contrasts, expectation
from driftline.ledger.judging import LEAST_PART
from driftline.ledger.trialrows import BASELINE, MODEL, NO_ARM, TrialRows
from driftline.ledger.trials import UNIT, Trials
from driftline.ledger.uplift import ALPHA, Uplift

Array = npt.NDArray[np.float64]
CONTRACT = parse(
    "{model: m, decision: {act_when: 'score >= 0.6', action: reject,"
    " baseline: {arm: holdout, share: 50%}}}",
    "m.yaml",
)
HOUR = DAY // 24


def drawn(
    rng: np.random.Generator, size: int, share: float, rate: tuple[float, float]
) -> TrialRows:
    """Rows of 0/1 outcomes that hang on the score, `rate` in the mean of either arm."""
    model = rng.random(size) < share
    score = rng.random(size)
    chance = np.where(model, rate[1], rate[0]) * 2 * score
    return TrialRows(
        model.astype(np.int8),
        np.where(model, share, 1 - share),
        score,
        (rng.random(size) < chance).astype(np.float64),
        np.ones(size, dtype=np.int8),
    )


def run(rows: TrialRows, step: int, uplift: Uplift | None = None) -> Uplift:
    uplift = uplift or Uplift(CONTRACT)
    for at in range(0, len(rows), step):
        trials = Trials.of(rows.take(slice(at, at + step)))
        uplift.add(at * HOUR, (at + step) * HOUR, trials)
    return uplift


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_without_a_difference_none_is_claimed(share: float) -> None:
    wrong = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        uplift, claimed = Uplift(CONTRACT), False
        for at in range(30):
            trials = Trials.of(drawn(rng, 500, share, (0.1, 0.1)))
            uplift.add(at * DAY, (at + 1) * DAY, trials)
            low, high = uplift.interval
            claimed |= low > 0 or high < 0
        wrong += claimed
    # At five in a hundred, three of twelve come once in fifty times.
    assert wrong <= 2


@pytest.mark.parametrize(("effect", "answer"), [(0.05, "better"), (-0.05, "worse")])
def test_a_difference_is_found_with_its_size(effect: float, answer: str) -> None:
    rng = np.random.default_rng(1)
    verdict = run(drawn(rng, 12_000, 0.5, (0.1, 0.1 + effect)), 400).verdict()
    assert verdict.answer == answer
    assert verdict.effect is not None
    assert verdict.effect == pytest.approx(effect, abs=0.015)
    assert verdict.low is not None
    assert verdict.high is not None
    assert verdict.low < effect < verdict.high
    side = "more" if effect > 0 else "less"
    assert f"Acting on the model is {answer} than the arm holdout" in verdict.text
    assert f"{side} per decision (at least 0.0" in verdict.text
    # 24 decisions a day.
    assert verdict.per_period is not None
    assert verdict.per_period[0] == pytest.approx(verdict.effect * 24 * 30)
    assert f"{side} every 30 days" in verdict.text
    assert verdict.more_at_effect is None


def test_a_large_difference_of_a_few_is_found_by_the_interval_for_few() -> None:
    rng = np.random.default_rng(2)
    uplift = run(drawn(rng, 300, 0.5, (0.02, 0.5)), 20)
    # Of the baseline's arm there are no 50 rows of the rarer outcome.
    assert uplift._rarer < 50
    assert uplift.verdict().answer == "better"
    # Outcomes outside of 0 and 1 have no known bounds, and end it for good.
    rows = drawn(rng, 300, 0.5, (0.02, 0.5))
    rows.value[50] = 3.0
    uplift = run(rows, 20)
    assert uplift.interval == (-math.inf, math.inf)
    text = uplift.verdict().text
    assert text.startswith("Cannot tell yet")
    assert "where 50 are needed" in text
    declared = Uplift(CONTRACT, bounds=(0.0, 3.0))
    for at in range(0, 300, 20):
        trials = Trials.of(rows.take(slice(at, at + 20)), (0.0, 3.0))
        declared.add(at, at + 20, trials)
    assert math.isfinite(declared.interval[0])


def test_what_it_takes_is_about_what_it_takes() -> None:
    rng = np.random.default_rng(3)
    uplift = run(drawn(rng, 3000, 0.5, (0.1, 0.12)), 300)
    verdict = uplift.verdict()
    assert verdict.answer == "cannot tell yet"
    assert verdict.least_effect == pytest.approx(LEAST_PART * math.sqrt(0.11), rel=0.1)
    assert verdict.more_at_least is not None
    assert "the smallest worth knowing, takes about" in verdict.text
    # An effect of just that size, so many decisions later: found in about half of the cases.
    needed = 3000 + verdict.more_at_least
    least = verdict.least_effect
    assert least is not None
    found = [
        run(
            drawn(np.random.default_rng(seed), int(times * needed), 0.5, (0.1, 0.1 + least)), 2000
        ).verdict()
        for times in (0.4, 2.0)
        for seed in range(4)
    ]
    assert [each.answer for each in found].count("better") in (3, 4, 5)
    assert [each.answer for each in found[4:]].count("better") >= 3


def test_a_difference_too_small_to_matter_is_called_so() -> None:
    rng = np.random.default_rng(4)
    rows = drawn(rng, 20_000, 0.5, (0.1, 0.1))
    verdict = run(rows, 2000, Uplift(CONTRACT, least_effect=0.1)).verdict()
    assert verdict.answer == "cannot tell yet"
    assert "smaller than 0.1, the smallest worth knowing: there is no need" in verdict.text
    verdict = run(drawn(rng, 20_000, 0.5, (0.1, 0.09)), 2000).verdict()
    assert verdict.answer == "cannot tell yet"
    assert "more, the smallest worth knowing, is ruled out" in verdict.text


def test_money_with_rare_losses_waits_for_them() -> None:
    rng = np.random.default_rng(5)
    rows = drawn(rng, 1200, 0.5, (0.02, 0.02))
    rows.value[:] = 100 - 900 * rows.value
    uplift = run(rows, 100)
    # Hundreds of rows in either arm, but a dozen losses that all hangs on.
    assert min(uplift._past.arm(arm).rows for arm in (BASELINE, MODEL)) > 500
    assert uplift.interval == (-math.inf, math.inf)
    more = run(drawn(rng, 200, 0.5, (0.02, 0.02)), 100, uplift).verdict()
    assert more.answer == "cannot tell yet"


def test_values_far_from_0_do_not_scatter_for_ever() -> None:
    rng = np.random.default_rng(6)
    rows = drawn(rng, 4000, 0.5, (0.1, 0.1))
    rows.value[:] = 1000 + rng.normal(size=4000) + 0.5 * (rows.arm == MODEL)
    verdict = run(rows, 100).verdict()
    assert verdict.answer == "better"
    assert verdict.effect == pytest.approx(0.5, abs=0.15)
    # The first step only teaches.
    assert verdict.rows == 3900
    assert verdict.model.used + verdict.baseline.used == 4000


def test_it_cannot_be_known_without_chance() -> None:
    rng = np.random.default_rng(7)
    rows = drawn(rng, 2000, 0.5, (0.1, 0.3))
    rows.propensity[:] = np.nan
    verdict = run(rows, 100).verdict()
    assert verdict.answer == "cannot be known from these data"
    assert verdict.reason == "nobody says with which probability a decision fell into its arm"
    assert verdict.association == pytest.approx(0.2, abs=0.06)
    assert "Association, not uplift" in verdict.text
    assert 'drawn by lot, to the arm "holdout"' in verdict.text
    assert verdict.effect is None
    rows.propensity[:] = 1.0
    assert "as good as certain" in str(run(rows, 100).verdict().reason)


def test_it_cannot_be_known_of_one_arm() -> None:
    rng = np.random.default_rng(8)
    rows = drawn(rng, 400, 0.5, (0.1, 0.1))
    rows.arm[:] = MODEL
    rows.propensity[:] = 0.95
    early = run(rows.take(slice(None, 40)), 20).verdict()
    assert early.answer == "cannot tell yet"
    verdict = run(rows, 20).verdict()
    assert verdict.answer == "cannot be known from these data"
    assert '400 decisions of the arm "model" have an outcome and none of the arm "holdout"' in (
        verdict.text
    )
    assert "about 20 were to be expected" in verdict.text
    assert verdict.association is None


def test_outcomes_that_go_missing_in_one_arm_are_found_out() -> None:
    rng = np.random.default_rng(9)
    rows = drawn(rng, 4000, 0.5, (0.1, 0.1))
    # The model's failures are never reported.
    kept = np.flatnonzero((rows.arm == BASELINE) | (rows.value == 1) | (rng.random(4000) < 0.5))
    verdict = run(rows.take(kept), 100).verdict()
    assert verdict.answer == "cannot be known from these data"
    assert 'of the decisions with an outcome are of the arm "holdout", where 50.0%' in verdict.text
    assert "outcomes of one arm go missing" in verdict.text
    assert verdict.association is not None


def test_nothing_at_all_says_what_to_publish() -> None:
    verdict = Uplift(CONTRACT).verdict()
    assert verdict.answer == "cannot be known from these data"
    assert verdict.reason == "no outcomes have come"
    assert verdict.association is None
    rng = np.random.default_rng(10)
    rows = drawn(rng, 100, 0.5, (0.1, 0.1))
    rows.arm[:] = NO_ARM
    assert "no decision says" in str(run(rows, 50).verdict().reason)
    rows = drawn(rng, 100, 0.5, (0.1, 0.1))
    rows.value[:] = np.nan
    assert "no outcome is a number" in str(run(rows, 50).verdict().reason)


def test_rows_that_are_left_out_are_told() -> None:
    rng = np.random.default_rng(11)
    rows = drawn(rng, 2000, 0.5, (0.1, 0.1))
    rows.propensity[::4] = np.nan
    text = run(rows, 200).verdict().text
    assert "500 of 2,000 decisions could not be used" in text


def test_a_row_taken_back_and_given_again_changes_little() -> None:
    rng = np.random.default_rng(12)
    rows = drawn(rng, 4000, 0.5, (0.1, 0.15))
    plain_, corrected = run(rows, 200), run(rows, 200)
    first = rows.take(slice(None, 100))
    back = TrialRows(first.arm, first.propensity, first.score, first.value, -first.sign)
    for part in (back, first):
        corrected.add(0, 0, Trials.of(part))
    assert corrected._past == plain_._past
    assert corrected.effect == pytest.approx(plain_.effect, abs=1e-3)
    for mine, theirs in zip(corrected.interval, plain_.interval, strict=True):
        assert mine == pytest.approx(theirs, abs=3e-3)


def test_a_snapshot_goes_on_bit_for_bit_alike() -> None:
    rng = np.random.default_rng(13)
    rows = drawn(rng, 1500, 0.5, (0.1, 0.2))
    whole = run(rows, 50)
    half = run(rows.take(slice(None, 700)), 50)
    other = Uplift(CONTRACT)
    state = orjson.loads(orjson.dumps(half.snapshot()))
    assert other.can_restore(state)
    other.restore(state)
    rest = rows.take(slice(700, None))
    for at in range(0, 800, 50):
        trials = Trials.of(rest.take(slice(at, at + 50)))
        other.add((700 + at) * HOUR, (750 + at) * HOUR, trials)
    assert orjson.dumps(other.snapshot()) == orjson.dumps(whole.snapshot())
    assert orjson.dumps(other.verdict().to_json()) == orjson.dumps(whole.verdict().to_json())
    stranger = Uplift(parse("{model: m}", "m.yaml"))
    assert not stranger.can_restore(state)
    with pytest.raises(StateError):
        stranger.restore(state)


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([MODEL, BASELINE]),
                st.sampled_from([0.1, 0.5, 0.999]),
                st.sampled_from([0.2, np.nan]),
                st.sampled_from([0.0, 1.0, 7.5, -3e20, np.nan]),
                st.sampled_from([1, 1, 1, -1]),
            ),
            max_size=12,
        ),
        max_size=8,
    )
)
@settings(max_examples=40, deadline=None)
def test_whatever_comes_there_is_a_verdict(steps: list[list[tuple[Any, ...]]]) -> None:
    uplift = Uplift(CONTRACT)
    for at, rows in enumerate(steps):
        columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
        arm, propensity, score, value, sign = columns
        trials = Trials.of(
            TrialRows(arm.astype(np.int8), propensity, score, value, sign.astype(np.int8))
        )
        uplift.add(at, at + 1, trials)
        verdict = uplift.verdict()
        assert verdict.text
        orjson.dumps(verdict.to_json())
        low, high = uplift.interval
        assert low <= high


def test_the_interval_for_few_holds_where_values_are_as_wild_as_they_may_be() -> None:
    rng = np.random.default_rng(14)
    missed, runs = 0, 200
    width = []
    for _ in range(runs):
        few = Bernstein(ALPHA)
        # Rare and large: 10 in one of 50 cases, -0.2 else. The mean is 0.004.
        out = False
        for _ in range(40):
            x = np.where(rng.random(25) < 0.02, 10.0, -0.2)
            few.add(Contrast(25, float(x.sum()), float((x * x).sum())), 10.0)
            low, high = few.bounds
            out |= not low <= 0.004 <= high
        missed += out
        width.append(high - low)
    assert missed <= ALPHA * runs
    assert np.median(width) < 1.5


def test_bounds_of_nothing_are_none() -> None:
    assert Bernstein(ALPHA).bounds == (-math.inf, math.inf)
    assert Uplift(CONTRACT, bounds=UNIT).effect is None


def test_what_is_expected_of_a_step_comes_from_the_steps_before_it() -> None:
    rng = np.random.default_rng(16)
    steps = [Trials.of(drawn(rng, 60, 0.5, (0.1, 0.4))) for _ in range(5)]
    uplift, past, total, squares = Uplift(CONTRACT), Trials.empty(), 0.0, 0.0
    for at, trials in enumerate(steps):
        uplift.add(at, at + 1, trials)
        if at:
            came = contrasts(trials, expectation(past))
            total, squares = total + came.total, squares + came.squares
        past.merge(trials)
    assert uplift.snapshot()["sums"] == [240, total, squares]


def test_what_comes_all_at_once_only_teaches() -> None:
    rng = np.random.default_rng(15)
    verdict = run(drawn(rng, 5000, 0.5, (0.1, 0.3)), 5000).verdict()
    assert verdict.answer == "cannot tell yet"
    assert verdict.effect is None
    assert "5,000 before them only taught what outcomes to expect" in verdict.text
