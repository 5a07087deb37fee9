"""Fast and careful path mean the same, and nothing in the bytes can make either fail."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.events import Decoder, InputSpec, Limits, Record, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.events import Decoded, Kind
    from driftline.events.codec import _Work
    from driftline.events.plan import Plan

KINDS: dict[str, Kind] = {
    "age": "numeric",
    "income": "numeric",
    "country": "categorical",
    "vip": "boolean",
    "prediction": "numeric",
    "features.score": "numeric",
}
EXAMPLES = int(os.environ.get("DRIFTLINE_EXAMPLES", "40"))
STAMP = 1_795_464_000_000


class Models:
    """Layouts with a free hand."""

    def __init__(self, kinds: Mapping[str, Kind] | None) -> None:
        self._kinds = kinds

    def kinds(self, model: str) -> Mapping[str, Kind] | None:
        return self._kinds

    def max_ahead(self, model: str) -> int:
        return 3_600_000_000

    def known(self, model: str) -> bool:
        return model in {"m", "n"}

    def accepts(self, model: str) -> bool:
        return model != "refused"


class CarefulDecoder(Decoder):
    """A decoder that never takes the fast path."""

    def _ready(self, key: Any, work: _Work) -> Plan | None:
        return None


def canonical(decoded: Decoded) -> Any:
    """Everything a batch came to, with types (1 and 1.0 and True differ) and signs of zero."""
    frames = [
        (
            f.model,
            f.type,
            f.ts.tolist(),
            f.offset.tolist(),
            f.index.tolist(),
            sorted((name, list(map(repr, column))) for name, column in f.columns.items()),
            None if f.featured is None else f.featured.tolist(),
            None if f.ids is None else list(f.ids),
            None if f.segments is None else list(f.segments),
            sorted((name, rows.tolist()) for name, rows in f.invalid.items()),
            sorted((name, rows.tolist()) for name, rows in f.unknown_fields.items()),
            sorted((name, list(map(repr, column))) for name, column in f.values.items()),
        )
        for f in decoded.frames
    ]
    return frames, decoded.dead


def rows_of(decoded: Decoded) -> list[tuple[int, int]]:
    places = [(d.offset, d.index) for d in decoded.dead]
    for frame in decoded.frames:
        found = list(zip(frame.offset.tolist(), frame.index.tolist(), strict=True))
        assert found == sorted(set(found))
        places += found
    return sorted(places)


names = st.sampled_from(
    ["age", "income", "country", "vip", "score", "x", "é ☃", "prediction.a", ""]
)
numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 10**400, -(10**400), 1e308]),
)
texts = st.one_of(
    st.sampled_from(["", "a", 'q":', "NaN", " : NaN,", "a\\b", "\ud800", "é", "\x00"]),
    st.text(max_size=4),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
nested: st.SearchStrategy[Any] = st.one_of(
    st.lists(scalars, max_size=2), st.dictionaries(names, scalars, max_size=2), st.just([[[]]])
)
values = st.one_of(numbers, numbers, scalars, nested)
times = st.one_of(
    st.sampled_from(
        [
            "2026-11-23T20:02:24.123456Z",
            "2026-11-23T20:02:25.5Z",
            "2026-11-23T21:02:24+01:00",
            "2026-11-23 20:02:24",
            "2026-11-23",
            "2026-13-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            1_795_464_000,
            1_795_464_000.25,
            1_795_464_000_123,
            0,
            1e18,
            "2031-01-01T00:00:00Z",
            None,
            True,
        ]
    ),
    values,
)
probabilities = st.dictionaries(
    st.sampled_from(list("abcdefghijklm")), st.sampled_from([0, 0.25, 0.5, 1, 1.5, -1, math.nan])
)
ids = st.one_of(st.sampled_from(["p1", "p2", "", 7, 2**80, "x" * 1100]), values)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """JSON in some producer's spelling; once in a while with a key twice."""
    if isinstance(value, dict):
        pairs = list(value.items())
        if pairs and draw(st.integers(0, 60)) == 0:
            pairs.append(pairs[0])
        colon = draw(st.sampled_from([":"] * 20 + [": "] * 10 + [" :", "\n:\t"]))
        body = ",".join(json.dumps(k) + colon + draw(written(v)) for k, v in pairs)
        return "{" + body + "}"
    if isinstance(value, list):
        return "[" + ", ".join(draw(written(v)) for v in value) + "]"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


