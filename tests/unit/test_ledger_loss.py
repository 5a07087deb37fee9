from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from driftline.ledger.loss import Losses
from driftline.ledger.metrics import evaluate
from driftline.ledger.pairs import Pairs
from driftline.ledger.profile import ErrorProfile
from driftline.ledger.residuals import Residuals

Array = npt.NDArray[np.float64]
NAMES = ("mae", "rmse")


def numbers(predicted: Array, label: Array) -> Pairs:
    ones = np.ones(predicted.size)
    nothing = np.full(predicted.size, np.nan)
    return Pairs(predicted, nothing, {}, label, ones, ones.astype(np.int8))


def uneven(rng: np.random.Generator, rows: int, mean: float) -> Pairs:
    """Errors grow with the prediction, which lies far from 0."""
    x = rng.normal(mean, 1, rows)
    predicted = 300 + 10 * x
    return numbers(predicted, predicted + np.exp(0.5 * x) * rng.normal(size=rows))


def hidden(rng: np.random.Generator, rows: int, mean: float) -> Pairs:
    """Errors grow with something that the prediction says nothing of."""
    predicted = rng.normal(size=rows)
    return numbers(
        predicted, predicted + np.exp(rng.normal(mean, 0.5, rows)) * rng.normal(size=rows)
    )


def test_losses_are_foretold_where_inputs_move() -> None:
    rng = np.random.default_rng(1)
    known = Losses.learn(ErrorProfile.of(uneven(rng, 20_000, 0.0)))
    after = uneven(rng, 20_000, 0.7)
    assert known is not None
    told = known.estimate(ErrorProfile.of_predictions(np.asarray(after.predicted)), NAMES)
    came = evaluate(Residuals.of(after), NAMES)
    before = evaluate(Residuals.of(uneven(rng, 20_000, 0.0)), NAMES)
    for name in NAMES:
        assert came[name] > 1.3 * before[name], "nothing moved"
        assert told[name].value == pytest.approx(came[name], rel=0.05)
        assert abs(told[name].value - came[name]) < 4 * told[name].se


def test_what_predictions_do_not_show_is_not_seen() -> None:
    rng = np.random.default_rng(2)
    known = Losses.learn(ErrorProfile.of(hidden(rng, 5000, 0.0)))
    after = hidden(rng, 5000, 0.5)
    told = known.estimate(ErrorProfile.of(after), ["mae"])["mae"]
    assert evaluate(Residuals.of(after), ["mae"])["mae"] > told.value + 10 * told.se


def test_errors_are_as_large_as_told() -> None:
    rng = np.random.default_rng(3)
    off = []
    for _ in range(60):
        known = Losses.learn(ErrorProfile.of(uneven(rng, 2000, 0.0)))
        after = uneven(rng, 500, 0.2)
        told = known.estimate(ErrorProfile.of(after), NAMES)
        came = evaluate(Residuals.of(after), NAMES)
        off.append([(came[name] - told[name].value) / told[name].se for name in NAMES])
    deviations = np.array(off)
    assert np.all(np.abs(deviations.std(axis=0) - 1) < 0.35)
    assert np.all(np.abs(deviations.mean(axis=0)) < 0.5)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_sums_are_those_of_the_rows(scale: float) -> None:
    rng = np.random.default_rng(4)
    pairs = uneven(rng, 3000, 0.0)
    pairs = replace(pairs, predicted=pairs.predicted * scale, label=pairs.label * scale)
    table = ErrorProfile.of(pairs).table()
    error = np.abs(pairs.predicted - pairs.label)
    assert table.rows.sum() == 3000
    for power, sums in ((1, table.absolute), (2, table.squared), (4, table.fourth)):
        assert sums.sum() == pytest.approx((error**power).sum(), rel=1e-5)
    near = np.sort(pairs.predicted)
    assert np.repeat(table.predicted, table.rows.astype(int)) == pytest.approx(near, rel=1e-3)


def test_profiles_merge_to_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    pairs = uneven(rng, 600, 0.0)
    mirrored = numbers(np.r_[-pairs.predicted, 0.0, 5.0], np.r_[-pairs.label, 0.0, 5.0])
    pairs = replace(mirrored, weight=rng.uniform(0, 3, 602))
    whole = ErrorProfile.of(pairs)
    merged = ErrorProfile.empty()
    cuts = [np.arange(at, 602, 4) for at in (3, 1, 0, 2)]
    for cut in cuts:
        merged.merge(ErrorProfile.of(pairs.take(cut)))
    assert merged.to_values() == whole.to_values()
    again = ErrorProfile.from_values(whole.to_values())
    assert again.to_values() == whole.to_values()
    merged.merge(ErrorProfile.of(replace(pairs, sign=-pairs.sign).take(cuts[0])))
    kept = ErrorProfile.of(pairs.take(np.sort(np.concatenate(cuts[1:]))))
    assert merged.to_values() == kept.to_values()


def test_predictions_all_over_the_place_stay_bounded() -> None:
    rng = np.random.default_rng(6)
    predicted = rng.normal(size=150_000) * 10.0 ** rng.uniform(-20, 20, 150_000)
    pairs = numbers(predicted, predicted * 1.1)
    profile = ErrorProfile.of(pairs)
    assert profile.weights.coarse
    table = profile.table()
    assert table.rows.size <= 2**16
    assert table.absolute.sum() == pytest.approx(np.abs(predicted * 0.1).sum(), rel=1e-4)
    apart = ErrorProfile.of(pairs.take(np.arange(0, 150_000, 2)))
    apart.merge(ErrorProfile.of(pairs.take(np.arange(1, 150_000, 2))))
    assert apart.to_values() == profile.to_values()


def test_what_cannot_be_told() -> None:
    assert Losses.learn(ErrorProfile.empty()) is None
    rng = np.random.default_rng(7)
    pairs = uneven(rng, 100, 0.0)
    known = Losses.learn(ErrorProfile.of(pairs))
    assert known.estimate(ErrorProfile.empty(), ["mae"]) == {"mae": None}
    assert known.estimate(ErrorProfile.of(pairs), ["r2"]) == {"r2": None}
    assert known.beyond(ErrorProfile.of(pairs)) == 0
    assert known.beyond(ErrorProfile.of_predictions(np.array([290.0, 301.0, 1e6, -1e6]))) == 0.5
    with pytest.raises(TypeError, match="expected numbers, got classes"):
        ErrorProfile.of(replace(pairs, predicted=["a"] * 100))


def test_one_prediction_for_all_is_one_cell() -> None:
    rng = np.random.default_rng(8)
    pairs = numbers(np.full(400, 7.0), 7 + rng.normal(size=400))
    told = Losses.learn(ErrorProfile.of(pairs)).estimate(ErrorProfile.of(pairs), NAMES)
    came = evaluate(Residuals.of(pairs), NAMES)
    assert told["mae"].value == pytest.approx(came["mae"], rel=1e-3)
    assert told["rmse"].value == pytest.approx(came["rmse"], rel=1e-3)
