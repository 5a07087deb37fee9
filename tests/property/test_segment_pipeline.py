"""By segment too, live publishes what a replay of the same events does, wherever it was stopped."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import jsonschema
import orjson
import pytest

from driftline.contract import Book, parse
from driftline.events import InputSpec, Record, Source
from driftline.events.schema import json_schema
from driftline.events.time import format_ts
from driftline.ledger.store import Store
from driftline.pipeline.detect import Detect
from driftline.pipeline.join import Join
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import References
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = parse(
    "{model: m, slot: 10s, lateness: 5s, reference: {from: warmup, events: 200},"
    " quality: {metric: accuracy, at_least: 0.85, label_horizon: 10m, window: 2m},"
    ' decision: {act_when: "score >= 0.5", action: go, within: 1m,'
    " baseline: {arm: holdout, share: 50%}}, skew: {}, segments: {most: 3}}",
    "m.yaml",
)
BOOK = Book((CONTRACT,))
START = 1_795_464_000_000_000
SECOND = 1_000_000
KINDS = {
    "predictions": "prediction",
    "labels": "label",
    "decisions": "decision",
    "outcomes": "outcome",
    "features": "features",
}
# Named as the files are: alerts say what to replay.
SOURCES = {name: Source(f"{name}.jsonl", 0) for name in KINDS}
LEDGERS = [Source("ledger", number) for number in range(2)]


def traffic(seconds: int = 1_000) -> dict[str, list[bytes]]:
    """Predictions of five countries; those of one go wrong half-way. More than are told apart."""
    rng = random.Random(4)
    told: list[tuple[float, str, dict[str, Any]]] = []
    for number in range(2 * seconds):
        at, name = number * 0.5, f"p{number}"
        country = rng.choice("aaabbcde")
        score = round(rng.random(), 3)
        guess = int(score >= 0.5)
        wrong = 0.8 if country == "b" and number > seconds else 0.08
        features = {"age": rng.randrange(40), "tone": rng.choice("xyz")}
        about = {"prediction_id": name}
        told.append(
            (at, "predictions", about | {
                "prediction": guess, "score": score, "features": features,
                "arm": rng.choice(["model", "holdout"]), "segment": {"country": country},
            })
        )  # fmt: skip
        if number % 11 == 0:
            del told[-1][2]["segment"]
        label = guess ^ (rng.random() < wrong)
        told.append((at + rng.choice([5.0, 30.0, 100.0]), "labels", about | {"label": label}))
        action = "go" if guess ^ (rng.random() < 0.1) else "stop"
        said = {"action": action, "actor": rng.choice(["ada", "bob"])}
        told.append((at + rng.choice([2.0, 20.0]), "decisions", about | said))
        told.append((at + 40.0, "outcomes", about | {"value": rng.choice([0, 1])}))
        row = features | ({"age": 77} if rng.random() < 0.02 else {})
        told.append((at + 20.0, "features", about | {"features": row, "source": "training"}))
    out: dict[str, list[bytes]] = {name: [] for name in KINDS}
    for at, name, body in sorted(told, key=lambda each: each[0]):
        event = {"model": "m", "ts": format_ts(START + int(at * SECOND)), **body}
        out[name].append(json.dumps(event).encode())
    return out


TRAFFIC = traffic()


class Live:
    """Observe, two partitions of the ledger and detect, with all that lies between in memory."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.left = {name: list(values) for name, values in TRAFFIC.items()}
        self.read = dict.fromkeys(KINDS, 0)
        self.references = References()
        self.observers = {
            name: Observe(
                source,
                InputSpec(source.topic, KINDS[name]),
                BOOK,
                self.references,
                ledger_partitions=len(LEDGERS),
            )
            for name, source in SOURCES.items()
        }
        inputs = list(SOURCES.values())
        self.joins = [
            Join(source, inputs, BOOK, Store(folder / str(source.partition), 10**15))
            for source in LEDGERS
        ]
        self.ledger: list[list[bytes]] = [[] for _ in LEDGERS]
        self.joined = [0 for _ in LEDGERS]
        self.panes: list[bytes] = []
        self.detected = 0
        self.detect = self.new()
        self.saved: dict[bytes, bytes] = {}
        self.committed = 0
        self.out: dict[str, dict[str, bytes]] = {"windows": {}, "alerts": {}, "feedback": {}}

    def new(self) -> Detect:
        return Detect(BOOK, [*SOURCES.values(), *LEDGERS], self.references)

    def run(self, crashes: int) -> dict[str, set[bytes]]:
        while any(self.left.values()):
            # Whoever stands furthest back is read next, mostly, as by workers that keep up.
            behind = min(
                (name for name in KINDS if self.left[name]),
                key=lambda name: self.read[name] / len(TRAFFIC[name]),
            )
            self.observe(behind)
            for number in range(len(LEDGERS)):
                if self.rng.random() < 0.5:
                    self.join(number, self.rng.randint(1, 30))
            self.step(self.rng.randint(0, 40))
            if crashes and self.rng.random() < 0.1:
                self.save()
            if crashes and self.rng.random() < 0.04:
                crashes -= 1
                self.crash()
        for observe in self.observers.values():
            self.send(observe.finish())
        for number in range(len(LEDGERS)):
            self.join(number, 2**62)
            self.joins[number].close()
        self.step(2**62)
        self.publish(self.detect.flush())
        return {topic: set(told.values()) for topic, told in self.out.items()}

    def observe(self, name: str) -> None:
        cut = self.rng.choice([3, 40, 200])
        batch, self.left[name] = self.left[name][:cut], self.left[name][cut:]
        first = self.read[name]
        self.read[name] += len(batch)
        records = [Record(at, None, value) for at, value in enumerate(batch, first)]
        self.send(self.observers[name].on_batch(records))

    def send(self, emission: Any) -> None:
        self.panes += [value for _, value in emission.panes]
        for partition, value in emission.ledger:
            self.ledger[partition].append(value)
        if emission.mark is not None:
            self.panes.append(emission.mark)
            for log in self.ledger:
                log.append(emission.mark)

    def join(self, number: int, most: int) -> None:
        log, at = self.ledger[number], self.joined[number]
        end = min(len(log), at + most)
        self.joined[number] = end
        joining = self.joins[number].on_batch(
            [Record(place, None, log[place]) for place in range(at, end)]
        )
        self.panes += [value for _, value in joining.cells]
        if joining.mark is not None:
            self.panes.append(joining.mark)

    def step(self, most: int) -> None:
        end = min(len(self.panes), self.detected + most)
        while self.detected < end:
            self.publish(self.detect.on_message(self.detected, self.panes[self.detected]))
            self.detected += 1

    def publish(self, output: Any) -> None:
        for topic, told in self.out.items():
            for _, value in getattr(output, topic):
                held = told.setdefault(orjson.loads(value)["id"], value)
                assert held == value, "a repeat overwrites itself with the same bytes"
        for _, value in output.references:
            self.references.add(value)

    def save(self) -> None:
        for group in self.detect.snapshot():
            self.saved.update(group)
        self.committed = self.detect.position()

    def crash(self) -> None:
        self.detect = self.new()
        for key, value in self.saved.items():
            self.detect.restore(key, value)
        self.detected = self.committed


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[bytes]]:
    folder = tmp_path_factory.mktemp("replay")
    sources = []
    for name, values in TRAFFIC.items():
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(values) + b"\n")
        sources.append(str(folder / f"{name}.jsonl"))
    replay(Request(sources, BOOK, folder / "out", report=False), clock=lambda: 0.0)
    return {
        topic: set((folder / "out" / f"{topic}.jsonl").read_bytes().splitlines())
        for topic in ("windows", "alerts", "feedback")
    }


