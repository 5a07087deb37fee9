from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from driftline.ledger.sequences import LEAST_RARER, LEAST_ROWS, asymptotic, rates

ALPHA = 0.05
RUNS = 200
MOST_MISSED = int(stats.binom.ppf(0.999, RUNS, ALPHA))
"""With a true miscoverage of `ALPHA` one test in a thousand counts more."""


def missed(low: Any, high: Any, truth: float) -> int:
    """Runs whose interval left out the truth at any time; bounds of shape (looks, runs)."""
    return int(((low > truth) | (high < truth)).any(axis=0).sum())


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.004])
def test_rates_hold_at_all_times_where_a_fixed_interval_fails(rate: float) -> None:
    rng = np.random.default_rng(1)
    ones = (rng.random((2000, RUNS)) < rate).cumsum(axis=0)[::5]
    rows = np.arange(1, 2001)[::5, None] * np.ones_like(ones)
    assert missed(*rates(ones, rows), rate) <= MOST_MISSED
    seen = ones / rows
    half = 1.96 * np.sqrt(seen * (1 - seen) / rows)
    assert missed(seen - half, seen + half, rate) > RUNS * 0.4


def test_rates_also_bound_means_of_values_in_between() -> None:
    rng = np.random.default_rng(2)
    values = rng.beta(0.3, 0.7, (1000, RUNS)).cumsum(axis=0)[::5]
    rows = np.arange(1, 1001)[::5, None] * np.ones_like(values)
    assert missed(*rates(values, rows), 0.3) <= MOST_MISSED


def test_rates_are_no_wider_than_looking_for_ever_costs() -> None:
    low, high = rates([930, 9300, 0, 12, 0], [1000, 10_000, 12, 12, 0])
    fixed = 1.96 * np.sqrt(0.93 * 0.07 / np.array([1000, 10_000]))
    assert np.all((high - low)[:2] / (2 * fixed) < [2, 2.3])
    assert np.all(low[:2] < 0.93)
    assert np.all(high[:2] > 0.93)
    assert low[2] == 0
    assert 0 < high[2] < 0.5
    assert 0.5 < low[3] < 1
    assert high[3] == 1
    assert (low[4], high[4]) == (0, 1)


def test_the_asymptotic_sequence_holds_by_its_rule_and_not_without() -> None:
    rng = np.random.default_rng(5)
    rate = 0.004
    ones = (rng.random((40_000, RUNS)) < rate).cumsum(axis=0, dtype=np.int32)[::100].astype(float)
    rows = np.arange(1, 40_001)[::100, None] * np.ones_like(ones)
    assert missed(*asymptotic(rows, ones, ones, rarer=ones), rate) <= MOST_MISSED
    assert missed(*asymptotic(rows, ones, ones), rate) > RUNS * 0.2
    x = (rng.standard_normal((2000, RUNS)) ** 2).cumsum(axis=0)[::5]
    xx = x * 3  # Whatever the true variance (2), its estimate here is 3 - 1.
    rows = np.arange(1, 2001)[::5, None] * np.ones_like(x)
    low, high = asymptotic(rows, x, xx)
    assert missed(low, high, 1.0) <= MOST_MISSED
    assert np.isfinite(high[-1]).all()


def test_the_asymptotic_sequence_is_silent_before_its_rule_and_tight_after() -> None:
    low, high = asymptotic([LEAST_ROWS - 1, LEAST_ROWS], [0, 0], [99, 100])
    assert np.isinf([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()
    low, _ = asymptotic(1000, 0, 1000, rarer=LEAST_RARER - 1)
    assert low == -np.inf
    low, high = asymptotic(1000, 0, 1000)
    assert (high - low) / (2 * 1.96 / 1000**0.5) < 1.8
