"""observe gives the same panes however its source is cut, and wherever it is resumed."""

from __future__ import annotations

import random

import numpy as np
import orjson
import pytest

from driftline.contract import Book, Contract
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import ALWAYS, References
from driftline.stats import Reference

SOURCE = Source("predictions", 3)
SPEC = InputSpec(topic="predictions", type="prediction")
START = 1_700_000_000


def book() -> Book:
    return Book((Contract(model="a"), Contract(model="b", slot=7_000_000, sample=8)))


def references(*, known: bool) -> References:
    out = References()
    if known:
        rng = np.random.default_rng(0)
        out.hold(
            Reference.build("a", {"x": rng.normal(size=400).tolist(), "c": ["u", "v"] * 200}),
            ALWAYS,
        )
    return out


def traffic(seed: int, events: int = 400) -> list[Record]:
    """Disordered, late, repeated and broken events of two models; some in envelopes."""
    rng = random.Random(seed)
    out, clock = [], START
    for offset in range(events):
        clock += rng.choice([0, 0, 0, 1, 2, 15])
        event = {
            "model": rng.choice("aab"),
            "ts": clock - rng.choice([0, 0, 1, 5, 20, 60]),
            "prediction_id": f"p{rng.randrange(events)}",
            "prediction": rng.random(),
            "features": {
                "x": rng.choice([rng.gauss(0, 1), None, "7"]),
                "c": rng.choice(["u", "v", "w"]),
            },
        }
        if rng.random() < 0.2:
            event["segment"] = {"channel": rng.choice(["web", "app"])}
        if rng.random() < 0.1:
            event["surprise"] = 1
        value = orjson.dumps(event)
        if rng.random() < 0.1:
            value = b"[" + value + b"," + orjson.dumps({**event, "ts": clock}) + b"]"
        if rng.random() < 0.05:
            value = rng.choice([b"", b"{", b"[1]", value[:-1]])
        out.append(Record(offset * 2 + 5, clock * 1000, value))
    return out


def collect(seen: dict, dead: set, emission) -> None:
    for _, message in emission.panes:
        body = orjson.loads(message)
        key = orjson.dumps(
            [body[k] for k in ("model", "segment", "kind", "start", "part")],
        )
        if key in seen:
            continue  # detect drops what it has had
        for block in body.get("raw", []):
            block.pop("index")
        seen[key] = _joined(body)
    dead.update(d.id for d in emission.dead)


def _joined(body: dict) -> dict:
    """Raw rows are blocks as they were cut; what counts is the rows in order."""
    blocks = body.pop("raw", None)
    body.pop("parts"), body.pop("part")
    if blocks:
        body["rows"] = [
            [ts, *(columns.get(n) for n in ("x", "c", "prediction"))]
            for b in blocks
            for ts, columns in zip(
                b["ts"],
                ({n: v[i] for n, v in b["columns"].items()} for i in range(len(b["ts"]))),
                strict=True,
            )
        ]
    return body


def straight(records: list[Record], known: bool) -> tuple[dict, set, Observe]:
    observe = Observe(SOURCE, SPEC, book(), references(known=known))
    seen: dict = {}
    dead: set = set()
    collect(seen, dead, observe.on_batch(records))
    collect(seen, dead, observe.finish())
    return seen, dead, observe


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_any_cut_gives_the_same_panes(seed, known):
    records = traffic(seed)
    expected, expected_dead, _ = straight(records, known)
    rng = random.Random(seed)
    observe = Observe(SOURCE, SPEC, book(), references(known=known))
    seen: dict = {}
    dead: set = set()
    while records:
        n = rng.choice([1, 2, 3, 10, 50])
        collect(seen, dead, observe.on_batch(records[:n]))
        records = records[n:]
    collect(seen, dead, observe.finish())
    assert dead == expected_dead
    assert seen == expected


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_a_restart_anywhere_gives_the_same_panes(seed, known):
    records = traffic(seed)
    expected, expected_dead, _ = straight(records, known)
    rng = random.Random(seed)
    seen: dict = {}
    dead: set = set()
    observe = Observe(SOURCE, SPEC, book(), references(known=known))
    committed = Checkpoint(0)
    at = 0
    crashes = 0
    while at < len(records):
        n = rng.choice([1, 3, 10, 40])
        collect(seen, dead, observe.on_batch(records[at : at + n]))
        at += n
        if rng.random() < 0.5:
            checkpoint = observe.checkpoint()
            committed = Checkpoint.parse(checkpoint.offset, checkpoint.metadata)
        if rng.random() < 0.3:
            crashes += 1
            observe = Observe(SOURCE, SPEC, book(), references(known=known), committed)
            at = sum(r.offset < committed.offset for r in records)
    collect(seen, dead, observe.finish())
    assert crashes
    assert dead == expected_dead
    assert seen == expected


@pytest.mark.parametrize("seed", range(4))
def test_every_event_is_counted_in_exactly_one_place(seed):
    records = traffic(seed)
    seen, dead, _ = straight(records, True)
    elements = 0
    for record in records:
        try:
            decoded = orjson.loads(record.value)
        except orjson.JSONDecodeError:
            decoded = None
        elements += len(decoded) if isinstance(decoded, list) else 1
    counted = sum(
        sum(pane["events"].values()) + pane["late"] + pane["duplicates"] + pane["dead"]
        for pane in seen.values()
    )
    assert sum(pane["dead"] for pane in seen.values()) == len(dead)
    assert sum(pane["late"] for pane in seen.values()) > 0
    assert sum(pane["duplicates"] for pane in seen.values()) > 0
    assert counted == elements


def test_an_idle_source_lets_time_pass_and_judges_what_follows_by_it():
    first = Record(0, None, b'{"model":"a","ts":1700000000,"prediction_id":"1","prediction":1}')
    second = Record(1, None, b'{"model":"a","ts":1700000001,"prediction_id":"2","prediction":1}')
    observe = Observe(SOURCE, SPEC, book(), references(known=True))
    assert not observe.on_batch([first]).panes
    wall = 1_700_000_200_000_000
    emission = observe.on_idle(wall)
    assert len(emission.panes) == 1
    resumed = Observe(SOURCE, SPEC, book(), references(known=True), observe.checkpoint())
    for following in (observe, resumed):
        following.on_batch([second])
        (_, message), *_ = following.finish().panes
        assert orjson.loads(message)["late"] == 1
