from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import norm

from driftline.detect.errors import StateError
from driftline.errors import UsageError
from driftline.ledger.bets import BOLDEST, RATIO, ladder
from driftline.ledger.blocks import RARER, Areas, Averages
from driftline.ledger.gains import Calibration, Errors, Losses, Shares
from driftline.ledger.metrics import evaluate
from driftline.ledger.pairs import Pairs
from driftline.ledger.promised import QUIET_STEPS, REFUSED, Promised, refusal
from driftline.ledger.reading import Reading
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[np.random.Generator, int], Any]

SLOT = 10_000_000
MONTH = 259_200.0
NAMES = np.array(["0", "1", "2"])


def pairs(predicted: Any, label: Any, score: Any = None, *, weight: Any = None) -> Pairs:
    n = len(label)
    return Pairs(
        predicted,
        np.full(n, np.nan) if score is None else score,
        {},
        label,
        np.ones(n) if weight is None else weight,
        np.ones(n, dtype=np.int8),
    )


def classes(predicted: Any, label: Any, score: Any = None, **more: Any) -> Scorecard:
    return Scorecard.of(pairs(NAMES[predicted].tolist(), NAMES[label].tolist(), score, **more))


def right(rng: np.random.Generator, rows: int, accuracy: float, several: int = 2) -> Scorecard:
    label = rng.integers(0, several, rows)
    wrong = (rng.random(rows) >= accuracy).astype(int)
    return classes((label + wrong) % several, label)


def cells(rng: np.random.Generator, rows: int) -> Scorecard:
    """Precision .6, recall .75."""
    cell = np.searchsorted([0.3, 0.5, 0.6], rng.random(rows))
    return classes(np.array([1, 1, 0, 0])[cell], np.array([1, 0, 1, 0])[cell])


def ranked(rng: np.random.Generator, rows: int, auc: float) -> Scorecard:
    label = (rng.random(rows) < 0.3).astype(int)
    score = norm.cdf(rng.standard_normal(rows) + label * 2**0.5 * norm.ppf(auc) - 1)
    return classes((score > 0.5).astype(int), label, score)


def scored(rng: np.random.Generator, rows: int, off: float = 0.0) -> Scorecard:
    """Probabilities .2 and .7, each wrong by `off`."""
    score = np.where(rng.random(rows) < 0.5, 0.2, 0.7)
    label = (rng.random(rows) < np.where(score < 0.5, score + off, score - off)).astype(int)
    return classes((score > 0.5).astype(int), label, score)


def errors(rng: np.random.Generator, rows: int, size: float) -> Residuals:
    """Relative errors, and absolute ones where the label is 1, of this mean size."""
    label = rng.choice([-1.0, 1.0], rows)
    return Residuals.of(pairs(label + rng.laplace(0, size, rows), label))


def entropy(chance: float) -> float:
    return float(-chance * np.log(chance) - (1 - chance) * np.log(1 - chance))


JUST_KEPT: dict[str, tuple[str, float, Make]] = {
    "accuracy": ("accuracy", 0.93, lambda rng, n: right(rng, n, 0.93)),
    "precision": ("precision", 0.6, cells),
    "recall": ("recall", 0.75, cells),
    "f1": ("f1", 2 / 3, cells),
    "auc": ("auc", 0.72, lambda rng, n: ranked(rng, n, 0.72)),
    "log_loss": ("log_loss", (entropy(0.2) + entropy(0.7)) / 2, scored),
    "brier": ("brier", (0.16 + 0.21) / 2, scored),
    "calibration_error": ("calibration_error", 0.05, lambda rng, n: scored(rng, n, 0.05)),
    "mae": ("mae", 1.0, lambda rng, n: errors(rng, n, 1.0)),
    "rmse": ("rmse", 2**0.5, lambda rng, n: errors(rng, n, 1.0)),
    "mape": ("mape", 1.0, lambda rng, n: errors(rng, n, 1.0)),
    "recall of three": ("recall", 0.8, lambda rng, n: right(rng, n, 0.8, 3)),
}


