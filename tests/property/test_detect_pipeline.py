"""detect publishes the same bytes however panes interleave, and wherever it stops and resumes."""

from __future__ import annotations

import random

import orjson
import pytest

from driftline.contract import Book, Contract, DetectorPlan, ReferencePlan, WindowPlan
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.pipeline.detect import Detect
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import References

START = 1_700_000_000
MINUTE = 60_000_000
SOURCES = [Source("predictions", p) for p in range(3)]
SPEC = InputSpec(topic="predictions", type="prediction")


def book() -> Book:
    return Book(
        (
            Contract(
                model="a",
                slot=10_000_000,
                lateness=5_000_000,
                reference=ReferencePlan(events=700),
                windows=(
                    WindowPlan(length=MINUTE, hop=MINUTE),
                    WindowPlan(length=3 * MINUTE, hop=MINUTE),
                ),
                detectors=(DetectorPlan(name="evidence"), DetectorPlan(name="adwin")),
                sample=64,
            ),
        )
    )


def traffic(source: Source, seed: int, seconds: int = 400) -> list[Record]:
    """Two models; in model a the feature x moves by three sd half-way."""
    rng = random.Random(seed * 31 + source.partition)
    out = []
    for second in range(seconds):
        for _ in range(rng.choice([1, 2, 3])):
            moved = 3.0 if second > seconds // 2 else 0.0
            event = {
                "model": rng.choice("aaab"),
                "ts": START + second - rng.choice([0, 0, 1, 4, 30]),
                "prediction_id": f"{source.partition}-{rng.randrange(10**6)}",
                "prediction": rng.random(),
                "features": {
                    "x": rng.gauss(moved, 1),
                    "y": rng.gauss(0, 1),
                    "c": rng.choice("uv"),
                },
            }
            if rng.random() < 0.9:
                event["segment"] = {"channel": rng.choice(["web", "app"])}
                # Of y only what comes from the app moves.
                event["features"]["y"] += moved / 2 * (event["segment"]["channel"] == "app")
            value = orjson.dumps(event) if rng.random() > 0.01 else b"{"
            out.append(Record(len(out), (START + second) * 1000, value))
    return out


class Bus:
    """One `panes` partition and one `references` topic, kept in memory: only order matters here."""

    def __init__(self, seed: int, cuts: list[int]) -> None:
        self.rng = random.Random(seed)
        self.references = References()
        self.records = {s: traffic(s, 1) for s in SOURCES}
        self.observers = {s: Observe(s, SPEC, book(), self.references) for s in SOURCES}
        self.cuts = cuts
        self.panes: list[bytes] = []
        self.detect = Detect(book(), SOURCES, self.references)
        self.read = 0
        self.published: dict[str, dict[str, bytes]] = {
            "windows": {},
            "alerts": {},
            "feedback": {},
        }
        self.saved: dict[bytes, bytes] = {}
        self.committed = 0

    def observe_some(self) -> bool:
        waiting = [s for s in SOURCES if self.records[s]]
        if not waiting:
            return False
        source = self.rng.choice(waiting)
        n = self.rng.choice(self.cuts)
        batch, self.records[source] = self.records[source][:n], self.records[source][n:]
        self.send(self.observers[source].on_batch(batch))
        return True

    def send(self, emission) -> None:
        self.panes.extend(value for _, value in emission.panes)
        if emission.mark:
            self.panes.append(emission.mark)

    def detect_some(self) -> None:
        upto = self.rng.randint(self.read, len(self.panes))
        while self.read < upto:
            self.publish(self.detect.on_message(self.read, self.panes[self.read]))
            self.read += 1

    def publish(self, out) -> None:
        for topic in self.published:
            for _, value in getattr(out, topic):
                held = self.published[topic].setdefault(orjson.loads(value)["id"], value)
                assert held == value, "a repeat overwrites itself with the same bytes"
        for _, value in out.references:
            self.references.add(value)

    def save(self) -> None:
        for group in self.detect.snapshot():
            self.saved.update(group)
            if self.rng.random() < 0.2:
                return  # died between two groups, before the commit
            self.committed = self.detect.position()

    def crash(self) -> None:
        self.detect = Detect(book(), SOURCES, self.references)
        for key, value in self.saved.items():
            self.detect.restore(key, value)
        self.read = self.committed

    def finish(self) -> dict[str, dict[str, bytes]]:
        for source in SOURCES:
            self.send(self.observers[source].finish())
        while self.read < len(self.panes):
            self.publish(self.detect.on_message(self.read, self.panes[self.read]))
            self.read += 1
        return self.published


def straight() -> dict[str, dict[str, bytes]]:
    bus = Bus(0, [50])
    while bus.observe_some():
        bus.detect_some()
    return bus.finish()


EXPECTED = straight()


def test_the_moved_feature_is_found_and_no_other():
    alerts = [orjson.loads(v) for v in EXPECTED["alerts"].values()]
    assert {a["data"]["feature"] for a in alerts if a["data"]["kind"] == "drift"} == {"x", "y"}
    members = [m for a in alerts for m in a["data"]["members"] if "segment" in m]
    told = {(m["feature"], m["segment"]["channel"]) for m in members}
    assert told == {("x", "app"), ("x", "web"), ("y", "app")}
    assert {a["data"]["model"] for a in alerts} <= {"a", "b", "topic:predictions"}


def test_windows_count_every_event_once():
    counted = 0
    for value in EXPECTED["windows"].values():
        w = orjson.loads(value)
        if "kind" not in w and w["length_s"] == w["hop_s"] and not w["segment"]:
            counted += sum(w["events"].values()) + w["late"] + w["dead"] + w["duplicates"]
    assert counted == sum(len(traffic(s, 1)) for s in SOURCES)


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving_publishes_the_same_bytes(seed):
    bus = Bus(seed, [1, 7, 40, 200])
    while bus.observe_some():
        if bus.rng.random() < 0.4:
            bus.detect_some()
    assert bus.finish() == EXPECTED


@pytest.mark.parametrize("seed", range(6))
def test_a_crash_anywhere_publishes_the_same_bytes(seed):
    bus = Bus(seed, [5, 40, 100])
    crashes = 0
    while bus.observe_some():
        bus.detect_some()
        if bus.rng.random() < 0.2:
            bus.save()
        if bus.rng.random() < 0.1:
            crashes += 1
            bus.crash()
    assert crashes
    assert bus.finish() == EXPECTED
