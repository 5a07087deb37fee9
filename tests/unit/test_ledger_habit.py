"""A rate learnt in calm windows: when it is said to have risen, and when no more."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from driftline.ledger.habit import Habit, risen, vanished

ARL = 1500.0


def step(habit: Habit, ones: int, rows: int, start: int, shift: float = 1.0) -> str | None:
    """Show a window to a habit that nobody else speaks for, and have it learn what is usual."""
    state = habit.step(ones, rows, start, shift)
    if habit.usual:
        habit.learn(ones, rows)
    return state


def learnt(rate: float, rows: int = 400, *, worth: float = 0.05) -> Habit:
    habit = Habit(risen(worth), ARL)
    for start in range(3):
        assert step(habit, round(rate * rows), rows, start) is None
    return habit


def test_a_bar_is_twice_the_rate_and_some_points_above_but_can_be_reached() -> None:
    def bar_of(ones: int, rows: int) -> float:
        found = risen(0.05)(ones, rows)
        assert found is not None
        assert found.margin == pytest.approx(0.75 * ones / rows + 0.25 * found.bar)
        return found.bar

    assert bar_of(1, 100) == pytest.approx(0.06)
    assert bar_of(10, 100) == pytest.approx(0.2)
    assert bar_of(80, 100) == pytest.approx(0.9)
    assert bar_of(98, 100) == pytest.approx(0.99)
    assert risen(0.05)(1000, 1000) is None
    assert vanished(920, 1000) == pytest.approx((0.926, 0.98))
    assert vanished(990, 1000) is None


def test_a_rate_that_rises_to_its_bar_is_raised_with_its_window_and_cleared_once() -> None:
    habit = learnt(0.08)
    assert habit.learnt
    assert habit.calm == pytest.approx(0.08)
    for start in range(3, 10):
        assert step(habit, 32, 400, start) is None
    assert step(habit, 100, 400, 10) == "raised"
    assert habit.change is not None
    assert habit.change == (10, 0.25, 400)
    assert habit.evidence[0] >= habit.evidence[1] == pytest.approx(np.log(ARL))
    assert step(habit, 100, 400, 11) is None
    assert habit.open
    states = [step(habit, 32, 400, start) for start in range(12, 20)]
    assert states.count("cleared") == 1
    assert not habit.open


def test_certain_is_not_enough_where_it_is_not_worth_telling() -> None:
    habit = learnt(0.08, rows=40_000)
    assert [step(habit, 3_200, 40_000, start) for start in range(3, 15)] == [None] * 12
    assert habit.settled
    assert [step(habit, 5_200, 40_000, start) for start in range(15, 40)] == [None] * 25
    assert habit.calm == pytest.approx(0.08)
    assert habit.evidence[0] > habit.evidence[1]
    # What comes on top of that is told at once.
    assert step(habit, 12_000, 40_000, 40) == "raised"
    assert habit.change is not None
    assert habit.change.since == 40


def test_few_rows_add_up_over_windows() -> None:
    habit = learnt(0.08)
    states = [step(habit, 3, 10, start) for start in range(3, 30)]
    assert "raised" in states
    assert 2 < states.index("raised") < 15
    assert habit.change is not None
    assert habit.change.since == 3


def test_more_quiet_windows_make_up_for_a_calm_rate_that_was_a_guess() -> None:
    habit = learnt(0.04)
    for start in range(3, 14):
        assert step(habit, 32, 400, start) is None
    assert habit.calm == pytest.approx(0.0715, abs=1e-3)
    assert not habit.settled
    # What is worth telling is not learnt.
    assert step(habit, 80, 400, 14) == "raised"
    assert habit.calm == pytest.approx(0.0715, abs=1e-3)


def test_what_others_find_unusual_teaches_nothing() -> None:
    habit = learnt(0.08)
    for start in range(3, 10):
        assert habit.step(0, 400, start) is None
        assert habit.usual
    assert habit.calm == pytest.approx(0.08)
    habit.learn(0, 400)
    assert habit.calm == pytest.approx(0.06)


def test_a_window_is_measured_by_what_is_usual_for_it() -> None:
    usual, strict = learnt(0.08), learnt(0.08)
    # Odds of 0.22 instead of 0.087: who is on duty always overrides 18 %.
    shift = (0.18 / 0.82) / (0.08 / 0.92)
    assert step(usual, 80, 400, 3) == "raised"
    assert step(strict, 80, 400, 3, shift) is None
    assert step(strict, 200, 400, 4, shift) == "raised"
    lenient = learnt(0.08)
    assert step(lenient, 40, 400, 3, 1 / shift) == "raised"


def test_nothing_is_learnt_from_too_little() -> None:
    habit = Habit(risen(0.1), ARL)
    assert habit.calm is None
    for start in range(2):
        step(habit, 10, 1000, start)
        assert not habit.learnt
    assert step(habit, 0, 0, 2) is None
    assert not habit.learnt
    step(habit, 10, 1000, 3)
    assert habit.learnt
    slow = Habit(risen(0.1), ARL)
    for start in range(99):
        assert step(slow, 1, 2, start) is None
        assert not slow.learnt
    step(slow, 1, 2, 99)
    assert slow.learnt
    assert slow.calm == 0.5


def test_days_that_differ_are_no_change() -> None:
    raised = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rates = np.clip(rng.normal(0.08, 0.0125, 60), 0.01, 1)
        rows = rng.poisson(2000, 60)
        habits = Habit(risen(0.05), ARL), Habit(vanished, ARL)
        for start, (ones, n) in enumerate(zip(rng.binomial(rows, rates), rows, strict=True)):
            raised += step(habits[0], int(ones), int(n), start) == "raised"
            raised += step(habits[1], int(n - ones), int(n), start) == "raised"
    assert raised == 0


def test_a_habit_goes_on_where_its_snapshot_stood() -> None:
    rng = np.random.default_rng(5)
    counts = [(int(rng.binomial(300, 0.08 if day < 20 else 0.3)), 300) for day in range(30)]
    whole = Habit(risen(0.05), ARL)
    states = [step(whole, *each, day) for day, each in enumerate(counts)]
    assert "raised" in states
    parts, again = Habit(risen(0.05), ARL), []
    for day, each in enumerate(counts):
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(parts.snapshot()))
        parts = Habit(risen(0.05), ARL)
        parts.restore(state)
        again.append(step(parts, *each, day))
    assert again == states
    assert parts.snapshot() == whole.snapshot()