def promise(metric: str, bound: float, arl: float, **more: Any) -> Promised:
    side = "at_least" if metric in {"accuracy", "precision", "recall", "f1", "auc"} else "at_most"
    return Promised(metric, **{side: bound}, arl=arl, **more)


@pytest.mark.parametrize("case", JUST_KEPT)
def test_false_alarms_stay_within_the_promise_where_quality_is_just_kept(case: str) -> None:
    metric, bound, make = JUST_KEPT[case]
    rng = np.random.default_rng(11)
    arl, steps, alarms = 20, 400, 0
    alarm = promise(metric, bound, arl)
    for at in range(steps):
        # Slots of a single row and large ones are equally welcome.
        if alarm.step(make(rng, int(rng.choice([1, 4, 15, 60]))), at * SLOT) == "raised":
            alarms += 1
            alarm = promise(metric, bound, arl)
    # At so short a run length a test without alarms would say nothing.
    assert 0 < alarms <= steps / arl


def delays(
    metric: str, bound: float, before: Make, after: Make, *, rows: int = 100, most: int = 200
) -> list[tuple[int, Promised]]:
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        alarm = promise(metric, bound, MONTH)
        for at in range(20):
            assert alarm.step(before(rng, rows), at * SLOT) is None
        for late in range(1, most):
            if alarm.step(after(rng, rows), (19 + late) * SLOT) == "raised":
                break
        found.append((late, alarm))
    return found


@pytest.mark.parametrize(
    ("metric", "bound", "before", "after", "within"),
    [
        ("accuracy", 0.93, right, right, {0.943: 0, 0.90: 40, 0.85: 7}),
        ("auc", 0.72, ranked, ranked, {0.74: 0, 0.65: 40}),
        ("mae", 1.0, errors, errors, {0.95: 0, 1.2: 15}),
        ("calibration_error", 0.03, scored, scored, {0.0: 0, 0.15: 20}),
    ],
)
def test_a_loss_worth_a_page_is_found_soon(
    metric: str, bound: float, before: Any, after: Any, within: dict[float, int]
) -> None:
    calm, *losses = within
    for loss in losses:
        found = delays(
            metric,
            bound,
            lambda rng, n: before(rng, n, calm),
            lambda rng, n, loss=loss: after(rng, n, loss),
        )
        late = [each for each, _ in found]
        assert np.median(late) <= within[loss]
        changes = [alarm.change for _, alarm in found]
        assert all(change is not None for change in changes)
        began = [change.since / SLOT - 20 for change in changes if change]
        assert abs(np.median(began)) <= 3
        value = float(np.mean([change.value for change in changes if change]))
        assert value == pytest.approx(loss, rel=0.15)


def test_what_is_better_than_promised_never_rings() -> None:
    rng = np.random.default_rng(3)
    alarm = promise("accuracy", 0.9, 20)
    loss = promise("mae", 1.0, 20)
    for at in range(600):
        assert alarm.step(right(rng, 50, min(1.0, 0.94 + at / 5000)), at * SLOT) is None
        assert loss.step(errors(rng, 50, 0.8 - at / 1000), at * SLOT) is None
    assert alarm.evidence < -2
    assert loss.evidence < -2


def test_slots_that_differ_by_nature_break_no_promise() -> None:
    rng = np.random.default_rng(4)
    arl, steps, alarms = 100, 800, 0
    alarm = promise("accuracy", 0.93, arl)
    for at in range(steps):
        rate = min(0.93 + 0.03 * rng.standard_normal(), 1.0)
        if alarm.step(right(rng, 200, rate), at * SLOT) == "raised":
            alarms += 1
            alarm.open = False
            alarm._bets.forget()
    # Without `Scatter` there are some 30.
    assert alarms <= steps / arl
    planted = 0.03**2 / (0.93 * 0.07)
    assert alarm._bets._scatter.correlations()[0] == pytest.approx(planted, rel=0.35)


