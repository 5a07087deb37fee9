"""What is foreseen of the alarm, against the laws it is made of and the detector itself."""

from __future__ import annotations

import math
from statistics import NormalDist, median
from typing import Any

import numpy as np
import pytest

from driftline.contract import Contract, DetectorPlan, FeaturePlan, PlantedShift
from driftline.detect import Evidence, ParameterError, Slot, Tolerances, build
from driftline.detect.crowd import Crowd
from driftline.detect.draw import Draw
from driftline.detect.foresee import foresee
from driftline.detect.shifts import SHIFTS, plant, quiet
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.stats import Pane, Reference, build_column, fold

SLOT = 10_000_000
ROWS = 25
COLUMNS = 20
NORMAL = NormalDist()


def drawn(rng: np.random.Generator, rows: int, shift: PlantedShift | None = None) -> list[Any]:
    """Values of one feature: standard normal, one in a hundred missing."""
    values, missing = rng.standard_normal(rows), 0.01
    match shift and shift.what:
        case "mean":
            values += shift.size
        case "spread":
            values *= shift.size
        case "missing":
            missing += shift.size
    lost = rng.random(rows) < missing
    return [None if gone else float(x) for x, gone in zip(values, lost, strict=True)]


@pytest.fixture(scope="module")
def normal() -> Reference:
    rng = np.random.default_rng(1)
    return Reference.build("m", {f"f{i:02d}": drawn(rng, 20_000) for i in range(COLUMNS)})


def events_to_page(reference: Reference, shift: PlantedShift, seed: int) -> float:
    """Send events through panes and the model's own detector until the shifted feature pages."""
    contract, rng = Contract(model="m"), np.random.default_rng(seed)
    detector = next(d for d in build(contract, reference) if d.name == "evidence")
    quiet_slots, order, whole = 60, np.arange(ROWS), np.zeros(1, dtype=np.int64)
    for number in range(400):
        moved = shift if number >= quiet_slots else None
        columns = {
            name: drawn(rng, ROWS, moved if name == "f03" else None) for name in reference.index
        }
        ts = number * SLOT + order * 1000
        frame = Frame("m", "prediction", ts, order, order * 0, columns, reference.kinds)
        pane = Pane.empty(reference, 0)
        fold(frame, reference, Source("predictions", 0), order, whole).add_to(pane, 0)
        pane.events["prediction"] = ROWS
        slot = Slot(number * SLOT, (number + 1) * SLOT, number, pane, reference, contract)
        for finding in detector.step(slot):
            if moved and finding.feature == "f03" and finding.severity == "page":
                return (number + 1 - quiet_slots) * ROWS
    return math.inf


@pytest.mark.parametrize(
    "shift",
    [
        PlantedShift(what="mean", size=0.5),
        PlantedShift(what="mean", size=1.0),
        PlantedShift(what="spread", size=2.0),
        PlantedShift(what="missing", size=0.04),
    ],
    ids=lambda shift: f"{shift.what}-{shift.size:g}",
)
def test_what_is_foreseen_is_what_events_show(normal: Reference, shift: PlantedShift) -> None:
    told = foresee(normal, Contract(model="m"), ROWS, only=["f03"], shifts=[shift]).found[0]
    seen = median(events_to_page(normal, shift, seed) for seed in range(15))
    assert told.events is not None
    # Both are counted in whole slots.
    assert told.events <= 1.5 * seen + ROWS
    assert seen <= 1.5 * told.events + ROWS
    assert told.runs == 100
    assert told.events <= (told.events_late or 0)


