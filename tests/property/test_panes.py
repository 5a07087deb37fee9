"""Panes merge to the same bits however a partition was cut, ordered or merged."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.stats import (
    Pane,
    PaneKey,
    RawRows,
    Reference,
    bin_raw,
    decode_pane,
    encode_pane,
    encode_statistics,
    fold,
)
from driftline.stats.fixedpoint import mean_and_sd

SOURCE = Source("predictions", 0)
ROWS = 60

numbers = st.one_of(
    st.none(),
    st.floats(-1e9, 1e9, allow_nan=False),
    st.sampled_from([0.0, 1.0, 41.5, -3.25, 1e300, 5e-324]),
)
words = st.sampled_from([None, "de", "fr", "it", "never seen"])
rows = st.lists(st.tuples(numbers, words, st.booleans()), min_size=1, max_size=ROWS)


def reference() -> Reference:
    rng = np.random.default_rng(1)
    return Reference.build(
        "m",
        {
            "age": rng.normal(40, 10, 500).tolist(),
            "country": rng.choice(["de", "fr", "it"], 500).tolist(),
            "prediction": rng.uniform(0, 1, 500).tolist(),
        },
    )


REFERENCE = reference()


def frame(values: list[tuple], first: int = 0) -> Frame:
    n = len(values)
    ages, countries, featured = zip(*values, strict=True)
    return Frame(
        model="m",
        type="prediction",
        ts=np.arange(first, first + n, dtype=np.int64) * 1000,
        offset=np.arange(first, first + n, dtype=np.int64),
        index=np.zeros(n, dtype=np.int64),
        columns={"age": ages, "country": countries, "prediction": [0.25] * n},
        kinds=REFERENCE.kinds,
        featured=np.array(featured),
    )


def panes(values: list[tuple], cuts: list[int], keep: int = 16) -> list[Pane]:
    out = []
    edges = sorted({0, len(values), *(c for c in cuts if c < len(values))})
    for low, high in pairwise(edges):
        part = frame(values[low:high], low)
        pane = Pane.empty(REFERENCE, keep)
        order = np.arange(part.rows)
        fold(part, REFERENCE, SOURCE, order, np.zeros(1, dtype=np.int64)).add_to(pane, 0)
        pane.events["prediction"] = part.rows
        out.append(pane)
    return out


def bits(pane: Pane) -> bytes:
    pane.sample.sort()
    return orjson.dumps(
        encode_statistics(pane, []), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS
    )


def merged(parts: list[Pane], keep: int = 16) -> Pane:
    out = Pane.empty(REFERENCE, keep)
    for part in parts:
        out.merge(part)
    return out


@settings(max_examples=60, deadline=None)
@given(rows, st.lists(st.integers(1, ROWS), max_size=5), st.randoms())
def test_any_cut_and_any_order_give_the_same_bits(values, cuts, random):
    whole = merged(panes(values, []))
    parts = panes(values, cuts)
    random.shuffle(parts)
    assert bits(merged(parts)) == bits(whole)


@settings(max_examples=40, deadline=None)
@given(rows, st.lists(st.integers(0, 3), min_size=ROWS, max_size=ROWS))
def test_groups_of_one_fold_equal_separate_folds(values, slots):
    whole = frame(values)
    slot = np.array(slots[: len(values)])
    order = np.argsort(slot, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(slot[order])) + 1])
    folded = fold(whole, REFERENCE, SOURCE, order, starts)
    for group, start in enumerate(starts):
        mine = order[start : folded.ends[group]]
        together, alone = Pane.empty(REFERENCE, 8), Pane.empty(REFERENCE, 8)
        folded.add_to(together, group)
        part = whole.take(mine)
        fold(part, REFERENCE, SOURCE, np.arange(part.rows), np.zeros(1, np.int64)).add_to(alone, 0)
        assert bits(together) == bits(alone)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_the_wire_keeps_every_bit(values):
    pane = merged(panes(values, []))
    pane.extra = {"new": 3}
    key = PaneKey("m", (("channel", "web"),), "prediction", 10_000_000)
    (message,) = encode_pane(key, SOURCE, pane)
    back = decode_pane(orjson.loads(message), lambda model, name: REFERENCE)
    assert (back.key, back.source) == (key, SOURCE)
    assert bits(back.pane) == bits(pane)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_rows_that_came_before_their_reference_bin_alike(values):
    part = frame(values)
    raw = RawRows(
        SOURCE,
        "prediction",
        part.ts.tolist(),
        part.offset.tolist(),
        part.index.tolist(),
        dict(part.columns),
        part.featured.tolist(),
    )
    late, early = Pane.empty(REFERENCE, 16), merged(panes(values, []))
    carrier = Pane.empty(None, 16)
    carrier.raw = [raw]
    for message in encode_pane(PaneKey("m", (), "prediction", 0), SOURCE, carrier):
        for block in decode_pane(orjson.loads(message), lambda m, r: None).pane.raw:
            bin_raw(late, block, REFERENCE)
    late.events["prediction"] = part.rows
    assert bits(late) == bits(early)


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-6, 0.0), (1.0, 0.0), (1e6, 0.0), (1.0, 1e9), (1e6, 1e9)]
)
def test_moments_agree_with_numpy(scale, offset):
    rng = np.random.default_rng(7)
    x = rng.normal(0, 1, 5000) * scale + offset
    own = Reference.build("m", {"x": x.tolist()})
    part = Frame(
        "m", "features", np.zeros(5000, np.int64), np.arange(5000), np.zeros(5000, np.int64),
        columns={"x": (x + 0.5 * scale).tolist()}, kinds=own.kinds,
    )  # fmt: skip
    pane = Pane.empty(own, 0)
    fold(part, own, SOURCE, np.arange(5000), np.zeros(1, np.int64)).add_to(pane, 0)
    column = own.columns[0]
    mean, sd = mean_and_sd(pane.sums[:, 0], 5000, column.center, column.unit)
    sd_true = float(np.std(x))
    assert math.isclose(mean, float(np.mean(x + 0.5 * scale)), abs_tol=1e-5 * sd_true)
    assert math.isclose(sd, float(np.std(x + 0.5 * scale)), rel_tol=1e-5)


def test_a_heavy_tie_has_a_bin_of_its_own():
    x = [0.0] * 600 + np.random.default_rng(3).normal(5, 1, 400).tolist()
    column = Reference.build("m", {"x": x}).columns[0]
    codes, _ = column.bin([0.0, 5e-324, -1.0, None, 4.0])
    assert column.counts[codes[0]] == 600
    assert codes[1] != codes[0]
    assert codes[3] == column.bins + 1


def test_sums_do_not_wrap_for_values_far_off_the_reference():
    own = Reference.build("m", {"x": np.random.default_rng(1).normal(0, 1, 200).tolist()})
    x = [1e300, -1e300, 1e6] * 200
    part = Frame(
        "m", "features", np.zeros(600, np.int64), np.arange(600), np.zeros(600, np.int64),
        columns={"x": x}, kinds=own.kinds,
    )  # fmt: skip
    pane = Pane.empty(own, 0)
    fold(part, own, SOURCE, np.arange(600), np.zeros(1, np.int64)).add_to(pane, 0)
    column = own.columns[0]
    mean, sd = mean_and_sd(pane.sums[:, 0], 600, column.center, column.unit)
    assert mean == pytest.approx(1e6 / 3, rel=1e-3)
    assert sd > 1e6
    assert (pane.minimum[0], pane.maximum[0]) == (-1e300, 1e300)