def usual(common: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 40).flatmap(lambda n: rare if n == 0 else common)


stable_features = st.fixed_dictionaries(
    {"age": usual(st.floats(0, 99), values), "country": usual(st.sampled_from("ab"), values)},
    optional={
        "income": usual(st.one_of(st.integers(-9, 9), st.none(), st.just(math.nan)), values),
        "vip": usual(st.booleans(), values),
        "score": usual(st.floats(-1, 1), values),
        "x": usual(st.one_of(st.integers(), texts), values),
    },
)
predictions = st.fixed_dictionaries(
    {
        "model": usual(st.just("m"), st.sampled_from(["n", "refused", "", 3, "z" * 300])),
        "ts": usual(st.just("2026-11-23T20:02:24.123456Z"), times),
        "prediction_id": usual(st.just("p"), ids),
        "prediction": usual(st.floats(0, 1), st.one_of(values, probabilities)),
        "features": usual(
            stable_features, st.one_of(st.dictionaries(names, values, max_size=4), values)
        ),
    },
    optional={
        "score": usual(st.one_of(st.floats(0, 1), st.just(math.inf)), values),
        "version": usual(st.sampled_from(["v1", 2]), values),
        "segment": usual(st.sampled_from([{"region": "eu"}, {}, {"b": "1", "a": "2"}]), values),
        "arm": usual(st.just("holdout"), values),
        "trace": usual(st.sampled_from(["x", {"a": 1, "b": [1]}, 7]), values),
        "é": usual(st.just("ü"), values),
        "propensity": usual(st.just(0.5), values),
    },
)
classes = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "prediction_id": st.just("p"),
        "prediction": usual(
            st.sampled_from([{"a": 0.5, "b": 0.5}, {"b": 1, "a": 0}, {"c": 0.25}, 0.5, "a"]),
            probabilities,
        ),
    }
)
messages = st.one_of(predictions, predictions, predictions, classes).flatmap(written)


@st.composite
def records(draw: st.DrawFn, one: st.SearchStrategy[str]) -> list[Record]:
    out = []
    for offset in range(draw(st.integers(1, 12))):
        if draw(st.integers(0, 5)) == 0:
            text = "[" + ",".join(draw(st.lists(one, max_size=5))) + "]"
        else:
            text = draw(one)
        data = text.encode("utf-8", "surrogatepass")
        stamp = draw(st.sampled_from([STAMP, STAMP, STAMP + 5, -1, 7, None]))
        out.append(Record(offset * 2, stamp, data))
    return out


def both(spec: InputSpec, kinds: Mapping[str, Kind] | None, batch: list[Record]) -> None:
    source = Source("in", 3)
    fast = Decoder(spec, source, Models(kinds))
    careful = CarefulDecoder(spec, source, Models(kinds))
    expected = careful.decode(batch)
    fast.decode(batch[:1])
    # Barely taught, taught by the same batch, and cut in two: what was learnt must not matter.
    assert canonical(fast.decode(batch)) == canonical(expected)
    assert canonical(fast.decode(batch)) == canonical(expected)
    again = fast.decode(batch[:3]).dead + fast.decode(batch[3:]).dead
    assert again == expected.dead
    rows_of(expected)


COMMON = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@COMMON
@given(records(messages), st.sampled_from([None, KINDS]))
def test_fast_and_careful_agree_on_predictions(
    batch: list[Record], kinds: Mapping[str, Kind] | None
) -> None:
    both(InputSpec("in", "prediction"), kinds, batch)


labels = st.fixed_dictionaries(
    {
        "model": usual(st.just("m"), st.sampled_from(["n", "refused"])),
        "type": usual(
            st.sampled_from(["label", "outcome", "decision", "features", "lifecycle"]), values
        ),
    },
    optional={
        "ts": usual(st.just(1_795_464_000_123), times),
        "prediction_id": usual(st.just("p"), ids),
        "label": usual(st.just(1), values),
        "weight": usual(st.just(2), values),
        "value": usual(st.floats(0, 9), values),
        "action": usual(st.just("reject"), values),
        "kind": usual(st.just("retrained"), values),
        "features": stable_features,
        "source": usual(st.just("training"), values),
        "why": usual(st.just("so"), values),
    },
).flatmap(written)