@pytest.mark.parametrize("memory", [0.8, 0.95])
def test_weather_that_lasts_breaks_no_promise(memory: float) -> None:
    """Spells of several or many steps, in which each row is right less often."""
    rng = np.random.default_rng(6)
    arl, steps, alarms, weather = 200, 4_000, 0, 0.0
    alarm = promise("accuracy", 0.9, arl)
    for at in range(steps):
        weather = memory * weather + (1 - memory**2) ** 0.5 * rng.standard_normal()
        rate = min(max(0.9 + 0.05 * weather, 0.0), 1.0)
        if alarm.step(right(rng, 100, rate), at * SLOT) == "raised":
            alarms += 1
            alarm.open = False
            alarm._bets.forget()
    # Where only rows of one slot may depend on one another there are 113 and 141.
    assert alarms <= steps / arl


def test_after_calm_a_loss_is_found_as_soon_as_without_weather() -> None:
    rng = np.random.default_rng(7)
    alarm = promise("accuracy", 0.93, 20_000)
    for at in range(2_000):
        assert alarm.step(right(rng, 100, 0.95), at * SLOT) is None
    found = next(
        at for at in range(2_000, 2_200) if alarm.step(right(rng, 100, 0.9), at * SLOT) == "raised"
    )
    assert found < 2_060


def test_it_is_as_promised_again_after_a_whole_window() -> None:
    rng = np.random.default_rng(8)
    alarm, at = promise("accuracy", 0.93, 1_000, window=500 * SLOT), 0
    while alarm.step(right(rng, 100, 0.8), at * SLOT) != "raised":
        at += 1
    since = at
    while alarm.step(right(rng, 100, 0.96), at * SLOT) != "cleared":
        at += 1
    assert 500 <= at - since <= 520


def test_it_clears_when_quality_is_kept_again_and_rings_anew() -> None:
    rng = np.random.default_rng(5)
    alarm = promise("accuracy", 0.93, MONTH)
    told = []
    for at, accuracy in enumerate([0.95] * 220 + [0.8] * 20 + [0.95] * 40 + [0.8] * 20):
        said = alarm.step(right(rng, 100, accuracy), at * SLOT)
        if said:
            told.append((said, at))
    assert [said for said, _ in told] == ["raised", "cleared", "raised"]
    (_, first), (_, cleared), (_, again) = told
    assert 220 <= first < 225
    assert 240 + QUIET_STEPS - 1 <= cleared < 255
    assert 280 <= again < 300


@pytest.mark.parametrize("case", JUST_KEPT)
def test_it_takes_up_where_it_stood(case: str) -> None:
    metric, bound, make = JUST_KEPT[case]
    rng = np.random.default_rng(6)
    one = promise(metric, bound, 5)
    for at in range(60):
        other = promise(metric, bound, 5)
        other.restore(one.snapshot())
        came = make(rng, int(rng.integers(1, 30)))
        assert one.step(came, at * SLOT) == other.step(came, at * SLOT)
        assert other.snapshot() == one.snapshot()
    with pytest.raises(StateError, match="expected bound"):
        promise(metric, bound * 0.9, 5).restore(one.snapshot())


@pytest.mark.parametrize(
    "metric", ["accuracy", "precision", "recall", "f1", "log_loss", "brier", "mae", "rmse", "mape"]
)
def test_gains_are_nought_in_the_mean_exactly_at_the_metrics_own_value(metric: str) -> None:
    rng = np.random.default_rng(7)
    weight = rng.choice([0.5, 1.0, 2.0], 300)
    card: Scorecard | Residuals
    if metric in {"mae", "rmse", "mape"}:
        label = rng.standard_normal(300) * 3 + 10
        card = Residuals.of(pairs(label + rng.standard_normal(300), label, weight=weight))
        value = evaluate(card, [metric])[metric]
        assert value is not None
        stake = Errors(metric, value).read(card, 1e-3)
    else:
        score = rng.random(300)
        label = (rng.random(300) < 0.2 + 0.6 * score).astype(int)
        card = classes((score > 0.5).astype(int), label, score, weight=weight)
        value = evaluate(card, [metric])[metric]
        assert value is not None
        kind = Losses if metric in {"log_loss", "brier"} else Shares
        stake = kind(metric, value).read(Reading(card), 1e-3)
    assert stake is not None
    assert float(stake.gains @ stake.rows) == pytest.approx(0, abs=1e-9)
    mean = stake.total / stake.weight
    assert (mean**0.5 if metric == "rmse" else mean) == pytest.approx(value)


