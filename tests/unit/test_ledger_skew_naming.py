"""Which mistake explains mismatched rows, and which explains them by chance only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.ledger.skew.cases import Cases
from driftline.ledger.skew.naming import name_of
from driftline.ledger.skew.tolerance import Tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driftline.ledger.skew.naming import Name


def named(
    served: Sequence[Any],
    trained: Sequence[Any],
    bits: float = 10.0,
    back: Sequence[int | None] | None = None,
    alike: Sequence[tuple[str, ...]] | None = None,
    trained_bits: float | None = None,
) -> Name:
    size = len(served)
    return name_of(
        Cases(
            list(served),
            list(trained),
            np.full(size, bits),
            np.full(size, bits if trained_bits is None else trained_bits),
            [()] * size if alike is None else list(alike),
            [None] * size if back is None else list(back),
            Tolerance(),
            20,
        )
    )


def numbers(seed: int, size: int = 14) -> list[float]:
    return [float(v) for v in np.random.default_rng(seed).normal(40, 12, size)]


RULES: dict[str, tuple[Callable[[float], float], str, str]] = {
    "thousand": (lambda v: v * 1000, "factor", "served 1000 times the training value"),
    "cents": (lambda v: v / 100, "factor", "1/100 of the training value"),
    "sign": (lambda v: -v, "factor", "served -1 times the training value"),
    "miles": (lambda v: v / 1.609344, "factor", "(as miles against kilometres)"),
    "pounds": (lambda v: v * 2.20462, "factor", "(as pounds against kilograms)"),
    "days": (lambda v: v / 24, "factor", "(as days against hours)"),
    "odd factor": (lambda v: v * 1.37, "factor", "served 1.37 times the training value"),
    "near a thousand": (lambda v: v * 1000 * (1 + 1e-3 * np.sin(v)), "factor", "served about 1000"),
    "more": (lambda v: v + 5, "shift", "served 5 more than the training value"),
    "kelvin": (lambda v: v + 273.15, "shift", "(as kelvins against degrees Celsius)"),
    "celsius": (lambda v: (v - 32) * 5 / 9, "affine", "(as degrees Celsius against Fahrenheit)"),
    "line": (lambda v: 0.7 * v - 3, "affine", "served 0.7 times the training value minus 3"),
    "whole": (lambda v: float(round(v)), "rounding", "served rounded to whole numbers"),
    "cut": (lambda v: float(int(v)), "rounding", "served cut to whole numbers"),
    "cents only": (lambda v: round(v, 2), "rounding", "served rounded to 2 decimals"),
    "near a factor": (lambda v: float(f"{v * 1.1:.3g}"), "factor", "served about 1.1 times"),
    "half": (lambda v: float(np.float16(v)), "rounding", "served as float16"),
    "one for all": (lambda v: -999.0, "default", "served -999 whatever training has"),
}


@pytest.mark.parametrize("rule", RULES)
def test_numbers_that_differ_by_a_rule(rule: str) -> None:
    of, kind, text = RULES[rule]
    trained = numbers(3)
    found = named([float(of(v)) for v in trained], trained)
    assert found.kind == kind, found.text
    assert text in found.text


def test_significant_digits_are_told_where_decimals_do_not_explain_them() -> None:
    trained = [v * 10.0 ** (at % 5) for at, v in enumerate(numbers(4))]
    found = named([float(f"{v:.3g}") for v in trained], trained)
    assert (found.kind, found.text) == ("rounding", "served rounded to 3 significant digits")


def test_what_training_has_rounded_is_told_as_that() -> None:
    served = numbers(5)
    found = named(served, [round(v, 1) for v in served])
    assert found.text == "served in full what training has rounded to 1 decimal"


def test_small_whole_numbers_are_not_rounded_to_by_training() -> None:
    trained = [float(v) for v in range(1, 8)] * 2
    found = named([1.1 * v + 0.1 for v in trained], trained, trained_bits=2.5)
    assert (found.kind, found.text) == ("affine", "served 1.1 times the training value plus 0.1")


def test_chance_is_no_rule() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        trained, served = rng.normal(40, 12, 20).tolist(), rng.normal(40, 12, 20).tolist()
        assert named(served, trained).kind == "other"


def test_small_numbers_that_anything_explains_are_not_named() -> None:
    # Of three values a wrong one is one of two: each explanation is right now and then.
    rng = np.random.default_rng(7)
    for _ in range(40):
        trained = rng.integers(0, 3, 16).astype(float)
        served = (trained + rng.integers(1, 3, 16)) % 3
        back = [int(v) for v in rng.integers(0, 3, 16)]
        found = named(served.tolist(), trained.tolist(), bits=1.0, back=back)
        assert found.kind == "other", found.text


def test_noise_of_a_per_cent_is_told_by_its_size() -> None:
    trained = numbers(8, 40)
    noise = np.random.default_rng(8).choice([-0.03, 0.03], 40)
    found = named([v * (1 + e) for v, e in zip(trained, noise.tolist(), strict=True)], trained)
    assert found.kind == "other"
    assert found.text.endswith("off at the median (3 %)")


def test_a_third_of_other_rows_does_not_hide_a_rule() -> None:
    trained = numbers(9, 18)
    served = [v * 60 for v in trained]
    served[::3] = numbers(10, 6)
    found = named(served, trained)
    assert (found.kind, int(found.explained.sum())) == ("factor", 12)


def test_one_value_is_no_factor() -> None:
    found = named([6.0] * 12, [3.0] * 12)
    assert (found.kind, found.text) == ("encoding", "served 6 for 3")


LEVELS = ["Germany", "France", "Italy", "Spain"] * 4
SPELLINGS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "lower": (str.lower, "case", "served in lower case"),
    "upper": (str.upper, "case", "served in upper case"),
    "swapped": (str.swapcase, "case", "served in letters of another case"),
    "blanks": (lambda v: f" {v}", "case", "served with blanks around it"),
    "codes": (lambda v: float(LEVELS.index(v)), "encoding", "served 0 for 'Germany'"),
    "short": (lambda v: v[:2], "encoding", "'Ge' for 'Germany'"),
    "unknown": (lambda v: "unknown", "default", "served 'unknown' whatever training has"),
    "lost": (lambda v: None, "lost", "served nothing where training has a value"),
}


@pytest.mark.parametrize("rule", SPELLINGS)
def test_levels_that_are_written_otherwise(rule: str) -> None:
    of, kind, text = SPELLINGS[rule]
    found = named([of(v) for v in LEVELS], LEVELS)
    assert found.kind == kind, found.text
    assert text in found.text


def test_numbers_as_text() -> None:
    trained = [float(v) for v in range(20, 32)]
    found = named([str(int(v)) for v in trained], trained)
    assert (found.kind, found.text) == ("encoding", "served as text what training has as a number")


def test_two_codes_for_one_level_are_no_code() -> None:
    served = [["x", "y", "z"][at % 3] for at in range(18)]
    assert named(served, ["a", "b"] * 9, bits=2.0).kind == "other"


def test_nothing_on_one_side() -> None:
    nothing: list[Any] = [None] * 12
    assert named([0.0] * 12, nothing).text == "served 0 where training has nothing"
    values = named(numbers(11, 12), nothing)
    assert (values.kind, values.text) == ("filled", "served values where training has nothing")
    old = named(numbers(11, 12), nothing, back=[1] * 12)
    assert old.kind == "stale"


def test_an_old_value() -> None:
    found = named(numbers(12), numbers(13), back=[1, 1, 2, 1, None, 1, 1, 3, 1, 1, 0, 1, None, 1])
    assert found.kind == "stale"
    assert found.text == "served an old value of the same entity (mostly its last value)"
    assert found.details == {"versions_back": 1, "of_known": 12}
    # Rows of which nothing older is known speak neither for it nor against it.
    assert named(numbers(12), numbers(13), back=[1] * 4 + [None] * 10).kind == "stale"
    assert named(numbers(12), numbers(13), back=[1] * 4 + [0] * 10).kind == "other"


def test_another_features_value() -> None:
    trained = numbers(14)
    other = [("age", "tenure"), ("age",)] * 7
    found = named(numbers(15), trained, alike=other)
    assert (found.kind, found.text) == ("permuted", "served the training value of age")


def test_the_plainest_of_equal_explanations_wins() -> None:
    trained = numbers(16)
    served = [v * 1000 for v in trained]
    # A feature in other units is served by nature, and the entity's value was the same before.
    found = named(served, trained, alike=[("in_thousands",)] * 14, back=[1] * 14)
    assert found.kind == "factor"


def test_numbers_at_the_end_of_their_range_are_just_other() -> None:
    large = [1e308, -1e308, 1e-310, 5e-324, 0.0] * 3
    assert named(large, large[1:] + large[:1]).kind in {"other", "encoding"}
