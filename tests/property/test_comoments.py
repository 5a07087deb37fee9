"""Co-moments are exact: the same integers however rows were cut, merged or sent."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.contract import parse
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.stats import Pane, PaneKey, Reference, Windows, decode_pane, encode_pane, fold

SOURCE = Source("predictions", 0)
NAMES = ("age", "income", "owner")
numbers = st.one_of(st.none(), st.floats(-1e12, 1e12, allow_nan=False), st.integers(-3, 3))
rows = st.lists(
    st.tuples(numbers, numbers, st.sampled_from([None, False, True]), st.booleans()),
    min_size=1,
    max_size=60,
)


def build() -> Reference:
    rng = np.random.default_rng(1)
    age = rng.normal(0, 1, 500)
    return Reference.build(
        "m",
        {
            "age": age.tolist(),
            "country": rng.choice(["de", "fr"], 500).tolist(),
            "income": (age + rng.normal(0, 1, 500)).tolist(),
            "owner": (rng.random(500) < 0.4).tolist(),
            "prediction": rng.uniform(0, 1, 500).tolist(),
            "rare": (rng.random(500) < 0.01).tolist(),
        },
    )


REFERENCE = build()


def pane_of(values: list[tuple], first: int = 0) -> Pane:
    size = len(values)
    age, income, owner, featured = zip(*values, strict=True)
    frame = Frame(
        model="m",
        type="prediction",
        ts=np.arange(first, first + size, dtype=np.int64),
        offset=np.arange(first, first + size, dtype=np.int64),
        index=np.zeros(size, dtype=np.int64),
        columns={"age": age, "income": income, "owner": owner, "prediction": [0.25] * size},
        kinds=REFERENCE.kinds,
        featured=np.array(featured),
    )
    pane = Pane.empty(REFERENCE, 0)
    whole = np.arange(size), np.zeros(1, dtype=np.int64)
    fold(frame, REFERENCE, SOURCE, *whole).add_to(pane, 0)
    pane.events["prediction"] = size
    return pane


def test_numeric_and_boolean_features_that_vary_take_part() -> None:
    scoring = REFERENCE.scoring
    assert scoring is not None
    assert tuple(REFERENCE.columns[i].name for i in scoring.columns) == NAMES


@settings(max_examples=60, deadline=None)
@given(rows)
def test_they_are_the_sums_that_a_loop_finds(values: list[tuple]) -> None:
    scoring = REFERENCE.scoring
    assert scoring is not None
    table = dict(zip(NAMES, scoring.table, strict=True))
    scores = []
    for *row, featured in values:
        found = {}
        for name, value in zip(NAMES, row, strict=True):
            column = REFERENCE.columns[REFERENCE.index[name]]
            code = int(column.bin([value])[0][0])
            if featured and code < column.bins:
                found[name] = int(table[name][code])
        scores.append(found)
    both = [[s for s in scores if a in s and b in s] for a, b in combinations(NAMES, 2)]
    comoments = pane_of(values).comoments
    assert comoments is not None
    assert comoments.rows.tolist() == [len(rows) for rows in both]
    assert comoments.products.tolist() == [
        sum(s[a] * s[b] for s in rows)
        for (a, b), rows in zip(combinations(NAMES, 2), both, strict=True)
    ]


@settings(max_examples=40, deadline=None)
@given(rows, st.lists(st.integers(1, 60), max_size=5), st.randoms())
def test_any_cut_and_any_order_give_the_same(values, cuts, random) -> None:
    whole = pane_of(values).comoments
    edges = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    parts = [pane_of(values[low:high], low) for low, high in pairwise(edges)]
    random.shuffle(parts)
    merged = Pane.empty(REFERENCE, 0)
    for part in parts:
        merged.merge(part)
    assert whole is not None
    assert merged.comoments is not None
    assert merged.comoments.rows.tolist() == whole.rows.tolist()
    assert merged.comoments.products.tolist() == whole.products.tolist()


@settings(max_examples=40, deadline=None)
@given(rows, st.sampled_from([1, 200, 10**6, 10**12]))
def test_the_wire_keeps_them_at_any_size(values: list[tuple], factor: int) -> None:
    pane = pane_of(values)
    assert pane.comoments is not None
    pane.comoments.rows *= factor
    pane.comoments.products *= -factor
    (message,) = encode_pane(PaneKey("m", (), "prediction", 0), SOURCE, pane)
    back = decode_pane(orjson.loads(message), lambda model, name: REFERENCE).pane.comoments
    assert back is not None
    assert back.rows.tolist() == pane.comoments.rows.tolist()
    assert back.products.tolist() == pane.comoments.products.tolist()


def test_a_pane_without_them_is_read_as_before() -> None:
    (message,) = encode_pane(
        PaneKey("m", (), "prediction", 0), SOURCE, pane_of([(1, 1, True, True)])
    )
    body = orjson.loads(message)
    del body["comoments"]
    pane = decode_pane(body, lambda model, name: REFERENCE).pane
    assert pane.comoments is None
    pane.merge(pane_of([(1, 1, True, True)]))
    assert pane.rows == 2


def test_one_column_has_none_and_its_reference_says_so() -> None:
    age = np.random.default_rng(1).normal(0, 1, 200).tolist()
    reference = Reference.build("m", {"age": age, "prediction": age})
    assert reference.scoring is None
    assert reference.dependence is None
    assert Pane.empty(reference, 0).comoments is None


def test_a_window_does_not_carry_them() -> None:
    contract = parse("model: m\nwindows: [{length: 1m}]\n", "c.yaml")
    windows = Windows("m", contract.windows)
    windows.add(0, (), pane_of([(1, 1, True, True)]))
    (held,) = windows.snapshot()
    assert "comoments" not in held[4]


def test_the_reference_keeps_its_dependence_to_the_bit() -> None:
    again = Reference.from_json(REFERENCE.to_json())
    assert again.to_json() == REFERENCE.to_json()
    assert again.dependence is not None
    assert REFERENCE.dependence is not None
    for name, kept in vars(again.dependence).items():
        assert kept.tolist() == getattr(REFERENCE.dependence, name).tolist()


@pytest.mark.parametrize("columns", [2, 101, 110])
def test_so_many_columns_take_part_and_no_more(columns: int) -> None:
    rng = np.random.default_rng(2)
    given = {f"f{i:03d}": rng.normal(0, 1, 60).tolist() for i in range(columns)}
    given["f001"][7] = None
    scoring = Reference.build("m", given).scoring
    assert scoring is not None
    assert scoring.columns.size == min(columns, 100)
    if columns > 100:
        assert 1 not in scoring.columns  # the others are more often present
