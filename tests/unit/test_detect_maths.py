from __future__ import annotations

import datetime as dt
import math
import pickle
from typing import Any

import numpy as np
import pytest
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

from driftline.contract import DAY, Budget, Contract, DetectorPlan, FeaturePlan, Rate
from driftline.detect import Evidence, ParameterError, Slot, budget_slots, build, split
from driftline.detect.betting import accumulate, inside_margin, learnt_ratio
from driftline.detect.law import normal_scores, wilson
from driftline.detect.recency import Recency
from driftline.detect.river_state import freeze, thaw
from driftline.detect.river_table import page_hinkley_threshold
from driftline.detect.values import Feed
from driftline.stats import Pane, Reference, build_column
from driftline.stats.wording import number, percent

SLOT = 10_000_000


@pytest.fixture(scope="module")
def normal() -> Reference:
    rng = np.random.default_rng(0)
    return Reference.build(
        "m", {f"f{i:02d}": rng.standard_normal(5000).tolist() for i in range(20)}
    )


def test_the_budget_in_slots() -> None:
    assert budget_slots(Contract(model="m")) == 30 * DAY / SLOT
    loose = Contract(model="m", budget=Budget(false_pages=Rate(count=1000, per=SLOT)))
    assert budget_slots(loose) == 10


@pytest.mark.parametrize(
    "names",
    [["evidence"], ["adwin"], ["evidence", "adwin"], ["adwin", "kswin"], ["evidence", "a", "b"]],
)
def test_shares_add_up_to_the_budget(names: list[str]) -> None:
    runs = split(names, 1000.0)
    assert list(runs) == names
    assert sum(1 / run for run in runs.values()) == pytest.approx(1 / 1000)


def test_a_bet_against_the_margin_does_not_win_inside_it() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        p = rng.dirichlet(np.full(12, 3.0))
        q = rng.dirichlet(np.full(12, 3.0))
        margin = 0.1
        ratio, active = inside_margin(p[None], q[None], np.array([margin]))
        assert active.all()
        assert (p * np.exp(ratio[0])).sum() <= 1 + 1e-12
        # Any law inside the margin, to second order.
        h = rng.standard_normal(12)
        h -= (p * h).sum()
        inside = p * (1 + margin * h / math.sqrt((p * h * h).sum()))
        if (inside > 0).all():
            assert (inside * np.exp(ratio[0])).sum() <= 1 + margin * 0.15


def test_a_bet_within_the_margin_is_not_made() -> None:
    p = np.full(4, 0.25)
    ratio, active = inside_margin(p[None], np.array([[0.26, 0.24, 0.25, 0.25]]), np.array([0.5]))
    assert not active.any()
    assert not ratio.any()


def test_accumulation_starts_anew_each_slot_and_fades_when_idle() -> None:
    wealth, keep = np.array([[0.0, 8.0]]), np.array([1.0, 0.5])
    for _ in range(3):
        wealth = accumulate(wealth, np.zeros((1, 2)), np.array([[True, False]]), keep)
    assert wealth.tolist() == [[3.0, 1.0]]


def test_nothing_learnt_no_bet() -> None:
    p = np.full((1, 4), 0.25)
    empty = np.zeros((1, 3, 4))
    counts = np.full((1, 4), 5.0)
    noise, margin = np.full((1, 3), 1.0), np.zeros(1)
    ratio, made = learnt_ratio(empty, np.zeros((1, 3)), p, noise, margin, counts)
    assert not made.any()
    assert not ratio.any()


def test_normal_scores_and_wilson() -> None:
    score, edges = normal_scores(np.full(4, 0.25))
    assert edges[2] == pytest.approx(0, abs=1e-12)
    assert score == pytest.approx([-1.2711, -0.3246, 0.3246, 1.2711], abs=1e-3)
    low, high = wilson(0.0, 100)
    assert low == 0
    assert 0 < high < 0.1


def draw(
    rng: np.random.Generator, reference: Reference, shift: float, slots: int, column: int = 3
) -> np.ndarray[Any, Any]:
    """Flat counts of slots of 100 rows, drawn from their exact law (standard normal)."""
    blocks = []
    for i, c in enumerate(reference.columns):
        mean = shift if i == column else 0.0
        cdf = np.array([0.5 * (1 + math.erf((e - mean) / math.sqrt(2))) for e in c.edges])
        law = np.concatenate([np.diff(cdf), [cdf[0] + 1 - cdf[-1], 0.0]])
        blocks.append(rng.multinomial(100, law, size=slots))
    return np.concatenate(blocks, axis=1)