def test_what_is_foreseen_holds_where_slots_resemble_their_neighbours() -> None:
    """AR(.9) from slot to slot: an event tells a hundredth of what an independent one would."""
    rows, before = 50, 100

    def slots(rng: np.random.Generator, count: int, shift: float) -> np.ndarray[Any, Any]:
        level, out = 0.4 * rng.standard_normal(), np.empty((count, rows))
        for slot in range(count):
            level = 0.9 * level + 0.4 * math.sqrt(1 - 0.81) * rng.standard_normal()
            out[slot] = level + math.sqrt(1 - 0.16) * rng.standard_normal(rows)
            out[slot] += shift * (slot >= before)
        return out

    values = slots(np.random.default_rng(1), 600, 0.0).ravel()
    ts = np.repeat(np.arange(600), rows) * SLOT + np.tile(np.arange(rows), 600)
    contract = Contract(model="m")
    reference = Reference.build("m", {"x": values.tolist()}, ts=ts, slot=SLOT)
    seen = []
    for seed in range(14):
        sign = 1 - 2 * (seed % 2)
        detector = Evidence(reference, contract, 2 * 259_200.0)
        for number, own in enumerate(slots(np.random.default_rng(seed), 500, 2.0 * sign)):
            pane = Pane.empty(reference, 0)
            codes = reference.columns[0].bin_numbers(own)
            pane.counts = np.bincount(codes, minlength=pane.counts.size)
            slot = Slot(number * SLOT, (number + 1) * SLOT, number, pane, reference, contract)
            if detector.step(slot) and number >= before:
                seen.append(number + 1 - before)
                break
    shifts = [PlantedShift(what="mean", size=2.0)]
    told = foresee(reference, contract, rows, shifts=shifts).found[0]
    assert told.slots is not None
    assert told.slots > 5  # independent rows would show it in one
    assert median(seen) / 1.5 <= told.slots <= 1.5 * median(seen)


@pytest.mark.parametrize("shift", [("mean", 0.5), ("spread", 1.5), ("missing", 0.04)])
def test_one_column_in_a_crowd_rings_as_in_the_whole_model(
    normal: Reference, shift: tuple[Any, float]
) -> None:
    contract, arl = Contract(model="m", features={"f03": FeaturePlan(importance=2.5)}), 50_000.0
    sizes = [column.counts.size for column in normal.columns]
    at = int(normal.starts[3])
    same = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        whole = Evidence(normal, contract, arl)
        alone = Crowd(normal, contract, arl, np.array([3, 3]), Tolerances())
        rang: dict[str, int] = {}
        for number in range(200):
            blocks = [rng.multinomial(ROWS, quiet(column)) for column in normal.columns]
            if number >= 50:
                law = plant(normal.columns[3], PlantedShift(what=shift[0], size=shift[1]))
                assert law is not None
                blocks[3] = rng.multinomial(ROWS, law)
            pane, own = Pane.empty(normal, 0), Pane.empty(alone.watched, 0)
            pane.counts = np.concatenate(blocks)
            own.counts = np.tile(pane.counts[at : at + sizes[3]], 2)
            span = number * SLOT, (number + 1) * SLOT, number
            found = whole.step(Slot(*span, pane, normal, contract))
            if any((f.feature, f.severity) == ("f03", "page") for f in found):
                rang.setdefault("whole", number)
            alone.step(Slot(*span, own, alone.watched, contract))
            if alone.rang.all():
                rang.setdefault("alone", number)
            if len(rang) == 2:
                break
        assert 50 <= rang["whole"] <= rang["alone"] <= rang["whole"] + 1
        same += rang["whole"] == rang["alone"]
    assert same >= 6


def test_a_shift_of_a_normal_feature_is_the_law_of_the_shifted_normal(normal: Reference) -> None:
    column = normal.columns[3]
    for shift, mean, sd in [
        (PlantedShift(what="mean", size=0.5), 0.5, 1.0),
        (PlantedShift(what="mean", size=-1.0), -1.0, 1.0),
        (PlantedShift(what="spread", size=2.0), 0.0, 2.0),
    ]:
        law = plant(column, shift)
        assert law is not None
        moved = NormalDist(mean, sd)
        cdf = np.array([moved.cdf(edge) for edge in column.edges])
        exact = np.append(np.diff(cdf), cdf[0] + 1 - cdf[-1])
        assert law[:-1] / law[:-1].sum() == pytest.approx(exact, abs=0.012)
        assert law[-1] == pytest.approx(quiet(column)[-1])


