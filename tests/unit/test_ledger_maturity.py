from __future__ import annotations

import itertools

import numpy as np
import orjson
import pytest
from scipy import stats

from driftline.contract import DAY, HOUR, MINUTE, SECOND
from driftline.ledger.delays import BINS, EDGES, Delays, delay_codes
from driftline.ledger.maturity import Maturity, early_bias
from driftline.ledger.waiting import Waiting, follow

HORIZON = 30 * DAY


def stream(
    rng: np.random.Generator,
    *,
    rows: int,
    age: int,
    never: float = 0.0,
    slow: float = 1.0,
    median: int = DAY,
) -> Delays:
    """Predictions made evenly over a span up to now, labels with a lognormal delay.

    A positive one takes `slow` times as long; the prediction is right in 90 % of cases.
    """
    ages = rng.integers(0, age, rows)
    positive = rng.random(rows) < 0.3
    guessed = positive ^ (rng.random(rows) < 0.1)
    delay = median * np.exp(0.5 * rng.standard_normal(rows)) * np.where(positive, slow, 1.0)
    delay = np.where(rng.random(rows) < never, 2.0 * HORIZON, delay).astype(np.int64)
    came = (delay <= ages) & (delay <= HORIZON)
    names = np.array(["0", "1"])
    found = Delays.of(
        names[guessed[came].astype(int)].tolist(),
        names[positive[came].astype(int)].tolist(),
        delay[came],
    )
    waits = {
        name: (ages[~came & (guessed == at)], np.ones(int((~came & (guessed == at)).sum())))
        for at, name in enumerate(names.tolist())
    }
    found.merge(Delays.still(waits))
    return found


def test_bins_are_narrow_and_cover_everything() -> None:
    assert delay_codes(np.array([-5, 0, SECOND, 10**18])).tolist() == [0, 0, 8, BINS - 1]
    assert np.all(delay_codes(EDGES[:-1]) == np.arange(BINS))
    assert (np.diff(EDGES)[80:] / EDGES[80:-1]).max() < 0.0906
    assert EDGES[-1] > 100 * 365 * DAY


def test_delays_merge_in_any_order_and_cut() -> None:
    rng = np.random.default_rng(0)
    names = [f"c{at:02d}" for at in range(40)]
    parts = []
    for _ in range(4):
        predicted, label = rng.choice(names, (2, 60)).tolist()
        part = Delays.of(predicted, label, rng.integers(0, 90 * DAY, 60))
        ages = rng.integers(0, DAY, 3)
        part.merge(Delays.still({str(rng.choice(names)): (ages, np.array([1, 2, 3]))}))
        parts.append(part)
    results = set()
    for order in itertools.permutations(parts):
        whole = Delays()
        for part in order:
            whole.merge(part)
        results.add(orjson.dumps(whole.to_values()))
    assert len(results) == 1
    assert len(whole.by_label) == 33
    back = Delays.from_values(orjson.loads(results.pop()))
    assert back.to_values() == whole.to_values()


def test_the_share_by_age_is_kaplan_and_meiers() -> None:
    rng = np.random.default_rng(1)
    bins = rng.integers(40, 120, 500)
    out = rng.random(500) < 0.4
    delays = Delays.of(["a"] * int((~out).sum()), ["a"] * int((~out).sum()), EDGES[bins[~out]])
    delays.merge(Delays.still({"a": (EDGES[bins[out]], np.ones(int(out.sum())))}))
    found = Maturity.of(delays, HORIZON)
    theirs = stats.ecdf(
        stats.CensoredData(uncensored=EDGES[bins[~out]], right=EDGES[bins[out]])
    ).cdf.evaluate(EDGES[40:120])
    assert found.labelled_by(EDGES[41:121]) == pytest.approx(theirs, abs=1e-12)


def test_planted_delays_are_found_while_labels_are_still_out() -> None:
    delays = stream(np.random.default_rng(2), rows=20_000, age=20 * DAY, never=0.2)
    found = Maturity.of(delays, HORIZON)
    assert found.levelled
    assert found.never == pytest.approx(0.2, abs=0.01)
    for level in (0.5, 0.9):
        planted = DAY * np.exp(0.5 * stats.norm.ppf(level))
        assert found.delay(level) == pytest.approx(planted, rel=0.06)
    # The share among predictions of the last day alone is far from the planted one.
    assert float(found.coverage(DAY)) == pytest.approx(0.5, abs=0.03)
    ripe = DAY * np.exp(0.5 * stats.norm.ppf(0.95))
    assert found.mature(np.array([0, 0.85 * ripe, 1.15 * ripe])).tolist() == [False, False, True]