def at(reference: Reference, counts: Any, number: int, contract: Contract) -> Slot:
    pane = Pane.empty(reference, 0)
    pane.counts = counts
    return Slot(number * SLOT, (number + 1) * SLOT, number, pane, reference, contract)


def test_evidence_keeps_its_promise_and_finds_a_third_of_a_deviation(normal: Reference) -> None:
    budget = Budget(false_notices=Rate(count=10, per=30 * DAY))
    contract, rng = Contract(model="m", budget=budget), np.random.default_rng(4)
    detector = Evidence(normal, contract, 1000.0)
    quiet = draw(rng, normal, 0.0, 2000)
    for number_ in range(2000):
        assert detector.step(at(normal, quiet[number_], number_, contract)) == []
    moved = draw(rng, normal, 0.3, 20)
    found = [f for k in range(20) for f in detector.step(at(normal, moved[k], 2000 + k, contract))]
    notice, found = found[0], found[1:]
    assert (notice.severity, notice.feature) == ("notice", "f03")
    assert [(f.state, f.severity, f.feature, f.evidence["aspect"]) for f in found] == [
        ("raised", "page", "f03", "location")
    ]
    assert notice.detected_at < found[0].detected_at
    interval = found[0].evidence["change_point_interval"]
    earliest, latest = (dt.datetime.fromisoformat(t).timestamp() * 1e6 for t in interval)
    assert earliest <= 2000 * SLOT <= latest
    assert latest - earliest <= 5 * SLOT
    assert found[0].detected_at <= 2004 * SLOT
    assert abs(found[0].change_point - 2000 * SLOT) <= 2 * SLOT
    assert found[0].effect == pytest.approx(0.3, abs=0.2)
    assert found[0].evidence["direction"] == "up"


def test_a_trifle_is_no_page_however_certain(normal: Reference) -> None:
    contract = Contract(model="m", features={"f03": FeaturePlan(tolerance=1.0)})
    detector = Evidence(normal, contract, 1000.0)
    moved = draw(np.random.default_rng(5), normal, 0.5, 300)
    assert [f for k in range(300) for f in detector.step(at(normal, moved[k], k, contract))] == []


def test_what_does_not_matter_does_not_ring(normal: Reference) -> None:
    contract = Contract(model="m", features={"f03": FeaturePlan(importance=0)})
    detector = Evidence(normal, contract, 1000.0)
    moved = draw(np.random.default_rng(5), normal, 2.0, 50)
    assert [f for k in range(50) for f in detector.step(at(normal, moved[k], k, contract))] == []


def test_columns_that_move_together_are_raised_together_and_ranked(normal: Reference) -> None:
    contract = Contract(model="m")
    detector = Evidence(normal, contract, 1000.0)
    rng = np.random.default_rng(6)
    flat = draw(rng, normal, 1.0, 30, column=3)
    width = normal.columns[4].counts.size
    start = int(normal.starts[4])
    flat[:, start : start + width] = draw(rng, normal, 2.0, 30, column=4)[:, start : start + width]
    found = [f for k in range(30) for f in detector.step(at(normal, flat[k], k, contract))]
    assert {f.feature for f in found} == {"f03", "f04"}
    assert len(found) == 2


def test_state_stays_within_four_kilobytes_a_column(normal: Reference) -> None:
    contract = Contract(model="m")
    detector = Evidence(normal, contract, 1000.0)
    flat = draw(np.random.default_rng(6), normal, 0.0, 3000)
    for k in range(3000):
        detector.step(at(normal, flat[k], k, contract))
    assert len(pickle.dumps(detector.snapshot())) / len(normal.columns) < 4096


