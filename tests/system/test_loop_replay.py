"""A hidden feedback loop through the whole pipeline: it is suspected, and nothing else is."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from driftline.contract import Book, parse
from driftline.events.time import format_ts, read_ts
from driftline.replay.run import Request, replay
from driftline.simulate.loop import HiddenLoop

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400_000_000
START = 1_795_478_400_000_000  # 2026-11-24T00:00:00Z
CALM = 600
"""Rows before anybody looks at predictions: twelve trainings."""
CONTRACT = """
model: prices
slot: 1h
lateness: 0s
reference: {from: warmup, events: 400}
quality: {metric: mae, at_most: 9, window: 1d, label_horizon: 1d}
decision: {action: use}
retrain: {on: [quality]}
sla: {silence: 2d}
"""


def events(loop: HiddenLoop) -> list[dict[str, Any]]:
    """A training a day, fifty predictions between two of them, labels an hour later."""
    out: list[dict[str, Any]] = []
    for day, rows in enumerate(loop.draw()):
        version = f"v{rows.version}"
        out.append({"type": "lifecycle", "ts": START + day * DAY, "kind": "retrained"})
        out[-1] |= {"version": version, "why": "as every day"}
        for at, (x, said, label, used) in enumerate(
            zip(rows.features, rows.prediction, rows.label, rows.used, strict=True)
        ):
            ts, about = START + day * DAY + at * DAY // 50, {"prediction_id": f"{day}-{at}"}
            features = {f"x{n}": float(value) for n, value in enumerate(x)}
            out.append({"type": "prediction", "ts": ts, **about, "prediction": float(said)})
            out[-1] |= {"features": features, "version": version}
            action = "use" if used else "own"
            out.append({"type": "decision", "ts": ts + 60_000_000, **about, "action": action})
            out[-1]["recommended"] = "use"
            out.append({"type": "label", "ts": ts + 3_600_000_000, **about, "label": float(label)})
    return [{**each, "model": "prices", "ts": format_ts(each["ts"])} for each in out]


def told(folder: Path, loop: HiddenLoop) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Replay; return what was suspected, and what was said of inputs and quality."""
    source = folder / "events.jsonl"
    source.write_text("\n".join(map(json.dumps, events(loop))) + "\n")
    book = Book((parse(CONTRACT, "prices.yaml"),))
    request = Request([str(source)], book, folder / "out", report=False)
    replay(request, clock=time.monotonic)
    feedback, alerts = (
        [json.loads(line) for line in (folder / "out" / f"{name}.jsonl").read_text().splitlines()]
        for name in ("feedback", "alerts")
    )
    loops = [event for event in feedback if event["type"].endswith(".loop_suspected")]
    return loops, [alert["data"] for alert in alerts]


@pytest.mark.parametrize(("usage", "seed"), [(0.5, 1), (0.9, 2)])
def test_a_hidden_loop_is_suspected_before_the_tenth_retraining(
    usage: float, seed: int, tmp_path: Path
) -> None:
    loops, alerts = told(tmp_path, HiddenLoop(usage, rows=CALM + 600, before=CALM, seed=seed))
    assert loops
    begun = START + CALM // 50 * DAY
    assert begun < read_ts(loops[0]["time"]) <= begun + 11 * DAY
    assert set(loops[0]["data"]["loop"]["by"]) <= {"lineage", "spread"}
    assert loops[0]["data"]["loop"]["advice"]
    assert not [a for a in alerts if a["severity"] == "page"]
    assert not [a for a in alerts if "improve" in a["text"]]


def test_without_a_loop_nothing_is_suspected(tmp_path: Path) -> None:
    loops, alerts = told(tmp_path, HiddenLoop(0.0, rows=CALM + 600, before=CALM, seed=3))
    assert not loops
    assert not [a for a in alerts if a["severity"] == "page"]
