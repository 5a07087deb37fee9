"""A change of practice that people mean: what was raised is over, and nothing is raised again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.contract import DAY, HOUR, MINUTE, Book, parse
from driftline.events.time import format_ts, read_ts
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from pathlib import Path

START = 1_795_478_400_000_000  # 2026-11-24T00:00:00Z
A_DAY = 400
CHANGED, ACCEPTED, DAYS = 7, 10, 20
CONTRACT = """
model: credit
slot: 1h
reference: {from: warmup, events: 500}
decision: {act_when: 'score >= 0.5', action: reject, within: 6h}
sla: {silence: 2d}
"""


def events(*, accepted: bool) -> list[dict[str, Any]]:
    """People override one decision of fifty, and from a day on one of four."""
    rng = np.random.default_rng(1)
    out: list[dict[str, Any]] = []
    for day in range(DAYS):
        overrides = 0.02 if day < CHANGED else 0.25
        for at in range(A_DAY):
            ts, about = START + day * DAY + at * DAY // A_DAY, {"prediction_id": f"{day}-{at}"}
            score = float(rng.random())
            out.append({"type": "prediction", "ts": ts, **about, "prediction": score})
            out[-1] |= {"score": score, "features": {"x": float(rng.standard_normal())}}
            action = "reject" if (score >= 0.5) ^ (rng.random() < overrides) else "accept"
            took = int(rng.uniform(5, 60) * MINUTE)
            out.append({"type": "decision", "ts": ts + took, **about, "action": action})
    if accepted:
        moment = START + ACCEPTED * DAY
        out.append({"type": "lifecycle", "ts": moment, "kind": "practice_accepted", "by": "ana"})
    out.sort(key=lambda each: each["ts"])
    return [{**each, "model": "credit", "ts": format_ts(each["ts"])} for each in out]


@pytest.mark.parametrize("accepted", [True, False])
def test_an_accepted_practice_is_the_usual_one(accepted: bool, tmp_path: Path) -> None:
    source = tmp_path / "events.jsonl"
    source.write_text("\n".join(map(json.dumps, events(accepted=accepted))) + "\n")
    book = Book((parse(CONTRACT, "credit.yaml"),))
    replay(Request([str(source)], book, tmp_path / "out", report=False), clock=time.monotonic)
    lines = (tmp_path / "out" / "alerts.jsonl").read_text().splitlines()
    found = [json.loads(line)["data"] for line in lines]
    assert {alert["kind"] for alert in found} == {"decision"}
    opened, *rest = found
    assert opened["state"] == "opened"
    detected = read_ts(opened["detected_at"])
    assert CHANGED * DAY < detected - START < ACCEPTED * DAY
    resolved = [alert for alert in rest if alert["state"] == "resolved"]
    assert len(resolved) == accepted
    if accepted:
        last = read_ts(json.loads(lines[-1])["time"])
        assert 0 <= last - START - ACCEPTED * DAY <= 2 * HOUR
