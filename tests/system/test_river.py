"""What river's detectors are fed, when they are heard, and how they rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.contract import Contract, DetectorPlan
from driftline.detect import RiverDetector, Slot, build
from driftline.detect.law import Tolerances, read_laws
from driftline.detect.river_means import SlotMeans
from driftline.detect.river_table import RIVER, Family
from driftline.detect.values import FEW, TAIL, USUAL, Feed, few, usual_ranks
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.stats import Pane, Reference, Sample, build_column, fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from driftline.detect import Finding

MINUTE = 60_000_000
ROWS = 100
NORMAL, SHIFTED = 40, 70
RUBBISH = (None, float("nan"), float("inf"))


@pytest.fixture(scope="module")
def reference() -> Reference:
    values = np.random.default_rng(1).standard_normal((5000, 2))
    return Reference.build("m", {"a": values[:, 0].tolist(), "b": values[:, 1].tolist()})


def river(reference: Reference, name: str, **parameters: Any) -> RiverDetector:
    plan = DetectorPlan(name=name, parameters=parameters)
    contract = Contract(model="m", slot=MINUTE, detectors=(plan,))
    return next(d for d in build(contract, reference) if isinstance(d, RiverDetector))


def slot_of(reference: Reference, number: int, values: npt.NDArray[np.float64]) -> Slot:
    contract = Contract(model="m", slot=MINUTE)
    start, rows = number * MINUTE, values.shape[0]
    frame = Frame(
        model="m",
        type="prediction",
        ts=start + np.arange(rows, dtype=np.int64) * (MINUTE // rows),
        offset=np.arange(rows, dtype=np.int64) + number * 1000,
        index=np.zeros(rows, dtype=np.int64),
        columns={c.name: values[:, i].tolist() for i, c in enumerate(reference.columns)},
        kinds=reference.kinds,
    )
    pane = Pane.empty(reference, contract.sample)
    fold(frame, reference, Source("t", 0), np.arange(rows), np.zeros(1, np.int64)).add_to(pane, 0)
    pane.sample.sort()
    return Slot(start, start + MINUTE, number, pane, reference, contract)


def stream(reference: Reference, *phases: tuple[int, float], seed: int = 2) -> list[Slot]:
    """Slots in which column "a" is moved by so many standard deviations."""
    rng, slots = np.random.default_rng(seed), []
    for count, shift in phases:
        for _ in range(count):
            values = rng.standard_normal((ROWS, 2))
            values[:, 0] += shift
            slots.append(slot_of(reference, len(slots), values))
    return slots


def run(detector: RiverDetector, slots: Iterable[Slot]) -> list[Finding]:
    return [finding for slot in slots for finding in detector.step(slot)]


@pytest.mark.parametrize("name", RIVER)
@pytest.mark.parametrize("shift", [2.0, -2.0])
def test_each_shift_is_one_finding_with_its_direction(
    name: str, shift: float, reference: Reference
) -> None:
    phases = ((NORMAL, 0.0), (SHIFTED, shift), (60, 0.0), (SHIFTED, -shift), (40, 0.0))
    found = run(river(reference, name), stream(reference, *phases))
    assert {f.feature for f in found} == {"a"}
    assert [f.state for f in found] == ["raised", "cleared"] * 2
    ways = [f.evidence["direction"] for f in found if f.state == "raised"]
    assert ways == (["up", "down"] if shift > 0 else ["down", "up"])
    planted = (NORMAL, NORMAL + SHIFTED + 60)
    for finding, number in zip(found[::2], planted, strict=True):
        late = finding.detected_at // MINUTE - number
        assert 0 < late <= 12
        assert abs(finding.change_point // MINUTE - number) <= 2
        assert finding.evidence["aspect"] == "location"
        assert finding.effect == pytest.approx(2.0, rel=0.25)


@pytest.mark.parametrize("name", RIVER)
def test_a_shift_is_found_after_nan_inf_and_none(name: str, reference: Reference) -> None:
    rng, detector = np.random.default_rng(3), river(reference, name)
    for number in range(30):
        values = rng.standard_normal((ROWS, 2))
        slot = slot_of(reference, number, values)
        if number >= 10:
            # In what the codec would let through, and then in what it never would.
            cells = values.astype(object)
            cells[number % 7 :: 7, 0] = RUBBISH[number % 3]
            slot = slot_of(reference, number, cells)
            sampled = slot.pane.sample.values
            sampled[:9, 0] = [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e200, np.nan, np.inf, 1e101]
        assert detector.step(slot) == []
    slots = [slot_of(reference, 30 + k, rng.standard_normal((ROWS, 2)) + [2, 0]) for k in range(20)]
    found = run(detector, slots)
    assert [(f.state, f.feature) for f in found] == [("raised", "a")]


@pytest.mark.parametrize(("name", "shift"), [("adwin", 0.5), ("page_hinkley", 0.5), ("kswin", 2.0)])
def test_a_shift_that_is_there_from_the_first_slot_on_is_found(
    name: str, shift: float, reference: Reference
) -> None:
    found = run(river(reference, name), stream(reference, (15, shift)))
    assert [(f.state, f.feature) for f in found] == [("raised", "a")]


def test_what_alarms_all_the_time_is_not_believed(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Alarmist:
        drift_detected = True

        def update(self, _: float) -> None:
            pass

    family = Family(Alarmist, "standard", "mean", frozenset())
    monkeypatch.setitem(RIVER, "adwin", family)
    slots = stream(reference, (1500, 0.0), (10, 1.0))
    found = run(river(reference, "adwin"), slots)
    assert [(f.state, f.feature) for f in found] == [("raised", "a")]
    assert found[0].detected_at > 1500 * MINUTE
    assert found[0].evidence["detections_not_listed"] > 1400


def test_a_change_after_a_false_alarm_is_judged_by_its_own_rows(reference: Reference) -> None:
    detector = river(reference, "adwin")
    slots = stream(reference, (15, 0.0), (3, 0.8))
    for number, slot in enumerate(slots):
        if number == 0:
            detector._confirm.detected(0, 0)
        if number == 15:
            detector._confirm.detected(0, slot.start)
        found = detector.step(slot)
        if found:
            break
    assert number == 15
    assert found[0].change_point == slots[15].start


def test_a_trifle_is_nobodys_business(reference: Reference) -> None:
    # Certain after this many rows, and below the tolerance of a tenth.
    assert run(river(reference, "adwin"), stream(reference, (60, 0.0), (400, 0.06))) == []


def test_what_is_fed_unless_the_contract_says_otherwise() -> None:
    assert RIVER["adwin"].fed({}) == "mean"
    assert RIVER["adwin"].fed({"delta": 0.01}) == "mean"
    assert RIVER["adwin"].fed({"clock": 32}) == "standard"
    assert RIVER["page_hinkley"].fed({"threshold": 50}) == "standard"
    assert RIVER["page_hinkley"].fed({"mode": "up"}) == "mean"
    assert RIVER["kswin"].fed({"alpha": 1e-4}) == "few"


def test_parameters_come_from_contract_house_and_budget() -> None:
    adwin = RIVER["adwin"].settle({}, "mean", 1e6)
    assert adwin == {"clock": 1, "max_buckets": 3, "delta": 1e-6}
    assert RIVER["adwin"].settle({"delta": 0.5}, "mean", 1e6)["delta"] == 0.5
    assert RIVER["adwin"].settle({}, "standard", 1e6) == {"delta": 3.2e-5}
    assert RIVER["adwin"].settle({}, "raw", 1e6) == {}
    assert RIVER["page_hinkley"].settle({"threshold": 9.0}, "standard", 1e6) == {"threshold": 9.0}
    assert RIVER["ddm"].settle({}, "error", 1e6)["drift_threshold"] == pytest.approx(
        4.753, abs=0.01
    )
    assert RIVER["hddm_w"].settle({}, "rank", 1e6) == {"two_sided_test": True}


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_means_of_slots_have_unit_variance_whatever_the_memory(phi: float) -> None:
    rng = np.random.default_rng(4)
    rows, slots = 50, 4000
    noise = rng.standard_normal(2 * rows * slots) * (1 - phi**2) ** 0.5
    walk, last = np.empty(noise.size), 0.0
    for i, e in enumerate(noise.tolist()):
        last = phi * last + e
        walk[i] = last
    half = rows * slots
    ts = np.arange(half, dtype=np.int64) * (MINUTE // rows)
    reference = Reference.build("m", {"x": walk[:half].tolist()}, ts=ts, slot=MINUTE)
    laws = read_laws(reference, Contract(model="m"), Tolerances())
    means = SlotMeans(reference, laws, "standard")
    column = reference.columns[0]
    pane = Pane.empty(reference, 0)
    told = []
    for values in walk[half:].reshape(slots, rows):
        counts = np.bincount(column.bin_numbers(values), minlength=column.bins + 2)
        pane.minimum, pane.maximum = values[:1].clip(max=0), values[:1].clip(min=0)
        told.append(means(reference.pad(counts), pane)[0])
    given = np.array(told)
    given = given[np.isfinite(given)]
    assert given.size == slots // int(means.span[0])
    assert given.std() == pytest.approx(1.0, abs=0.12)
    assert given.mean() == pytest.approx(0.0, abs=0.15)


def test_one_value_for_as_many_slots_as_depend_on_one_another(reference: Reference) -> None:
    slow = replace(reference, slots=100, tau=np.array([3.2, 1.0]))
    means = SlotMeans(slow, read_laws(slow, Contract(model="m"), Tolerances()), "standard")
    slots = stream(slow, (6, 1.0))
    told = np.array([means(slow.padded(s.pane), s.pane) for s in slots])
    assert np.isfinite(told).tolist() == [[(k + 1) % 3 == 0, True] for k in range(6)]
    # Three slots of a hundred rows, a shift of one: 3 x 100 / sqrt(3 x 100 x 3.2).
    assert told[2, 0] == pytest.approx(300 / (300 * 3.2) ** 0.5, rel=0.15)


def test_means_take_all_rows_into_account_and_what_was_never_seen(reference: Reference) -> None:
    means = SlotMeans(
        reference, read_laws(reference, Contract(model="m"), Tolerances()), "standard"
    )
    for number, shift in enumerate((9.0, -9.0)):
        slot = slot_of(reference, number, np.full((ROWS, 2), shift))
        slot.pane.sample = Sample.empty(0, 2)
        told = means(reference.padded(slot.pane), slot.pane)
        assert (np.sign(told) == np.sign(shift)).all()
        assert (np.abs(told) > 25).all()
    nothing = Pane.empty(reference, 0)
    assert np.isnan(means(reference.padded(nothing), nothing)).all()


def test_means_on_the_scales_of_bounded_detectors(reference: Reference) -> None:
    laws = read_laws(reference, Contract(model="m"), Tolerances())
    ranks, errors = (SlotMeans(reference, laws, scale) for scale in ("rank", "error"))
    slots = stream(reference, (600, 0.0))
    rank = np.array([ranks(reference.padded(s.pane), s.pane) for s in slots])
    error = np.array([errors(reference.padded(s.pane), s.pane) for s in slots])
    assert rank.min() >= 0
    assert rank.max() <= 1
    assert rank[:, 1].mean() == pytest.approx(0.5, abs=0.06)
    assert set(np.unique(error)) == {0.0, 1.0}
    assert error.mean() == pytest.approx(2 * TAIL, abs=0.03)


def test_detectors_begin_with_what_the_reference_would_feed() -> None:
    assert np.sort(usual_ranks()).tolist() == ((np.arange(USUAL) + 0.5) / USUAL).tolist()
    rng = np.random.default_rng(5)
    amount = build_column("x", "numeric", rng.lognormal(size=4000).tolist())
    colour = build_column("c", "categorical", rng.choice(["r", "g", "b"], 4000).tolist())
    flag = build_column("f", "boolean", (rng.random(4000) < 0.3).tolist())
    assert Feed(amount, "rank").usual() == pytest.approx(usual_ranks(), abs=1e-3)
    assert Feed(amount, "error").usual().mean() == pytest.approx(2 * TAIL, abs=0.011)
    assert Feed(flag, "error").usual().mean() == pytest.approx(0.3, abs=0.03)
    assert np.unique(Feed(colour, "rank").usual()).size == 3
    assert Feed(amount, "standard").usual().size == 0


def test_few_values_are_spread_over_a_slot() -> None:
    assert few(3).tolist() == [0, 1, 2]
    assert few(100).tolist() == [10, 30, 50, 70, 90]
    assert few(FEW).tolist() == list(range(FEW))


def test_a_detector_of_values_starts_afresh_once_its_finding_is_cleared(
    reference: Reference,
) -> None:
    detector = river(reference, "adwin")
    slots = stream(reference, (30, 0.0), (30, 3.0), (40, 0.0))
    for slot in slots:
        found = detector.step(slot)
        if found and found[0].state == "cleared":
            break
    assert detector._detectors[0].width == USUAL
    assert detector._detectors[1].width == USUAL + slot.number + 1