@pytest.mark.parametrize("crashes", [0, 3])
def test_live_is_what_a_replay_says(
    crashes: int, replayed: dict[str, set[bytes]], tmp_path: Path
) -> None:
    live = Live(crashes, tmp_path).run(crashes)
    for topic, told in replayed.items():
        assert live[topic] == told


def test_every_kind_of_window_is_told_by_segment(replayed: dict[str, set[bytes]]) -> None:
    told: dict[str, set[str]] = {}
    labelled: dict[tuple[str, str], dict[str, int]] = {}
    for value in replayed["windows"]:
        window = orjson.loads(value)
        if window.get("kind") in {None, "lifecycle", "alarms"}:
            continue
        jsonschema.validate(window, json_schema(f"{window['kind']}-window"))
        name = window["segment"].get("country") or window["segment"].get("segment", "")
        told.setdefault(window["kind"], set()).add(name)
        if window["kind"] == "quality":
            labelled.setdefault((window["start"], window["as_of"]), {})[name] = window["labelled"]
    assert told.keys() == {"quality", "decisions", "uplift", "skew"}
    for kind, names in told.items():
        # Verdicts are of the first to come.
        assert {"", "…"} < names
        assert names == {"", "a", "b", "c", "…"} or (kind == "uplift" and len(names) == 5)
    for counts in labelled.values():
        whole = counts.pop("")
        # One of eleven predictions has no segment.
        assert 0.8 * whole <= sum(counts.values()) <= whole
    texts = [orjson.loads(value)["data"]["text"] for value in replayed["alerts"]]
    assert any("worst in country=b: " in text for text in texts)
