"""Events of all types in random order, doubled, corrected and broken: each is counted once."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from driftline.contract import Book, parse
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOAK = "DRIFTLINE_SOAK"
START = 1_795_478_400.0
SPREAD_S = 60.0
"""How far events lie out of order."""
CONTRACT = """
model: m
slot: 10s
lateness: 50s
reference: {from: warmup, events: 500}
quality: {metric: auc, at_least: 0.5, label_horizon: 5m, window: 1m, positive: "1"}
decision: {act_when: "score >= 0.5", action: go, within: 1m, baseline: {arm: holdout, share: 10%}}
skew: {}
"""
RUBBISH = [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"model":7}', b'{"type":"prediction"}', b"17"]


def _events(rng: random.Random, count: int) -> Iterator[tuple[float, bytes]]:
    """Yield (when it is sent, line)."""
    for number in range(count):
        at = START + number * 0.01
        name = f"p{rng.randrange(max(1, count // 4))}"
        kind = rng.choice(["prediction", "label", "decision", "outcome", "features", "lifecycle"])
        body: dict[str, Any] = {"model": rng.choice(["m", "m", "m", "n"]), "type": kind, "ts": at}
        body |= {} if kind == "lifecycle" else {"prediction_id": name}
        body |= _said(rng, kind)
        if rng.random() < 0.02:
            body.pop(rng.choice(list(body)))
        line = orjson.dumps(body)
        when = at + rng.choice([0.0, rng.uniform(0, SPREAD_S), rng.uniform(0, 3 * SPREAD_S)])
        for _ in range(rng.choice([1, 1, 1, 1, 2])):
            yield when, rng.choice(RUBBISH[1:]) if rng.random() < 0.01 else line


def _said(rng: random.Random, kind: str) -> dict[str, Any]:
    value = rng.choice([1, 0, 2.5, "x", None, True, float("inf"), 1e300, "1"])
    match kind:
        case "prediction":
            score = round(rng.random(), 3)
            features = {"a": rng.gauss(0, 1), "b": value}
            arm = rng.choice(["model", "holdout", None])
            said = {"prediction": int(score > 0.5), "score": score, "features": features}
            return said | ({} if arm is None else {"arm": arm})
        case "label":
            return {"label": rng.choice([0, 1, 1, "0", value])}
        case "decision":
            return {"action": rng.choice(["go", "stop"]), "actor": rng.choice(["ada", "bob"])}
        case "outcome":
            return {"value": rng.choice([0, 1, value]), "kind": rng.choice(["a", "b"])}
        case "features":
            source = rng.choice(["serving", "training", "elsewhere"])
            return {"features": {"a": rng.gauss(0, 1), "b": value}, "source": source}
        case _:
            return {"kind": rng.choice(["retrained", "owner_confirmed", "odd"]), "version": "v1"}


@pytest.mark.timeout(1_200)
def test_every_event_is_counted_in_one_place(tmp_path: Path) -> None:
    """A million of them in the soak, which takes minutes."""
    count = 1_000_000 if os.environ.get(SOAK) else 12_000
    rng = random.Random(5)
    lines = [line for _, line in sorted(_events(rng, count), key=lambda each: each[0])]
    source = tmp_path / "events.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    book = Book((parse(CONTRACT, "m.yaml"),))
    request = Request([str(source)], book, tmp_path / "out", report=False)
    summary = replay(request, clock=time.monotonic)
    # An empty array holds no event, and an empty line is none.
    assert summary.events == sum(line not in {b"", b"[]"} for line in lines)
    assert summary.differing == 0
    dead = (tmp_path / "out" / "deadletters.jsonl").read_bytes().count(b"\n")
    assert dead == summary.counts["dead_letters"] > count // 200
    assert summary.counts["duplicates"] > count // 1_000
    told: Counter[str] = Counter()
    for line in (tmp_path / "out" / "windows.jsonl").read_text().splitlines():
        window = json.loads(line)
        if "kind" not in window and not window["segment"]:
            told.update(window["events"])
            told["late"] += window["late"]
            told["dead"] += window["dead"]
            told["duplicates"] += window["duplicates"]
    assert told.total() == summary.events
    assert {kind: told[kind] for kind in summary.counts["events"]} == summary.counts["events"]
