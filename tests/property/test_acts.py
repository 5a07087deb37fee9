"""Counts of decisions: the same bytes in whatever order and cut they were merged."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.contract import parse
from driftline.ledger import acts as module
from driftline.ledger.actrows import ActRows
from driftline.ledger.acts import Acts
from driftline.ledger.advice import LEAVE, Advice

ADVICE = Advice.of(
    parse('{model: m, decision: {act_when: "score >= 0.6", action: b, within: 1h}}', "m.yaml")
)
NAMES = st.sampled_from([None, "a", "b", "c", "d", "e", module.REST])
ROW = st.fixed_dictionaries(
    {
        "score": st.sampled_from([float("nan"), -1.0, 0.0, 0.3, 0.6, 1.0]),
        "due": st.booleans(),
        "held": st.booleans(),
        "sign": st.sampled_from([1, 1, -1]),
        "decided": st.booleans(),
        "recommended": st.one_of(NAMES, st.just(LEAVE)),
        "arm": st.sampled_from([None, "model", "holdout"]),
        "action": NAMES,
        "actor": NAMES,
        "latency": st.integers(-(10**9), 10**12),
        "late": st.booleans(),
        "label": st.sampled_from([None, "0", "1", "x"]),
    }
)
TYPES = {"score": np.float64, "sign": np.int8, "latency": np.int64} | dict.fromkeys(
    ("due", "held", "decided", "late"), np.bool_
)


@pytest.fixture(autouse=True, scope="module")
def few_names() -> Any:
    """With small bounds they are met at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_ACTORS", 2)
        patch.setattr(module, "MOST_ACTIONS", 2)
        yield


def columns(rows: list[dict[str, Any]]) -> ActRows:
    return ActRows(
        **{
            name: np.array([row[name] for row in rows], dtype=TYPES[name])
            if name in TYPES
            else [row[name] for row in rows]
            for name in ActRows.__slots__
        }
    )


def summed(parts: list[list[dict[str, Any]]], *, sent: bool) -> str:
    whole = Acts.empty()
    for part in parts:
        found = Acts.of(columns(part), ADVICE)
        whole.merge(Acts.from_values(json.loads(json.dumps(found.to_values()))) if sent else found)
    return json.dumps(whole.to_values())


@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, max_size=24), st.randoms(use_true_random=False), st.data())
def test_any_order_and_cut_gives_the_same_bytes(
    rows: list[dict[str, Any]], mixer: Any, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    shuffled = list(rows)
    mixer.shuffle(shuffled)
    parts = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    whole = summed([rows], sent=False)
    assert summed(parts, sent=True) == whole
    assert summed(parts[::-1], sent=False) == whole
    # Merged as a tree instead of one after the other.
    halves = [summed(half, sent=False) for half in (parts[:2], parts[2:])]
    tree = Acts.from_values(json.loads(halves[0]))
    tree.merge(Acts.from_values(json.loads(halves[1])))
    assert json.dumps(tree.to_values()) == whole
