"""Everything that can come instead of an event, on a real broker, in one run.

Each record is counted in exactly one place: in a window, as late, as a duplicate, or as a dead
letter that says what was wrong; and the stream goes on.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson
import pytest
from tests.integration._live import Live, alerts_of, assert_same, counted, windows_of
from tests.integration._traffic import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.broker.protocol import Broker

START = 1_772_409_600
LARGEST = 32 * 2**20
FLOOD = 60
CONTRACT = """
model: m
slot: 10s
lateness: 20s
windows: [1m]
reference: {from: warmup, events: 300}
detectors: [evidence]
deadletters: {share: 1%}
"""

Fate = Literal["window", "late", "duplicate"]


def event(number: int, second: float, **more: Any) -> dict[str, Any]:
    features = {"age": 20 + number * 7 % 50, "country": ("DE", "FR", "IT")[number % 3]}
    return {
        "model": "m",
        "ts": START + second,
        "prediction_id": f"p{number}",
        "prediction": number * 13 % 101 / 101,
        "features": features | {"flag": number % 2 == 0},
    } | more


def changed(second: float, **more: Any) -> bytes:
    """Return an event of its own with some fields replaced, ``...`` taking one away."""
    body = event(0, second, prediction_id=f"case-{second}") | more
    return orjson.dumps({name: value for name, value in body.items() if value is not ...})


def feature(second: float, **more: Any) -> bytes:
    return changed(second, features=event(0, second)["features"] | more)


@dataclass
class Case:
    """What is sent and what has to become of it; ``dead`` is path, expected and got (parts of)."""

    value: bytes | None
    dead: tuple[str, str, str] | None = None
    fates: list[Fate] = field(default_factory=list)
    topic: str = "predictions"
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)


def good(value: bytes | None, *fates: Fate, **more: Any) -> Case:
    return Case(value, None, list(fates or ("window",)), **more)


TIME = "a time: RFC 3339, epoch seconds or epoch milliseconds"


def cases(at: float) -> dict[str, Case]:
    """Return all cases, each to be sent about the second `at` of the stream."""
    plain = changed(at)
    return {
        "not JSON": Case(b"hello", ("$", "JSON", "Expecting value")),
        "truncated JSON": Case(plain[:60], ("$", "JSON", "JSON cut off after 60")),
        "wrong UTF-8": Case(plain.replace(b"DE", b"\xff"), ("$", "UTF-8 text", "byte 0xff")),
        "empty value": Case(b"", ("$", "an event", "an empty value")),
        "tombstone": Case(None, ("$", "an event", "a tombstone")),
        "array with one bad element": Case(
            b"[%b,%b,%b]" % (changed(at + 0.1), changed(at, model=17), changed(at + 0.2)),
            ("$[1].model", "a model name", "17"),
            ["window", "window"],
        ),
        "unknown model": Case(
            changed(at, model="nobody"), ("$.model", "a model with a contract", "nobody")
        ),
        "missing ts": good(changed(at, ts=..., prediction_id="no-ts")),
        "ts in the future": Case(
            changed(at, ts=START + at + 7_200), ("$.ts", "at most 1h ahead", "1772416920")
        ),
        "ts in 1970": Case(changed(at, ts=12_345), ("$.ts", TIME, "(falls in 1970)")),
        "ts in nanoseconds": Case(
            changed(at, ts=int(START + at) * 10**9), ("$.ts", TIME, "(looks like nanoseconds)")
        ),
        "prediction NaN": Case(
            plain.replace(b'"prediction":0.0', b'"prediction":NaN'),
            ("$.prediction", "a finite number", "nan"),
        ),
        "feature NaN": good(feature(at + 0.3, age="@").replace(b'"@"', b"NaN")),
        "feature Infinity": good(feature(at + 0.4, age="@").replace(b'"@"', b"-Infinity")),
        "feature 1e400": good(feature(at + 0.5, age="@").replace(b'"@"', b"1e400")),
        "number as string": good(feature(at + 0.6, age="41")),
        "string as number": good(feature(at + 0.7, country=17)),
        "nested feature": good(feature(at + 0.8, age={"years": 41})),
        "feature name of 10 kB": Case(
            feature(at, **{"x" * 10_240: 1}), ("$.features[", "a name of 1 to 256 bytes", "10240")
        ),
        "100,000 features": Case(
            feature(at, **{f"f{i}": 1 for i in range(100_000)}),
            ("$", "at most 1048576 bytes", "bytes"),
        ),
        "6,000 features": Case(
            feature(at, **{f"f{i}": 1 for i in range(6_000)}),
            ("$.features", "at most 5000 features", "6003"),
        ),
        "20 MB": Case(
            feature(at, country="x" * 20_000_000), ("$", "at most 1048576 bytes", "20000")
        ),
        "first of two ids": good(changed(at + 0.9, prediction_id="twin")),
        "second of two ids": good(changed(at + 0.9, prediction_id="twin"), "duplicate"),
        "duplicate key": Case(
            plain[:-1] + b',"model":"m"}', ("$.model", "each key once", "the key twice")
        ),
        "deep nesting": Case(
            feature(at, age="@").replace(b'"@"', b"[" * 50_000 + b"]" * 50_000),
            ("$", "at most 64 levels of nesting", "deeper nesting"),
        ),
        "out of order": good(changed(at - 15)),
        "later than lateness": good(changed(at - 100), "late"),
        "a new feature": good(feature(at + 1, fresh=1)),
        "unknown type": Case(
            changed(at, type="rumour"), ("$.type", "one of prediction, ", "rumour"), topic="mixed"
        ),
        "no type": Case(changed(at), ("$.type", "one of prediction, ", "nothing"), topic="mixed"),
        "known type": good(changed(at + 1.1, type="prediction"), topic="mixed"),
        "headers with rubbish": good(
            changed(at + 1.2),
            headers=[
                ("", b""),
                ("\u0000ü", b"\xff\xfe\x00"),
                ("no value", None),
                ("h", b"x" * 9_999),
            ],
        ),
    }


@dataclass
class Sent:
    """A recording with what has to become of it: dead letters by id, and numbers of the rest."""

    messages: list[Message] = field(default_factory=list)
    dead: dict[str, tuple[str, tuple[str, str, str], bytes | None]] = field(default_factory=dict)
    fates: Counter[str] = field(default_factory=Counter)
    _offsets: Counter[tuple[str, int]] = field(default_factory=Counter)

    def send(self, name: str, case: Case, second: float, partition: int) -> None:
        place = case.topic, partition
        offset = self._offsets[place]
        self._offsets[place] += 1
        if case.dead is not None:
            index = 1 if case.dead[0].startswith("$[1]") else 0
            element = None if index else case.value
            self.dead[f"{case.topic}/{partition}/{offset}/{index}"] = name, case.dead, element
        self.fates.update(case.fates)
        events = len(case.fates) + (case.dead is not None)
        stamp = int((START + second) * 1_000)
        self.messages.append(Message(*place, stamp, case.value, events, case.headers))


def stream() -> Sent:
    """Ten minutes of good events with all cases after two, a flood, and a type that changes."""
    sent = Sent()
    left = list(cases(120.0).items())
    for number in range(2_400):
        second, partition = number / 4, number % 3
        body = event(number, second)
        if 450 <= second < 500 and partition == 1:
            body["features"]["flag"] = "yes"
        sent.send("good", good(orjson.dumps(body)), second, partition)
        if second >= 120 and left:
            # One partition takes them all, in order; good events go on around them.
            name, case = left.pop(0)
            sent.send(name, case, 120.0, 0)
        if 300 <= second < 300 + FLOOD / 4:
            broken = Case(orjson.dumps(body)[:-9], ("$", "JSON", "JSON cut off"))
            sent.send("flood", broken, second, partition)
    assert not left
    return sent


@pytest.fixture(scope="module")
def sent() -> Sent:
    return stream()


@pytest.fixture(scope="module")
def live(broker: Broker, tmp_path_factory: pytest.TempPathFactory, sent: Sent) -> Iterator[Live]:
    """All of it handled by a worker, and exported."""
    folder = tmp_path_factory.mktemp("bad")
    contract = folder / "m.yaml"
    contract.write_text(CONTRACT)
    prefix = f"t{time.time_ns():x}-"
    inputs = {name: prefix + name for name in ("predictions", "mixed")}
    made = Live(broker.bootstrap, folder, prefix, [contract], inputs, unknown_models="reject")
    with closing(made):
        made.create(3, max_bytes=LARGEST)
        made.load(sent.messages)
        made.finish(chunk_records=100)
        made.export()
        yield made


def test_every_record_is_counted_in_exactly_one_place(live: Live, sent: Sent) -> None:
    found = {record.key.decode(): record for record in live.dead_letters()}
    names = {f"{live.prefix}{place}": told for place, told in sent.dead.items()}
    assert sorted(found) == sorted(names)
    for place, (name, (path, expected, got), value) in names.items():
        headers = {key: text.decode() for key, text in found[place].headers}
        assert headers["error.path"].startswith(path), name
        assert expected in headers["error.expected"], name
        assert got in headers["error.got"], name
        told = f"{headers['source.topic']}/{headers['source.partition']}/{headers['source.offset']}"
        assert place == f"{told}/{headers['source.index']}"
        if not path.startswith("$[1]"):
            assert found[place].value == (value or b""), name

    exported = live.folder / "live"
    total = counted(exported)
    assert total == {
        "events": sent.fates["window"],
        "late": sent.fates["late"],
        "duplicates": sent.fates["duplicate"],
        "dead": len(sent.dead),
    }
    assert total.total() == sum(message.events for message in sent.messages)
    assert_same(exported, live.replay("--config", str(live.config())))


def test_what_counts_counts_where_it_belongs(live: Live, sent: Sent) -> None:
    """Values of the wrong type, values that are none, new features; and the incidents they make."""
    exported = live.folder / "live"
    windows = [window for window in windows_of(exported) if window["model"] == "m"]
    judged = [window for window in windows if window["reference"]]
    columns = {
        name: Counter(
            {
                count: sum(window["features"][name][count] for window in judged)
                for count in ("count", "missing", "invalid")
            }
        )
        for name in ("age", "country", "flag")
    }
    assert columns["age"]["invalid"] == 2  # "41" and {"years": 41}
    assert columns["country"]["invalid"] == 1
    changed_type = sum(b'"yes"' in (message.value or b"") for message in sent.messages)
    assert columns["flag"]["invalid"] == changed_type > 60
    # What is no number is missing: NaN, -Infinity, 1e400, and the two of another type.
    assert columns["age"]["missing"] == 5
    assert sum(window["extra"].get("fresh", 0) for window in windows) == 1
    # The stream went on to its end.
    assert max(window["end"] for window in windows) == "2026-03-02T00:10:00Z"

    alerts = alerts_of(exported)
    schema = [data for data in alerts if data["kind"] == "schema" and data["model"] == "m"]
    assert any(data["feature"] is None and data["state"] == "opened" for data in schema), alerts
    members = {(m["kind"], m["feature"]) for data in schema for m in data["members"]}
    assert ("schema", "flag") in members