def test_recent_counts_are_exact_where_buckets_begin() -> None:
    recent, rng = Recency(2, 5), np.random.default_rng(0)
    slots = rng.integers(0, 30, (400, 2, 5))
    for number_, counts in enumerate(slots):
        recent.add(counts, number_ * SLOT, int(counts.sum(axis=1).max()))
    starts, held = recent.buckets(1)
    assert len(starts) <= 24
    assert starts == sorted(starts)
    for moment in starts:
        since = recent.since(np.array([1]), np.array([moment]))[0]
        assert (since == slots[moment // SLOT :, 1].sum(axis=0)).all()
    assert (held.sum(axis=0) == slots[starts[0] // SLOT :, 1].sum(axis=0)).all()


def test_the_oldest_counts_are_forgotten() -> None:
    recent = Recency(1, 3)
    one = np.full((1, 3), 10, dtype=np.int64)
    for number_ in range(5000):
        recent.add(one, number_ * SLOT, 30)
    assert len(recent.buckets(0)[0]) <= 25


def test_feeds() -> None:
    numeric = build_column("x", "numeric", [float(v) for v in range(100)])
    x = np.array([-5.0, 0.0, 49.5, 99.0, 500.0])
    assert Feed(numeric, "raw")(x).tolist() == x.tolist()
    assert Feed(numeric, "standard")(x)[2] == 0
    rank = Feed(numeric, "rank")(x)
    assert rank[0] == 0
    assert rank[2] == pytest.approx(0.5, abs=0.01)
    assert rank[4] == 1
    assert Feed(numeric, "error")(x).tolist() == [1, 1, 0, 1, 1]
    constant = build_column("c", "numeric", [7.0] * 50)
    assert Feed(constant, "standard")(np.array([7.0, 14.0])).tolist() == [0, 1]
    binary = build_column("b", "numeric", [0.0] * 90 + [1.0] * 10)
    assert Feed(binary, "error")(np.array([0.0, 1.0])).tolist() == [0, 1]
    level = build_column("k", "categorical", ["a"] * 60 + ["b"] * 40)
    assert Feed(level, "rank")(np.array([0.0, 1.0, 2.0])) == pytest.approx([0.3, 0.8, 1.0])


@pytest.mark.parametrize("kind", [ADWIN, PageHinkley, KSWIN, DDM, EDDM, HDDMA, HDDMW, FHDDM])
def test_a_thawed_detector_goes_on_bit_for_bit(kind: Any) -> None:
    rng = np.random.default_rng(3)
    values = (rng.random(700) < np.repeat([0.1, 0.6], 350)).astype(float).tolist()
    one = kind(seed=1) if kind is KSWIN else kind()
    for value in values[:200]:
        one.update(value)
    two = thaw(freeze(one))
    for value in values[200:]:
        one.update(value)
        two.update(value)
        assert one.drift_detected == two.drift_detected
    assert freeze(one) == freeze(two)


class _Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, ("1 + 1",))


class _Nested:
    def __reduce__(self) -> tuple[Any, ...]:
        return (getattr, ([], "append"))


@pytest.mark.parametrize("payload", [_Payload(), _Nested(), np.array([1])])
def test_nothing_else_is_thawed(payload: Any) -> None:
    with pytest.raises(pickle.UnpicklingError):
        thaw(freeze(payload))


def test_another_river_starts_cold_and_says_so(normal: Reference) -> None:
    contract = Contract(model="m", detectors=(DetectorPlan(name="adwin"),))
    detector: Any = next(d for d in build(contract, normal) if d.name == "adwin")
    state = detector.snapshot()
    state["river"] = "0.1"
    state["detectors"] = [b"rubbish"] * len(normal.columns)
    detector.restore(state)
    assert "0.1" in detector.cold_start


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ([DetectorPlan(name="adwim")], "expected one of .*adwin"),
        ([DetectorPlan(name="adwin"), DetectorPlan(name="adwin")], "twice"),
        ([DetectorPlan(name="adwin", parameters={"delte": 1})], r"adwin\.delte"),
        ([DetectorPlan(name="adwin", parameters={"values": "odd"})], r"adwin\.values"),
        ([DetectorPlan(name="evidence", parameters={"tolerance": 1})], r"evidence\.tolerance"),
        ([DetectorPlan(name="evidence", parameters={"unseen_tolerance": 0})], "above 0"),
        ([DetectorPlan(name="schema", parameters={"x": 1})], "no parameters"),
    ],
)
def test_faults_of_a_contract_name_the_place(
    plans: list[DetectorPlan], expected: str, normal: Reference
) -> None:
    with pytest.raises(ParameterError, match=expected):
        build(Contract(model="m", detectors=tuple(plans)), normal)


def test_what_evidence_would_judge_is_judged_without_it(normal: Reference) -> None:
    plans = (DetectorPlan(name="adwin"), DetectorPlan(name="silence"))
    names = [d.name for d in build(Contract(model="m", detectors=plans), normal)]
    assert names == ["adwin", "missing", "unseen", "range", "schema"]
    assert [d.name for d in build(Contract(model="m"), normal)] == [
        "evidence",
        "adwin",
        "correlation",
        "joint",
        "schema",
    ]


def test_page_hinkley_threshold_is_siegmunds() -> None:
    # The two-sided CUSUM with k = .25 and h = 19.1 has a mean run of about a hundred thousand.
    assert page_hinkley_threshold(0.25, 1e5) == pytest.approx(19.1, abs=0.3)


def test_numbers_and_rates_in_words() -> None:
    assert number(1234567.0) == "1234567"
    assert number(0.00001234) == "1.234e-05"
    assert percent(0.0002) == "0.02 %"
    assert percent(0.5) == "50 %"
    assert percent(0) == "0 %"