def test_losses_of_many_classes_are_those_of_the_metric() -> None:
    rng = np.random.default_rng(8)
    shares = rng.dirichlet([1, 1, 1], 200)
    shares[:50, 2] = np.nan
    label = rng.integers(0, 3, 200)
    held = pairs(NAMES[np.nanargmax(shares, axis=1)].tolist(), NAMES[label].tolist())
    named = {name: shares[:, at] for at, name in enumerate(NAMES.tolist())}
    card = Scorecard.of(
        Pairs(held.predicted, held.score, named, held.label, held.weight, held.sign)
    )
    for metric in ("log_loss", "brier"):
        value = evaluate(card, [metric])[metric]
        assert value is not None
        stake = Losses(metric, value).read(Reading(card), 1e-3)
        assert stake is not None
        assert stake.total / stake.weight == pytest.approx(value)
        # Below nought for what is cut at ten times the promise.
        assert -30 < float(stake.gains @ stake.rows) < 1e-9
        assert stake.rows.sum() == pytest.approx(200)


def test_blocks_deal_every_row_once_and_have_the_metrics_mean() -> None:
    rng = np.random.default_rng(9)
    card = ranked(rng, 5 * RARER * 4, 0.8)
    value = evaluate(card, ["auc"])["auc"]
    areas = Areas(0.7)
    stake = areas.read(Reading(card), 1e-3)
    assert stake is not None
    assert stake.gains.size >= 4
    assert stake.total / stake.weight == pytest.approx(value, abs=0.05)
    # As one block it is the metric itself.
    one = Areas(0.7).read(Reading(card), 1e-3 / stake.gains.size)
    assert one is not None
    assert one.total / one.weight == pytest.approx(value)
    few = np.arange(2 * RARER) % 2
    assert Areas(0.7).read(Reading(classes(few, few, few * 0.5)), 1e-3) is not None
    assert Areas(0.7).read(Reading(classes(few[1:], few[1:], few[1:] * 0.5)), 1e-3) is None
    several = right(rng, 400, 0.8, 3)
    average = evaluate(several, ["recall"])["recall"]
    told = Averages("recall", 0.5).read(Reading(several), 1e-3)
    assert told is not None
    assert average is not None
    assert told.gains == pytest.approx([0.5 - average])


def test_a_calibrated_model_is_not_called_off_by_chance() -> None:
    rng = np.random.default_rng(10)
    gains = Calibration(0.02)
    told = [gains.read(Reading(scored(rng, 20), "1"), 1e-3) for _ in range(300)]
    total = sum(stake.total for stake in told if stake)
    weight = sum(stake.weight for stake in told if stake)
    assert abs(total / weight) < 0.015
    # A window's own calibration error is never nought.
    windows = [evaluate(scored(rng, 20), ["calibration_error"]) for _ in range(50)]
    assert np.mean([each["calibration_error"] for each in windows]) > 0.05


