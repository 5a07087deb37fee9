from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.events.errors import Fault
from driftline.events.time import format_ts, parse_ts, parse_ts_column, read_ts

BASE = 1_795_464_144_000_000  # 2026-11-23T20:02:24Z


@pytest.mark.parametrize(
    ("value", "us"),
    [
        ("2026-11-23T20:02:24Z", BASE),
        ("2026-11-23t20:02:24z", BASE),
        ("2026-11-23 20:02:24", BASE),
        ("2026-11-23T20:02:24.1Z", BASE + 100_000),
        ("2026-11-23T20:02:24.123456789Z", BASE + 123_456),
        ("2026-11-23T21:02:24+01:00", BASE),
        ("2026-11-23T14:32:24-0530", BASE),
        ("2026-11-23T20:02Z", BASE - 24_000_000),
        ("2026-11-23", BASE - 72_144_000_000),
        ("2026-11-23T20:02:60Z", BASE + 36_000_000),
        (1_795_464_144, BASE),
        (1_795_464_144.5, BASE + 500_000),
        (1_795_464_144_000, BASE),
        (1_795_464_144_000.25, BASE + 250),
        (-1_000_000_000, -1_000_000_000_000_000),
        ("1900-01-01T00:00:00Z", -2_208_988_800_000_000),
        ("2200-12-31T23:59:59.999999Z", 7_289_654_399_999_999),
    ],
)
def test_forms_of_time(value: str | float, us: int) -> None:
    assert parse_ts(value) == us
    column, faulty = parse_ts_column([value] * 20)
    assert column.tolist() == [us] * 20
    assert faulty == []


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("", '""'),
        ("1795464144", '"1795464144"'),
        ("2026-02-29T00:00:00Z", "(day is out of range for month)"),
        ("2026-11-23T24:00:00Z", "(hour must be in 0..23)"),
        ("2026-11-23T20:02:61Z", "(second must be in 0..59)"),
        ("2026-11-23T20:02:24+25:00", "(hour must be in 0..23)"),
        ("٢٠٢٦-11-23", "\\u0662"),
        ("1899-12-31T23:59:59Z", "1899"),
        ("2201-01-01T00:00:00Z", "2201"),
        ("1970-01-01T01:00:00+01:00", "an unset clock"),
        (0, "0 (falls in 1970)"),
        (40_000_000, "(falls before 1974)"),
        (1_795_464_144_000_000, "(looks like microseconds)"),
        (1_795_464_144_000_000_000, "(looks like nanoseconds)"),
        (1e30, "(not a time)"),
        (float("nan"), "(not a time)"),
        (float("inf"), "(not a time)"),
        (True, "true"),
        (None, "null"),
        ([], "an array of 0"),
    ],
)
def test_what_is_no_time(value: object, got: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_ts(value, "$.meta.time")
    assert got in caught.value.got
    assert caught.value.path == "$.meta.time"
    column, faulty = parse_ts_column(["2026-11-23T20:02:24Z", value] * 10)
    assert faulty == list(range(1, 20, 2))
    assert column[::2].tolist() == [BASE] * 10
    assert parse_ts_column([value] * 20)[1] == list(range(20))


moments = st.datetimes(
    dt.datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    dt.datetime(2200, 12, 31),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)
forms = st.sampled_from(["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+05:30"])


@given(st.lists(st.tuples(moments, st.integers(0, 30)), min_size=20, max_size=40), forms)
def test_a_column_is_read_as_its_values_are(rows: list[tuple[dt.datetime, int]], form: str) -> None:
    values = [
        moment.strftime(form).rjust(len(rows[0][0].strftime(form)), "0") for moment, _ in rows
    ]
    # A character broken here and there must not be read as something else.
    broken = [v if at > 26 else v[: at % len(v)] + "x" + v[at % len(v) + 1 :]
              for v, (_, at) in zip(values, rows, strict=True)]  # fmt: skip
    for column in (values, broken):
        us, faulty = parse_ts_column(column)
        for row, value in enumerate(column):
            try:
                assert us[row] == parse_ts(value)
                assert row not in faulty
            except Fault:
                assert row in faulty


@given(st.lists(st.one_of(st.integers(), st.integers(10**8, 10**13)), min_size=16, max_size=30))
def test_a_column_of_numbers_is_read_as_its_values_are(values: list[int]) -> None:
    for column in (values, [float(v) / 7 for v in values if abs(v) < 10**300]):
        us, faulty = parse_ts_column(column)
        for row, value in enumerate(column):
            try:
                assert us[row] == parse_ts(value)
                assert row not in faulty
            except Fault:
                assert row in faulty


@given(st.integers(-2_208_988_800_000_000, 7_289_654_399_999_999).filter(bool))
def test_what_is_written_is_read_back(us: int) -> None:
    assert parse_ts(format_ts(us)) == us


def test_no_more_digits_than_needed() -> None:
    assert format_ts(BASE) == "2026-11-23T20:02:24Z"
    assert format_ts(BASE + 120_000) == "2026-11-23T20:02:24.120Z"
    assert format_ts(BASE + 1) == "2026-11-23T20:02:24.000001Z"
    assert format_ts(int(np.int64(-1))) == "1969-12-31T23:59:59.999999Z"


def test_times_of_our_own_may_be_the_epoch_itself() -> None:
    assert [read_ts(format_ts(us)) for us in (-1, 0, 1)] == [-1, 0, 1]
    with pytest.raises(Fault, match="unset clock"):
        parse_ts(format_ts(0))
