"""What is known of one prediction adds up to the same, in whatever order it came."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.ledger.entry import (
    DECISION,
    LABEL,
    OUTCOME,
    PREDICTION,
    SERVED,
    TRAINED,
    Claim,
    Part,
    _added,
    differ,
    pack,
    unpack,
    worth,
)

HORIZON = 100
SHARES = (("a", 0.25), ("b", 0.75))


def prediction(ts: int, at: int, value: object = "a", place: int = 0) -> Part:
    return Part(PREDICTION, 0, ts, at, (1, place, 0), (value, 0.5, SHARES, None, None))


def label(ts: int, at: int, value: object = "a", place: int = 0) -> Part:
    return Part(LABEL, 0, ts, at, (2, place, 0), (value, None))


def decision(ts: int, at: int, action: str = "go", place: int = 0) -> Part:
    return Part(DECISION, 0, ts, at, (3, place, 0), (action, None, "ada", None, None))


def outcome(ts: int, at: int, value: float = 1.0, kind: str | None = None, place: int = 0) -> Part:
    return Part(OUTCOME, 0, ts, at, (4, place, 0), (value, kind))


def row(kind: int, ts: int, at: int, value: object = 1.5, place: int = 0) -> Part:
    return Part(kind, 0, ts, at, (5 + kind, place, 0), ("id", None, (("age", value), ("x", None))))


def whats(claims: list[tuple[Claim, int]]) -> dict[str, int]:
    return {claim.what: times for claim, times in claims}


def test_a_prediction_and_its_label_are_a_pair_when_the_label_comes() -> None:
    made, told = prediction(5, 0), label(27, 20, "b")
    assert whats(differ([], made, HORIZON)) == {"predicted": 1}
    ((claim, times),) = differ([made], told, HORIZON)
    assert (claim.what, claim.at, times) == ("first", 20, 1)
    assert claim.prediction == (5, made.body)
    assert claim.label == (27, told.body)


def test_a_label_before_its_prediction_waits_for_it() -> None:
    told, made = label(5, 0), prediction(4, 10)
    assert whats(differ([], told, HORIZON)) == {"waiting": 1}
    found = differ([told], made, HORIZON)
    assert whats(found) == {"predicted": 1, "waiting": -1, "first": 1}
    assert {claim.at for claim, _ in found} == {10}


def test_a_correction_takes_the_earlier_pair_back() -> None:
    made, first, second = prediction(0, 0), label(10, 10, "a"), label(20, 20, "b", 1)
    found = {(c.what, c.label and c.label[1][0]): n for c, n in differ([made, first], second, 100)}
    assert found == {("paired", "a"): -1, ("paired", "b"): 1}


def test_the_same_label_again_changes_nothing_but_a_count() -> None:
    made, first, second = prediction(0, 0), label(10, 10), label(20, 20, place=1)
    assert whats(differ([made, first], second, HORIZON)) == {"again": 1}


@pytest.mark.parametrize(("ts", "what"), [(100, "first"), (101, "too late")])
def test_labels_count_up_to_the_horizon(ts: int, what: str) -> None:
    assert whats(differ([prediction(0, 0)], label(ts, 100), HORIZON)) == {what: 1}


def test_an_id_that_is_predicted_twice_counts_once() -> None:
    found = differ([prediction(0, 0)], prediction(30, 30, "b", 1), HORIZON)
    assert whats(found) == {"repeated": 1}


def test_a_decision_counts_with_the_label_that_is_known_of_it() -> None:
    made, done, told = prediction(5, 0), decision(27, 20), label(47, 40, "b")
    ((claim, times),) = differ([made], done, HORIZON)
    assert (claim.what, claim.at, times, claim.label) == ("decided", 20, 1, None)
    assert claim.decision == (27, done.body)
    found = {(c.what, c.label is not None): n for c, n in differ([made, done], told, HORIZON)}
    assert found == {("first", True): 1, ("decided", False): -1, ("decided", True): 1}
    again = differ([made, done, told], decision(50, 50, place=1), HORIZON)
    assert whats(again) == {"again decision": 1}


def test_another_decision_replaces_the_first_whichever_is_read_first() -> None:
    made, first, second = prediction(0, 0), decision(10, 10), decision(20, 20, "stop", 1)
    found = {c.decision and c.decision[1][0]: n for c, n in differ([made, first], second, HORIZON)}
    assert found == {"go": -1, "stop": 1}
    early = worth([made, first._replace(at=30), second], HORIZON)
    held = {c.decision[1][0] for c, n in early.items() if c.what == "decided" and c.decision and n}
    assert held == {"stop"}


def test_what_comes_before_its_prediction_or_too_late_is_told_apart() -> None:
    done, made = decision(5, 0), prediction(4, 10)
    assert whats(differ([], done, HORIZON)) == {"waiting decision": 1}
    found = differ([done], made, HORIZON)
    assert whats(found) == {"predicted": 1, "waiting decision": -1, "decided": 1}
    late = differ([prediction(0, 0)], outcome(101, 100), HORIZON)
    assert whats(late) == {"too late outcome": 1}


def test_outcomes_of_several_kinds_add_up_and_one_is_corrected() -> None:
    made, done = prediction(0, 0), decision(5, 0)
    parts = [made, done, outcome(10, 10, 3.0, "margin"), outcome(20, 20, -1.0, "returns", 1)]
    found = differ(parts[:-1], parts[-1], HORIZON)
    # The first sum stands in the slot in which it came, and is taken back in the next one.
    assert {(c.at, c.outcome and c.outcome[1], n) for c, n in found} == {
        (20, (3.0,), -1), (20, (2.0,), 1)
    }  # fmt: skip
    more = differ(parts, outcome(30, 30, 5.0, "margin", 2), HORIZON)
    assert {c.outcome and c.outcome[1]: n for c, n in more} == {(2.0,): -1, (4.0,): 1}


def test_a_row_is_compared_when_training_has_made_it() -> None:
    served, trained = row(SERVED, 0, 0), row(TRAINED, 30, 30, 1.25)
    assert differ([], served, HORIZON) == []
    ((claim, times),) = differ([served], trained, HORIZON)
    assert (claim.what, claim.at, times) == ("compared", 30, 1)
    assert (claim.served, claim.trained) == ((0, served.body), (30, trained.body))
    assert whats(differ([], trained, HORIZON)) == {"waiting trained": 1}
    early = differ([trained._replace(at=-10)], served, HORIZON)
    assert whats(early) == {"waiting trained": -1, "compared": 1}
    again = row(TRAINED, 40, 40, 1.5, 1)
    corrected = differ([served, trained], again, HORIZON)
    found = {c.trained and c.trained[1][2][0][1]: n for c, n in corrected}
    assert found == {1.25: -1, 1.5: 1}


ROWS = st.lists(
    st.builds(
        lambda kind, ts, late, value, place: row(kind, ts, (ts + late) // 10 * 10, value, place),
        st.sampled_from([SERVED, TRAINED]),
        st.integers(0, 160),
        st.sampled_from([0, 0, 40]),
        st.sampled_from([1.0, 2.0]),
        st.integers(0, 99),
    ),
    max_size=5,
    unique_by=lambda part: part.origin,
)
PARTS = st.lists(
    st.one_of(
        st.builds(
            lambda ts, late, value, place: decision(ts, (ts + late) // 10 * 10, value, place),
            st.integers(0, 160),
            st.sampled_from([0, 0, 40]),
            st.sampled_from(["go", "stop"]),
            st.integers(0, 99),
        ),
        st.builds(
            lambda ts, late, value, kind, place: outcome(
                ts, (ts + late) // 10 * 10, value, kind, place
            ),
            st.integers(0, 160),
            st.sampled_from([0, 0, 40]),
            st.sampled_from([1.0, 2.0]),
            st.sampled_from([None, "a"]),
            st.integers(0, 99),
        ),
        st.builds(
            lambda ts, late, value, place: prediction(ts, (ts + late) // 10 * 10, value, place),
            st.integers(0, 60),
            st.sampled_from([0, 0, 40]),
            st.sampled_from(["a", "b"]),
            st.integers(0, 99),
        ),
        st.builds(
            lambda ts, late, value, place: label(ts, (ts + late) // 10 * 10, value, place),
            st.integers(0, 180),
            st.sampled_from([0, 0, 40]),
            st.sampled_from(["a", "b"]),
            st.integers(0, 99),
        ),
    ),
    max_size=5,
    unique_by=lambda part: part.origin,
)


@given(st.one_of(PARTS, ROWS))
def test_whatever_the_order_each_slot_has_the_same_sums(parts: list[Part]) -> None:
    found = []
    for order in list(permutations(parts))[:24]:
        total: Counter[Claim] = Counter()
        for place, part in enumerate(order):
            for claim, times in differ(list(order[:place]), part, HORIZON):
                # A slot before its own may be closed.
                assert claim.at >= part.at
                total[claim] += times
        found.append({c: n for c, n in total.items() if n})
    assert all(each == found[0] for each in found)
    summed: Counter[Claim] = Counter()
    for claim, times in found[0].items():
        summed[claim._replace(at=0)] += times
    wanted = worth(parts, HORIZON)
    assert {c: n for c, n in summed.items() if n} == {c: n for c, n in wanted.items() if n}


@given(st.one_of(PARTS, ROWS))
def test_an_entry_is_read_back_as_it_was_written(parts: list[Part]) -> None:
    assert unpack(pack(parts)) == parts


@pytest.mark.parametrize("label_at", [0, 10, 20])
@pytest.mark.parametrize("label_ts", [5, 15, 500])
def test_short_cuts_say_what_the_sums_say(label_at: int, label_ts: int) -> None:
    made = Part(PREDICTION, 7, 10, 10, (1, 1, 0), ("1", 0.5, None, None, None))
    label = Part(LABEL, 3, label_ts, label_at, (2, 1, 0), (1, None))
    for held, new in (([], made), ([], label), ([made], label), ([label], made)):
        assert set(differ(held, new, 100)) == set(_added(held, new, 100))