def test_a_mix_moves_its_share_and_is_the_hardest_to_see() -> None:
    column = build_column("k", "categorical", ["a"] * 400 + ["b"] * 350 + ["c"] * 250)
    before = quiet(column)
    for sign in (1, -1):
        after = plant(column, PlantedShift(what="mix", size=0.1), sign)
        assert after is not None
        gap = (after - before)[:-2]
        assert 0.5 * np.abs(gap).sum() == pytest.approx(0.1, rel=0.01)
        chi = math.sqrt((gap**2 / before[:-2]).sum())
        # Half of the values against the other half would be 0.2, the least there is.
        assert chi == pytest.approx(0.1 / math.sqrt(0.4 * 0.6), rel=0.01)


def test_missing_is_added_and_a_new_level_is_met() -> None:
    column = build_column("k", "categorical", ["a"] * 500 + ["b"] * 400 + [None] * 100)
    law = plant(column, PlantedShift(what="missing", size=0.2))
    assert law is not None
    assert law[-1] == pytest.approx(0.3, abs=1e-3)
    assert law[0] / law[1] == pytest.approx(500.5 / 400.5)
    law = plant(column, PlantedShift(what="new", size=0.05))
    assert law is not None
    assert law[-2] / law[:-1].sum() == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize("kind", SHIFTS)
def test_every_law_is_one(kind: Any) -> None:
    values: dict[str, list[Any]] = {
        "numeric": [0.0] * 90 + [float(x) for x in range(60)] + [None] * 3,
        "categorical": ["a"] * 90 + ["b"] * 60 + ["c"],
        "boolean": [True] * 97 + [False] * 3,
    }
    column = build_column("c", kind, values[kind])
    for shift in SHIFTS[kind]:
        for sign in (1, -1):
            law = plant(column, shift, sign)
            if law is None:  # a tenth of the values cannot leave a level that holds three of 100
                assert (kind, shift.what) == ("boolean", "mix")
                continue
            assert law.sum() == pytest.approx(1)
            assert (law >= 0).all()


@pytest.mark.parametrize(
    ("kind", "values", "shift"),
    [
        ("numeric", [7.0] * 50, PlantedShift(what="mean", size=1.0)),
        ("numeric", [1.0, 2.0, 3.0], PlantedShift(what="mix", size=0.1)),
        ("categorical", ["a"] * 50, PlantedShift(what="mix", size=0.1)),
        ("categorical", ["a", "b"], PlantedShift(what="spread", size=2.0)),
        ("boolean", [True, False], PlantedShift(what="new", size=0.1)),
        ("boolean", [None] * 90 + [True], PlantedShift(what="missing", size=0.2)),
    ],
)
def test_what_has_no_meaning_is_not_planted(
    kind: Any, values: list[Any], shift: PlantedShift
) -> None:
    assert plant(build_column("c", kind, values), shift) is None


def test_slots_vary_as_the_reference_says() -> None:
    law, rho, tau, rows = np.array([0.5, 0.3, 0.2]), 0.05, 9.0, 100
    copies = 40
    draw = Draw(
        np.tile(law, (copies, 1)),
        np.full(copies, rho),
        np.full(copies, tau),
        rows,
        np.random.default_rng(0),
    )
    counts = np.array([draw.slot()[:, 0] for _ in range(3000)], dtype=np.float64)
    assert counts.mean() / rows == pytest.approx(0.5, abs=0.005)
    assert counts.var() == pytest.approx(rows * 0.25 * (1 + (rows - 1) * rho), rel=0.1)
    centred = counts - counts.mean()
    lags = [float((centred[k:] * centred[:-k]).mean() / centred.var()) for k in range(1, 60)]
    assert 1 + 2 * sum(lags) == pytest.approx(tau, rel=0.25)


def test_below_one_event_a_slot_some_are_empty() -> None:
    one = np.ones((1, 1))
    draw = Draw(one, np.zeros(1), one[0], 0.25, np.random.default_rng(0))
    rows = [int(draw.slot().sum()) for _ in range(4000)]
    assert set(rows) == {0, 1}
    assert sum(rows) == pytest.approx(1000, abs=100)


def test_what_the_contract_calls_a_trifle_is_never_seen(normal: Reference) -> None:
    contract = Contract(model="m", features={"f03": FeaturePlan(tolerance=1.5)})
    shifts = [PlantedShift(what="mean", size=size) for size in (0.5, 2.0)]
    small, large = foresee(normal, contract, 50, only=["f03"], shifts=shifts).found
    assert (small.verdict, small.events) == ("trifle", None)
    assert small.found <= 0.05 * small.runs  # a few values beyond the reference may page by chance
    assert large.verdict == "seen"


