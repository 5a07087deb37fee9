"""Drills: what is planted, that it rings, that the live detectors never notice."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from driftline.contract import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Book,
    Contract,
    DetectorPlan,
    Drill,
    FeaturePlan,
    PlantedShift,
    ReferencePlan,
)
from driftline.detect import STATISTICAL, Finding
from driftline.detect.planting import Planted, makes_sense
from driftline.events.frame import Frame
from driftline.events.mapping import InputSpec
from driftline.events.outputs import Feedback
from driftline.events.record import Record, Source
from driftline.pipeline import Detect, Observe, References
from driftline.stats import Pane, Reference, fold

START = 1_700_000_000
SOURCE = Source("predictions", 0)
SPEC = InputSpec(topic="predictions", type="prediction")
SLOT = 10 * SECOND


def rows_of(rng: np.random.Generator, rows: int) -> dict[str, list[Any]]:
    return {
        "amount": rng.lognormal(3, 1, rows).tolist(),
        "city": rng.choice(["a", "b", "c", "d"], rows, p=[0.4, 0.3, 0.2, 0.1]).tolist(),
        "flag": (rng.random(rows) < 0.3).tolist(),
    }


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.build("m", rows_of(np.random.default_rng(1), 5_000))


def pane_of(reference: Reference, columns: dict[str, list[Any]], keep: int = 10**5) -> Pane:
    rows = len(columns["amount"])
    frame = Frame(
        model="m",
        type="prediction",
        ts=np.arange(rows, dtype=np.int64),
        offset=np.arange(rows, dtype=np.int64),
        index=np.zeros(rows, dtype=np.int64),
        columns=dict(columns),
        kinds=reference.kinds,
    )
    pane = Pane.empty(reference, keep)
    fold(frame, reference, SOURCE, np.arange(rows), np.zeros(1, dtype=np.int64)).add_to(pane, 0)
    pane.sample.sort()
    return pane


SHIFTS = [
    ("amount", PlantedShift(what="mean", size=1.0)),
    ("amount", PlantedShift(what="mean", size=-0.5)),
    ("amount", PlantedShift(what="spread", size=2.0)),
    ("amount", PlantedShift(what="missing", size=0.2)),
    ("city", PlantedShift(what="mix", size=0.2)),
    ("city", PlantedShift(what="new", size=0.1)),
    ("city", PlantedShift(what="missing", size=0.3)),
    ("flag", PlantedShift(what="mix", size=0.2)),
]


@pytest.mark.parametrize(("name", "shift"), SHIFTS)
def test_counts_and_sample_follow_the_law_that_is_planted(reference, name, shift):
    from driftline.detect.shifts import plant

    pane = pane_of(reference, rows_of(np.random.default_rng(2), 40_000))
    before = msgspec.msgpack.encode([pane.counts.tolist(), pane.sample.values.tobytes()])
    moved = Planted(reference, name, shift).into(pane, START)
    assert before == msgspec.msgpack.encode([pane.counts.tolist(), pane.sample.values.tobytes()])
    at = reference.index[name]
    column = reference.columns[at]
    law = plant(column, shift, 1)
    counts = moved.column_counts(at)
    assert counts.sum() == 40_000
    # The rows are those of another draw than the reference's 5,000: both have an error.
    np.testing.assert_allclose(counts / 40_000, law, atol=0.03)
    values = moved.sample.values[:, at]
    codes = (
        column.bin_numbers(values)
        if column.numeric
        else np.where(np.isnan(values), column.bins + 1, values).astype(int)
    )
    sampled = np.bincount(codes, minlength=counts.size)
    np.testing.assert_allclose(sampled / 40_000, counts / 40_000, atol=0.01)
    others = [i for i in range(len(reference.columns)) if i != at]
    for other in others:
        assert np.array_equal(moved.column_counts(other), pane.column_counts(other))
        assert np.array_equal(
            moved.sample.values[:, other], pane.sample.values[:, other], equal_nan=True
        )


def test_sums_say_what_the_moved_values_say(reference):
    from driftline.stats.fixedpoint import mean_and_sd

    pane = pane_of(reference, rows_of(np.random.default_rng(2), 5_000))
    moved = Planted(reference, "amount", PlantedShift(what="mean", size=1.0)).into(pane, START)
    column = reference.columns[0]
    mean, sd = mean_and_sd(moved.sums[:, 0], 5_000, column.center, column.unit)
    assert mean == pytest.approx(moved.sample.values[:, 0].mean(), rel=1e-6)
    assert sd == pytest.approx(moved.sample.values[:, 0].std(), rel=1e-6)
    assert moved.maximum[0] >= moved.sample.values[:, 0].max()


def test_the_same_slot_is_planted_alike_and_another_one_anew(reference):
    pane = pane_of(reference, rows_of(np.random.default_rng(2), 500))
    planted = Planted(reference, "amount", PlantedShift(what="mean", size=1.0))
    one, again, other = (planted.into(pane, start) for start in (START, START, START + 1))
    assert np.array_equal(one.counts, again.counts)
    assert np.array_equal(one.sample.values, again.sample.values)
    assert not np.array_equal(one.counts, other.counts)


def test_a_shift_has_to_fit_its_column(reference):
    amount, city, flag = reference.columns
    plan = FeaturePlan()
    mean, mix = PlantedShift(what="mean", size=0.3), PlantedShift(what="mix", size=0.1)
    assert makes_sense(mean, amount, plan)
    assert not makes_sense(mean, city, plan)
    assert makes_sense(mix, city, plan)
    assert makes_sense(mix, flag, plan)
    assert not makes_sense(mix, amount, plan)
    assert not makes_sense(mean, amount, FeaturePlan(tolerance=0.5)), "no page is due for it"
    assert not makes_sense(mean, amount, FeaturePlan(importance=0.0)), "nor for this"


# A model's life, through observe and detect.


def contract(drill: Drill | None, *names: str) -> Contract:
    return Contract(
        model="m",
        slot=SLOT,
        lateness=5 * SECOND,
        sample=64,
        reference=ReferencePlan(events=1_000),
        detectors=tuple(DetectorPlan(name=name) for name in names or ("evidence", "adwin")),
        drill=drill,
    )


HOURLY = Drill(every=HOUR, within=20 * MINUTE)


def traffic(seconds: int, shift_from: int | None = None) -> list[Record]:
    rng = random.Random(7)
    out = []
    for second in range(seconds):
        for _ in range(2):
            moved = 3.0 if shift_from is not None and second >= shift_from else 0.0
            event = {
                "model": "m",
                "ts": START + second,
                "prediction_id": f"p{len(out)}",
                "prediction": rng.random(),
                "features": {"x": rng.gauss(moved, 1), "y": rng.gauss(0, 1), "c": rng.choice("uv")},
            }
            out.append(Record(len(out), (START + second) * 1000, orjson.dumps(event)))
    return out


def live(made: Contract, records: list[Record], restart_every: int = 10**9) -> tuple[Any, ...]:
    """Run records through observe and detect; return outputs by topic and the last model state."""
    book, references = Book((made,)), References()
    observe = Observe(SOURCE, SPEC, book, references)
    detect, saved = Detect(book, [SOURCE], references), {}
    out: dict[str, list[Any]] = {"alerts": [], "feedback": [], "windows": []}
    number = 0

    def publish(output: Any) -> None:
        for topic, held in out.items():
            held.extend(value for _, value in getattr(output, topic))

    for at in range(0, len(records), 500):
        emission = observe.on_batch(records[at : at + 500])
        messages = [value for _, value in emission.panes]
        messages += [emission.mark] if emission.mark else []
        for message in messages:
            publish(detect.on_message(number, message))
            number += 1
            if number % restart_every == 0:
                for group in detect.snapshot():
                    saved.update(group)
                detect = Detect(book, [SOURCE], references)
                for key, value in saved.items():
                    detect.restore(key, value)
    for group in detect.snapshot():
        saved.update(group)
    import zlib

    state = msgspec.msgpack.decode(zlib.decompress(saved[b"m"]))
    return {topic: [orjson.loads(v) for v in held] for topic, held in out.items()}, state


def drills(out: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [
        event
        for event in out["feedback"]
        if event["type"] in {"driftline.feedback.drill_rang", "driftline.feedback.drill_failed"}
    ]


HOURS = traffic(3 * 3600)


@pytest.fixture(scope="module")
def drilled() -> tuple[Any, ...]:
    return live(contract(HOURLY), HOURS)


def test_a_scheduled_drill_rings_soon_and_says_so(drilled):
    out, _ = drilled
    found = drills(out)
    assert len(found) >= 2
    for event in found:
        msgspec.convert(event, Feedback)
        data = event["data"]
        assert event["type"] == "driftline.feedback.drill_rang", data
        assert data["slots"] <= 20
        assert data["events"] == data["slots"] * 20
        assert data["seconds"] == data["slots"] * 10
        assert data["detector"] in {"evidence", "adwin"}
    assert out["alerts"] == [], "nobody is told of what was only planted"


def test_the_live_detectors_are_bit_for_bit_what_they_are_without_drills(drilled):
    out, state = drilled
    plain, without = live(contract(None), HOURS)
    assert len(drills(out)) >= 2
    assert state["detectors"] == without["detectors"]
    assert state["recent"] == without["recent"]
    assert state["incidents"]["open"] == without["incidents"]["open"]
    assert out["windows"] == plain["windows"]


def test_a_restart_at_any_message_changes_nothing(drilled):
    out, state = drilled
    again, resumed = live(contract(HOURLY), HOURS, restart_every=7)
    assert again == out
    assert resumed == state


@pytest.fixture
def deaf(monkeypatch) -> None:
    """A detector that takes every slot and never says a word."""

    class Deaf:
        name = "evidence"

        def step(self, slot: Any) -> list[Finding]:
            return []

        def snapshot(self) -> dict[str, Any]:
            return {}

        def restore(self, state: dict[str, Any]) -> None:
            pass

    monkeypatch.setitem(STATISTICAL, "evidence", lambda *_: Deaf())


def test_with_deaf_detectors_the_failed_drill_is_an_alert_and_one_only(deaf):
    out, _ = live(contract(HOURLY, "evidence"), HOURS)
    found = drills(out)
    assert len(found) >= 2
    assert {event["type"] for event in found} == {"driftline.feedback.drill_failed"}
    assert len({(e["data"]["feature"], e["data"]["shift"]) for e in found}) == 1, "it is repeated"
    assert {e["data"]["slots"] for e in found} == {120}
    (alert,) = out["alerts"]
    assert alert["data"]["kind"] == "drill"
    assert alert["data"]["severity"] == "page"
    assert alert["data"]["feature"] == found[0]["data"]["feature"]
    assert "did not ring" in alert["data"]["text"]


def test_with_nothing_but_the_schema_watched_the_failed_drill_is_an_alert():
    mean = Drill(every=HOUR, within=20 * MINUTE, shifts=(PlantedShift(what="mean", size=1.0),))
    out, _ = live(contract(mean, "schema"), HOURS)
    assert [a["data"]["kind"] for a in out["alerts"]] == ["drill"]


def test_it_is_resolved_when_the_same_drill_rings_again(monkeypatch):
    records = traffic(4 * 3600)
    whole = STATISTICAL["evidence"]
    hours = (START // 3600 + 3) * 3600 * SECOND

    class Dulled:
        name = "evidence"

        def __init__(self, *given: Any) -> None:
            self._inner = whole(*given)

        def step(self, slot: Any) -> list[Finding]:
            found = self._inner.step(slot)
            return list(found) if slot.start >= hours else []

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    monkeypatch.setitem(STATISTICAL, "evidence", Dulled)
    out, _ = live(contract(HOURLY, "evidence"), records)
    assert [a["data"]["state"] for a in out["alerts"]] == ["opened", "resolved"]
    kinds = [event["type"].rpartition("_")[2] for event in drills(out)]
    assert kinds[0] == "failed"
    assert "rang" in kinds


def test_a_feature_in_trouble_is_left_alone():
    only = Drill(every=HOUR, within=20 * MINUTE, features=("x",))
    out, _ = live(contract(only), traffic(3 * 3600, shift_from=1800))
    assert {a["data"]["feature"] for a in out["alerts"]} >= {"x"}
    assert drills(out) == []


def test_days_without_events_do_not_count():
    """The slots of a drill are those in which the model speaks."""
    gap = 3 * DAY // SECOND
    records = [
        r
        if n < len(HOURS) // 2
        else Record(
            r.offset,
            r.timestamp + gap * 1000,
            orjson.dumps(orjson.loads(r.value) | {"ts": orjson.loads(r.value)["ts"] + gap}),
        )
        for n, r in enumerate(HOURS)
    ]
    out, _ = live(contract(HOURLY), records)
    assert {event["type"] for event in drills(out)} == {"driftline.feedback.drill_rang"}
