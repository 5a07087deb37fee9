"""Events as bytes: whatever leaves here can be read by the codec, whatever cannot is named."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import time
import uuid
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from typing import Any, get_type_hints

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.events import Decoder, InputSpec, Record, Source
from driftline.events.errors import Fault
from driftline.events.fields import EVENT_TYPES, FIELDS, required
from driftline.events.inputs import INPUTS
from driftline.publish import calls
from driftline.publish.encode import Encoder, TooLarge
from driftline.publish.values import Unsayable, hold, scalar, text_key

NOW = 1_790_000_000.25
HOUR = 3_600_000_000


class Models:
    def kinds(self, model: str) -> None:
        return None

    def max_ahead(self, model: str) -> int:
        return HOUR

    def known(self, model: str) -> bool:
        return True

    accepts = known


def decoded(type_: Any, *values: bytes) -> Any:
    decoder = Decoder(InputSpec("t", type_), Source("t", 0), Models())
    stamp = time.time_ns() // 1_000_000
    return decoder.decode([Record(i, stamp, value) for i, value in enumerate(values)])


def event(**more: Any) -> dict[str, Any]:
    return {"model": "m", "ts": time.time(), "prediction_id": "p", "prediction": 0.5, **more}


class Shade(enum.Enum):
    RED = "red"


class Money(float):
    pass


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (np.float64(0.25), 0.25),
        (np.float32(0.25), 0.25),
        (np.int64(7), 7),
        (np.uint8(7), 7),
        (np.bool_(True), True),
        (np.str_("DE"), "DE"),
        (np.array([0.5]), 0.5),
        (np.array(0.5), 0.5),
        (np.datetime64("2026-11-23T20:02:24"), "2026-11-23T20:02:24"),
        (np.datetime64("NaT"), None),
        (float("nan"), None),
        (float("inf"), None),
        (np.float64("nan"), None),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (Shade.RED, "red"),
        (Money(2.5), 2.5),
        (dt.date(2026, 11, 23), "2026-11-23"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (2**70, float(2**70)),
        (None, None),
        (True, True),
    ],
    ids=repr,
)
def test_values_of_others_become_their_json(value: Any, becomes: Any) -> None:
    """At first and, when all names are known, on the fast path."""
    encoder = Encoder()
    for _ in range(2):
        data = encoder.encode("prediction", event(features={"x": value, "y": 1.0}))
        assert orjson.loads(data)["features"] == {"x": becomes, "y": 1.0}
    assert not encoder.mended
    assert not decoded("prediction", data).dead


@pytest.mark.parametrize("value", [object(), [1, 2], {"a": 1}, b"x", np.zeros(3), 1j, 2**5000])
def test_a_feature_value_without_meaning_is_missing_and_counted(value: Any) -> None:
    encoder = Encoder()
    for times in (1, 2):
        data = encoder.encode("prediction", event(features={"x": value, "y": 1.0}))
        assert orjson.loads(data)["features"] == {"x": None, "y": 1.0}
        assert sum(encoder.mended.values()) == times
    (what,) = encoder.mended
    assert type(value).__name__ in what


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"prediction": float("nan")}, "$.prediction"),
        ({"prediction": np.float64("inf")}, "$.prediction"),
        ({"prediction": None}, "$.prediction"),
        ({"prediction": object()}, "$.prediction"),
        ({"prediction": {"a": 1.5}}, "$.prediction.a"),
        ({"prediction": [0.5, 0.5]}, "$.prediction"),
        ({"prediction_id": ""}, "$.prediction_id"),
        ({"prediction_id": "x" * 2_000}, "$.prediction_id"),
        ({"prediction_id": 1.5}, "$.prediction_id"),
        ({"model": None}, "$.model"),
        ({"model": "m" * 300}, "$.model"),
        ({"ts": "yesterday"}, "$.ts"),
        ({"ts": 12}, "$.ts"),
        ({"ts": time.time() + 90_000}, "$.ts"),
        ({"features": 3}, "$.features"),
        ({"features": {(1, 2): 3}}, "$.features"),
        ({"features": {"": 1}}, "$.features"),
        ({"features": {f"f{i}": 1 for i in range(5_001)}}, "$.features"),
        ({"features": {1: 1, "1": 2}}, '$.features["1"]'),
        ({"segment": {"region": 4}}, "$.segment.region"),
        ({"arm": 7}, "$.arm"),
    ],
)
def test_what_driftline_could_not_read_is_refused_with_its_path(
    more: dict[str, Any], path: str
) -> None:
    encoder = Encoder()
    encoder.encode("prediction", event(features={"x": 1.0}))
    for _ in range(2):
        with pytest.raises(Fault) as caught:
            encoder.encode("prediction", event(**more))
        assert caught.value.path.startswith(path)


def test_an_event_may_be_one_mebibyte() -> None:
    encoder = Encoder()
    with pytest.raises(TooLarge):
        encoder.encode("prediction", event(features={"x": "y" * 1_048_576}))
    data = encoder.encode("prediction", event(features={"x": "y" * 1_000_000}))
    assert not decoded("prediction", data).dead


def test_a_text_that_looks_like_json_is_a_text() -> None:
    encoder = Encoder()
    row = {"bin": "[18, 25)", "odd": ':[":{', "a": 1.0}
    for _ in range(2):
        data = encoder.encode("prediction", event(features=dict(row)))
        assert orjson.loads(data)["features"] == row
    assert not decoded("prediction", data).dead


def test_rows_of_other_kinds_are_features_too() -> None:
    encoder = Encoder()
    for row in (OrderedDict(x=1.0), {np.str_("x"): 1.0}, {0: 1.0}):
        data = encoder.encode("prediction", event(features=row))
        assert list(orjson.loads(data)["features"].values()) == [1.0]


def test_pandas_values() -> None:
    pd = pytest.importorskip("pandas")
    encoder = Encoder()
    table = pd.DataFrame({"n": [1, 2], "x": [0.5, None], "c": ["a", None], "t": pd.Timestamp(0)})
    table["k"] = table["c"].astype("category")
    table["i"] = pd.array([1, None], dtype="Int64")
    for at, missing in ((0, False), (1, True)):
        data = encoder.encode("prediction", event(features=hold(table.iloc[at])))
        row = orjson.loads(data)["features"]
        assert row["n"] == at + 1
        assert row["t"].startswith("1970-01-01T00:00:00")
        assert [row[name] is None for name in "xcki"] == [missing] * 4
        assert not decoded("prediction", data).dead
    data = encoder.encode("prediction", event(ts=pd.Timestamp.now(tz="UTC")))
    assert not decoded("prediction", data).dead
    with pytest.raises(Fault, match="prediction"):
        encoder.encode("prediction", event(prediction=pd.NA))
    assert not encoder.mended


def test_fields_that_the_type_does_not_have_are_sent_and_told() -> None:
    encoder = Encoder()
    for _ in range(2):
        data = encoder.encode("prediction", event(scroe=1.0))
    assert orjson.loads(data)["scroe"] == 1.0
    assert encoder.mended == {"no field 'scroe' in a prediction event": 2}
    kept = {"kind": "retrained", "model": "m", "metrics": {"auc": [0.7, np.float64(0.8)]}}
    data = encoder.encode("lifecycle", {**kept, "ts": NOW})
    assert orjson.loads(data)["metrics"] == {"auc": [0.7, 0.8]}


def test_what_is_none_is_left_to_the_reader() -> None:
    encoder = Encoder()
    for _ in range(2):
        data = encoder.encode("prediction", event(score=None, arm=None, features=None))
        frame = decoded("prediction", data).frames[0]
        assert frame.columns["prediction"] == [0.5]


EXAMPLES: dict[str, dict[str, Any]] = {
    "prediction": {"prediction_id": "p", "prediction": {"a": 0.25, "b": 0.75}, "score": 0.5},
    "features": {"features": {"a": 1.5}, "source": "training", "prediction_id": 12},
    "label": {"prediction_id": uuid.uuid4(), "label": True, "weight": 2},
    "decision": {"prediction_id": "p", "action": "reject", "reason": "a" * 5_000, "actor": "x"},
    "outcome": {"prediction_id": "p", "value": -800, "kind": "loss"},
    "lifecycle": {"kind": "retrained", "why": "drift"},
}


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_both_paths_write_what_the_codec_reads(type_: Any) -> None:
    encoder = Encoder()
    common = {"model": "m", "ts": dt.datetime.now(dt.UTC), "segment": {"region": "eu"}}
    first, second = (encoder.encode(type_, {**common, **EXAMPLES[type_]}) for _ in range(2))
    assert orjson.loads(first) == orjson.loads(second)
    found = decoded(type_, first, b"[" + second + b"," + second + b"]")
    assert not found.dead
    assert sum(frame.rows for frame in found.frames) == 3


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
    st.decimals(),
    st.complex_numbers(),
    st.datetimes(),
    st.uuids(),
    st.sampled_from([object(), Shade.RED, np.float32(1), np.array([1, 2]), np.datetime64("NaT")]),
)
KEYS = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.floats())
DEEP = st.recursive(
    JUNK,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=10,
)
calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = sorted({name for fields in FIELDS.values() for name in fields} | {"else"})


@calmly
@given(
    type_=st.sampled_from(EVENT_TYPES),
    junk=st.dictionaries(st.sampled_from(NAMES), DEEP, max_size=8),
    sane=st.booleans(),
)
def test_any_garbage_is_refused_by_name_or_can_be_read(
    type_: Any, junk: dict[str, Any], *, sane: bool
) -> None:
    """Nothing but a Fault ever comes out, and no event that the codec would not take."""
    base = {"model": "m", "ts": time.time(), **EXAMPLES[type_]} if sane else {}
    made = {**base, **junk}
    try:
        data = ENCODER.encode(type_, made)
    except Fault:
        return
    found = decoded(type_, data)
    assert not found.dead, (data, found.dead[0].message)


ENCODER = Encoder()


@calmly
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(NAMES), DEEP, max_size=2), max_size=6),
    type_=st.sampled_from(EVENT_TYPES),
)
def test_many_at_one_go_are_what_each_would_be(type_: Any, rows: list[dict[str, Any]]) -> None:
    events = [{"model": "m", "ts": time.time(), **EXAMPLES[type_], **row} for row in rows]
    at_once = ENCODER.encode_many(type_, [dict(event) for event in events])
    if at_once is not None:
        singly = [orjson.loads(ENCODER.encode(type_, dict(event))) for event in events]
        assert orjson.loads(b"[" + at_once + b"]") == singly
        assert not decoded(type_, b"[" + at_once + b"]").dead


def test_many_at_one_go_are_left_to_one_by_one_where_one_is_odd() -> None:
    encoder = Encoder()
    plain = [event(features={"x": 1.0}) for _ in range(3)]
    assert encoder.encode_many("prediction", plain) is None, "names that were not seen before"
    encoder.encode("prediction", plain[0])
    assert encoder.encode_many("prediction", plain) is not None
    for odd in ({"prediction": float("nan")}, {"features": {"x": [1]}}, {"features": {"x": {}}}):
        assert encoder.encode_many("prediction", [*plain, event(**odd)]) is None
    large = event(features={"x": "y" * 1_100_000})
    assert encoder.encode_many("prediction", [large]) is None


@calmly
@given(value=DEEP)
def test_a_scalar_is_one_or_there_is_none(value: Any) -> None:
    try:
        found = scalar(value)
    except Unsayable:
        return
    assert found is None or type(found) in {str, int, float, bool}


@calmly
@given(value=DEEP)
def test_a_name_is_a_text_or_none(value: Any) -> None:
    with contextlib.suppress(Unsayable):
        assert type(text_key(value)) is str


def test_what_is_held_does_not_change_with_its_owner() -> None:
    row, probabilities = {"a": 1.0}, np.array([0.5])
    held = hold(row), hold(probabilities)
    row["a"] = 2.0
    probabilities[0] = 0.7
    assert held == ({"a": 1.0}, np.array([0.5]))

    class Hostile:
        def copy(self) -> None:
            raise RuntimeError

    encoder = Encoder()
    with pytest.raises(Fault, match="cannot be copied"):
        encoder.encode("prediction", event(prediction=hold(Hostile())))


def test_the_calls_take_what_the_events_have() -> None:
    """One place for the shapes: what can be said in a call is what the event's type has."""
    kinds = {
        "prediction": (calls.PredictionFields, {"prediction_id", "prediction", "features"}),
        "features": (calls.FeaturesFields, {"features"}),
        "label": (calls.LabelFields, {"prediction_id", "label"}),
        "decision": (calls.DecisionFields, {"prediction_id", "action"}),
        "outcome": (calls.OutcomeFields, {"prediction_id", "value"}),
    }
    for type_, (fields, positional) in kinds.items():
        said = set(fields.__annotations__) | set(calls.Common.__annotations__) | positional
        assert said == set(FIELDS[type_]) == set(get_type_hints(INPUTS[type_]))
        assert required(type_) <= positional | {"model"}
        assert {f.name for f in msgspec.structs.fields(INPUTS[type_])} == said
