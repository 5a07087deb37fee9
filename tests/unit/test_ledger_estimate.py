from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import isotonic_regression
from scipy.special import expit, softmax

from driftline.ledger.calibration import calibrate
from driftline.ledger.estimate import Calibrations
from driftline.ledger.expected import BY_CLASS, Scored, surprise
from driftline.ledger.exposure import Exposure
from driftline.ledger.metrics import evaluate
from driftline.ledger.pairs import Pairs
from driftline.ledger.reading import Reading
from driftline.ledger.scorecard import Scorecard

Array = npt.NDArray[np.float64]
NAMES = tuple(BY_CLASS)


def binary(score: Array, label: npt.NDArray[np.bool_], at: float = 0.5) -> Pairs:
    told, came = (["10"[not one] for one in side] for side in (score >= at, label))
    ones = np.ones(score.size)
    return Pairs(told, score, {}, came, ones, ones.astype(np.int8))


def overconfident(rng: np.random.Generator, rows: int, mean: float) -> Pairs:
    """A model too sure of itself; other means are other inputs, and not another world."""
    odds = rng.normal(mean, 1.5, rows)
    return binary(expit(2 * odds + 0.5), rng.random(rows) < expit(odds))


def four_classes(rng: np.random.Generator, rows: int, first: float) -> Pairs:
    odds = rng.normal(0, 1.2, (rows, 4))
    odds[:, 0] += first
    label = (softmax(odds, axis=1).cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    shares = softmax(1.7 * odds, axis=1)
    ones = np.ones(rows)
    return Pairs(
        [str(k) for k in shares.argmax(axis=1)],
        np.full(rows, np.nan),
        {str(k): shares[:, k].copy() for k in range(4)},
        [str(k) for k in label],
        ones,
        ones.astype(np.int8),
    )


def learnt(pairs: Pairs) -> Calibrations:
    return Calibrations.learn(Reading(Scorecard.of(pairs)))


def a_few_rows(rng: np.random.Generator) -> tuple[Array, Array]:
    """Scores with ties, and the chances of their rows."""
    score = np.round(rng.random(30) * 16) / 16
    return score, np.clip(score**1.5 * 0.8 + 0.1, 0, 1)


def gathered(score: Array, chance: Array) -> Scored:
    different, at = np.unique(score, return_inverse=True)
    own = np.bincount(at, score >= 0.5)
    return Scored(
        different, np.bincount(at) - own, own, chance[np.unique(at, return_index=True)[1]]
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_expected_as_its_labels_give_it(name: str) -> None:
    rng = np.random.default_rng(5)
    score, chance = a_few_rows(rng)
    drawn = []
    for _ in range(1500):
        card = Scorecard.of(binary(score, rng.random(score.size) < chance))
        drawn.append(evaluate(card, [name], positive="1", binary=True)[name])
    told = BY_CLASS[name](gathered(score, chance))
    assert told is not None
    values = np.array(drawn, dtype=float)
    # A ratio of expectations is not the expectation of a ratio: 30 rows leave a hundredth.
    near = 4 * values.std() / np.sqrt(values.size)
    assert abs(told.value - values.mean()) < near + (0 if name in LINEAR else 0.01)


LINEAR = {"accuracy", "precision", "log_loss", "brier"}


@pytest.mark.parametrize("expect", [*BY_CLASS.values(), surprise])
def test_how_a_metric_hangs_on_chances(expect: object) -> None:
    x = gathered(*a_few_rows(np.random.default_rng(6)))
    told = expect(x)  # type: ignore[operator]
    step = 1e-6
    for at in range(x.score.size):
        up, down = x.chance.copy(), x.chance.copy()
        up[at] += step
        down[at] -= step
        ends = [expect(x._replace(chance=each)).value for each in (up, down)]  # type: ignore[operator]
        other, own = (np.broadcast_to(side, x.score.shape)[at] for side in told[1:])
        found = (ends[0] - ends[1]) / (2 * step)
        assert found == pytest.approx(x.other[at] * other + x.own[at] * own, abs=1e-6)


def test_estimates_hold_where_inputs_move() -> None:
    rng = np.random.default_rng(7)
    known = learnt(overconfident(rng, 30_000, -1.0))
    after = overconfident(rng, 30_000, 0.5)
    told = known.estimate(Exposure.of_pairs(after), NAMES)
    came = evaluate(Scorecard.of(after), NAMES)
    before = evaluate(Scorecard.of(overconfident(rng, 30_000, -1.0)), NAMES)
    for name in ("accuracy", "auc", "precision", "recall", "f1", "brier"):
        assert told[name].value == pytest.approx(came[name], abs=0.01), name
    assert abs(before["precision"] - came["precision"]) > 0.05, "nothing moved"
    # Taken at its word the model is a tenth better than it is.
    chance = np.asarray(after.score)
    assert np.maximum(chance, 1 - chance).mean() > came["accuracy"] + 0.08


@pytest.mark.parametrize(("labelled", "window"), [(300, 300), (4000, 500)])
def test_errors_are_as_large_as_told(labelled: int, window: int) -> None:
    rng = np.random.default_rng(8)
    off = []
    for _ in range(60):
        known = learnt(overconfident(rng, labelled, -0.5))
        after = overconfident(rng, window, 0.0)
        told = known.estimate(Exposure.of_pairs(after), NAMES)
        came = evaluate(Scorecard.of(after), NAMES)
        off.append([(came[name] - told[name].value) / told[name].se for name in NAMES])
    deviations = np.array(off)
    # 60 runs know a standard deviation to 9 %.
    assert np.all(np.abs(deviations.std(axis=0) - 1) < 0.3)
    assert np.all(np.abs(deviations.mean(axis=0)) < 0.5)


def test_a_window_scatters_less_the_more_rows_and_labels_it_has() -> None:
    rng = np.random.default_rng(9)
    few, many = (overconfident(rng, rows, 0.0) for rows in (400, 40_000))
    small, large = (learnt(each).estimate(Exposure.of_pairs(each), ["auc"]) for each in (few, many))
    assert small["auc"].sampling > 7 * large["auc"].sampling
    assert small["auc"].calibration > 5 * large["auc"].calibration


def test_many_classes() -> None:
    rng = np.random.default_rng(10)
    known = learnt(four_classes(rng, 30_000, 0.0))
    after = four_classes(rng, 10_000, 0.8)
    told = known.estimate(Exposure.of_pairs(after), NAMES)
    came = evaluate(Scorecard.of(after), NAMES)
    for name in NAMES:
        assert told[name].value == pytest.approx(
            came[name], abs=0.06 if name == "log_loss" else 0.02
        )
        assert abs(told[name].value - came[name]) < 4 * told[name].se


def test_chance_does_not_flatter_a_model() -> None:
    rng = np.random.default_rng(11)
    told, plain, true = [], [], []
    for _ in range(60):
        score = np.sort(expit(rng.normal(0, 1.5, 300)))
        pairs = binary(score, rng.random(300) < score)
        told.append(learnt(pairs).estimate(Exposure.of_pairs(pairs), ["auc"])["auc"].value)
        rows, none = np.ones(300), np.zeros(300)
        fitted = isotonic_regression([float(label == "1") for label in pairs.label]).x
        plain.append(BY_CLASS["auc"](Scored(score, rows, none, fitted)).value)
        true.append(BY_CLASS["auc"](Scored(score, rows, none, score)).value)
    # Fitted score by score, chance looks like skill.
    assert np.mean(plain) - np.mean(true) > 0.01
    assert abs(np.mean(told) - np.mean(true)) < 0.01


def test_what_cannot_be_told() -> None:
    rng = np.random.default_rng(12)
    pairs = overconfident(rng, 200, 0.0)
    known = learnt(pairs)
    exposure = Exposure.of_pairs(pairs)
    assert known.estimate(exposure, ["mae", "calibration_error"]) == {
        "mae": None,
        "calibration_error": None,
    }
    assert known.estimate(Exposure.empty(), ["auc"]) == {"auc": None}
    unscored = replace(pairs, score=np.full(200, np.nan))
    assert known.estimate(Exposure.of_pairs(unscored), ["accuracy"]) == {"accuracy": None}
    one_kind = learnt(replace(pairs, label=["1"] * 200))
    assert one_kind.estimate(exposure, ["accuracy"]) == {"accuracy": None}


def test_scores_never_seen_are_told() -> None:
    rng = np.random.default_rng(13)
    score = rng.uniform(0.2, 0.6, 1000)
    known = learnt(binary(score, rng.random(1000) < score))
    assert known.beyond(Exposure.of(["0"] * 1000, score, {})) == 0.0
    assert known.beyond(Exposure.of(["1"] * 4, np.array([0.3, 0.7, 0.8, 0.9]), {})) == 0.75


def test_exposures_merge_to_the_same_bits() -> None:
    rng = np.random.default_rng(14)
    for pairs in (overconfident(rng, 500, 0.0), four_classes(rng, 500, 0.3)):
        whole = Exposure.of(list(pairs.predicted), pairs.score, pairs.shares)
        assert whole.to_values() == Exposure.of_pairs(pairs).to_values()
        cuts = [np.arange(at, 500, 3) for at in (2, 0, 1)]
        merged = Exposure.empty()
        for cut in cuts:
            merged.merge(Exposure.of_pairs(pairs.take(cut)))
        assert merged.to_values() == whole.to_values()
        assert Exposure.from_values(whole.to_values()).to_values() == whole.to_values()
        merged.merge(Exposure.of_pairs(replace(pairs, sign=-pairs.sign).take(cuts[0])))
        kept = np.sort(np.concatenate(cuts[1:]))
        assert merged.to_values() == Exposure.of_pairs(pairs.take(kept)).to_values()


def test_weights_count_as_rows_of_the_mean_weight() -> None:
    rng = np.random.default_rng(15)
    pairs = overconfident(rng, 300, 0.0)
    heavy = replace(pairs, weight=np.full(300, 7.0))
    told, same = (
        learnt(each).estimate(Exposure.of_pairs(each), ["auc"])["auc"] for each in (pairs, heavy)
    )
    assert (told.value, told.se) == pytest.approx((same.value, same.se))


def test_chance_never_falls_and_cells_are_few() -> None:
    rng = np.random.default_rng(16)
    score = np.sort(rng.random(50_000))
    label = (rng.random(50_000) < score).astype(float)
    curve = calibrate(score, 1 - label, label)
    assert np.all(np.diff(curve.y) >= 0)
    assert curve.x.size <= 148
    assert np.abs(curve(score) - score).max() < 0.06
