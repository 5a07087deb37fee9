"""Accepted changes: the reference moves on, whoever of the workers hears of it when."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest

from driftline.contract import DAY, SECOND, Book, Contract, DetectorPlan, ReferencePlan
from driftline.errors import DriftlineError
from driftline.events.frame import Frame
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.pipeline import Detect, Observe, References, reference_message
from driftline.pipeline.lifecycle import Accepted, accepted, note_of
from driftline.pipeline.successor import Successor
from driftline.stats import OTHER, Pane, Reference, fold
from driftline.stats.rebin import rebin

START = 1_700_000_000
SLOT = 10 * SECOND
TRAFFIC, PEOPLE = Source("predictions", 0), Source("lifecycle", 0)
SPECS = {
    TRAFFIC: InputSpec(topic="predictions", type="prediction"),
    PEOPLE: InputSpec(topic="lifecycle", type="lifecycle"),
}


# Panes of one reference on another.


def columns_of(rng: np.random.Generator, rows: int, shift: float = 0.0) -> dict[str, list[Any]]:
    x = rng.normal(shift, 1, rows)
    return {
        "x": [None if rng.random() < 0.1 else v for v in x.tolist()],
        "c": rng.choice(["u", "v", "w"], rows).tolist(),
        "flag": (rng.random(rows) < 0.4).tolist(),
        "prediction": rng.random(rows).tolist(),
    }


def pane_of(reference: Reference, kind: str, seed: int, rows: int = 200, keep: int = 10**4) -> Pane:
    rng = np.random.default_rng(seed)
    columns = columns_of(rng, rows, 1.0)
    columns["c"] = [("new" if rng.random() < 0.1 else v) for v in columns["c"]]
    featured = rng.random(rows) < 0.8
    if kind == "features":
        del columns["prediction"]
    for name in ("x", "c", "flag"):
        columns[name] = [v if f else None for v, f in zip(columns[name], featured, strict=True)]
    frame = Frame(
        model="m",
        type=kind,  # type: ignore[arg-type]
        ts=np.arange(rows, dtype=np.int64),
        offset=np.arange(rows, dtype=np.int64) + 1000 * seed,
        index=np.zeros(rows, dtype=np.int64),
        columns=columns,
        kinds=reference.kinds,
        featured=None if kind == "features" else featured,
    )
    pane = Pane.empty(reference, keep)
    folded = fold(frame, reference, TRAFFIC, np.arange(rows), np.zeros(1, dtype=np.int64))
    folded.add_to(pane, 0)
    return pane


def same(one: Pane, other: Pane) -> bool:
    one.sample.sort()
    other.sample.sort()
    comoments = (one.comoments, other.comoments)
    return (
        np.array_equal(one.counts, other.counts)
        and np.array_equal(one.sums, other.sums)
        and np.array_equal(one.minimum, other.minimum)
        and np.array_equal(one.maximum, other.maximum)
        and np.array_equal(one.invalid, other.invalid)
        and np.array_equal(one.sample.values, other.sample.values, equal_nan=True)
        and one.featured == other.featured
        and (comoments[0] is None) == (comoments[1] is None)
        and (
            comoments[0] is None
            or comoments[1] is None
            or (
                np.array_equal(comoments[0].products, comoments[1].products)
                and np.array_equal(comoments[0].rows, comoments[1].rows)
            )
        )
    )


@pytest.fixture(scope="module")
def old() -> Reference:
    return Reference.build("m", columns_of(np.random.default_rng(1), 2_000))


@pytest.fixture(scope="module")
def new(old: Reference) -> Reference:
    return Reference.build("m", columns_of(np.random.default_rng(2), 2_000, 1.0))


@pytest.mark.parametrize("mixed", [False, True])
def test_panes_of_another_reference_are_those_of_this_one(old, new, mixed):
    """Rows without features, and rows of a topic that says nothing of predictions, included."""
    kinds = ["prediction", "features" if mixed else "prediction"]
    direct = Pane.empty(new, 10**4)
    for seed, kind in enumerate(kinds):
        direct.merge(pane_of(new, kind, seed))
    first = [pane_of(old, kind, seed) for seed, kind in enumerate(kinds)]
    assert same(rebin(first, new), direct)
    either = [pane_of(reference, kind, seed) for seed, (reference, kind) in
              enumerate(zip((old, new), kinds, strict=True))]  # fmt: skip
    assert same(rebin(either, new), direct)


def test_of_more_rows_than_a_sample_holds_the_sample_speaks(old, new):
    parts = [pane_of(r, "prediction", seed, keep=64) for seed, r in enumerate((old, new))]
    whole = rebin(parts, new)
    again = rebin([pane_of(new, "prediction", s, keep=64) for s in range(2)], new)
    assert same(whole, again), "whichever reference the rows were counted on"
    x = new.index["x"]
    assert whole.sample.rows == 64
    share = whole.column_counts(x)[-1] / 64
    exact = sum(p.counts[p.reference.starts[x + 1] - 1] for p in parts) / 400  # type: ignore[union-attr]
    assert share == pytest.approx(exact, abs=0.01)


# What is collected.


def held(
    successor: Successor, reference: Reference, slots: int, rows: int = 50, **law: Any
) -> None:
    rng = np.random.default_rng(5)
    for number in range(slots):
        columns = columns_of(rng, rows, **law)
        frame = Frame(
            model="m",
            type="prediction",
            ts=number * SLOT + np.arange(rows, dtype=np.int64),
            offset=np.arange(rows, dtype=np.int64) + number * rows,
            index=np.zeros(rows, dtype=np.int64),
            columns=columns | {"c": ["new" if rng.random() < 0.3 else "u" for _ in range(rows)]},
            kinds=reference.kinds,
        )
        pane = Pane.empty(reference, rows)
        order, first = np.arange(rows), np.zeros(1, dtype=np.int64)
        fold(frame, reference, TRAFFIC, order, first).add_to(pane, 0)
        pane.sample.sort()
        successor.hold(number * SLOT, pane)


def small(**more: Any) -> Contract:
    return Contract(model="m", slot=SLOT, reference=ReferencePlan(events=2_000), **more)


def test_only_what_was_accepted_is_built_anew(old):
    successor = Successor(old, small())
    successor.accept({"x"}, 0)
    held(successor, old, 39, shift=3.0)
    assert successor.build() is None, "too few rows"
    held(successor, old, 1, shift=3.0)
    found = successor.build()
    assert found is not None
    assert found.kinds == old.kinds
    before, after = old.columns[old.index["x"]], found.columns[old.index["x"]]
    assert after.mean == pytest.approx(before.mean + 3, abs=0.15)
    for name in ("c", "flag", "prediction"):
        assert found.columns[old.index[name]] is old.columns[old.index[name]]


def test_levels_nobody_had_met_share_a_bin_and_the_others_keep_theirs(old):
    successor = Successor(old, small())
    successor.accept(None, 0, "2")
    held(successor, old, 40)
    found = successor.build()
    assert found is not None
    before, after = old.columns[old.index["c"]], found.columns[old.index["c"]]
    assert after.categories == (*before.categories, OTHER)
    assert after.open
    assert after.counts[before.bins] / after.counts.sum() == pytest.approx(0.3, abs=0.05)
    assert after.codes["new"] == after.bins - 1


def test_a_short_stretch_does_not_make_the_feature_calm(old):
    from dataclasses import replace

    restless = replace(old, rho=np.full(4, 0.2), tau=np.full(4, 5.0))
    few, many = Successor(restless, small()), Successor(restless, small())
    for successor, slots, rows in ((few, 40, 50), (many, 400, 5)):
        successor.accept(None, 0)
        held(successor, restless, slots, rows)
    found = few.build()
    assert found is not None
    assert found.rho.tolist() == restless.rho.tolist()
    assert found.tau.tolist() == restless.tau.tolist()
    found = many.build()
    assert found is not None
    assert (found.rho < 0.1).all(), "two hundred slots and more tell for themselves"


def test_a_seasonal_feature_is_collected_over_as_many_days_as_make_a_season():
    rng = np.random.default_rng(3)
    ts = np.arange(0, 14 * DAY, 60 * SECOND, dtype=np.int64)
    day = np.sin(2 * np.pi * ts / DAY) * 3
    columns = {"x": (day + rng.normal(0, 1, ts.size)).tolist()}
    daily = Reference.build("m", columns, ts=ts, slot=600 * SECOND)
    assert daily.season
    contract = Contract(model="m", slot=600 * SECOND, reference=ReferencePlan(events=500))
    successor = Successor(daily, contract)
    successor.accept(None, 0)
    built = []
    for number in range(4 * 144):
        start = number * 600 * SECOND
        rows = start + np.arange(10, dtype=np.int64) * 60 * SECOND
        values = np.sin(2 * np.pi * rows / DAY) * 3 + rng.normal(5, 1, 10)
        frame = Frame("m", "prediction", rows, rows // SECOND, rows * 0, {"x": values.tolist()})
        pane = Pane.empty(daily, 64)
        fold(frame, daily, TRAFFIC, np.arange(10), np.zeros(1, dtype=np.int64)).add_to(pane, 0)
        pane.sample.sort()
        successor.hold(start, pane)
        assert successor.rows < 1_000, "thinned meanwhile"
        found = successor.build()
        if found is not None:
            built.append((number, found))
            break
    ((number, found),) = built
    assert number == 3 * 144
    assert found.season, "and the season was learnt anew"


def test_what_is_collected_survives_a_restart(old):
    one = Successor(old, small())
    one.accept({"x"}, 0)
    held(one, old, 20)
    other = Successor(old, small())
    other.restore(one.snapshot())
    held(one, old, 20)
    held(other, old, 20)
    first, second = one.build(), other.build()
    assert first is not None
    assert second is not None
    assert first.id == second.id


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("lifecycle", None),
        ("prediction", None),
        ("lifecycle/owner_confirmed//ada/", None),
        ("lifecycle/retrained///", Accepted("retrained", None, None)),
        ("lifecycle/deployed/v%2F2//", Accepted("deployed", None, "v/2")),
        ("lifecycle/drift_accepted///", Accepted("drift_accepted", None, None)),
        (
            "lifecycle/drift_accepted/a%2Fb/ada/as%20planned",
            Accepted("drift_accepted", "a/b", None),
        ),
    ],
)
def test_a_pane_tells_of_a_change_by_its_kind(kind, change):
    note = note_of(kind)
    assert (accepted(note) if note is not None else None) == change


# A model's life.


def contract(**more: Any) -> Contract:
    given: dict[str, Any] = {
        "model": "m",
        "slot": SLOT,
        "lateness": 5 * SECOND,
        "sample": 16,
        "reference": ReferencePlan(events=600),
        "detectors": (DetectorPlan(name="evidence"), DetectorPlan(name="adwin")),
    }
    return Contract(**(given | more))


MOVES = {"x": (1_000, 2_600), "y": (1_300,)}
"""Seconds at which a feature moves, by three sd each time."""


@cache
def traffic(seconds: int = 3_600, y_until: int = 10**6, *, together: bool = False) -> list[Record]:
    rng = random.Random(7)
    out = []
    for second in range(seconds):
        for _ in range(4):
            at = {name: sum(second >= when for when in moves) for name, moves in MOVES.items()}
            event = {
                "model": "m",
                "ts": START + second,
                "prediction_id": f"p{len(out)}",
                "prediction": rng.random(),
                "features": {
                    "x": rng.gauss(3.0 * at["x"], 1),
                    "y": rng.gauss(3.0 * at["y"], 1),
                    "c": rng.choice("uv"),
                },
            }
            if together:
                event["features"]["y"] = rng.gauss(3.0 * (second >= 1_000), 1)
                event["prediction"] = rng.random() + (second >= 1_000)
            if second >= y_until:
                del event["features"]["y"]
            out.append(Record(len(out), (START + second) * 1000, orjson.dumps(event)))
    return out


def people(*told: tuple[int, dict[str, Any]]) -> list[Record]:
    return [
        Record(n, (START + at) * 1000, orjson.dumps({"model": "m", "ts": START + at, **said}))
        for n, (at, said) in enumerate(told)
    ]


class Life:
    """One model through observe and detect, with any lead of observe over detect."""

    def __init__(self, made: Contract, references: References | None = None) -> None:
        self.book, self.references = Book((made,)), references or References()
        self.observers = {
            source: Observe(source, spec, self.book, self.references)
            for source, spec in SPECS.items()
        }
        self.detect = Detect(self.book, list(SPECS), self.references)
        self.out: dict[str, list[bytes]] = {
            "alerts": [],
            "feedback": [],
            "windows": [],
            "references": [],
        }
        self.saved: dict[bytes, bytes] = {}
        self.number = 0

    def run(
        self,
        told: list[Record],
        ahead: int = 0,
        restart_every: int = 10**9,
        batch: int = 100,
        **given: Any,
    ) -> Life:
        waiting: list[bytes] = []
        records, at = traffic(**given), 0
        for begin in range(0, len(records), batch):
            part = records[begin : begin + batch]
            now = part[-1].timestamp
            fresh = [r for r in told[at:] if r.timestamp <= now]
            at += len(fresh)
            emissions = [self.observers[PEOPLE].on_batch(fresh)] if fresh else []
            emissions.append(self.observers[PEOPLE].on_idle(now * 1000))
            emissions.append(self.observers[TRAFFIC].on_batch(part))
            waiting += self.messages(emissions)
            # Some messages stay under way: observe is that far ahead of detect.
            while len(waiting) > ahead:
                self.step(waiting.pop(0), restart_every)
        waiting += self.messages([o.finish() for o in self.observers.values()])
        for message in waiting:
            self.step(message, restart_every)
        return self

    @staticmethod
    def messages(emissions: list[Any]) -> list[bytes]:
        found: list[bytes] = []
        for emission in emissions:
            found += [value for _, value in emission.panes]
            found += [emission.mark] if emission.mark else []
        return found

    def step(self, message: bytes, restart_every: int) -> None:
        output = self.detect.on_message(self.number, message)
        self.number += 1
        for topic, held in self.out.items():
            held.extend(value for _, value in getattr(output, topic))
        if self.number % restart_every == 0:
            for group in self.detect.snapshot():
                self.saved.update(group)
            self.detect = Detect(self.book, list(SPECS), self.references)
            for key, value in self.saved.items():
                self.detect.restore(key, value)

    @property
    def alerts(self) -> list[tuple[str, str | None, int, str]]:
        out = []
        for value in self.out["alerts"]:
            event = orjson.loads(value)
            data = event["data"]
            second = int(np.datetime64(event["time"][:-1], "s").astype(int)) - START
            out.append((data["state"], data["feature"], second, data["reason"]))
        return out


ACCEPT_X = people((1_800, {"kind": "drift_accepted", "feature": "x", "by": "ann"}))


@pytest.fixture(scope="module")
def accepted_x() -> Life:
    return Life(contract()).run(ACCEPT_X)


def test_an_accepted_drift_is_normal_from_then_on(accepted_x):
    opened = [(f, at) for state, f, at, _ in accepted_x.alerts if state == "opened"]
    assert [f for f, _ in opened] == ["x", "y", "x"]
    assert opened[0][1] in range(1_000, 1_100)
    assert opened[1][1] in range(1_300, 1_400)
    assert opened[2][1] in range(2_600, 2_700), "moved once more, which nobody has accepted"
    resolved = [(f, at) for state, f, at, r in accepted_x.alerts if r == "a new reference holds"]
    # 600 rows, sixteen a slot: 38 slots after the slot of the event.
    assert {at for _, at in resolved} == {1_810 // 10 * 10 + 380 + 10}
    assert {f for f, _ in resolved} == {"x", "y"}


def test_what_nobody_has_accepted_is_open_still(accepted_x):
    """The new reference is of x alone: that y has moved comes back, and is not news."""
    back = [(f, reason) for state, f, _, reason in accepted_x.alerts if state == "reopened"]
    assert ("y", "it came back") in back
    assert not [f for f, _ in back if f == "x"]


def test_the_versions_are_on_the_topic(accepted_x):
    first, second = (orjson.loads(value) for value in accepted_x.out["references"])
    x = [next(c for c in r["reference"]["columns"] if c["name"] == "x") for r in (first, second)]
    y = [next(c for c in r["reference"]["columns"] if c["name"] == "y") for r in (first, second)]
    assert x[1]["mean"] - x[0]["mean"] == pytest.approx(3, abs=0.3)
    assert y[0] == y[1]


@pytest.mark.parametrize("ahead", [7, 60, 10**6])
def test_how_far_observe_is_ahead_makes_no_difference(accepted_x, ahead):
    """Slots of 40 rows, samples of 16: those of the transition are judged by their samples."""
    made = Life(contract()).run(ACCEPT_X, ahead=ahead)
    assert made.out == accepted_x.out


@pytest.mark.parametrize("batch", [37, 1_000])
def test_how_the_records_were_cut_makes_no_difference(accepted_x, batch):
    made = Life(contract()).run(ACCEPT_X, batch=batch)
    assert made.out == accepted_x.out


def test_a_restart_at_any_message_makes_no_difference(accepted_x):
    made = Life(contract()).run(ACCEPT_X, restart_every=5, ahead=20)
    assert made.out == accepted_x.out


def test_who_accepts_a_feature_accepts_what_moved_with_it():
    """One cause, one incident; and predictions move because inputs do."""
    made = Life(contract()).run(ACCEPT_X, together=True)
    opened = [(f, at) for state, f, at, _ in made.alerts if state == "opened"]
    assert [f for f, at in opened if at < 1_100] == ["x"]
    assert not [f for _, f, at, reason in made.alerts if reason == "it came back"]
    assert {f for f, at in opened if at > 2_200} <= {"x"}


def test_a_retrained_model_has_a_new_normal_altogether():
    told = people((1_800, {"kind": "retrained", "version": "2"}))
    made = Life(contract()).run(told)
    opened = [(f, at) for state, f, at, _ in made.alerts if state == "opened"]
    assert [f for f, _ in opened] == ["x", "y", "x"]
    assert not [f for state, f, at, _ in made.alerts if state == "updated" and at > 1_800]
    assert orjson.loads(made.out["references"][1])["version"] == "2"


def test_a_feature_that_the_new_model_does_without_is_not_missed():
    told = people((1_800, {"kind": "deployed"}))
    made = Life(contract()).run(told, y_until=1_810)
    assert not [
        at for state, f, at, _ in made.alerts if f == "y" and at > 1_900 and state != "resolved"
    ]
    without = Life(contract()).run([], y_until=1_810)
    assert [at for state, f, at, _ in without.alerts if f == "y" and 1_810 < at < 1_900]


def test_while_rows_are_collected_only_the_accepted_is_muted():
    told = people((990, {"kind": "drift_accepted", "feature": "y"}))
    made = Life(contract()).run(told)
    opened = {f: at for state, f, at, _ in reversed(made.alerts) if state == "opened"}
    # Rows are collected from 1000 to 1380; x moves at 1000, y at 1300.
    assert opened["x"] in range(1_000, 1_100)
    assert opened.get("y", 10**6) > 1_380


@pytest.mark.parametrize(
    "said",
    [{"kind": "drift_accepted", "feature": "z"}, {"kind": "owner_confirmed"}],
)
def test_other_events_change_nothing(said):
    made, plain = (Life(contract()).run(told) for told in (people((1_800, said)), []))
    assert made.out["alerts"] == plain.out["alerts"]
    assert made.out["references"] == plain.out["references"]


def test_a_late_event_counts_when_it_comes():
    late = people((2_000, {"kind": "owner_confirmed"}), (1_800, ACCEPT_X_SAID))
    late = [late[0], late[1]._replace(timestamp=(START + 2_000) * 1000)]
    made = Life(contract()).run(late)
    resolved = {at for _, _, at, reason in made.alerts if reason == "a new reference holds"}
    assert resolved == {2_010 + 390}


ACCEPT_X_SAID = {"kind": "drift_accepted", "feature": "x"}


def test_the_age_of_a_model_begins_anew():
    from driftline.contract import MINUTE, Retrain

    plan = Retrain(max_age=40 * MINUTE, at_most_every=MINUTE, on=())
    told = people((1_800, {"kind": "retrained"}))
    asked = [
        [orjson.loads(v) for v in Life(contract(retrain=plan)).run(said).out["feedback"]]
        for said in ([], told)
    ]
    counts = [sum(e["type"].endswith("retrain_requested") for e in events) for events in asked]
    assert counts[0] > 0
    assert counts[1] == 0


def test_a_contract_may_name_the_version_that_holds(accepted_x):
    plan = ReferencePlan(source="version", version="2")
    first, second = (orjson.loads(value) for value in accepted_x.out["references"])
    known = References()
    reference = Reference.from_json(orjson.dumps(first["reference"]))
    known.add(reference_message(reference, 0, "1")[1])
    later = Reference.from_json(orjson.dumps(second["reference"]))
    known.add(reference_message(later, START * SECOND, "2")[1])
    book = Book((contract(reference=plan),))
    assert known.build_missing(book) == []
    assert known.at("m", 0) is known.latest("m")
    assert known.at("m", 0).id == later.id  # type: ignore[union-attr]
    by_id = ReferencePlan(source="version", version=reference.id)
    known.build_missing(Book((contract(reference=by_id),)))
    assert known.at("m", 2**60).id == reference.id  # type: ignore[union-attr]
    unknown = contract(reference=ReferencePlan(source="version", version="3"))
    with pytest.raises(
        DriftlineError, match=r"\$.reference.version: expected .* \(1, 2, .*got '3'"
    ):
        known.build_missing(Book((unknown,)))
    # It stays with that one, whatever is accepted.
    known.build_missing(Book((contract(reference=plan),)))
    made = Life(contract(reference=plan), known).run(people((1_800, {"kind": "retrained"})))
    assert made.out["references"] == []
