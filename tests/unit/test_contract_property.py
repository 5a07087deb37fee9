from __future__ import annotations

import datetime as dt
import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest
import yaml
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from driftline.contract import (
    Contract,
    ContractError,
    Rate,
    canonical,
    form,
    gaps,
    json_schema,
    parse,
    quantities,
)
from driftline.contract.blocks import BlockOf, ListOf, MapOf
from driftline.contract.kinds import (
    DATE,
    RATE,
    SHIFT,
    Choice,
    Duration,
    Integer,
    Number,
    Share,
    Text,
)
from driftline.contract.plans import DetectorKind, Only, Parameter, ReferenceKind, WindowKind

VALIDATOR = jsonschema.Draft7Validator(json_schema())
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
NAMES = WORDS.map(lambda word: f"n{word.strip()}x")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6)
MICROSECONDS = st.integers(0, quantities.LONGEST)


def durations() -> st.SearchStrategy[str]:
    return st.sampled_from(["10s", "1m", "600s", "1h", "2h", "1d", "0.5h", "1h30m"])


def written(kind: Any) -> st.SearchStrategy[Any]:
    """Written forms of a kind: JSON values, most of them good."""
    if kind is form.REFERENCE:
        return st.sampled_from(
            [
                {},
                {"from": "file", "path": "a/b.parquet"},
                {"from": "file", "path": "/a/b.csv", "seasonal": "hour_of_day"},
                {"from": "topic", "topic": "t"},
                {
                    "from": "topic",
                    "topic": "t",
                    "start": "2026-01-01",
                    "end": "2026-01-01T00:00:01Z",
                },
                {"from": "warmup", "events": 700},
                {"from": "version", "version": "3"},
                {"seasonal": "hour_of_week"},
            ]
        )
    if kind is form.QUALITY:
        return st.sampled_from(
            [{"metric": "auc", "at_least": 0.7}, {"metric": "mae", "at_most": 3.5}]
        ).flatmap(lambda some: st.sampled_from([some, some | {"label_horizon": "1h"}]))
    if kind is form.ALERTS:
        return st.sampled_from(
            [{}, {"flapping": "3 per 2h"}, {"severity": {"drift": "notice", "schema": "page"}}]
        )
    if kind is form.MAINTENANCE:
        begin = {"since": "2026-11-01T02:00Z"}
        return st.sampled_from(
            [
                begin | {"until": "2026-11-02", "why": "a move"},
                begin | {"every": "7d", "lasts": "2h"},
                begin | {"every": "1d", "lasts": "30m", "until": "2027-01-01"},
            ]
        )
    if kind is RATE:
        return st.builds(lambda n, per: f"{n} per {per}", st.integers(1, 99), durations())
    if kind is SHIFT:
        forms = ["mean +{}sd", "mean:-{}sd", "spread x1{}", "missing +{}%", "mix {}%", "new {}%"]
        return st.builds(lambda form, n: form.format(n), st.sampled_from(forms), st.integers(1, 99))
    if kind is DATE:
        return st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)).map(str)
    match kind:
        case Text(pattern=""):
            return NAMES
        case Text():
            return st.sampled_from(["score >= 0.6", "credit-risk", "a.b_c", "p == 'x'", "ü ß"])
        case Number(least=least, most=most):
            return st.floats(least, most, allow_nan=False, allow_infinity=False)
        case Integer(least=low, most=high):
            return st.integers(low, high)
        case Choice(names=names):
            return st.sampled_from(names)
        case Duration():
            return durations()
        case Share():
            return st.floats(0, 1) | st.integers(0, 100).map(lambda n: f"{n}%")
        case Parameter():
            one = NUMBERS | NAMES | st.booleans() | st.none()
            return one | st.lists(one, max_size=3)
        case ListOf(kind=inner, least=least):
            return st.lists(written(inner), min_size=least, max_size=4, unique_by=repr)
        case MapOf(kind=inner, keys=keys, least=least, empty=empty):
            values = written(inner) | st.none() if empty else written(inner)
            free = st.sampled_from(keys) if keys else NAMES
            return st.dictionaries(free, values, min_size=least, max_size=4)
        case DetectorKind(names=names):
            parameters = st.dictionaries(NAMES, written(Parameter()), max_size=2)
            one = st.sampled_from(names)
            return one | st.builds(lambda name, some: {name: some}, one, parameters)
        case WindowKind(block=block) | Only(block=block) | ReferenceKind(block=block):
            return written(block)
        case BlockOf(fields=fields):
            return st.fixed_dictionaries(
                {each.key: written(each.kind) for each in fields if each.required},
                optional={each.key: written(each.kind) for each in fields if not each.required},
            )
    raise AssertionError(kind)


