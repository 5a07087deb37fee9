"""What windows tell of evidence: how far it has come with each column, at most."""

from __future__ import annotations

import json

import numpy as np

from driftline.contract import Contract, DetectorPlan, FeaturePlan, WindowPlan
from driftline.detect import Slot
from driftline.events.time import SECOND
from driftline.pipeline.watched import Watched
from driftline.stats import Pane, Reference
from driftline.stats.window import Windows

SLOT = 10 * SECOND
ROWS = 100


def reference() -> Reference:
    rng = np.random.default_rng(3)
    return Reference.build(
        "m", {name: rng.standard_normal(4_000).tolist() for name in ("age", "dull")}
    )


REFERENCE = reference()


def counted(mean: float, rng: np.random.Generator) -> Pane:
    pane = Pane.empty(REFERENCE, 0)
    pane.events["prediction"] = pane.featured = ROWS
    for place, column in enumerate(REFERENCE.columns):
        values = rng.standard_normal(ROWS) + (mean if column.name == "age" else 0.0)
        bins = np.clip(np.searchsorted(column.edges, values, "right") - 1, 0, column.bins - 1)
        start = int(REFERENCE.starts[place])
        pane.counts[start : start + column.bins] += np.bincount(bins, minlength=column.bins)
    return pane


def told(windows: Windows, until: int) -> list[dict[str, float | None]]:
    bodies = [json.loads(value) for _, _, value in windows.close(until)]
    return [
        {name: column.get("evidence") for name, column in body["features"].items()}
        for body in bodies
    ]


def test_a_window_tells_the_most_of_its_slots() -> None:
    windows = Windows("m", [WindowPlan(length=2 * SLOT, hop=SLOT)])
    for number, evidence in enumerate([(0.2, 0.1), (1.2345, 0.0), (0.3, 0.05)]):
        windows.add(number * SLOT, (), counted(0.0, np.random.default_rng(number)))
        windows.note(number * SLOT, (), np.array(evidence))
    assert told(windows, 10 * SLOT) == [
        {"age": 0.2, "dull": 0.1},
        {"age": 1.234, "dull": 0.1},
        {"age": 1.234, "dull": 0.05},
        {"age": 0.3, "dull": 0.05},
    ]


def test_nothing_is_told_where_nobody_judged() -> None:
    windows = Windows("m", [WindowPlan(length=SLOT, hop=SLOT)])
    windows.note(0, (), np.array([0.5, 0.5]))  # of a slot that no window holds
    windows.add(0, (), counted(0.0, np.random.default_rng(1)))
    assert told(windows, SLOT) == [{"age": None, "dull": None}]


def test_evidence_is_against_the_reference_that_holds() -> None:
    windows = Windows("m", [WindowPlan(length=3 * SLOT, hop=3 * SLOT)])
    windows.add(0, (), counted(0.0, np.random.default_rng(1)))
    windows.note(0, (), np.array([0.9, 0.9]))
    other = Reference.build("m", {"age": [float(n) for n in range(200)]})
    windows.add(SLOT, (), Pane.empty(other, 0))
    assert told(windows, 3 * SLOT) == [{"age": None}]


def test_a_restart_goes_on() -> None:
    plans = [WindowPlan(length=3 * SLOT, hop=3 * SLOT)]
    windows, fresh = Windows("m", plans), Windows("m", plans)
    windows.add(0, (), counted(0.0, np.random.default_rng(1)))
    windows.note(0, (), np.array([0.7, 0.1]))
    state, evidence = json.loads(json.dumps([windows.snapshot(), windows.evidence()]))
    fresh.restore(state, lambda *_: REFERENCE, evidence)
    for each in (windows, fresh):
        each.add(SLOT, (), counted(0.0, np.random.default_rng(2)))
        each.note(SLOT, (), np.array([0.2, 0.4]))
    assert fresh.close(3 * SLOT) == windows.close(3 * SLOT)
    # A state from before windows told of it has none.
    fresh.restore(state, lambda *_: REFERENCE)
    assert told(fresh, 3 * SLOT) == [{"age": None, "dull": None}]


def test_a_column_that_nobody_judges_is_told_nothing_of() -> None:
    contract = Contract(model="m", slot=SLOT, features={"dull": FeaturePlan(importance=0)})
    (found,) = standings(contract, [0.0])
    assert np.isnan(found["dull"])
    windows = Windows("m", [WindowPlan(length=2 * SLOT, hop=2 * SLOT)])
    for number in range(2):
        windows.add(number * SLOT, (), counted(0.0, np.random.default_rng(number)))
        windows.note(number * SLOT, (), np.array([0.25, np.nan]))
    assert told(windows, 2 * SLOT) == [{"age": 0.25, "dull": None}]


def standings(contract: Contract, means: list[float]) -> list[dict[str, float]]:
    """Return the standing after each slot, and whether something was raised then."""
    watched, rng, found = Watched(contract, REFERENCE), np.random.default_rng(5), []
    for number, mean in enumerate(means):
        pane = counted(mean, rng)
        slot = Slot(number * SLOT, (number + 1) * SLOT, number, pane, REFERENCE, contract)
        raised = [f.feature for f in watched.step(slot, {}) if f.state == "raised"]
        names = [column.name for column in REFERENCE.columns]
        found.append(
            dict(zip(names, watched.standing.get((), np.array([])).tolist(), strict=False))
        )
        found[-1]["rang"] = float("age" in raised)
    return found


def test_it_grows_with_a_change_and_has_reached_one_where_it_rings() -> None:
    found = standings(Contract(model="m", slot=SLOT), [0.0] * 30 + [0.4] * 12)
    quiet, moved = found[:30], found[30:]
    assert max(each["age"] for each in quiet) < 0.8
    assert not any(each["rang"] for each in quiet)
    at = next(k for k, each in enumerate(moved) if each["rang"])
    before = [each["age"] for each in moved[: at + 1]]
    assert before == sorted(before)
    assert before[-1] > 0.99
    assert all(each["dull"] < 0.8 for each in found)
    # What has rung bets anew.
    assert moved[at + 1]["age"] < before[-1]


def test_only_the_detector_of_that_name_is_told_of() -> None:
    parts = tuple(DetectorPlan(name=name) for name in ("missing", "range", "page_hinkley"))
    found = standings(Contract(model="m", slot=SLOT, detectors=parts), [0.0] * 3)
    assert found == [{"rang": 0.0}] * 3