@COMMON
@given(records(labels), st.sampled_from([None, KINDS]))
def test_fast_and_careful_agree_on_mixed_types(
    batch: list[Record], kinds: Mapping[str, Kind] | None
) -> None:
    both(InputSpec("in"), kinds, batch)


foreign = st.fixed_dictionaries(
    {
        "request": usual(
            st.fixed_dictionaries(
                {"id": usual(st.just("p"), ids), "age": usual(st.floats(0, 9), values)},
                optional={"country": usual(st.just("a"), values), "x": usual(st.just(3), values)},
            ),
            values,
        ),
        "meta": usual(
            st.fixed_dictionaries(
                {"time": usual(st.just(1_795_464_000), times), "host": st.just("h")},
                optional={"z": usual(st.just({"a": [1]}), values)},
            ),
            values,
        ),
        "score": usual(st.floats(0, 1), values),
    },
    optional={"model": usual(st.just("q"), values), "other": usual(st.just(1.5), values)},
).flatmap(written)
FOREIGN = {"prediction_id": "request.id", "ts": "meta.time", "prediction": "score"}


@COMMON
@given(records(foreign), st.sampled_from([None, KINDS]), st.sampled_from(["request", "*"]))
def test_fast_and_careful_agree_on_mapped_topics(
    batch: list[Record], kinds: Mapping[str, Kind] | None, place: str
) -> None:
    fields = {**FOREIGN, "features": place}
    both(InputSpec("in", "prediction", fields, {"model": "m", "version": "7"}), kinds, batch)


@COMMON
@given(st.lists(st.one_of(st.none(), st.binary(max_size=60)), max_size=5))
def test_random_bytes_never_escape(data: list[bytes | None]) -> None:
    decoder = Decoder(InputSpec("in"), Source("in", 0), Models(None))
    decoded = decoder.decode([Record(i, None, value) for i, value in enumerate(data)])
    assert {d.offset for d in decoded.dead} | {
        int(o) for f in decoded.frames for o in f.offset
    } >= {i for i, value in enumerate(data) if value is None or not value.strip().startswith(b"[")}


VALID = (
    b'{"model":"m","ts":"2026-11-23T20:02:24.5Z","prediction_id":"p1","prediction":0.5,'
    b'"features":{"age":1.5,"country":"a","x":7},"segment":{"r":"eu"},"trace":{"a":"b"}}'
)


@COMMON
@given(st.data())
def test_mutated_events_mean_the_same_on_both_paths(data: st.DataObject) -> None:
    batch = []
    for offset in range(4):
        mutated = bytearray(VALID if offset else b"[" + VALID + b"," + VALID + b"]")
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, max(0, len(mutated) - 1)))
            what = data.draw(st.sampled_from(["flip", "drop", "double", "cut"]))
            if not mutated:
                break
            if what == "flip":
                mutated[at] = data.draw(
                    st.one_of(st.integers(0, 255), st.sampled_from(b'"\\:{}[],0'))
                )
            elif what == "drop":
                del mutated[at]
            elif what == "double":
                end = data.draw(st.integers(at, len(mutated)))
                mutated[at:at] = mutated[at:end]
            elif len(mutated) > 2:
                del mutated[max(1, at) :]
        batch.append(Record(offset, STAMP, bytes(mutated)))
    taught = [Record(9, STAMP, VALID)]
    spec, source = InputSpec("in", "prediction"), Source("in", 0)
    for kinds in (None, KINDS):
        fast = Decoder(spec, source, Models(kinds))
        fast.decode(taught)
        expected = CarefulDecoder(spec, source, Models(kinds)).decode(batch)
        assert canonical(fast.decode(batch)) == canonical(expected)


@COMMON
@given(records(messages), st.integers(1, 30))
def test_frames_are_cut_where_they_would_hold_too_much(batch: list[Record], cells: int) -> None:
    whole = Decoder(InputSpec("in", "prediction"), Source("in", 0), Models(None)).decode(batch)
    small = Limits(cells=cells)
    parts = Decoder(InputSpec("in", "prediction"), Source("in", 0), Models(None), small).decode(
        batch
    )
    assert rows_of(parts) == rows_of(whole)
    assert parts.dead == whole.dead