def test_no_bet_wins_while_nothing_has_changed(normal: Reference) -> None:
    crowd = Crowd(normal, Contract(model="m"), 1e5, np.arange(COLUMNS), Tolerances())
    laws = np.zeros(normal.probabilities.shape)
    for i, column in enumerate(normal.columns):
        law = quiet(column)
        laws[i, : column.bins], laws[i, -2:] = law[:-2], law[-2:]
    assert not crowd.grows(laws).any()
    assert not crowd.worth(laws).any()
    lost = laws.copy()
    lost[4] = 0.7 * laws[4]
    lost[4, -1] += 0.3
    assert np.flatnonzero(crowd.grows(lost)).tolist() == [4]
    assert np.flatnonzero(crowd.worth(lost)).tolist() == [4]


def test_a_short_reference_hides_what_a_long_one_shows(normal: Reference) -> None:
    rng = np.random.default_rng(2)
    short = Reference.build("m", {"f03": drawn(rng, 150)})
    shift = [PlantedShift(what="mean", size=0.25)]
    told = foresee(short, Contract(model="m"), 100, shifts=shift, horizon=200).found[0]
    assert (told.verdict, told.worth, told.grows) == ("hidden", True, False)
    assert foresee(normal, Contract(model="m"), 100, only=["f03"], shifts=shift).found[0].events
    # Not below the tolerance either where chance in the reference may be as large as the shift.
    few = Reference.build("m", {"f03": drawn(rng, 30)})
    small = [PlantedShift(what="mean", size=0.15)]
    told = foresee(few, Contract(model="m"), 100, shifts=small, horizon=50).found[0]
    assert (told.verdict, told.worth) == ("hidden", True)


def test_many_features_cost_the_one_little_and_are_sampled() -> None:
    rng = np.random.default_rng(3)
    few = Reference.build("m", {f"f{i:03d}": drawn(rng, 2000) for i in range(2)})
    many = Reference.build("m", {f"f{i:03d}": drawn(rng, 2000) for i in range(100)})
    shift = [PlantedShift(what="mean", size=0.5)]
    one = foresee(few, Contract(model="m"), 20, shifts=shift).outlooks()[0]
    hundred = foresee(many, Contract(model="m"), 20, shifts=shift)
    assert hundred.left_out == {"numeric": 60}
    other = hundred.outlooks()[0]
    assert (one.features, other.features) == (2, 40)
    assert one.middle.events is not None
    assert other.middle.events is not None
    assert one.middle.events <= other.middle.events <= 2 * one.middle.events
    assert other.soonest.events <= other.middle.events <= other.latest.events


def test_the_same_seed_foresees_the_same(normal: Reference) -> None:
    told = [foresee(normal, Contract(model="m"), 30, only=["f03"], seed=s) for s in (5, 5)]
    assert told[0] == told[1]


@pytest.mark.parametrize("names", [["evidence"], ["evidence", "adwin"], ["evidence", "missing"]])
def test_the_promise_is_the_detectors_own(normal: Reference, names: list[str]) -> None:
    contract = Contract(model="m", detectors=tuple(DetectorPlan(name=name) for name in names))
    shift = [PlantedShift(what="mean", size=2.0)]
    told = foresee(normal, contract, 10, only=["f03"], shifts=shift)
    own: Any = next(d for d in build(contract, normal) if d.name == "evidence")
    assert math.log(told.arl) == pytest.approx(own._log_arl)
    assert told.beside == tuple(name for name in names if name == "adwin")


def test_without_evidence_nothing_is_foreseen(normal: Reference) -> None:
    contract = Contract(model="m", detectors=(DetectorPlan(name="adwin"),))
    with pytest.raises(ParameterError, match=r"evidence.*adwin"):
        foresee(normal, contract, 10)
    with pytest.raises(ParameterError, match=r"f03.*'f3'"):
        foresee(normal, Contract(model="m"), 10, only=["f3"])
