"""Residuals are exact sums: no order, cut or sign leaves a trace in them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.ledger.counts import MOST_CODES
from driftline.ledger.exact import UNIT_BITS, exact_sums, read_sum, two_product, write_sum
from driftline.ledger.pairs import Pairs
from driftline.ledger.residuals import LARGEST, Residuals, error_codes, error_values

number = st.floats(-1e40, 1e40, allow_nan=False)
row = st.tuples(number, number, st.sampled_from([0.0, 0.5, 1.0, 3.25]))
finite = st.floats(allow_nan=False, allow_infinity=False)


def pairs_of(rows: list[tuple], sign: int = 1) -> Pairs:
    predicted, label, weight = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    size = len(rows)
    nothing = np.full(size, np.nan)
    return Pairs(predicted, nothing, {}, label, weight, np.full(size, sign, dtype=np.int8))


def written(residuals: Residuals) -> bytes:
    return orjson.dumps(residuals.to_values())


def merged(parts: list[Residuals]) -> Residuals:
    whole = Residuals.empty()
    for part in parts:
        whole.merge(part)
    return whole


@given(rows=st.lists(row, min_size=1, max_size=30), data=st.data())
@settings(max_examples=50, deadline=None)
def test_cut_and_order_do_not_show(rows: list[tuple], data: st.DataObject) -> None:
    whole = Residuals.of(pairs_of(rows))
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [
        Residuals.of(pairs_of([rows[at] for at in part])) for part in (order[:cut], order[cut:])
    ]
    assert written(merged(parts)) == written(merged(parts[::-1])) == written(whole)
    assert written(Residuals.from_values(orjson.loads(written(whole)))) == written(whole)


@given(rows=st.lists(row, max_size=20), more=st.lists(row, min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_what_is_taken_back_leaves_nothing(rows: list[tuple], more: list[tuple]) -> None:
    kept, back = Residuals.of(pairs_of(rows)), Residuals.of(pairs_of(more, sign=-1))
    both = Residuals.of(pairs_of(rows + more))
    assert written(merged([both, back])) == written(merged([back, both])) == written(kept)


@given(st.lists(st.tuples(finite, finite), max_size=40))
@settings(max_examples=60, deadline=None)
def test_sums_are_exact(values: list[tuple[float, float]]) -> None:
    matrix = np.array(values, dtype=np.float64).reshape(-1, 2).T
    for total, own in zip(exact_sums(matrix), matrix, strict=True):
        assert Fraction(total, 1 << UNIT_BITS) == sum(map(Fraction, own.tolist()), Fraction())
        assert read_sum(write_sum(total)) == total


def test_sums_of_many_rows_are_exact() -> None:
    values = np.random.default_rng(3).normal(size=(1, 300_000))
    units = sum(int(value * 2.0**80) for value in values[0].tolist())
    assert exact_sums(values) == [units << (UNIT_BITS - 80)]
    # More than a float64 could sum of them: one that is 2**-7 as large would be lost.
    rows = 2**20
    large, small = 1 - 2.0**-27, 2.0**-7 * (1 - 2.0**-27)
    (found,) = exact_sums(np.array([[large] * rows + [small]]))
    assert Fraction(found, 1 << UNIT_BITS) == rows * Fraction(large) + Fraction(small)


@given(st.lists(st.tuples(number, number), min_size=1))
@settings(max_examples=60, deadline=None)
def test_products_are_exact(factors: list[tuple[float, float]]) -> None:
    a, b = np.array(factors).T
    a, b = (np.where(np.abs(each) < 1e-40, 0.0, each) for each in (a, b))
    product, rest = two_product(a, b)
    for each in range(a.size):
        exact = Fraction(a[each]) * Fraction(b[each])
        assert Fraction(product[each]) + Fraction(rest[each]) == exact


@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=50))
def test_codes_keep_the_order_and_the_size(errors: list[float]) -> None:
    ordered = np.sort(np.array(errors))
    codes = error_codes(ordered)
    assert (np.diff(codes) >= 0).all()
    assert error_codes(-ordered).tolist() == (-codes).tolist()
    off = np.abs(error_values(codes) - ordered)
    assert (off <= np.abs(ordered) / 256 + 2.0**-100).all()


def test_there_are_fewer_codes_than_would_be_rounded() -> None:
    most = int(error_codes(np.array([np.finfo(float).max]))[0])
    assert error_codes(np.array([0.0, -0.0, 2.0**-101])).tolist() == [0, 0, 0]
    assert 2 * most + 1 <= MOST_CODES


def test_what_is_beyond_all_measure_is_cut() -> None:
    wild = Residuals.of(pairs_of([(1e300, 1e-300, 1.0), (-1e300, 0.0, 1.0)]))
    tame = Residuals.of(pairs_of([(LARGEST, 1e-300, 1.0), (-LARGEST, 0.0, 1.0)]))
    assert written(wild) == written(tame)


def test_classes_are_not_numbers() -> None:
    one = np.ones(1)
    pairs = Pairs(["a"], one, {}, ["a"], one, np.ones(1, dtype=np.int8))
    with pytest.raises(TypeError, match="expected numbers, got classes as text"):
        Residuals.of(pairs)
