"""What skew is made of: verdicts, prints, samples, history, memory, and bets on rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.events.numbers import Numbers
from driftline.ledger.skew import Skew, SkewRows, Tolerance, Tolerances
from driftline.ledger.skew.hashing import text_hashes
from driftline.ledger.skew.history import MOST_OF_ENTITY, History, contents, most_rows
from driftline.ledger.skew.memory import MOST_BYTES, Memory
from driftline.ledger.skew.prints import prints, reaches
from driftline.ledger.skew.rates import RateBets
from driftline.ledger.skew.recent import Recent
from driftline.ledger.skew.rows import Column, column_of, scalars
from driftline.ledger.skew.sample import MOST_ALIKE, Mismatch, kept, read, write
from driftline.ledger.skew.verdicts import (
    DIFFER,
    FILLED,
    LOST,
    NEITHER,
    SAME,
    number_verdicts,
    verdicts,
)

NAN = float("nan")
finite = st.floats(-1e30, 1e30)


def compared(served: Column, trained: Column, tolerance: Tolerance) -> list[int]:
    one_by_one = verdicts(scalars(served), scalars(trained), tolerance).tolist()
    if isinstance(served, np.ndarray) and isinstance(trained, np.ndarray):
        bounds = np.array(tolerance.rtol), np.array(tolerance.atol)
        assert number_verdicts(served, trained, *bounds).tolist() == one_by_one
    return one_by_one


def test_numbers_are_compared_within_the_tolerance() -> None:
    served = column_of([1.0, 1.0 + 5e-7, 1.1, None, 2.0, None, 0.0, 1e300])
    trained = column_of([1, 1.0, 1.0, None, None, 2.0, 1e-10, -1e300])
    expected = [SAME, SAME, DIFFER, NEITHER, FILLED, LOST, SAME, DIFFER]
    assert compared(served, trained, Tolerance()) == expected
    assert compared(served, trained, Tolerance(rtol=0.2))[2] == SAME


def test_a_frames_packed_numbers_are_read_as_they_are() -> None:
    packed = Numbers()
    packed.extend([1.0, None, 3.0])
    found = column_of(packed)
    assert isinstance(found, np.ndarray)
    assert scalars(found) == [1.0, None, 3.0]
    assert column_of([True, 1, None]) == [True, 1.0, None]
    assert isinstance(column_of([np.float64(2.0), [1]]), np.ndarray)


def test_values_of_other_types_are_never_the_same() -> None:
    served = column_of(["a", "1", True, True, None, 1.0, [1], float("inf")])
    trained = column_of(["a", 1, 1, True, "a", 1.0000001, None, None])
    expected = [SAME, DIFFER, DIFFER, SAME, LOST, SAME, NEITHER, NEITHER]
    assert compared(served, trained, Tolerance()) == expected


@given(
    value=finite,
    off=st.floats(-1, 1),
    rtol=st.sampled_from([1e-9, 1e-6, 0.01, 0.2]),
    atol=st.sampled_from([0.0, 1e-9, 0.5]),
)
@settings(max_examples=300, deadline=None)
def test_what_is_the_same_is_found_by_its_print(
    value: float, off: float, rtol: float, atol: float
) -> None:
    tolerance = Tolerance(rtol, atol)
    # Halfway into the tolerance, so that rounding of this sum itself is no matter.
    near = value + 0.9 * off * (tolerance.atol + rtol * abs(value))
    assert tolerance.same(near, value)
    (stored,) = prints(np.array([value]), tolerance).tolist()
    for ends in reaches([near, value], tolerance):
        assert stored in ends


def test_prints_tell_values_apart() -> None:
    tolerance = Tolerance()
    column = column_of([float(v) for v in range(500)] + ["1", "a", True, False, None])
    found = prints(column, tolerance)
    assert found[-1] == 0
    assert found[:-1].min() >= 1
    assert np.unique(found[:-1]).size >= 495
    assert reaches(["a", None], tolerance) == [(found[-4], found[-4]), (0, 0)]
    far = prints(np.array([1.0, 1.00001, -1.0, 1e-12, 1e200, 1e201]), tolerance)
    assert np.unique(far).size == 6
    assert reaches([0.0], tolerance)[0][0] == prints(np.array([-1e-10]), tolerance)[0]


def test_an_entry_reads_as_written_and_long_texts_stay_apart() -> None:
    found = Mismatch("p1", 7, -5, 52.0, None, ("age", "tenure"))
    assert read(write(3, found)) == found
    assert type(read(write(3, found)).served) is float
    long = [Mismatch("p" * 100, 7, 5, "x" * 100 + end, True, ()) for end in "ab"]
    first, second = (read(write(3, each)) for each in long)
    assert first.served != second.served
    assert (len(str(first.served)), len(first.id)) == (39, 64)


def test_half_of_a_sample_is_of_the_first_entities() -> None:
    rng = np.random.default_rng(0)
    orders, entities = rng.integers(0, 2**63, (2, 400)).tolist()
    keys = [
        write(order, Mismatch("p", entity, 0, 1.0, 2.0, ()))
        for order, entity in zip(orders, entities, strict=True)
    ]
    left = [read(key).entity for key in kept(dict.fromkeys(keys, 1), 20)]
    assert set(sorted(entities)[:10]) <= set(left)
    assert {keys[at] for at in np.argsort(orders)[:10]} <= set(kept(dict.fromkeys(keys, 1), 20))


def rows_of(served: dict, trained: dict, entities: list | None = None) -> SkewRows:
    size = len(next(iter(served.values())))
    ids = [f"p{at}" for at in range(size)]
    return SkewRows.of(ids, np.arange(size), served, trained, entities=entities)


def test_sums_count_what_each_feature_amounts_to() -> None:
    served = {"age": [1.0, 2.0, None, 4.0, None], "city": ["a", "b", None, None, None]}
    trained = {"age": [1.0, 3.0, 3.0, None, None], "tenure": [2.0, 1.0, 7.0, 4.0, None]}
    cell = Skew.of(rows_of(served, trained), Tolerances())
    assert cell.rows == 5
    assert cell.tallies["age"] == (1, 1, 1, 1)
    assert cell.tallies["city"] == (0, 0, 2, 0)
    assert cell.tallies["tenure"] == (0, 0, 0, 4)
    entries = [read(key) for key in cell.sample["age"]]
    assert sorted((e.id, e.served, e.trained, e.alike) for e in entries if e.id != "p2") == [
        ("p1", 2.0, 3.0, ()),
        ("p3", 4.0, None, ("tenure",)),
    ]


def test_features_alike_are_few_and_others_in_each_row() -> None:
    names = [f"f{at}" for at in range(30)]
    trained = {name: [1.0] * 40 for name in names} | {"x": [2.0] * 40}
    served = trained | {"x": [1.0] * 40}
    cell = Skew.of(rows_of(served, trained), Tolerances())
    alike = [read(key).alike for key in cell.sample["x"]]
    assert {len(each) for each in alike} == {MOST_ALIKE}
    assert len({name for each in alike for name in each}) > 20


def history_of(entities: list, values: list, ts: list | None = None) -> History:
    size = len(values)
    rows = SkewRows.of(
        [f"{entities[at]}-{at}" for at in range(size)],
        np.arange(size) if ts is None else np.array(ts),
        {"x": values},
        {"x": values},
        entities=entities,
    )
    return Skew.of(rows, Tolerances()).history


def test_a_history_holds_whole_entities_and_none_fills_it() -> None:
    entities = [f"e{at % 40}" for at in range(4000)]
    history = history_of(entities, [float(at) for at in range(4000)])
    assert len(history) == most_rows(1)
    hashes = np.sort(text_hashes(sorted(set(entities))))
    held, counts = np.unique(history.entity, return_counts=True)
    assert np.array_equal(held, hashes[: held.size])
    assert set(counts[:-1].tolist()) == {MOST_OF_ENTITY}


def test_contents_know_no_order_of_columns() -> None:
    prints = np.array([[1, 2, 0], [2, 1, 0]], dtype=np.uint16)
    straight = contents(("a", "b", "c"), prints)
    assert np.array_equal(straight, contents(("b", "a"), prints[:, [1, 0]]))
    assert straight[0] != straight[1]


def version(memory: Memory, entity: str, ts: int, served: float, trained: float) -> int | None:
    about = int(text_hashes([entity])[0])
    return memory.version(0, about, ts, *reaches([served, trained], Tolerance()))


def test_a_memory_tells_which_version_was_served() -> None:
    memory = Memory()
    # Its value was 1, 2, 2, 3 and is 3 at 50; others' values are their own.
    memory.take(
        history_of(["a"] * 4 + ["b"], [1.0, 2.0, 2.0, 3.0, 9.0], [10, 20, 30, 40, 5]), ["x"]
    )
    assert version(memory, "a", 50, 2.0, 3.0) == 1
    assert version(memory, "a", 50, 1.0, 3.0) == 2
    assert version(memory, "a", 50, 9.0, 3.0) == 0
    assert version(memory, "a", 20, 1.0, 2.0) == 1
    assert version(memory, "a", 10, 1.0, 2.0) is None
    assert version(memory, "a", 5, 3.0, 1.0) is None
    assert version(memory, "b", 50, 3.0, 9.0) is None
    assert version(memory, "c", 50, 3.0, 9.0) is None


def test_a_memory_knows_common_values() -> None:
    memory = Memory()
    values = [0.0] * 60 + [1.0] * 30 + [float(v) for v in range(100, 110)]
    memory.take(history_of([None] * 100, values), ["x"])
    right, *served = reaches([1.0, 0.0, 105.0, 7.0], Tolerance())
    odds = [memory.odds(0, each, right) for each in served]
    assert odds == pytest.approx([60.5 / 71, 1.5 / 71, 0.5 / 71])


def test_a_memory_forgets_old_rows_of_most_entities_but_not_of_all() -> None:
    memory, size = Memory(), 500
    for slot in range(60):
        entities = [f"e{slot * size + at}" for at in range(size)]
        ts = (np.arange(size) + slot * size) * 1_000_000
        memory.take(history_of(entities, [float(at) for at in range(size)], ts.tolist()), ["x"])
    most = MOST_BYTES // 26
    assert len(memory) == most
    age = (memory.ts.max() - memory.ts) / 1e6
    # Of 30,000 rows a quarter is held: the latest nearly all, then fewer and fewer.
    shares = [float(((age >= low) & (age < 2 * low)).sum()) / low for low in (500, 4000, 14000)]
    assert shares[0] > 0.9
    assert shares[0] > shares[1] > shares[2] > 0.05


def test_a_memory_lets_go_of_what_is_taken_back() -> None:
    memory = Memory()
    history = history_of(["a", "b"], [1.0, 2.0])
    memory.take(history, ["x"])
    gone = History(*[getattr(history, n) for n in ("names", "entity", "order", "ts")],
                   -history.count, history.prints)  # fmt: skip
    memory.take(gone, ["x", "y"])
    assert len(memory) == 0
    assert memory.prints.shape == (0, 2)


def test_bets_keep_their_run_length_at_the_allowed_rate() -> None:
    # A thousand models of one feature, each exactly at its rate: no more than steps / arl ring.
    rng, arl, steps = np.random.default_rng(1), 100.0, 50
    bets, rang = RateBets(0.01, arl), np.zeros(1000, dtype=np.bool_)
    bets.grow(1000)
    for step in range(steps):
        bets.step(np.full(1000, 100), rng.binomial(100, 0.01, 1000), step)
        rang |= bets.held.mean(axis=1) >= arl
    assert 0.01 < rang.mean() < steps / arl
    assert not bets.ringing.any()  # it is the features of one model that share the run length


def test_bets_know_since_when_and_how_many() -> None:
    bets = RateBets(0.001, 1e6)
    bets.grow(2)
    for step in range(40):
        wrong = np.array([3 if step >= 30 else 0, 0])
        bets.step(np.array([100, 100 if step % 2 else 0]), wrong, step)
    assert bets.ringing.tolist() == [True, False]
    found = bets.change(0)
    assert (found.since, found.pairs, found.mismatched, found.share) == (30, 1000, 30, 0.03)
    bets.forget(0)
    assert not bets.ringing.any()


def test_recent_rows_of_many_features_are_fewer_of_each() -> None:
    recent, memory = Recent(Tolerances()), Memory()
    for features in (30, 100):
        names = [f"f{at}" for at in range(features)]
        served = {name: [1.0] * 80 for name in names}
        trained = {name: [2.0] * 80 for name in names}
        cell = Skew.of(rows_of(served, trained), Tolerances())
        memory.take(cell.history, names)
        for step in range(10):
            recent.take(cell, step, memory, {name: at for at, name in enumerate(names)})
        held = [len(recent.since(name, 0)) for name in names]
        assert sum(held) <= 2000
        assert min(held) >= 20
