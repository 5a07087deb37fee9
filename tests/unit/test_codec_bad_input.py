"""Each way an element can be wrong: one dead letter that names it, and the stream goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from driftline.events import Decoder, InputSpec, Limits, Record, Source

STAMP = 1_795_464_000_000
GOOD = (
    b'{"model":"credit-risk","ts":"2026-11-23T20:02:24Z","prediction_id":"p","prediction":0.5,'
    b'"features":{"age":41}}'
)


class Models:
    def kinds(self, model: str) -> None:
        return None

    def max_ahead(self, model: str) -> int:
        return 3_600_000_000

    def known(self, model: str) -> bool:
        return model == "credit-risk"

    def accepts(self, model: str) -> bool:
        return model != "nobody"


def changed(**changes: Any) -> bytes:
    body = json.loads(GOOD) | changes
    return json.dumps({k: v for k, v in body.items() if v is not ...}).encode()


MODEL = "a model name of 1 to 200 characters"
TIME = "a time: RFC 3339, epoch seconds or epoch milliseconds"
PREDICTION = "a finite number, a string, a boolean or an object of class probabilities"
CASES: dict[str, tuple[bytes | None, str, str, str]] = {
    "not JSON": (b"hello", "$", "JSON", "Expecting value at character 0"),
    "truncated": (GOOD[:50], "$", "JSON", "JSON cut off after 50 characters"),
    "wrong UTF-8": (GOOD.replace(b"risk", b"\xff"), "$", "UTF-8 text", "byte 0xff at 17"),
    "half a surrogate": (
        GOOD.replace(b"risk", b"\\ud800"),
        "$",
        "Unicode text",
        "half of a surrog",
    ),
    "empty": (b"", "$", "an event", "an empty value"),
    "blank": (b" \n", "$", "an event", "an empty value"),
    "tombstone": (None, "$", "an event", "a tombstone (null value)"),
    "a number": (b"17", "$", "an object", "17"),
    "null": (b"null", "$", "an object", "null"),
    "a broken array": (b"[" + GOOD, "$", "JSON", "JSON cut off after"),
    "two events": (GOOD + GOOD, "$", "JSON", "Extra data at character"),
    "no model": (changed(model=...), "$.model", MODEL, "nothing"),
    "model empty": (changed(model=""), "$.model", MODEL, '""'),
    "model long": (changed(model="m" * 201), "$.model", MODEL, '"mmm'),
    "model a number": (changed(model=3), "$.model", MODEL, "3"),
    "model unknown": (
        changed(model="nobody"),
        "$.model",
        "a model with a contract",
        "unknown model",
    ),
    "no id": (
        changed(prediction_id=...),
        "$.prediction_id",
        "a value for prediction_id",
        "nothing",
    ),
    "id empty": (
        changed(prediction_id=""),
        "$.prediction_id",
        "a string of 1 to 1024 characters, or an integer",
        '""',
    ),
    "no prediction": (changed(prediction=None), "$.prediction", "a value for prediction", "null"),
    "prediction NaN": (changed(prediction=float("nan")), "$.prediction", PREDICTION, "nan"),
    "prediction 1e400": (GOOD.replace(b"0.5", b"1e400"), "$.prediction", PREDICTION, "inf"),
    "prediction a list": (changed(prediction=[1]), "$.prediction", PREDICTION, "an array of 1"),
    "probability 2": (
        changed(prediction={"a": 2}),
        "$.prediction.a",
        "a probability between 0 and 1",
        "2",
    ),
    "no classes": (
        changed(prediction={}),
        "$.prediction",
        "1 to 5000 classes",
        "an object of 0 keys",
    ),
    "ts rubbish": (changed(ts="yesterday"), "$.ts", TIME, '"yesterday"'),
    "ts in 1970": (changed(ts=12345), "$.ts", TIME, "12345 (falls in 1970)"),
    "ts zero": (
        changed(ts="1970-01-01T00:00:00Z"),
        "$.ts",
        TIME,
        '"1970-01-01T00:00:00Z" (the epoch itself: an unset clock)',
    ),
    "ts in nanoseconds": (
        changed(ts=1_795_464_144_000_000_000),
        "$.ts",
        TIME,
        "1795464144000000000 (looks like nanoseconds)",
    ),
    "ts ahead": (
        changed(ts="2026-11-23T22:00:00Z"),
        "$.ts",
        "at most 1h ahead of the record's timestamp 2026-11-23T20:00:00Z",
        '"2026-11-23T22:00:00Z"',
    ),
    "ts a boolean": (changed(ts=True), "$.ts", TIME, "true"),
    "doubled key": (GOOD[:-1] + b',"model":"x"}', "$.model", "each key once", "the key twice"),
    "doubled feature": (
        GOOD.replace(b'"age":41', b'"age":41,"age" : 42'),
        "$.features.age",
        "each key once",
        "the key twice",
    ),
    "features a list": (changed(features=[1]), "$.features", "an object", "an array of 1"),
    "feature name long": (
        changed(features={"x" * 10_240: 1}),
        f'$.features["{"x" * 59}… (10242 characters)]',
        "a name of 1 to 256 bytes",
        "10240 bytes",
    ),
    "100,000 features": (
        changed(features={f"f{i}": 1 for i in range(100_000)}),
        "$",
        "at most 1048576 bytes",
        "bytes",
    ),
    "6,000 features": (
        changed(features={f"f{i}": 1 for i in range(6000)}),
        "$.features",
        "at most 5000 features",
        "6000",
    ),
    "20 MB": (changed(features={"x": "y" * 20_000_000}), "$", "at most 1048576 bytes", "20000"),
    "deep nesting": (
        GOOD.replace(b"41", b"[" * 100_000 + b"]" * 100_000),
        "$",
        "at most 64 levels of nesting",
        "deeper nesting",
    ),
    "segment of numbers": (changed(segment={"a": 1}), "$.segment.a", "a string", "1"),
    "version an object": (
        changed(version={}),
        "$.version",
        "a string or an integer",
        "an object of",
    ),
    "arm a number": (changed(arm=1), "$.arm", "a string", "1"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("taught", [False, True])
def test_it_is_one_dead_letter_and_the_rest_counts(name: str, *, taught: bool) -> None:
    value, path, expected, got = CASES[name]
    source = Source("predictions", 3)
    decoder = Decoder(InputSpec("predictions", "prediction"), source, Models())
    if taught:
        decoder.decode([Record(i, STAMP, GOOD) for i in range(20)])
    decoded = decoder.decode(
        [Record(7, STAMP, GOOD), Record(8, STAMP, value), Record(9, STAMP, GOOD)]
    )
    (frame,) = decoded.frames
    assert frame.offset.tolist() == [7, 9]
    (dead,) = decoded.dead
    assert (dead.path, dead.expected) == (path, expected)
    assert got in dead.got
    assert len(dead.got) <= 200
    assert (dead.source, dead.offset, dead.index) == (source, 8, 0)
    assert dead.value == (value or b"")


# The others break the array itself, or make it larger than an envelope may be.
INSIDE = set(CASES) - {"two events", "tombstone", "empty", "blank", "truncated", "a broken array"}


@pytest.mark.parametrize("name", sorted(INSIDE - {"20 MB"}))
@pytest.mark.parametrize("taught", [False, True])
def test_in_an_envelope_it_is_one_dead_letter_and_the_others_count(
    name: str, *, taught: bool
) -> None:
    value, path, _, _ = CASES[name]
    assert value is not None
    decoder = Decoder(InputSpec("predictions", "prediction"), Source("p", 0), Models())
    if taught:
        decoder.decode([Record(i, STAMP, GOOD) for i in range(20)])
    envelope = b"[" + GOOD + b" , " + value + b"\n," + GOOD + b"]"
    decoded = decoder.decode([Record(4, STAMP, envelope)])
    (frame,) = decoded.frames
    assert frame.index.tolist() == [0, 2]
    (dead,) = decoded.dead
    assert (dead.offset, dead.index) == (4, 1)
    assert dead.path == "$[1]" + path[1:]
    assert dead.value == value.strip()


def test_a_broken_array_is_one_dead_letter() -> None:
    decoder = Decoder(InputSpec("predictions", "prediction"), Source("p", 0), Models())
    for broken in (b"[" + GOOD + b"]]", b"[" + GOOD, b'["', b"[" + GOOD + b"] x"):
        (dead,) = decoder.decode([Record(0, STAMP, broken)]).dead
        assert (dead.path, dead.expected, dead.value) == ("$", "JSON", broken)
        assert decoder.decode([Record(0, STAMP, broken)]).frames == []


def test_envelopes_are_bounded() -> None:
    limits = Limits(envelope_events=3, envelope_bytes=2000)
    decoder = Decoder(InputSpec("p", "prediction"), Source("p", 0), Models(), limits)
    decoder.decode([Record(i, STAMP, GOOD) for i in range(20)])
    three = b"[" + b",".join([GOOD] * 3) + b"]"
    assert decoder.decode([Record(0, STAMP, three)]).frames[0].rows == 3
    many = b"[" + b",".join([GOOD] * 4) + b"]"
    (dead,) = decoder.decode([Record(0, STAMP, many)]).dead
    assert dead.message == "$: expected at most 3 events in one message, got more"
    (dead,) = decoder.decode([Record(0, STAMP, b"[" + b" " * 2000 + b"]")]).dead
    assert dead.expected == "at most 2000 bytes"


@pytest.mark.parametrize("stamp", [None, -1, 5])
def test_neither_ts_nor_timestamp(stamp: int | None) -> None:
    decoder = Decoder(InputSpec("predictions", "prediction"), Source("p", 0), Models())
    (dead,) = decoder.decode([Record(0, stamp, changed(ts=...))]).dead
    assert (dead.path, dead.expected) == ("$.ts", "a time")
    assert dead.timestamp == (None if stamp == -1 else stamp)


def test_the_model_of_a_dead_letter() -> None:
    decoder = Decoder(InputSpec("predictions", "prediction"), Source("p", 0), Models())
    cut, other = GOOD[:50], changed(model="other", ts=0)
    anonymous = GOOD.replace(b"credit-risk", b"who")[:50]
    nobody = changed(model="nobody")
    found = decoder.decode(
        [Record(i, STAMP, value) for i, value in enumerate([cut, other, anonymous, nobody])]
    ).dead
    assert [dead.model for dead in found] == ["credit-risk", "other", None, None]
    fixed = InputSpec("p", "prediction", fixed={"model": "credit-risk"})
    (dead,) = Decoder(fixed, Source("p", 0), Models()).decode([Record(0, STAMP, b"?")]).dead
    assert dead.model == "credit-risk"


def test_an_unknown_type_in_a_mixed_input() -> None:
    decoder = Decoder(InputSpec("events.jsonl"), Source("events.jsonl", 0), Models())
    found = decoder.decode(
        [Record(0, STAMP, changed(type="predicition")), Record(1, STAMP, GOOD)]
    ).dead
    names = "one of prediction, features, label, decision, outcome, lifecycle"
    assert [(d.path, d.expected, d.got) for d in found] == [
        ("$.type", names, '"predicition"'),
        ("$.type", names, "nothing"),
    ]


def test_paths_name_the_place_in_a_mapped_topic() -> None:
    spec = InputSpec("p", "prediction", {"prediction_id": "request.id", "ts": "meta.time"})
    decoder = Decoder(spec, Source("p", 0), Models())
    bodies = [
        changed(prediction_id=...),
        changed(request={"id": []}),
        changed(request=3),
        changed(request={"id": "p"}, meta={"time": "soon"}),
    ]
    found = decoder.decode([Record(i, STAMP, body) for i, body in enumerate(bodies)]).dead
    assert [d.path for d in found] == ["$.request.id", "$.request.id", "$.request", "$.meta.time"]


def test_headers_and_keys_with_rubbish_do_not_matter() -> None:
    decoder = Decoder(InputSpec("predictions", "prediction"), Source("p", 0), Models())
    record = Record(0, STAMP, GOOD, key=b"\xff\x00", headers=(("\x00", b"\xfe"), ("", b"")))
    assert decoder.decode([record]).frames[0].rows == 1
