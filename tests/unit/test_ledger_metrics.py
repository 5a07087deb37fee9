"""Metrics out of scorecards are scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import calibration
from sklearn import metrics as sk

from driftline.contract import names
from driftline.ledger.metrics import ALIASES, METRICS, evaluate, metric
from driftline.ledger.pairs import Pairs
from driftline.ledger.reading import Reading
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import MOST_CLASSES, SCORE_STEPS, Scorecard

ROWS = 3000
WORDS = ["cat", "dog", "eel", "fox"]


def rounded(values: np.ndarray) -> np.ndarray:
    """What a scorecard makes of probabilities."""
    return np.rint(values * SCORE_STEPS) / SCORE_STEPS


def pairs_of(predicted: Any, label: Any, score: Any = None, **columns: Any) -> Pairs:
    size = len(label)
    return Pairs(
        predicted=predicted,
        score=np.full(size, np.nan) if score is None else score,
        shares=columns.get("shares", {}),
        label=label,
        weight=columns.get("weight", np.ones(size)),
        sign=np.ones(size, dtype=np.int8),
    )


def weights(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Weights of whole thousandths: those a scorecard holds exactly."""
    return np.ones(ROWS) if kind == "alike" else rng.integers(0, 4000, ROWS) / 1000


@pytest.mark.parametrize("weighing", ["alike", "weighted"])
@pytest.mark.parametrize("scores", ["fine", "tied"])
@pytest.mark.parametrize("base", [0.5, 0.03])
def test_binary_metrics_are_sklearns(weighing: str, scores: str, base: float) -> None:
    rng = np.random.default_rng(11)
    truth = (rng.random(ROWS) < base).astype(int)
    raw = 1 / (1 + np.exp(-rng.normal(2.0 * truth - 1.5, 1.2)))
    score = raw if scores == "fine" else np.round(raw, 1)
    guess = (score >= 0.5).astype(int)
    weight = weights(rng, weighing)
    card = Scorecard.of(
        pairs_of([str(g) for g in guess], [str(t) for t in truth], score, weight=weight)
    )
    found = evaluate(card)
    by = {"sample_weight": weight}
    exact = {
        "accuracy": sk.accuracy_score(truth, guess, **by),
        "precision": sk.precision_score(truth, guess, **by),
        "recall": sk.recall_score(truth, guess, **by),
        "f1": sk.f1_score(truth, guess, **by),
        # Of the probabilities as they are held, everything agrees to the last digits.
        "auc": sk.roc_auc_score(truth, rounded(score), **by),
        "average_precision": sk.average_precision_score(truth, rounded(score), **by),
        "log_loss": sk.log_loss(
            truth, np.clip(rounded(score), 0.5 / SCORE_STEPS, 1 - 0.5 / SCORE_STEPS), **by
        ),
        "brier": sk.brier_score_loss(truth, rounded(score), **by),
    }
    assert {name: found[name] for name in exact} == pytest.approx(exact, abs=1e-12)
    given = {
        "auc": sk.roc_auc_score(truth, score, **by),
        "average_precision": sk.average_precision_score(truth, score, **by),
        "brier": sk.brier_score_loss(truth, score, **by),
    }
    assert {name: found[name] for name in given} == pytest.approx(given, abs=1e-5)
    assert found["brier"] == pytest.approx(given["brier"], abs=1e-6)
    if scores == "fine":
        assert found["log_loss"] == pytest.approx(sk.log_loss(truth, score, **by), abs=1e-6)


