"""Skew is raised within a thousand pairs, by its right name, and never of clean ones."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import orjson
import pytest
from tests.unit._skew_traffic import LEVELS, START, STEP, Traffic, filled, planted, stale, swapped

from driftline.contract import parse
from driftline.detect.budget import SKEW, run_of_data, run_of_skew
from driftline.detect.errors import StateError
from driftline.errors import UsageError
from driftline.ledger.skew import Plan, Skew, SkewWatch, Tolerance, Tolerances

if TYPE_CHECKING:
    from driftline.detect.protocol import Finding

PLAN = Plan(model="m")
ARL = 2_592_000.0
SLOT = 100

PLANTS = {
    "factor of 1000": (planted("lognormal0", lambda v: v * 1000), "factor"),
    "kilometres": (planted("normal1", lambda v: v * 1.609344), "factor"),
    "minutes": (planted("count1", lambda v: v * 60), "factor"),
    "shift": (planted("count2", lambda v: v + 1), "shift"),
    "fahrenheit": (planted("normal0", lambda v: v * 9 / 5 + 32), "affine"),
    "filled": (filled("count0", 0.0), "filled"),
    "lost": (planted("level1", lambda v: None), "lost"),
    "default": (planted("lognormal1", lambda v: -1.0), "default"),
    "stale number": (stale("normal2"), "stale"),
    "stale count": (stale("count3"), "stale"),
    "stale level": (stale("level3"), "stale"),
    "rounded": (planted("normal3", lambda v: round(v, 1)), "rounding"),
    "cut": (planted("lognormal2", lambda v: float(int(v))), "rounding"),
    "half": (planted("lognormal3", lambda v: float(np.float16(v))), "rounding"),
    "lower case": (planted("level2", lambda v: v.lower()), "case"),
    "blank": (planted("level0", lambda v: v + " "), "case"),
    "code": (planted("level3", lambda v: float(LEVELS.index(v))), "encoding"),
    "swapped": (swapped("normal4", "lognormal4"), "permuted"),
}


def run(traffic: Traffic, plant: Any, pairs: int, watch: SkewWatch, at: int = 0) -> list[Finding]:
    out: list[Finding] = []
    for slot in range(at, at + pairs // SLOT):
        rows = traffic.pairs(SLOT, plant)
        start = START + slot * SLOT * STEP
        out += watch.step(start, start + SLOT * STEP, Skew.of(rows, PLAN.tolerances))
    return out


@pytest.mark.parametrize("what", PLANTS)
def test_a_mistake_in_one_of_fifty_rows_is_named(what: str) -> None:
    plant, mistake = PLANTS[what]
    found = run(Traffic(1), plant, 1000, SkewWatch(PLAN, ARL))
    assert found
    assert {f.evidence["mistake"] for f in found} == {mistake}, [f.text for f in found]


def test_clean_pairs_ring_nothing() -> None:
    watch = SkewWatch(PLAN, ARL)
    assert not run(Traffic(2), None, 20_000, watch)
    # Nor do rows that differ, as long as they are no more than allowed.
    few = planted("normal0", lambda v: v * 2, share=0.0005)
    assert not run(Traffic(3), few, 20_000, watch, at=200)


def test_it_is_told_with_figures_and_examples() -> None:
    traffic, watch = Traffic(4), SkewWatch(PLAN, ARL)
    run(traffic, None, 1000, watch)
    mistake = planted("lognormal0", lambda v: v * 1000)
    (found,) = run(traffic, mistake, 1000, watch, at=10)
    assert (found.state, found.feature, found.kind) == ("raised", "lognormal0", "skew")
    assert found.severity == "notice"
    assert 0.01 < found.effect < 0.05
    assert found.text.startswith("served 1000 times the training value in 2")
    assert " pairs (e.g. " in found.text
    assert found.evidence["factor"] == 1000
    assert found.evidence["mismatched"] == found.evidence["explained"] == found.evidence["rows"]
    shown = found.evidence["examples"][0]
    assert shown["served"] == pytest.approx(1000 * shown["training"])
    assert int(shown["prediction_id"][1:]) >= 1000
    # The change is dated by when rows were served, not by when they were recomputed.
    began = START + 1000 * STEP
    assert began <= found.change_point <= began + 200 * STEP


def test_a_change_is_dated_though_all_pairs_come_in_one_night() -> None:
    traffic = Traffic(5)
    mistake = planted("normal1", lambda v: v + 7, share=0.05)
    parts = [traffic.pairs(600), traffic.pairs(600, mistake)]
    cell = Skew.empty()
    for part in parts:
        cell.merge(Skew.of(part, PLAN.tolerances))
    (found,) = SkewWatch(PLAN, ARL).step(START + 10**11, START + 10**11 + 1, cell)
    assert found.evidence["mistake"] == "shift"
    assert START + 600 * STEP <= found.change_point <= START + 800 * STEP


def test_most_pairs_are_a_page_and_a_notice_can_become_one() -> None:
    broken = planted("normal0", lambda v: v * 60, share=0.6)
    (found,) = run(Traffic(6), broken, 300, SkewWatch(PLAN, ARL))
    assert (found.severity, found.evidence["units"]) == ("page", ["seconds", "minutes"])

    traffic, watch = Traffic(7), SkewWatch(PLAN, ARL)
    slight = planted("normal0", lambda v: v * 60)
    (notice,) = run(traffic, slight, 1000, watch)
    (page,) = run(traffic, broken, 3000, watch, at=10)
    assert (notice.severity, page.severity) == ("notice", "page")
    assert page.effect > 0.3
    assert page.text.startswith("served 60 times")


def test_lost_digits_wake_nobody() -> None:
    slight = planted("lognormal3", lambda v: float(np.float16(v)), share=1.0)
    (found,) = run(Traffic(17), slight, 300, SkewWatch(PLAN, ARL))
    assert (found.severity, found.evidence["mistake"]) == ("notice", "rounding")
    assert 0 < found.evidence["size"] < 0.01
    coarse = planted("normal0", lambda v: float(round(v)), share=1.0)
    (found,) = run(Traffic(17), coarse, 300, SkewWatch(PLAN, ARL))
    assert (found.severity, found.evidence["mistake"]) == ("page", "rounding")


def test_it_clears_once_when_rows_agree_again() -> None:
    traffic, watch = Traffic(8), SkewWatch(PLAN, ARL)
    mistake = planted("count1", lambda v: v * 60, share=0.1)
    (found,) = run(traffic, mistake, 1000, watch)
    (gone,) = run(traffic, None, 3000, watch, at=10)
    assert (gone.state, gone.feature, gone.effect) == ("cleared", "count1", 0.0)
    assert gone.change_point == found.change_point
    assert gone.detected_at < START + 2000 * STEP
    # And is raised once more if it comes back.
    (again,) = run(traffic, mistake, 1000, watch, at=40)
    assert again.state == "raised"


def test_a_name_that_is_found_later_is_told() -> None:
    traffic, watch = Traffic(9), SkewWatch(PLAN, ARL)
    first = planted("level0", lambda v: {"DE": "FR", "FR": "IT", "IT": "DE"}[v], share=0.02)
    found = run(traffic, first, 6000, watch)
    assert [f.evidence["mistake"] for f in found] == ["other", "encoding"]
    assert found[0].text.startswith("served another value, most often ")
    assert found[0].change_point == found[1].change_point


def test_what_one_side_never_gives_is_not_compared() -> None:
    def unheard(traffic: Any, entities: Any, served: Any, trained: Any) -> None:
        del trained["normal0"], served["normal1"]

    watch = SkewWatch(PLAN, ARL)
    assert not run(Traffic(10), unheard, 1000, watch)
    hour = 3_600_000_000
    ((key, value),) = watch.tell(START // hour * hour + hour)
    body = orjson.loads(value)
    assert body["not_compared"] == {
        "normal0": "training has no value of it",
        "normal1": "serving has no value of it",
    }
    assert (key.decode(), body["kind"], body["pairs"]) == (body["id"], "skew", 1000)
    # Of a feature that the model is known to be served, that is a mistake.
    known = SkewWatch(replace(PLAN, features=frozenset({"normal1"})), ARL)
    (found,) = run(Traffic(10), unheard, 1000, known)
    assert (found.feature, found.severity) == ("normal1", "page")
    assert found.text.startswith("served nothing where training has a value in 100 % of 100 pairs")


def test_windows_are_told_once_with_their_shares() -> None:
    traffic, watch = Traffic(11), SkewWatch(replace(PLAN, span=500 * STEP), ARL)
    assert watch.due > START + 10**15
    run(traffic, planted("count0", lambda v: None), 1000, watch)
    first = START // (500 * STEP) * (500 * STEP)
    assert watch.due == first + 500 * STEP
    assert not watch.tell(first + 499 * STEP)
    told = [orjson.loads(value) for _, value in watch.tell(first + 1500 * STEP)]
    assert not watch.tell(first + 1500 * STEP)
    assert sum(body["pairs"] for body in told) == 1000
    feature = told[-1]["features"]["count0"]
    assert feature["lost"] + feature["same"] == feature["pairs"]
    low, high = feature["interval"]
    assert low < feature["mismatched"] < high
    assert feature["mistake"] == "lost"
    assert told[-1]["features"]["count1"]["mistake"] is None


@pytest.mark.parametrize("cut", [3, 7, 12])
def test_a_restored_watch_goes_on_alike(cut: int) -> None:
    mistake = stale("normal2", share=0.05)

    def cells() -> list[Skew]:
        traffic = Traffic(12)
        made = [traffic.pairs(SLOT, mistake if at < 10 else None) for at in range(20)]
        return [Skew.of(rows, PLAN.tolerances) for rows in made]

    def steps(watch: SkewWatch, some: list[Skew], at: int) -> list[Finding]:
        starts = range(START + at * SLOT * STEP, START + 10**12, SLOT * STEP)
        return [f for s, c in zip(starts, some, strict=False) for f in watch.step(s, s + 1, c)]

    whole = SkewWatch(PLAN, ARL)
    expected = steps(whole, cells(), 0)
    assert [f.state for f in expected] == ["raised", "cleared"]
    first = SkewWatch(PLAN, ARL)
    found = steps(first, cells()[:cut], 0)
    saved = msgspec.msgpack.encode(first.snapshot())
    second = SkewWatch(PLAN, ARL)
    second.restore(msgspec.msgpack.decode(saved))
    assert found + steps(second, cells()[cut:], cut) == expected
    assert msgspec.msgpack.encode(second.snapshot()) == msgspec.msgpack.encode(whole.snapshot())


def test_a_state_of_other_tolerances_is_refused() -> None:
    watch = SkewWatch(PLAN, ARL)
    other = SkewWatch(replace(PLAN, tolerances=Tolerances(Tolerance(rtol=0.01))), ARL)
    assert watch.can_restore(watch.snapshot())
    assert not watch.can_restore(None)
    assert not other.can_restore(watch.snapshot())
    with pytest.raises(StateError, match="of"):
        other.restore(watch.snapshot())


def test_what_is_taken_back_is_not_held_against_a_feature() -> None:
    traffic, watch = Traffic(13), SkewWatch(PLAN, ARL)
    run(traffic, None, 500, watch)
    rows = traffic.pairs(SLOT, planted("normal0", lambda v: v * 2, share=0.03))
    cell = Skew.of(rows, PLAN.tolerances)
    assert cell.tallies["normal0"].differ > 1
    start = START + 5 * SLOT * STEP
    assert not watch.step(start, start + 1, cell)
    back = Skew.of(replace(rows, sign=-rows.sign), PLAN.tolerances)
    assert not watch.step(start + 10, start + 11, back)
    assert not run(traffic, None, 500, watch, at=7)
    assert not watch._recent.since("normal0", 0)
    assert not watch._kept.any()
    # It has not made the alarm deaf.
    assert run(traffic, planted("normal0", lambda v: v * 2, share=0.05), 500, watch, at=12)


def test_a_full_cell_of_many_features_is_named_too() -> None:
    # All in one slot: of a hundred features eight mismatches each, and of entities a third.
    traffic, watch = Traffic(14, numeric=45), SkewWatch(PLAN, ARL)
    cell = Skew.of(traffic.pairs(1000, stale("normal2")), PLAN.tolerances)
    (found,) = watch.step(START, START + 1, cell)
    assert (found.feature, found.evidence["mistake"]) == ("normal2", "stale")


def test_a_cell_and_a_snapshot_stay_small() -> None:
    def all_wrong(traffic: Any, entities: Any, served: Any, trained: Any) -> None:
        for name, column in served.items():
            served[name] = [f"{v} " if isinstance(v, str) else v * 1.1 + 0.1 for v in column]

    for numeric in (5, 45):
        traffic, watch = Traffic(15, numeric), SkewWatch(PLAN, ARL)
        for at in range(3):
            cell = Skew.of(traffic.pairs(2000, all_wrong), PLAN.tolerances)
            assert len(orjson.dumps(cell.to_values())) < 220_000
            watch.step(START + at * STEP, START + at * STEP + 1, cell)
        assert len(zlib.compress(msgspec.msgpack.encode(watch.snapshot()), 1)) < 500_000


def test_plans_and_tolerances_say_what_they_expect() -> None:
    for wrong in ({"rate": 0.0}, {"rate": 0.5}, {"page_share": 0.0}, {"page_share": 2.0}):
        with pytest.raises(UsageError, match="skew"):
            replace(PLAN, **wrong)
    for rtol, atol in ((0.0, 0.0), (0.5, 0.0), (1e-6, -1.0), (1e-6, np.inf)):
        with pytest.raises(UsageError, match=r"skew\.tolerance"):
            Tolerance(rtol, atol)


def test_more_taken_back_than_came_waits_for_others() -> None:
    traffic, watch = Traffic(16), SkewWatch(PLAN, ARL)
    run(traffic, None, 100, watch)
    rows = traffic.pairs(SLOT)
    back = Skew.of(replace(rows, sign=-rows.sign), PLAN.tolerances)
    for at in range(5):
        assert not watch.step(START + at, START + at + 1, back)
    assert watch._kept[:, 0].tolist() == [-500] * 20
    assert not run(traffic, None, 600, watch, at=1)
    assert not watch._kept.any()


def test_the_alarm_on_skew_has_its_part_of_the_budget() -> None:
    contract = parse("{model: m, slot: 10s, budget: {false_pages: 1 per 30d}}", "m.yaml")
    slots = 30 * 24 * 360
    steps = slots * contract.slot / contract.step
    assert run_of_skew(contract) == pytest.approx(steps / SKEW)
    assert run_of_data(contract) == slots
    asked = parse("{model: m, slot: 10s, budget: {false_pages: 1 per 30d}, skew: {}}", "m.yaml")
    assert 1 / run_of_data(asked) + SKEW / slots == pytest.approx(1 / slots)
