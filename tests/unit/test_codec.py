from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.events import Decoder, InputSpec, Record, Source
from driftline.events.careful import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.events import Decoded, Frame, Kind

SOURCE = Source("predictions", 1)
STAMP = 1_795_464_000_000
TS = "2026-11-23T20:02:24.500Z"
TS_US = 1_795_464_144_500_000


class Models:
    def __init__(self, kinds: Mapping[str, Kind] | None = None) -> None:
        self.columns = kinds
        self.refused: set[str] = set()

    def kinds(self, model: str) -> Mapping[str, Kind] | None:
        return self.columns

    def max_ahead(self, model: str) -> int:
        return 3_600_000_000

    def known(self, model: str) -> bool:
        return model.startswith("credit")

    def accepts(self, model: str) -> bool:
        return model not in self.refused


def event(**changes: Any) -> dict[str, Any]:
    whole = {
        "model": "credit-risk",
        "ts": TS,
        "prediction_id": "p1",
        "prediction": 0.25,
        "features": {"age": 41, "country": "DE"},
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def records(*values: Any, stamp: int | None = STAMP) -> list[Record]:
    return [
        Record(offset, stamp, v if isinstance(v, bytes | None) else json.dumps(v).encode())
        for offset, v in enumerate(values)
    ]


def decode(
    *values: Any,
    kinds: Mapping[str, Kind] | None = None,
    spec: InputSpec | None = None,
    stamp: int | None = STAMP,
) -> Decoded:
    spec = spec or InputSpec("predictions", "prediction")
    return Decoder(spec, SOURCE, Models(kinds)).decode(records(*values, stamp=stamp))


def frame_of(*values: Any, **options: Any) -> Frame:
    decoded = decode(*values, **options)
    assert not decoded.dead, decoded.dead[0].message
    (frame,) = decoded.frames
    return frame


def test_a_batch_becomes_columns() -> None:
    frame = frame_of(
        event(prediction_id="a", score=0.5, segment={"region": "eu"}, version="7"),
        event(prediction_id=12, features={"age": None, "income": 2.5}),
        event(prediction_id="c", features=..., prediction=1),
        kinds={"age": "numeric", "prediction": "numeric"},
    )
    assert (frame.model, frame.type, frame.rows) == ("credit-risk", "prediction", 3)
    assert frame.ts.tolist() == [TS_US] * 3
    assert frame.offset.tolist() == [0, 1, 2]
    assert frame.index.tolist() == [0, 0, 0]
    assert frame.ids is not None
    assert list(frame.ids) == ["a", "12", "c"]
    assert {name: list(column) for name, column in frame.columns.items()} == {
        "prediction": [0.25, 0.25, 1.0],
        "score": [0.5, None, None],
        "age": [41.0, None, None],
        "country": ["DE", None, None],
        "income": [None, 2.5, None],
    }
    assert frame.featured is not None
    assert frame.featured.tolist() == [True, True, False]
    assert frame.segments is not None
    assert list(frame.segments) == [(("region", "eu"),), (), ()]
    assert {name: list(column) for name, column in frame.values.items()} == {
        "version": ["7", None, None]
    }


def test_wrong_types_of_features_are_counted_and_the_event_counts() -> None:
    kinds: dict[str, Kind] = {
        "age": "numeric",
        "country": "categorical",
        "vip": "boolean",
        "prediction": "numeric",
    }
    features = [
        {"age": "41", "country": 3, "vip": 1},
        {"age": True, "country": {"code": "DE"}, "vip": "yes"},
        {"age": [1], "country": "DE", "vip": False},
    ]
    frame = frame_of(*(event(features=f) for f in features), event(prediction="high"), kinds=kinds)
    assert {name: rows.tolist() for name, rows in frame.invalid.items()} == {
        "age": [0, 1, 2],
        "country": [0, 1],
        "vip": [0, 1],
        "prediction": [3],
    }
    assert list(frame.columns["age"]) == [None, None, None, 41.0]
    assert list(frame.columns["country"]) == [None, None, "DE", "DE"]
    assert list(frame.columns["vip"]) == [None, None, False, None]
    assert list(frame.columns["prediction"]) == [0.25, 0.25, 0.25, None]


@pytest.mark.parametrize("literal", ["null", "NaN", "Infinity", "-Infinity", "1e400", "9" * 400])
@pytest.mark.parametrize("kinds", [None, {"age": "numeric"}])
def test_what_is_not_finite_is_missing(literal: str, kinds: Mapping[str, Kind] | None) -> None:
    text = json.dumps(event(features={"age": "@", "n": 1})).replace('"@"', literal)
    frame = frame_of(text.encode(), json.dumps(event()).encode(), kinds=kinds)
    assert list(frame.columns["age"]) == [None, 41.0]
    assert not frame.invalid


def test_without_kinds_values_stay_as_they_came() -> None:
    frame = frame_of(event(features={"a": 1, "b": 1.0, "c": "1", "d": True, "e": {"x": 1}}))
    assert {n: list(map(repr, c)) for n, c in frame.columns.items()} == {
        "prediction": ["0.25"],
        "a": ["1"],
        "b": ["1.0"],
        "c": ["'1'"],
        "d": ["True"],
    }
    assert frame.invalid["e"].tolist() == [0]


def test_names_of_the_prediction_are_evaded() -> None:
    names = ["score", "prediction", "prediction.a", "features.score", "features.age", "age"]
    frame = frame_of(event(features=dict.fromkeys(names, 1)))
    assert sorted(frame.columns) == sorted(
        [
            "prediction",
            "features.score",
            "features.prediction",
            "features.prediction.a",
            "features.features.score",
            "features.age",
            "age",
        ]
    )


def test_class_probabilities() -> None:
    frame = frame_of(
        event(prediction={"b": 0.25, "a": 0.25, "c": 0.5}),
        event(prediction={"b": 0.5, "a": 0.5}),
        event(prediction={str(n): 0.1 for n in range(11)}),
    )
    assert list(frame.columns["prediction"]) == ["c", "a", "0"]
    assert list(frame.columns["prediction.a"]) == [0.25, 0.5, None]
    assert list(frame.columns["prediction.c"]) == [0.5, None, None]
    assert "prediction.0" not in frame.columns


def test_an_envelope_counts_each_of_its_events() -> None:
    envelope = json.dumps([event(prediction_id="a"), event(prediction=None), event()]).encode()
    decoded = decode(event(), b"  " + envelope, b"[]", event())
    (frame,) = decoded.frames
    assert list(zip(frame.offset.tolist(), frame.index.tolist(), strict=True)) == [
        (0, 0),
        (1, 0),
        (1, 2),
        (3, 0),
    ]
    (dead,) = decoded.dead
    assert (dead.offset, dead.index, dead.path) == (1, 1, "$[1].prediction")
    assert dead.value == json.dumps(event(prediction=None)).encode()
    assert dead.model == "credit-risk"
    assert dead.timestamp == STAMP


def test_unknown_fields_are_counted_by_name() -> None:
    frame = frame_of(event(trace="x", env={"a": 1}), event(), event(trace=None))
    assert {n: rows.tolist() for n, rows in frame.unknown_fields.items()} == {
        "trace": [0, 2],
        "env": [0],
    }
    many = frame_of(event(**{f"u{i:03}": 1 for i in range(120)}))
    assert len(many.unknown_fields) == 101
    assert many.unknown_fields["…"].tolist() == [0] * 20


def test_time_comes_from_the_record_where_the_event_has_none() -> None:
    frame = frame_of(event(ts=...), event(ts=None), event(ts=STAMP / 1000), event(ts=STAMP))
    assert frame.ts.tolist() == [STAMP * 1000] * 4


def test_models_and_types_are_told_apart() -> None:
    decoded = decode(
        event(type="prediction"),
        event(type="prediction", model="credit-b"),
        {"type": "label", "model": "credit-risk", "ts": TS, "prediction_id": "p", "label": "x"},
        {"type": "lifecycle", "model": "credit-risk", "ts": TS, "kind": "deployed", "build": [7]},
        {"type": "features", "model": "credit-risk", "ts": TS, "features": {"a": 1}},
        event(type="prediction"),
        spec=InputSpec("all.jsonl"),
    )
    assert not decoded.dead
    assert [(f.model, f.type, f.rows) for f in decoded.frames] == [
        ("credit-risk", "prediction", 2),
        ("credit-b", "prediction", 1),
        ("credit-risk", "label", 1),
        ("credit-risk", "lifecycle", 1),
        ("credit-risk", "features", 1),
    ]
    by_type = {(f.model, f.type): f for f in decoded.frames}
    label = by_type["credit-risk", "label"]
    assert label.ids == ["p"]
    assert label.values == {"label": ["x"]}
    assert by_type["credit-risk", "lifecycle"].values == {"kind": ["deployed"], "build": [[7]]}
    assert by_type["credit-risk", "features"].values == {"source": ["serving"]}
    assert by_type["credit-risk", "features"].ids is None


def test_an_existing_topic_is_read_where_its_fields_are() -> None:
    spec = InputSpec(
        "scoring",
        "prediction",
        {"prediction_id": "request.id", "ts": "meta.time", "prediction": "score", "features": "*"},
        {"model": "credit-risk", "version": "3"},
    )
    body = {
        "request": {"id": 77, "agent": "x"},
        "meta": {"time": TS, "host": {"a": 1}},
        "score": 0.5,
        "age": 41,
        "model": "not ours",
    }
    frame = frame_of(*[body] * 40, spec=spec)
    assert frame.ids is not None
    assert list(frame.ids) == ["77"] * 40
    assert list(frame.columns) == ["prediction", "age", "model"]
    assert list(frame.columns["prediction"]) == [0.5] * 40
    assert {name: list(column) for name, column in frame.values.items()} == {"version": ["3"] * 40}
    assert frame.featured is None
    assert not frame.unknown_fields


def test_kinds_may_change_between_calls() -> None:
    models = Models(None)
    decoder = Decoder(InputSpec("predictions", "prediction"), SOURCE, models)
    batch = records(*[event()] * 30)
    (before,) = decoder.decode(batch).frames
    assert before.columns["age"][29] == 41
    models.columns = {"age": "categorical"}
    (after,) = decoder.decode(batch).frames
    assert after.invalid["age"].tolist() == list(range(30))
    assert "age" not in after.columns
    assert after.kinds is models.columns


def test_an_unknown_model_is_a_dead_letter_where_only_contracts_count() -> None:
    models = Models()
    decoder = Decoder(InputSpec("predictions", "prediction"), SOURCE, models)
    assert decoder.decode(records(*[event()] * 20)).frames[0].rows == 20
    models.refused = {"credit-risk"}
    decoded = decoder.decode(records(*[event()] * 20))
    assert not decoded.frames
    assert len(decoded.dead) == 20
    assert decoded.dead[0].path == "$.model"
    assert decoded.dead[0].got == 'unknown model "credit-risk"'


STEADY: dict[str, list[Any]] = {
    "plain": [event()],
    "optional fields": [event(), event(score=1, version="2"), event(features=...), event(ts=...)],
    "features that come and go": [event(features={"a": 1}), event(features={"b": 1, "c": "x"})],
    "unknown fields": [event(trace="x", env={"a": [1, {"b": 2}]}), event()],
    "NaN": [event(features={"age": float("nan"), "b": 1}), event(score=float("inf"))],
    "a changed type": [event(features={"age": "41"}), event()],
    "probabilities": [event(prediction={"a": 0.5, "b": 0.5})],
    "several models": [event(), event(model="credit-b"), event(model="credit-c", x=1)],
    "envelopes": [[event(), event()], [event()]],
    "envelopes of several models": [[event(), event(model="credit-b")]],
    "other times": [event(ts=STAMP), event(ts=STAMP / 1000), event(ts="2026-11-23")],
}


@pytest.mark.parametrize("name", STEADY)
@pytest.mark.parametrize("kinds", [None, {"age": "numeric", "a": "numeric"}])
def test_steady_traffic_is_fast(
    name: str, kinds: Mapping[str, Kind] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = Decoder(InputSpec("predictions", "prediction"), SOURCE, Models(kinds))
    batch = records(*(STEADY[name] * 60))
    first = decoder.decode(batch)
    slow = 0
    read = Reader.read

    def counted(self: Reader, *args: Any) -> Any:
        nonlocal slow
        slow += 1
        return read(self, *args)

    monkeypatch.setattr(Reader, "read", counted)
    again = decoder.decode(batch)
    assert slow == 0
    assert not again.dead
    assert [f.rows for f in again.frames] == [f.rows for f in first.frames]


def test_one_bad_record_leaves_its_neighbours_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(InputSpec("predictions", "prediction"), SOURCE, Models())
    doubled = json.dumps(event()).replace('"model"', '"score":1,"score":1,"model"').encode()
    decoder.decode(records(*[event(score=1)] * 30))
    seen: list[bytes] = []
    read = Reader.read

    def counted(self: Reader, data: bytes, stamp: int | None) -> Any:
        seen.append(data)
        return read(self, data, stamp)

    monkeypatch.setattr(Reader, "read", counted)
    late = event(ts="2026-12-01T00:00:00Z")
    decoded = decoder.decode(records(*[event(score=1)] * 30, doubled, late, event(score=1)))
    assert len(seen) == 2
    assert [d.offset for d in decoded.dead] == [30, 31]
    assert decoded.frames[0].rows == 31
    assert np.all(np.diff(decoded.frames[0].offset) > 0)


def test_producers_that_never_look_alike_stop_making_plans() -> None:
    decoder = Decoder(InputSpec("predictions", "prediction"), SOURCE, Models())
    for start in range(0, 200, 20):
        batch = [event(features={f"f{start}-{i}": 1, "age": 1}) for i in range(20)]
        decoded = decoder.decode(records(*batch))
        assert sum(frame.rows for frame in decoded.frames) == 20
    (plan,) = decoder._plans.values()
    assert plan._changes <= 64