def unstated(contract: Contract) -> Contract:
    return msgspec.structs.replace(contract, stated=frozenset())


@settings(deadline=None, max_examples=150)
@given(document=written(form.CONTRACT), flow=st.booleans())
def test_what_parses_dumps_to_what_parses_alike(document: dict[str, Any], flow: bool) -> None:
    text = json.dumps(document, ensure_ascii=False) if flow else yaml.safe_dump(document)
    try:
        contract = parse(text, "some/where.yaml")
    except ContractError:
        # Only rules across keys are left to break: slots, windows, detectors, tolerance.
        reject()
    again = parse(canonical(contract), "some/where.yaml")
    assert unstated(again) == unstated(contract)
    assert again.fingerprint == contract.fingerprint
    assert contract.stated == set(document)
    assert canonical(again) == canonical(contract)
    VALIDATOR.validate(document)
    VALIDATOR.validate(json.loads(canonical(contract)))
    assert gaps(contract, dt.date(2026, 1, 1)) == gaps(contract, dt.date(2026, 1, 1))


PIECES = st.sampled_from(
    ["model", "m", ":", " ", "\n", "  ", "{", "}", "[", "]", ",", "-", "&a", "*a", "!t", "|", ">",
     "'", '"', "#", "---", "%", "?", "features", "windows", "1h", "detectors", "adwin", "~", ".nan",
     "1e999", "on", "\t", "<<", "é", "\ud800", "\x00", "reference", "from", "file", "9" * 5000]
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_any_text_is_a_contract_or_a_list_of_faults(text: str) -> None:
    try:
        contract = parse(text, "x.yaml")
    except ContractError as caught:
        lines = [str(fault) for fault in caught.faults]
    else:
        lines = [canonical(contract)]
        assert unstated(parse(lines[0], "x.yaml")) == unstated(contract)
    assert lines
    assert all(len(line) < 1_000 and "\n" not in line for line in lines)


@given(MICROSECONDS)
def test_durations_come_back(duration: int) -> None:
    assert quantities.parse_duration(quantities.format_duration(duration)) == duration


@given(st.floats(1e-30, 1e30, exclude_min=True), st.integers(1, quantities.LONGEST))
def test_rates_come_back(count: float, per: int) -> None:
    rate = Rate(count=count, per=per)
    assert quantities.parse_rate(quantities.format_rate(rate)) == rate


@given(st.integers(-2_208_988_800_000_000, 7_258_118_400_000_000))
def test_instants_come_back(instant: int) -> None:
    assert quantities.parse_instant(quantities.format_instant(instant)) == instant


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("0s", 0),
        ("500ms", 500_000),
        ("10s", 10_000_000),
        ("30m", 1_800_000_000),
        ("1.5h", 5_400_000_000),
        ("1h30m", 5_400_000_000),
        ("1w", 604_800_000_000),
        ("36500d", quantities.LONGEST),
    ],
)
def test_durations_are_exact(text: str, microseconds: int) -> None:
    assert quantities.parse_duration(text) == microseconds


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1S", "0.1us", "1e3s", "36501d"])
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        quantities.parse_duration(text)


@pytest.mark.parametrize("text", ["10/min", "10/1m", "10 per minute", "600 per h", "1e1/60s"])
def test_a_rate_has_several_forms(text: str) -> None:
    rate = quantities.parse_rate(text)
    assert rate.count / rate.per == 10 / 60_000_000


@pytest.mark.parametrize(
    ("text", "share"), [("5%", 0.05), ("0.7%", 0.007), ("100 %", 1.0), ("0%", 0.0)]
)
def test_percents_are_the_nearest_floats(text: str, share: float) -> None:
    assert quantities.parse_percent(text) == share


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-01", 1_793_491_200_000_000),
        ("2026-11-01T02:00:00+02:00", 1_793_491_200_000_000),
        ("2026-11-01 00:00:00.000001z", 1_793_491_200_000_001),
    ],
)
def test_instants_are_utc_where_nothing_is_said(text: str, instant: int) -> None:
    assert quantities.parse_instant(text) == instant