@pytest.mark.parametrize("weighing", ["alike", "weighted"])
def test_metrics_of_many_classes_are_sklearns(weighing: str) -> None:
    rng = np.random.default_rng(12)
    truth = rng.choice(4, ROWS, p=[0.5, 0.3, 0.15, 0.05])
    logit = rng.normal(size=(ROWS, 4)) + 1.5 * np.eye(4)[truth]
    share = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    guess = share.argmax(axis=1)
    weight = weights(rng, weighing)
    card = Scorecard.of(
        pairs_of(
            [WORDS[g] for g in guess],
            [WORDS[t] for t in truth],
            shares={name: share[:, at] for at, name in enumerate(WORDS)},
            weight=weight,
        )
    )
    found = evaluate(card)
    by = {"sample_weight": weight}
    one_hot = np.eye(4)[truth]
    wanted = {
        "accuracy": sk.accuracy_score(truth, guess, **by),
        "precision": sk.precision_score(truth, guess, average="macro", **by),
        "recall": sk.recall_score(truth, guess, average="macro", **by),
        "f1": sk.f1_score(truth, guess, average="macro", **by),
        "auc": sk.roc_auc_score(truth, share, multi_class="ovr", average="macro", **by),
        "average_precision": sk.average_precision_score(one_hot, share, average="macro", **by),
        "log_loss": sk.log_loss(truth, share, **by),
        "brier": sk.brier_score_loss(truth, share, **by),
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=1e-5)
    exact = ["accuracy", "precision", "recall", "f1"]
    assert [found[name] for name in exact] == pytest.approx(
        [wanted[name] for name in exact], abs=1e-12
    )
    by_class = [
        sk.roc_auc_score(truth == at, rounded(share[:, at]), **by) for at in range(len(WORDS))
    ]
    assert found["auc"] == pytest.approx(np.mean(by_class), abs=1e-12)


def test_macro_averages_count_classes_that_never_came() -> None:
    label, guess = ["a", "a", "b", "b"], ["a", "c", "b", "a"]
    found = evaluate(Scorecard.of(pairs_of(guess, label)))
    for name in ("precision", "recall", "f1"):
        wanted = getattr(sk, f"{name}_score")(label, guess, average="macro", zero_division=0)
        assert found[name] == pytest.approx(wanted)
    assert found["auc"] is None
    assert found["log_loss"] is None


def test_calibration_error_is_the_distance_in_bins_of_equal_weight() -> None:
    rng = np.random.default_rng(13)
    score = rng.beta(1, 8, ROWS)
    truth = (rng.random(ROWS) < score**1.5).astype(int)
    labels = [str(t) for t in truth]
    found = evaluate(Scorecard.of(pairs_of(labels, labels, score)), ["ece"])["ece"]
    came, said = calibration.calibration_curve(truth, score, n_bins=10, strategy="quantile")
    # Ten bins of 300 different probabilities each.
    assert found == pytest.approx(np.abs(came - said).mean(), abs=1e-6)
    tied = evaluate(Scorecard.of(pairs_of(labels, labels, np.full(ROWS, 0.25))), ["ece"])["ece"]
    assert tied == pytest.approx(abs(0.25 - truth.mean()), abs=1e-12)


@pytest.mark.parametrize("weighing", ["alike", "weighted"])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e9, 1.0), (3.0, 1e-9), (0.0, 1e12)])
def test_regression_metrics_are_sklearns(weighing: str, offset: float, scale: float) -> None:
    rng = np.random.default_rng(14)
    label = offset + scale * rng.normal(5, 1, ROWS)
    guess = label + scale * rng.standard_t(3, ROWS) + 0.25 * scale
    weight = weights(rng, weighing)
    by = {"sample_weight": weight}
    found = evaluate(Residuals.of(pairs_of(guess, label, weight=weight)))
    error = guess - label
    wanted = {
        "mae": sk.mean_absolute_error(label, guess, **by),
        "rmse": sk.root_mean_squared_error(label, guess, **by),
        "mape": sk.mean_absolute_percentage_error(label, guess, **by),
        "r2": sk.r2_score(label, guess, **by),
        "bias": np.average(error, weights=weight),
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-12, abs=1e-300)
    by_size, size = np.argsort(np.abs(error)), np.sort(np.abs(error))
    below = np.cumsum(weight[by_size])
    assert found["median_absolute_error"] == pytest.approx(
        size[np.searchsorted(below, 0.5 * below[-1])], rel=1 / 200
    )
    below = np.cumsum(weight[np.argsort(error)])
    for name, share in (("error_p05", 0.05), ("error_p50", 0.5), ("error_p95", 0.95)):
        wanted_error = np.sort(error)[np.searchsorted(below, share * below[-1])]
        assert found[name] == pytest.approx(wanted_error, rel=1 / 200)


