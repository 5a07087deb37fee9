"""What is known of one prediction adds up to the same, in whatever order it came."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.ledger.entry import LABEL, PREDICTION, Claim, Part, differ, pack, unpack, worth

HORIZON = 100
SHARES = (("a", 0.25), ("b", 0.75))


def prediction(ts: int, at: int, value: object = "a", place: int = 0) -> Part:
    return Part(PREDICTION, 0, ts, at, (1, place, 0), (value, 0.5, SHARES))


def label(ts: int, at: int, value: object = "a", place: int = 0) -> Part:
    return Part(LABEL, 0, ts, at, (2, place, 0), (value, None))


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


PARTS = st.lists(
    st.one_of(
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


@given(PARTS)
def test_whatever_the_order_the_sums_are_the_same(parts: list[Part]) -> None:
    wanted = {c: n for c, n in worth(parts, HORIZON).items() if n} if parts else {}
    for order in list(permutations(parts))[:24]:
        total: Counter[Claim] = Counter()
        for at, part in enumerate(order):
            for claim, times in differ(list(order[:at]), part, HORIZON):
                total[claim] += times
        assert {c: n for c, n in total.items() if n} == wanted


@given(PARTS)
def test_an_entry_is_read_back_as_it_was_written(parts: list[Part]) -> None:
    assert unpack(pack(parts)) == parts
