"""What every registered detector promises; a new one is registered and passes, or is not merged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from driftline.contract import Contract, DetectorPlan
from driftline.detect import STATISTICAL, Detector, Finding, Slot, StateError, build
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.stats import Pane, Reference, Sample, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECOND = 1_000_000
SLOT = 10 * SECOND
START = 1_700_000_000 * SECOND
ROWS = 100
NAMES = sorted([*STATISTICAL, "schema"])
RELATED = ("fee", "tax")
Columns = dict[str, list[Any]]


def draw(rng: np.random.Generator, rows: int = ROWS) -> Columns:
    """Rows of the stationary law: every kind of column there is, and some that hang together."""
    amount = rng.standard_normal(rows)
    noise = rng.spawn(1)[0].standard_normal((2, rows))
    return {
        "amount": amount.tolist(),
        "city": [f"c{int(c)}" for c in np.minimum(rng.geometric(0.02, rows), 150)],
        "colour": rng.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2]).tolist(),
        "fixed": [7.0] * rows,
        "flag": (rng.random(rows) < 0.3).tolist(),
        "visits": rng.poisson(1.0, rows).tolist(),
        **dict(zip(RELATED, (0.8 * amount + 0.6 * noise).tolist(), strict=True)),
    }


def moved(columns: Columns, name: str) -> Columns:
    """Plant what the named detector is there to see."""
    columns = dict(columns)
    if name == "missing":
        columns["amount"] = [v if i % 2 else None for i, v in enumerate(columns["amount"])]
    elif name == "unseen":
        columns["colour"] = [v if i % 4 else "mauve" for i, v in enumerate(columns["colour"])]
    elif name == "schema":
        del columns["amount"]
    elif name == "joint":
        # Each by itself is as it was.
        columns |= {related: [-v for v in columns[related]] for related in RELATED}
    elif name == "correlation":
        # Mean and spread stay as they were; only that it goes with the visits is new.
        both = zip(columns["amount"], columns["visits"], strict=True)
        columns["amount"] = [0.9 * (visits - 1) + 0.44 * v for v, visits in both]
    else:
        columns["amount"] = [v + 6 for v in columns["amount"]]
    return columns


def feature_of(name: str) -> str | None:
    if name == "joint":
        return None
    return "colour" if name == "unseen" else "amount"


@pytest.fixture(scope="module")
def everything() -> Reference:
    columns = draw(np.random.default_rng(1), 4000)
    return Reference.build("m", {k: v for k, v in columns.items() if k not in RELATED})


@pytest.fixture(scope="module")
def together() -> Reference:
    return Reference.build("m", draw(np.random.default_rng(1), 4000))


@pytest.fixture(scope="module")
def little() -> Reference:
    columns = draw(np.random.default_rng(1), 4000)
    return Reference.build("m", {"amount": columns["amount"], "fixed": columns["fixed"]})


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> Reference:
    # A value costs KSWIN a quarter of a millisecond: it gets two columns, not six.
    apart = {"kswin": "little", "joint": "together"}
    name = request.node.callspec.params.get("name")
    found: Reference = request.getfixturevalue(apart.get(name, "everything"))
    return found


def contract_for(name: str, **parameters: Any) -> Contract:
    if name == "schema":
        return Contract(model="m")
    return Contract(model="m", detectors=(DetectorPlan(name=name, parameters=parameters),))


def make(name: str, reference: Reference, **parameters: Any) -> Detector:
    built = build(contract_for(name, **parameters), reference)
    return next(d for d in built if d.name == name)


def slot_of(reference: Reference, number: int, columns: Columns, contract: Contract) -> Slot:
    start = START + number * SLOT
    pane = Pane.empty(reference, contract.sample)
    rows = max((len(v) for v in columns.values()), default=0)
    if rows:
        frame = Frame(
            model="m",
            type="prediction",
            ts=start + np.arange(rows, dtype=np.int64) * (SLOT // rows),
            offset=np.arange(rows, dtype=np.int64) + number * 1000,
            index=np.zeros(rows, dtype=np.int64),
            columns=dict(columns),
            kinds=reference.kinds,
        )
        whole = np.arange(rows), np.zeros(1, dtype=np.int64)
        fold(frame, reference, Source("t", 0), *whole).add_to(pane, 0)
        pane.events["prediction"] = rows
    pane.sample.sort()
    return Slot(start, start + SLOT, number, pane, reference, contract)


def stream(
    name: str, reference: Reference, *phases: tuple[int, bool], rows: int = 0, seed: int = 2
) -> Iterator[Slot]:
    rows = rows or (25 if name == "kswin" else ROWS)
    rng, number, contract = np.random.default_rng(seed), 0, contract_for(name)
    for slots, changed in phases:
        for _ in range(slots):
            columns = {k: v for k, v in draw(rng, rows).items() if k in reference.index}
            yield slot_of(reference, number, moved(columns, name) if changed else columns, contract)
            number += 1


def run(detector: Detector, slots: Iterator[Slot]) -> list[Finding]:
    return [finding for slot in slots for finding in detector.step(slot)]


@pytest.mark.parametrize("name", NAMES)
def test_one_finding_for_a_lasting_shift_and_clears_after_it(
    name: str, reference: Reference
) -> None:
    found = run(
        make(name, reference), stream(name, reference, (20, False), (40, True), (60, False))
    )
    pages = [f for f in found if f.severity == "page"]
    about = [f for f in pages if f.feature == feature_of(name)]
    assert [f.state for f in about] == ["raised", "cleared"]
    assert {f.feature for f in pages} == {feature_of(name)}
    raised, cleared = about
    planted = START + 20 * SLOT
    assert planted < raised.detected_at <= planted + 12 * SLOT
    # FHDDM and its kin point at the slot of the detection, the rest at the change.
    assert planted - 2 * SLOT <= raised.change_point < raised.detected_at
    assert cleared.detected_at > START + 60 * SLOT
    assert raised.detector == name
    assert raised.effect > 0


@pytest.mark.parametrize("name", NAMES)
def test_no_page_without_a_change(name: str, reference: Reference) -> None:
    found = run(make(name, reference), stream(name, reference, (60, False)))
    assert [f for f in found if f.severity == "page"] == []


@pytest.mark.parametrize("name", NAMES)
def test_resumes_bit_for_bit_from_any_step(name: str, reference: Reference) -> None:
    slots = list(stream(name, reference, (10, False), (16, True), (24, False)))
    whole = make(name, reference)
    told, states = [], []
    for slot in slots:
        states.append(msgspec.msgpack.encode(whole.snapshot()))
        told.append(whole.step(slot))
    assert any(told)
    for at in range(0, len(slots), 7):
        again = make(name, reference)
        again.restore(msgspec.msgpack.decode(states[at]))
        assert msgspec.msgpack.encode(again.snapshot()) == states[at]
        assert [again.step(slot) for slot in slots[at : at + 12]] == told[at : at + 12]


@pytest.mark.parametrize("name", NAMES)
def test_restoring_leaves_the_snapshot_alone(name: str, reference: Reference) -> None:
    slots = list(stream(name, reference, (10, False)))
    whole = make(name, reference)
    for slot in slots[:5]:
        whole.step(slot)
    state = whole.snapshot()
    frozen = msgspec.msgpack.encode(state)
    for slot in slots[5:]:
        whole.step(slot)
    other = make(name, reference)
    other.restore(state)
    for slot in slots[5:]:
        other.step(slot)
    assert msgspec.msgpack.encode(state) == frozen


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["format", "detector", "reference"])
def test_refuses_the_state_of_another(name: str, field: str, reference: Reference) -> None:
    state = make(name, reference).snapshot()
    state[field] = "other"
    with pytest.raises(StateError, match=field):
        make(name, reference).restore(state)


@pytest.mark.parametrize("name", NAMES)
def test_sees_a_shift_after_missing_values_and_rubbish(name: str, reference: Reference) -> None:
    detector = make(name, reference)
    slots = list(stream(name, reference, (10, False), (15, True)))
    for slot in slots[:10]:
        # The codec lets no such value through; a detector must not rely on it.
        values = slot.pane.sample.values
        values[::7, 0], values[1::7, 0], values[2::7, 0] = np.inf, np.nan, -1e308
    found = run(detector, iter(slots))
    assert [f for f in found if f.state == "raised" and f.feature == feature_of(name)]


@pytest.mark.parametrize("name", NAMES)
def test_takes_any_shape_of_slot(name: str, reference: Reference) -> None:
    detector = make(name, reference)
    contract = contract_for(name)
    rng = np.random.default_rng(5)
    nothing: Columns = {}
    absent = {key: [None] * 50 for key in reference.index}
    single = draw(rng, 1)
    many = draw(rng, 100 if name == "kswin" else 3000)
    shapes: list[Columns] = [nothing, absent, single, many, nothing, absent, single]
    for number, columns in enumerate(shapes):
        slot = slot_of(reference, number, columns, contract)
        detector.step(slot)
        slot = slot_of(reference, number, columns, contract)
        slot.pane.sample = Sample.empty(0, len(reference.columns))
        detector.step(replace(slot, start=slot.start + 1000 * SLOT, end=slot.end + 1000 * SLOT))
    msgspec.msgpack.encode(detector.snapshot())


@pytest.mark.parametrize("name", NAMES)
def test_works_on_slots_of_one_event(name: str, reference: Reference) -> None:
    phases = ((300, False), (400, True))
    found = run(make(name, reference), stream(name, reference, *phases, rows=1))
    raised = [f for f in found if f.state == "raised" and f.severity == "page"]
    # A change every fourth row (or the like) cannot be planted into rows that come singly.
    expected = {feature_of(name)} if name not in {"missing", "unseen"} else set()
    if expected:
        assert {f.feature for f in raised} == expected
        assert len(raised) == 1


@pytest.mark.parametrize("name", [n for n in NAMES if n not in {"schema"}])
@pytest.mark.parametrize(("scale", "offset"), [(2.0**20, 0.0), (2.0**-20, 0.0), (1e6, 1e9)])
def test_units_do_not_matter(name: str, scale: float, offset: float, reference: Reference) -> None:
    def change(columns: Columns) -> Columns:
        amount = [None if v is None else v * scale + offset for v in columns["amount"]]
        return {**columns, "amount": amount}

    rng = np.random.default_rng(1)
    columns = draw(rng, 4000)
    other = Reference.build("m", change({k: columns[k] for k in reference.index}))
    contract = contract_for(name)
    rng = np.random.default_rng(3)
    here, there = make(name, reference), make(name, other)
    for number in range(30 if name == "kswin" else 40):
        columns = draw(rng, 25 if name == "kswin" else ROWS)
        columns = {k: columns[k] for k in reference.index}
        columns = moved(columns, name) if number >= 10 else columns
        one = here.step(slot_of(reference, number, columns, contract))
        two = there.step(slot_of(other, number, change(columns), contract))
        strip: Callable[[Finding], Finding] = lambda f: replace(f, text="", log_e=None, evidence={})  # noqa: E731
        assert [replace(strip(f), effect=0.0) for f in one] == [
            replace(strip(f), effect=0.0) for f in two
        ]
        assert [f.effect for f in one] == pytest.approx([f.effect for f in two], rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_findings_are_plain_json(name: str, reference: Reference) -> None:
    found = run(make(name, reference), stream(name, reference, (15, False), (25, True)))
    assert found
    for finding in found:
        assert type(finding.effect) is float
        assert type(finding.change_point) is int
        assert finding.text
        assert "\n" not in finding.text
        assert msgspec.json.decode(msgspec.json.encode(finding.evidence)) == finding.evidence
