"""`Numbers`: a packed column reads as the list it stands for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec import UNSET

from driftline.events.numbers import Numbers


@pytest.fixture
def column() -> Numbers:
    found = Numbers()
    found.extend((1.0, 2.5))
    found.extend((None, UNSET, -0.0))
    found.extend(())
    return found


def test_reads_as_floats_with_none_where_missing(column: Numbers) -> None:
    assert list(column) == [1.0, 2.5, None, None, -0.0]
    assert len(column) == 5
    assert column[2] is None
    assert column[1:3] == [2.5, None]
    assert math.copysign(1, column[4]) == -1


def test_is_float64_inside(column: Numbers) -> None:
    np.testing.assert_array_equal(column.array, [1.0, 2.5, np.nan, np.nan, 0.0])
    assert column.array.dtype == np.float64


def test_tells_an_absent_key_from_null(column: Numbers) -> None:
    assert column.absent == {3}
    assert column.pick([0, 3, 2]).absent == {1}
    assert list(column.pick([4, 0])) == [-0.0, 1.0]


def test_says_whether_there_is_any_number(column: Numbers) -> None:
    assert column.any()
    assert not column.pick([2, 3]).any()
    assert not Numbers().any()