def test_a_corrected_label_takes_its_row_back() -> None:
    first = classes([1] * 20, [1] * 17 + [0] * 3)
    mended = pairs(["1", "1"], ["0", "1"])
    mended.sign[0] = -1
    alarm, blind = promise("accuracy", 0.9, 50), promise("accuracy", 0.9, 50)
    for each in (alarm, blind):
        each.step(first, 0)
    assert alarm.step(Scorecard.of(mended), SLOT) is None
    for each in (alarm, blind):
        each.step(classes([1] * 5, [1] * 5), 2 * SLOT)
    # One wrong row is a right one now: what a bet had lost on it in wealth, it has back.
    bets = alarm._bets._sizes
    gained = np.log(alarm._bets.held) - np.log(blind._bets.held)
    assert gained == pytest.approx(np.log1p(-0.1 * bets) - np.log1p(0.9 * bets))
    # More taken back than came: nothing is told until that is made up for.
    back = pairs(["1"] * 4, ["1"] * 4)
    back.sign[:] = -1
    state = alarm.snapshot()["bets"]
    assert alarm.step(Scorecard.of(back), 3 * SLOT) is None
    assert alarm.waiting == -4
    assert alarm.snapshot()["bets"] == state
    alarm.step(classes([1] * 10, [1] * 10), 4 * SLOT)
    assert alarm.waiting == 0


def test_one_enormous_slot_is_one_step() -> None:
    rng = np.random.default_rng(12)
    alarm = promise("accuracy", 0.93, MONTH)
    assert alarm.step(right(rng, 200_000, 0.931), 0) is None
    assert alarm.step(right(rng, 200_000, 0.92), SLOT) == "raised"
    assert alarm.change is not None
    assert alarm.change.since == SLOT
    assert np.isfinite(alarm.evidence)


def test_a_single_wild_label_rings_no_alarm() -> None:
    alarm = promise("mae", 1.0, MONTH)
    wild = np.full(1, 1e12)
    assert alarm.step(Residuals.of(pairs(np.zeros(1), wild)), 0) is None
    assert alarm.evidence < -5


def test_the_positive_class_is_waited_for_and_a_third_class_makes_an_average() -> None:
    rng = np.random.default_rng(13)
    alarm = promise("recall", 0.8, 50)
    alarm.step(classes([1] * 9, [1] * 9), 0)
    assert alarm.waiting == 9
    alarm.step(classes([0, 1], [0, 1]), SLOT)
    assert alarm.waiting == 0
    alarm.step(right(rng, 200, 0.9, 3), 2 * SLOT)
    assert alarm.refused is None
    assert alarm.evidence < 0
    f1 = promise("f1", 0.8, 50)
    f1.step(right(rng, 200, 0.1, 3), 0)
    assert "more than two classes" in (f1.refused or "")
    assert f1.evidence == -np.inf


@pytest.mark.parametrize("metric", sorted(REFUSED))
def test_what_cannot_be_betted_on_is_refused_with_the_reason(metric: str) -> None:
    with pytest.raises(UsageError, match=rf"no alarm on {metric}: .+ can be promised"):
        Promised(metric, at_least=0.5, at_most=0.5, arl=100)
    assert refusal("accuracy") is None


@pytest.mark.parametrize(
    ("metric", "bounds", "told"),
    [
        ("accuracy", {}, "quality.at_least: expected a number between 0 and 1, got None"),
        ("auc", {"at_least": 1.0}, "quality.at_least: expected a number between 0 and 1, got 1.0"),
        ("mae", {"at_most": 0.0}, "quality.at_most: expected a number above 0, got 0.0"),
        ("magic", {"at_least": 0.5}, "quality.metric: expected one of accuracy, auc"),
    ],
)
def test_bounds_that_make_no_sense(metric: str, bounds: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Promised(metric, **bounds, arl=100)
    with pytest.raises(TypeError, match="expected Scorecard, got Residuals"):
        promise("accuracy", 0.5, 100).step(Residuals.empty(), 0)


@pytest.mark.parametrize(("slow", "least"), [(0.1, -0.07), (0.8, -0.28), (0.1, -1e-6), (9, -1)])
def test_bets_stay_safe_and_close_together(slow: float, least: float) -> None:
    bets = ladder(slow, least)
    assert bets[-1] == pytest.approx(BOLDEST / -least)
    assert (1 + bets * least).min() > 0.09
    if bets.size < 24:
        assert np.all(bets[1:] / bets[:-1] <= RATIO * (1 + 1e-9))
