"""Trials are exact sums: no order, cut or sign leaves a trace in them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.contract import parse
from driftline.ledger.contrast import contrasts, expectation, rarer
from driftline.ledger.exact import UNIT_BITS, exact_sums, exact_sums_by
from driftline.ledger.trialrows import BASELINE, MODEL, NO_ARM, TrialRows, read_trials
from driftline.ledger.trials import (
    BAD_PROPENSITY,
    BANDS,
    NO_ARM_SAID,
    NO_OUTCOME,
    NO_PROPENSITY,
    TOO_LARGE,
    Trials,
    score_bands,
)

row = st.tuples(
    st.sampled_from([MODEL, MODEL, BASELINE, NO_ARM]),
    st.sampled_from([0.5, 0.05, 0.95, 0.999, 0.0011, 1 / 3, 0.001, 1.0, np.nan]),
    st.sampled_from([0.0, 0.05, 0.61, 1.0, 1.5, np.nan]),
    st.one_of(
        st.sampled_from([0.0, 1.0, np.nan, -800.0, 1e-40, 1e200]),
        st.floats(-1e30, 1e30, allow_nan=False),
    ),
)


def rows_of(rows: list[tuple[Any, ...]], sign: int = 1) -> TrialRows:
    arm, propensity, score, value = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    signs = np.full(arm.size, sign, dtype=np.int8)
    return TrialRows(arm.astype(np.int8), propensity, score, value, signs)


def written(trials: Trials) -> bytes:
    return orjson.dumps(trials.to_values())


def merged(*parts: Trials) -> Trials:
    whole = Trials.empty()
    for part in parts:
        whole.merge(part)
    return whole


@given(rows=st.lists(row, min_size=1, max_size=30), data=st.data())
@settings(max_examples=40, deadline=None)
def test_cut_and_order_do_not_show(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    whole = Trials.of(rows_of(rows))
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [Trials.of(rows_of([rows[at] for at in part])) for part in (order[:cut], order[cut:])]
    assert written(merged(*parts)) == written(merged(*parts[::-1])) == written(whole)
    again = Trials.from_values(orjson.loads(written(whole)))
    assert again == whole
    assert written(again) == written(whole)


@given(rows=st.lists(row, max_size=20), more=st.lists(row, min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_what_is_taken_back_leaves_nothing(
    rows: list[tuple[Any, ...]], more: list[tuple[Any, ...]]
) -> None:
    kept, back = Trials.of(rows_of(rows)), Trials.of(rows_of(more, sign=-1))
    both = Trials.of(rows_of(rows + more))
    assert written(merged(both, back)) == written(merged(back, both)) == written(kept)
    assert bool(merged(both, back)) == bool(kept)


@given(
    st.lists(st.tuples(st.floats(-1e100, 1e100), st.floats(-1, 1), st.integers(0, 2)), max_size=40)
)
@settings(max_examples=40, deadline=None)
def test_each_owner_gets_the_exact_sum_of_its_own(values: list[tuple[float, float, int]]) -> None:
    table = np.array(values, dtype=np.float64).reshape(-1, 3).T
    matrix, owner = table[:2], table[2].astype(np.int64)
    found = exact_sums_by(matrix, owner, 3)
    for each in range(3):
        assert found[each] == exact_sums(matrix[:, owner == each])


def random_rows(rng: np.random.Generator, size: int, value: npt.NDArray[np.float64]) -> TrialRows:
    share = rng.choice([0.5, 0.8, 0.9], size)
    arm = (rng.random(size) < share).astype(np.int8)
    return TrialRows(
        arm,
        np.where(arm == MODEL, share, 1 - share),
        rng.random(size),
        value,
        np.ones(size, dtype=np.int8),
    )


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_a_batch_has_the_sums_of_its_rows_own_values(offset: float) -> None:
    rng = np.random.default_rng(1)
    rows = random_rows(rng, 400, offset + rng.normal(size=400))
    rows.value[rows.arm == MODEL] += 0.5
    trials = Trials.of(rows)
    expected = expectation(Trials.of(random_rows(rng, 300, offset + rng.normal(size=300))))
    f0, f1 = (np.array(arm)[score_bands(rows.score)] for arm in expected)
    model = rows.arm == MODEL
    w = 1 / rows.propensity
    values = f1 - f0 + np.where(model, w * (rows.value - f1), -w * (rows.value - f0))
    found = contrasts(trials, expected)
    assert found.rows == 400
    # Far from 0 no digit is lost, as the sums are exact.
    assert found.total == pytest.approx(values.sum(), rel=1e-6)
    assert found.squares == pytest.approx((values**2).sum(), rel=1e-6)


def test_sums_are_those_of_fractions() -> None:
    rng = np.random.default_rng(2)
    rows = random_rows(rng, 60, rng.normal(1e5, 1.0, 60))
    trials = Trials.of(rows)
    sums = trials.arm(MODEL)
    w = [Fraction(1 / p) for p in rows.propensity[rows.arm == MODEL].tolist()]
    ww = [Fraction(float(each) ** 2) for each in w]
    y = [Fraction(each) for each in rows.value[rows.arm == MODEL].tolist()]
    exact = [
        sum(w),
        sum(ww),
        sum(a * b for a, b in zip(w, y, strict=True)),
        sum(a * b for a, b in zip(ww, y, strict=True)),
        sum(a * b * b for a, b in zip(ww, y, strict=True)),
    ]
    assert [Fraction(each, 1 << UNIT_BITS) for each in sums[3:]] == exact
    assert sums.rows == len(y)
    assert Fraction(trials.plain[MODEL].yy, 1 << UNIT_BITS) == sum(each * each for each in y)


def test_expectations_are_drawn_towards_the_arm() -> None:
    rng = np.random.default_rng(3)
    size = 4000
    rows = random_rows(rng, size, np.zeros(size))
    rows.score[:3990] = 0.35
    rows.score[3990:] = 0.85
    rows.value[3990:] = 1.0
    without, with_ = expectation(Trials.of(rows))
    for arm in (without, with_):
        assert arm[3] == pytest.approx(0, abs=0.01)
        # Ten rows against twenty of the arm's mean; none at all in band 5.
        assert 0.01 < arm[8] < 0.5
        assert arm[5] == pytest.approx(10 / size, abs=0.005)
    assert expectation(Trials.empty()) == ((0.0,) * (BANDS + 1),) * 2


def test_rows_that_cannot_be_used_are_counted_by_reason() -> None:
    good = (MODEL, 0.5, 0.3, 1.0)
    trials = Trials.of(
        rows_of(
            [
                good,
                (MODEL, 0.5, 0.3, np.nan),
                (MODEL, 0.5, 0.3, 2e30),
                (NO_ARM, 0.5, 0.3, 1.0),
                (BASELINE, np.nan, 0.3, 1.0),
                (BASELINE, 0.001, 0.3, 1.0),
                (BASELINE, 1.0, 0.3, 1.0),
            ]
        )
    )
    assert trials.refused == {
        NO_OUTCOME: 1,
        TOO_LARGE: 1,
        NO_ARM_SAID: 1,
        NO_PROPENSITY: 1,
        BAD_PROPENSITY: 2,
    }
    assert trials.rows == 1
    assert [each.rows for each in trials.plain] == [3, 1]
    assert trials.reach == 2
    assert Trials.of(rows_of([(MODEL, 0.9, 0.3, 1.0)])).reach == 10
    assert Trials.of(rows_of([(MODEL, 0.999, 0.3, 1.0)])).reach == 1000


def test_outcomes_beyond_their_bounds_are_told() -> None:
    rows = rows_of([(MODEL, 0.5, 0.3, value) for value in (0.0, 1.0, 1.5, -2.0)])
    assert Trials.of(rows).outside == 2
    assert Trials.of(rows, (-2.0, 2.0)).outside == 0


def test_scores_lie_in_tenths() -> None:
    scores = np.array([0.0, 0.0999, 0.1, 0.55, 0.9, 1.0, 1.01, -0.1, np.nan])
    assert score_bands(scores).tolist() == [0, 0, 1, 5, 9, 9, BANDS, BANDS, BANDS]


def test_weights_make_fewer_rows_of_many() -> None:
    rng = np.random.default_rng(4)
    even = Trials.of(rows_of([(MODEL, 0.5, 0.3, 1.0)] * 100))
    assert even.effective(MODEL) == pytest.approx(100)
    assert even.effective(BASELINE) == 0
    uneven = random_rows(rng, 100, np.ones(100))
    uneven.propensity[:] = np.where(np.arange(100) < 5, 0.01, 0.9)
    uneven.arm[:] = MODEL
    assert 4 < Trials.of(uneven).effective(MODEL) < 10


def test_a_scatter_rests_on_its_rare_rows() -> None:
    rng = np.random.default_rng(5)

    def of(value: npt.NDArray[np.float64]) -> float:
        return rarer(Trials.of(rows_of([(MODEL, 0.5, 0.3, each) for each in value])), MODEL)

    ones = (rng.random(2000) < 0.02).astype(np.float64)
    rare = ones.sum()
    assert of(ones) == rare
    # A loan earns 100, or loses 800 rarely; a shop sells rarely, for whatever it may be.
    assert of(100 - 900 * ones) == pytest.approx(rare, rel=0.1)
    assert of(ones * rng.normal(50, 1, 2000)) == pytest.approx(rare, rel=0.1)
    normal = rng.normal(size=2000)
    assert of(normal) == pytest.approx(2000 / 3, rel=0.2)
    assert of(1e3 + normal) == pytest.approx(2000 / 3, rel=0.2)
    # So far from 0 that rounding eats the digits: rather too few than too many.
    assert of(1e4 + normal) < 600
    assert of(1e9 + normal) < 1
    assert of(np.full(2000, 0.1)) < 1
    assert of(normal[:0]) == 0


CONTRACT = parse(
    "{model: m, decision: {act_when: 'score >= 0.6', action: reject,"
    " baseline: {arm: control, share: 10%}}}",
    "m.yaml",
)
UNPLANNED = parse("{model: m}", "m.yaml")


def test_arm_and_propensity_are_those_of_one_event_where_it_has_both() -> None:
    decided: list[tuple[Any, Any]] = [
        ("model", 0.7),
        ("model", None),
        (None, 0.6),
        (None, None),
        ("model", None),
        ("shadow", 0.3),
        (None, None),
        ("model", None),
    ]
    predicted: list[tuple[Any, Any]] = [
        ("control", 0.1),
        ("control", 0.2),
        ("control", None),
        ("model", None),
        (None, None),
        (None, None),
        (None, 0.5),
        ("control", None),
    ]
    said = [([a for a, _ in each], [p for _, p in each]) for each in (decided, predicted)]
    value = [1.0] * 8
    found = read_trials(CONTRACT, value, said, score=[0.5] * 6 + [None, 0.5])
    drawn = [MODEL, BASELINE, BASELINE, MODEL, MODEL, NO_ARM, NO_ARM, BASELINE]
    assert found.arm.tolist() == drawn
    # Drawn for the control, whatever was done in the end.
    assert found.propensity[7] == 0.1
    assert found.propensity[:5].tolist() == pytest.approx([0.7, 0.2, 0.6, 0.9, 0.9])
    assert np.isnan(found.score[6])
    # Of no baseline in the contract the arm is called holdout, and has no share.
    found = read_trials(UNPLANNED, [1, None], [(["holdout", "model"], [None, 0.5])])
    assert found.arm.tolist() == [BASELINE, MODEL]
    assert np.isnan(found.propensity[0])
    assert np.isnan(found.value[1])


def test_nothing_is_nothing() -> None:
    nothing = Trials.of(rows_of([]))
    assert not nothing
    assert nothing == Trials.from_values(orjson.loads(written(nothing)))
    assert nothing.rows == nothing.reach == 0
