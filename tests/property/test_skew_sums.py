"""Sums of feature pairs: neither cut nor order nor what was taken back leaves a trace in them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.ledger.skew import Skew, SkewRows, Tolerances
from driftline.ledger.skew import history as history_module
from driftline.ledger.skew import sample as sample_module
from driftline.ledger.skew import sums as sums_module

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCES = Tolerances()
number = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.0, 2.0000001, 52.0]))
text = st.one_of(st.none(), st.sampled_from(["DE", "de", "FR", True, 3.0]))
row = st.tuples(
    st.integers(0, 12),  # few ids and entities, so that rows come again
    st.sampled_from([None, "a", "b", "c"]),
    st.integers(0, 3),
    st.tuples(number, number, text, text),
    st.tuples(number, number, text, text),
    st.sampled_from([1, 1, 1, -1]),
)
NAMES = ("a", "b", "c", "d")


@pytest.fixture(params=["roomy", "tight"], scope="module")
def _room(request: pytest.FixtureRequest) -> Iterator[None]:
    """With as much room as ever, and with so little that nearly everything is dropped."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "tight":
            patch.setattr(sample_module, "MOST_ENTRIES", 9)
            patch.setattr(history_module, "MOST_BYTES", 70)
            patch.setattr(history_module, "MOST_OF_ENTITY", 2)
            patch.setattr(sums_module, "MOST_FEATURES", 3)
        yield


def summed(rows: list[Any]) -> Skew:
    def columns(side: int) -> dict[str, list[Any]]:
        return {name: [each[side][at] for each in rows] for at, name in enumerate(NAMES)}

    pairs = SkewRows.of(
        [f"p{each[0]}" for each in rows],
        np.array([each[2] for each in rows], dtype=np.int64),
        columns(3),
        columns(4),
        entities=[each[1] for each in rows],
        sign=np.array([each[5] for each in rows], dtype=np.int8),
    )
    return Skew.of(pairs, TOLERANCES)


def written(skew: Skew) -> bytes:
    return orjson.dumps(skew.to_values())


def merged(*parts: Skew) -> Skew:
    whole = Skew.empty()
    for part in parts:
        whole.merge(Skew.from_values(orjson.loads(written(part))))
    return whole


@pytest.mark.usefixtures("_room")
@given(
    said=st.lists(row, min_size=1, max_size=14),
    times=st.lists(st.tuples(st.integers(0, 13), st.sampled_from([1, 1, -1])), max_size=60),
    data=st.data(),
)
@settings(max_examples=100, deadline=None)
def test_cut_and_order_do_not_show(said: list[Any], times: list[Any], data: st.DataObject) -> None:
    # Rows come again and are taken back, word for word, before and after others.
    rows = [(*said[at % len(said)][:5], sign) for at, sign in times]
    whole = written(summed(rows)) if rows else written(Skew.empty())
    order = data.draw(st.permutations(rows))
    cuts = [0, *sorted(data.draw(st.tuples(*[st.integers(0, len(rows))] * 3))), len(rows)]
    parts = [summed(order[a:b]) for a, b in pairwise(cuts) if a < b]
    assert written(merged(*parts)) == whole
    assert written(merged(*parts[:1], merged(*parts[1:][::-1]))) == whole
    assert written(merged(*parts[::-1])) == whole


@pytest.mark.usefixtures("_room")
@given(rows=st.lists(row, min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_what_is_taken_back_counts_for_nothing(rows: list[Any]) -> None:
    back = [(*each[:5], -each[5]) for each in rows]
    assert not merged(summed(rows), summed(back))


def test_a_sum_of_nothing_is_nothing() -> None:
    nothing = SkewRows.of([], np.empty(0, dtype=np.int64), {}, {})
    assert not Skew.of(nothing, TOLERANCES)
    assert written(Skew.of(nothing, TOLERANCES)) == written(merged(Skew.empty()))


def test_features_that_are_dropped_make_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_module, "MOST_ENTRIES", 12)
    monkeypatch.setattr(sums_module, "MOST_FEATURES", 3)
    # Three mismatched features; with a fourth that is none, one of them is told no more.
    wrong = [(at, None, 0, (None, 1.0, "x", "x"), (None, 2.0, "y", "y"), 1) for at in range(12)]
    clean = [(20, None, 0, (1.0, None, None, None), (1.0, None, None, None), 1)]
    assert written(merged(summed(wrong), summed(clean))) == written(summed(wrong + clean))