def test_labels_of_zero_have_no_relative_error() -> None:
    residuals = Residuals.of(pairs_of(np.array([1.0, 3.0, 2.0]), np.array([0.0, 2.0, -4.0])))
    assert evaluate(residuals, ["mape"]) == {"mape": pytest.approx((0.5 + 1.5) / 2)}


def test_what_is_not_defined_is_none() -> None:
    empty = evaluate(Scorecard.empty())
    assert set(empty.values()) == {None}
    assert set(evaluate(Residuals.empty()).values()) == {None}
    one = evaluate(Scorecard.of(pairs_of(["0", "0"], ["0", "0"], np.array([0.1, 0.2]))))
    assert one["accuracy"] == 1
    assert [one[name] for name in ("auc", "average_precision", "recall", "f1")] == [None] * 4
    assert one["log_loss"] == pytest.approx(-np.log([0.9, 0.8]).mean(), abs=1e-6)
    steady = evaluate(Residuals.of(pairs_of(np.array([1.0, 2.0]), np.array([0.1, 0.1]))))
    assert steady["r2"] is None
    assert steady["mae"] == pytest.approx(1.4)


def test_the_positive_class_is_told_or_the_last() -> None:
    guess, label = ["no", "yes", "no", "yes"], ["no", "yes", "yes", "yes"]
    card = Scorecard.of(pairs_of(guess, label, np.array([0.1, 0.9, 0.6, 0.7])))
    assert Reading(card).positive == "yes"
    assert evaluate(card, ["recall"]) == {"recall": pytest.approx(2 / 3)}
    assert evaluate(card, ["recall"], positive="no") == {"recall": 1.0}
    assert evaluate(card, ["auc"], positive="no") == {"auc": 0.0}
    # Windows of one class: 1 is the positive one though it never came, as is True if told.
    alone = Scorecard.of(pairs_of(["0"], ["0"]))
    assert Reading(alone).positive == Reading(alone, "TRUE").positive == "1"
    assert Reading(Scorecard.of(pairs_of(["9", "10"], ["10", "9"]))).positive == "10"


def test_two_classes_may_be_told_to_be_two_of_many() -> None:
    guess, label = ["a", "b", "b"], ["a", "a", "b"]
    card = Scorecard.of(pairs_of(guess, label))
    assert evaluate(card, ["precision"]) == {"precision": 0.5}
    assert evaluate(card, ["precision"], binary=False) == {"precision": 0.75}


def test_classes_beyond_the_limit_keep_accuracy_and_log_loss() -> None:
    rng = np.random.default_rng(15)
    classes = MOST_CLASSES + 8
    truth, guess = rng.integers(0, classes, (2, ROWS))
    guess = np.where(rng.random(ROWS) < 0.6, truth, guess)
    chance = rng.uniform(0.1, 0.9, ROWS)
    cards = Scorecard.empty()
    for at in range(classes):
        mine = np.flatnonzero(truth == at)
        cards.merge(
            Scorecard.of(
                pairs_of(
                    [str(g) for g in guess[mine]],
                    [str(at)] * mine.size,
                    shares={str(at): chance[mine]},
                )
            )
        )
    found = evaluate(cards)
    assert cards.other_classes > 0
    assert found["accuracy"] == pytest.approx(np.mean(truth == guess), abs=1e-12)
    assert found["log_loss"] == pytest.approx(-np.log(chance).mean(), abs=1e-6)
    assert found["brier"] is None


def test_names_are_the_contracts() -> None:
    assert set(names.METRICS) <= set(METRICS)
    sides = dict.fromkeys(names.LARGER_IS_BETTER, 1)
    sides |= dict.fromkeys(names.SMALLER_IS_BETTER, -1)
    assert {name: METRICS[name].better for name in sides} == sides
    assert METRICS["bias"].better == 0
    assert metric("roc_auc") is METRICS["auc"]
    assert set(ALIASES.values()) <= set(METRICS)


def test_a_wrong_name_is_told() -> None:
    with pytest.raises(ValueError, match=r"metric: expected one of accuracy, .*, got 'gini'"):
        evaluate(Scorecard.empty(), ["gini"])
    with pytest.raises(ValueError, match=r"of a classification \(acc.*got 'mae' of a regression"):
        evaluate(Scorecard.empty(), ["mae"])
