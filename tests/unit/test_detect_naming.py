"""Causes that leave a mark are named: a unit, a stuck value, nulls that are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.detect.aspect import Told
from driftline.detect.naming import name_cause
from driftline.stats import Column, build_column

if TYPE_CHECKING:
    import numpy.typing as npt

MOVED = Told("range", "up", 1.0, "rate")
FEWER = Told("missing", "down", -0.1, "rate")


def binned(column: Column, values: list[Any]) -> npt.NDArray[np.int64]:
    return np.bincount(column.bin(values)[0], minlength=column.counts.size)


def named(column: Column, told: Told, values: list[Any]) -> Any:
    return name_cause(column, told, binned(column, values), column.bin(values)[1])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture
def income(rng: np.random.Generator) -> Column:
    return build_column("income", "numeric", np.exp(rng.normal(10, 0.4, 5000)).tolist())


@pytest.mark.parametrize(
    ("factor", "told"), [(1000.0, 1000.0), (0.01, 0.01), (100.0, 100.0), (12.0, 12.0)]
)
def test_a_change_of_unit_is_named_with_its_factor(
    income: Column, rng: np.random.Generator, factor: float, told: float
) -> None:
    found = named(income, MOVED, (factor * np.exp(rng.normal(10, 0.4, 300))).tolist())
    assert found.told.aspect == "unit"
    assert found.told.effect == pytest.approx(told, rel=0.15)
    word = "multiplied" if factor > 1 else "divided"
    assert f"values are {word} by" in found.text
    if factor == 1000:
        assert "multiplied by 1000," in found.text


def test_only_the_newest_values_decide(income: Column, rng: np.random.Generator) -> None:
    before, after = (np.exp(rng.normal(10, 0.4, 60)) for _ in range(2))
    assert named(income, MOVED, [*before, *(1000 * after)]).told.aspect == "unit"


def test_a_shift_or_a_wider_spread_is_no_change_of_unit(
    income: Column, rng: np.random.Generator
) -> None:
    assert named(income, MOVED, np.exp(rng.normal(10.7, 0.4, 300)).tolist()) is None
    centred = build_column("x", "numeric", rng.normal(5, 1, 5000).tolist())
    assert named(centred, MOVED, rng.normal(5, 5, 300).tolist()) is None
    assert named(centred, MOVED, rng.normal(40, 1, 300).tolist()) is None


def test_a_stuck_value_is_named(income: Column) -> None:
    found = named(income, MOVED, [21_000.0] * 100)
    assert found.told.aspect == "stuck"
    assert "stuck at 21000 in all of the last 50 values" in found.text
    level = build_column("colour", "categorical", ["red", "green", "blue"] * 500)
    assert "'green'" in named(level, Told("mix", "changed", 0.6, ""), ["green"] * 100).text


def test_a_column_that_hardly_varies_is_not_called_stuck() -> None:
    flag = build_column("flag", "numeric", [0.0] * 950 + [1.0] * 50)
    assert named(flag, MOVED, [0.0] * 100) is None


def test_nulls_that_are_filled_are_named_with_the_value(rng: np.random.Generator) -> None:
    values = [None if r < 0.1 else 5 + 10 * r for r in rng.random(5000).tolist()]
    column = build_column("age", "numeric", values)
    filled = [0.0 if v is None else v for v in values[:1000]]
    found = named(column, FEWER, filled)
    assert found.told.aspect == "null handling"
    assert "nulls are filled with 0: 10 % missing → 0 %" in found.text
    # Nulls that turned into ordinary values are only fewer nulls.
    assert named(column, FEWER, [v for v in values if v is not None][:1000]) is None
