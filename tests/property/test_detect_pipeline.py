"""detect publishes the same bytes however panes interleave, and wherever it stops and resumes."""

from __future__ import annotations

import random
from datetime import datetime

import orjson
import pytest

from driftline.contract import Book, Contract, DetectorPlan, Owner, ReferencePlan, WindowPlan
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.pipeline.detect import Detect
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import References

START = 1_700_000_000
MINUTE = 60_000_000
SOURCES = [Source("predictions", p) for p in range(3)]
LIFECYCLE = Source("lifecycle", 0)
SPECS = {
    "predictions": InputSpec(topic="predictions", type="prediction"),
    "lifecycle": InputSpec(topic="lifecycle", type="lifecycle"),
}


def book() -> Book:
    return Book(
        (
            Contract(
                model="a",
                owner=Owner(team="t", escalation="chief", escalate_after=MINUTE),
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

    def __init__(self, seed: int, cuts: list[int], acts: list[Record] | None = None) -> None:
        self.rng = random.Random(seed)
        self.references = References()
        self.records = {s: traffic(s, 1) for s in SOURCES}
        if acts is not None:
            self.records[LIFECYCLE] = acts
        self.observers = {
            s: Observe(s, SPECS[s.topic], book(), self.references) for s in self.records
        }
        self.cuts = cuts
        self.panes: list[bytes] = []
        self.detect = Detect(book(), list(self.records), self.references)
        self.read = 0
        self.published: dict[str, dict[str, bytes]] = {
            "windows": {},
            "alerts": {},
            "feedback": {},
        }
        self.saved: dict[bytes, bytes] = {}
        self.committed = 0

    def observe_some(self) -> bool:
        waiting = [s for s in self.records if self.records[s]]
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
        self.detect = Detect(book(), list(self.records), self.references)
        for key, value in self.saved.items():
            self.detect.restore(key, value)
        self.read = self.committed

    def finish(self) -> dict[str, dict[str, bytes]]:
        for source in self.records:
            self.send(self.observers[source].finish())
        while self.read < len(self.panes):
            self.publish(self.detect.on_message(self.read, self.panes[self.read]))
            self.read += 1
        return self.published


def straight(acts: list[Record] | None = None) -> dict[str, dict[str, bytes]]:
    bus = Bus(0, [50], acts)
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


def lives(published: dict[str, dict[str, bytes]]) -> dict[str, list[str]]:
    """The states of each incident of model a, in order of number."""
    found: dict[str, list[tuple[int, str]]] = {}
    for value in published["alerts"].values():
        data = orjson.loads(value)["data"]
        if data["model"] == "a":
            found.setdefault(data["incident"], []).append((data["number"], data["state"]))
    return {name: [state for _, state in sorted(told)] for name, told in found.items()}


def acts() -> list[Record]:
    """What people do in the seconds after the page of x, and what cannot be done."""
    opened = [orjson.loads(v) for v in EXPECTED["alerts"].values()]
    page = next(
        a["data"] for a in opened if a["data"]["feature"] == "x" and a["data"]["number"] == 1
    )
    seen = int(datetime.fromisoformat(page["detected_at"]).timestamp()) + 7
    name, out = page["incident"], []
    for seconds, kind, more in (
        (0.5, "incident_acknowledged", {"incident": name, "by": "ana", "why": "on it"}),
        (3, "incident_silenced", {"incident": name, "until": seen + 40}),
        (3, "incident_judged", {"incident": name, "verdict": "perhaps"}),
        (5, "incident_judged", {"incident": name, "verdict": True, "by": "ana"}),
        (20, "incident_acknowledged", {"incident": "0123456789abcdef"}),
        (25, "maintenance", {"since": seen - 60, "until": seen + 60, "why": "a move"}),
    ):
        event = {"model": "a", "ts": seen + seconds, "kind": kind, **more}
        out.append(Record(len(out), int((seen + seconds) * 1000), orjson.dumps(event)))
    return out


ACTS = acts()
ACTED = straight(ACTS)


def test_an_unanswered_page_is_escalated_and_an_answered_one_is_not():
    (escalated,) = [orjson.loads(v) for v in EXPECTED["alerts"].values() if b"alert.escalated" in v]
    assert escalated["data"]["escalate_to"] == "chief"
    assert not any("escalated" in states for states in lives(ACTED).values())
    told = [states for states in lives(ACTED).values() if "acknowledged" in states]
    assert [s for s in told[0] if s in {"acknowledged", "silenced", "judged"}] == [
        "acknowledged", "silenced", "judged", "silenced",
    ]  # fmt: skip
    refused = [orjson.loads(v) for v in ACTED["feedback"].values() if b"act_refused" in v]
    assert sorted(event["data"]["path"] for event in refused) == ["$.incident", "$.verdict"]


@pytest.mark.parametrize("seed", range(8))
def test_any_interleaving_publishes_the_same_bytes(seed):
    bus = Bus(seed, [1, 7, 40, 200], ACTS if seed % 2 else None)
    while bus.observe_some():
        if bus.rng.random() < 0.4:
            bus.detect_some()
    assert bus.finish() == (ACTED if seed % 2 else EXPECTED)


@pytest.mark.parametrize("seed", range(6))
def test_a_crash_anywhere_publishes_the_same_bytes(seed):
    bus = Bus(seed, [5, 40, 100], ACTS)
    crashes = 0
    while bus.observe_some():
        bus.detect_some()
        if bus.rng.random() < 0.2:
            bus.save()
        if bus.rng.random() < 0.1:
            crashes += 1
            bus.crash()
    assert crashes
    assert bus.finish() == ACTED