def test_nothing_is_mature_before_labels_have_ceased_to_come() -> None:
    delays = stream(np.random.default_rng(3), rows=20_000, age=DAY)
    young = Maturity.of(delays, HORIZON)
    assert not young.levelled
    assert young.never is None
    assert young.delay(0.9) is None
    by_then = stats.norm.cdf(np.log(0.85) / 0.5)
    assert float(young.coverage(0.85 * DAY)) == pytest.approx(by_then, abs=0.03)
    assert not young.mature(DAY)
    assert young.mature(HORIZON)


@pytest.mark.parametrize("delays", [Delays(), Delays.still({"1": (EDGES[90:91], np.array([50]))})])
def test_without_labels_only_the_horizon_ends_the_wait(delays: Delays) -> None:
    found = Maturity.of(delays, HORIZON)
    assert found.delay(0.5) is None
    assert found.mature(np.array([DAY, HORIZON])).tolist() == [False, True]


def test_all_labels_within_minutes() -> None:
    delays = Delays.of(["1"] * 100, ["1"] * 100, np.full(100, 3 * MINUTE))
    found = Maturity.of(delays, HORIZON)
    assert found.mature(np.array([MINUTE, HOUR])).tolist() == [False, True]
    assert found.delay(0.9) == pytest.approx(3 * MINUTE, rel=0.09)


def test_what_never_comes_is_told_once_the_horizon_has_passed() -> None:
    late = np.full(40, 2 * HORIZON)
    delays = Delays.of(["1"] * 100, ["1"] * 100, np.concatenate([np.full(60, DAY), late]))
    found = Maturity.of(delays, HORIZON)
    assert found.levelled
    assert found.never == pytest.approx(0.4)


@pytest.mark.parametrize("median", [2 * HOUR, 3 * DAY])
@pytest.mark.parametrize("never", [0.005, 0.1])
def test_of_windows_it_is_told_which_labels_never_come(median: int, never: float) -> None:
    """Five windows of a week; of the unlabelled only the window is known."""
    rng = np.random.default_rng(11)
    now, week, horizon = 33 * DAY, 7 * DAY, 30 * DAY
    made = np.sort(rng.integers(0, now, 40_000))
    delay = (median * np.exp(0.5 * rng.standard_normal(made.size))).astype(np.int64)
    delay[rng.random(made.size) < never] = 2 * horizon
    came = (delay <= now - made) & (delay <= horizon)
    delays = Delays.of(["1"] * int(came.sum()), ["1"] * int(came.sum()), delay[came])
    waiting = [
        Waiting("1", max(0, now - start - week), now - start, int(own.sum()))
        for start in range(0, now, week)
        for own in [~came & (made >= start) & (made < start + week)]
    ]
    found, _ = follow(delays, waiting, horizon)
    assert found.never == pytest.approx(np.mean(delay > horizon), abs=0.1 * never + 0.001)
    assert found.delay(0.5) == pytest.approx(median, rel=0.1)


def test_a_biased_sample_of_early_labels_is_told_with_numbers() -> None:
    delays = stream(np.random.default_rng(4), rows=5000, age=4 * DAY, slow=3.0)
    found = early_bias(delays, "label")
    assert found is not None
    assert found.name == "1"
    assert found.early < 0.15
    assert found.late > 0.4
    assert found.early_bounds[1] < found.late_bounds[0]
    guessed = early_bias(delays, "predicted")
    assert guessed is not None
    assert guessed.early < guessed.late


def test_equal_delays_are_not_called_biased_however_often_one_looks() -> None:
    told = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        held = Delays()
        for _ in range(15):
            # The age is that of the newest stretch of a stream that has just begun.
            held.merge(stream(rng, rows=200, age=2 * DAY))
            looks = (early_bias(held, "label"), early_bias(held, "predicted"))
            if any(look is not None for look in looks):
                told += 1
                break
    assert told <= 2


def test_one_class_cannot_be_biased() -> None:
    delays = Delays.of(["a"] * 50, ["a"] * 50, np.arange(50) * HOUR)
    assert early_bias(delays, "label") is None
