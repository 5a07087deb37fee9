"""Sums by segment: they make up the whole bit for bit, in whatever order and cut they were made."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_join import PREDICTIONS, events, new, observed, records, summed, whole

from driftline.contract import parse
from driftline.events import Record
from driftline.ledger.cell import Cell
from driftline.ledger.claims import Claims
from driftline.ledger.entry import Claim
from driftline.ledger.segments import MOST_SEGMENTS
from driftline.ledger.summing import Summing
from driftline.stats.segments import OTHER_SEGMENT

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.events.frame import Segment

Counted = list[tuple[Claim, int]]
MOST = 3
NAMES = "abcdef"


def summing(quality: str, most: int) -> Summing:
    text = (
        f"{{model: m, slot: 10s, segments: {{most: {most}}}, quality: {quality},"
        ' decision: {act_when: "score >= 0.5", action: go, within: 1m,'
        " baseline: {arm: holdout, share: 20%}}, skew: {}}"
    )
    return Summing.of(parse(text, "m.yaml"))


QUALITIES = ["{metric: auc, at_least: 0.6}", "{metric: mae, at_most: 3}"]
ROW = st.tuples(
    st.sampled_from(["predicted", "first", "paired", "decided", "tried", "compared", "again"]),
    st.sampled_from([*NAMES, None]),
    st.sampled_from([0.0, 0.25, 0.4999, 0.5, 0.75, 1.0]),
    st.sampled_from([None, "holdout", "model"]),
    st.sampled_from([0, 1, 7]),
    st.sampled_from([("go", "ada"), ("stop", "ada"), ("go", None)]),
    st.sampled_from([1, 1, 1, 2, -1]),
)


def claim(row: Any, place: int) -> tuple[Claim, int]:
    what, name, score, arm, value, done, times = row
    own = () if name is None else ((("country", name),),)
    made = (1_000_000 * place, (score, score, None, arm, None, *own))
    told = made[0] + 5_000_000
    label, decision = (told, (value, None)), (told, (done[0], None, done[1], None, None))
    if what == "compared":
        served = (made[0], (f"p{place}", None, (("age", score),), *own))
        trained = (told, (f"p{place}", None, (("age", float(value)),)))
        return Claim(what, 0, None, served=served, trained=trained), times
    parts: dict[str, Any] = {}
    if what != "predicted":
        parts["label"] = label if what in {"first", "paired", "again", "decided"} else None
    if what in {"decided", "tried"}:
        parts["decision"] = decision
    if what == "tried":
        parts["outcome"] = (told, (float(value),))
    return Claim(what, 0, made, **parts), times


def sums(summing: Summing, claims: Counted) -> Cell:
    return summing.sum({0: Claims(claims)})[0]


def values(cell: Cell) -> dict[str, Any]:
    cell.settle()
    return cell.to_values()


def own(cell: Cell) -> dict[str, Any]:
    """What a cell says of the whole."""
    return {name: each for name, each in values(cell).items() if name != "segments"}


@pytest.mark.parametrize("quality", QUALITIES)
@settings(deadline=None, max_examples=40)
@given(rows=st.lists(ROW, max_size=25), seed=st.integers(0, 99))
def test_parts_make_up_the_whole_in_any_order_and_cut(
    quality: str, rows: list[Any], seed: int
) -> None:
    by_segment, bare = summing(quality, MOST), summing(quality, 0)
    claims = [claim(row, place) for place, row in enumerate(rows)]
    cell = sums(by_segment, claims)
    assert own(cell) == values(sums(bare, claims))
    rng = random.Random(seed)
    mixed = rng.sample(claims, len(claims))
    pieces = Cell.empty(by_segment.task)
    while mixed:
        cut = rng.randint(1, len(mixed))
        # Read back, as what has travelled is.
        piece = sums(by_segment, mixed[:cut]).to_values()
        pieces.merge(Cell.from_values(by_segment.task, json.loads(json.dumps(piece))))
        mixed = mixed[cut:]
    assert values(pieces) == values(cell)
    _parts_are_those_of_their_claims(by_segment, claims, cell)


def _parts_are_those_of_their_claims(summing: Summing, claims: Counted, cell: Cell) -> None:
    of: dict[Segment, Counted] = {}
    for each in claims:
        of.setdefault(each[0].segment, []).append(each)
    rest = sums(summing, of.pop((), [])).part()
    kept = sorted(of)[:MOST]
    expected: dict[Segment, Counted] = {}
    for segment, each in of.items():
        expected.setdefault(segment if segment in kept else OTHER_SEGMENT, []).extend(each)
    told = {segment: values(sums(summing, each).part()) for segment, each in expected.items()}
    nothing = values(Cell.empty(summing.task))
    assert {s: values(part) for s, part in cell.segments.items()} == {
        segment: each for segment, each in told.items() if each != nothing
    }
    total = Cell.empty(summing.task)
    for part in (*cell.segments.values(), rest):
        total.merge(part)
    assert values(total) == values(cell.part())


def segmented(read: dict[Any, list[Record]], *, moved: bool) -> dict[Any, list[Record]]:
    """Predictions of more segments than are told apart, or some that come again in another one."""
    out = []
    for record in read[PREDICTIONS]:
        body = json.loads(record.value or b"")
        number = int(body["prediction_id"][1:])
        if moved:
            name = "abc"[(number + int(body["ts"]) // 3) % 3]  # it comes again after 3 s
        else:
            name = f"c{number * 7919 % (2 * MOST_SEGMENTS):02d}"
        body |= {"segment": {"country": name}} if number % 9 else {}
        out.append(Record(record.offset, None, json.dumps(body).encode()))
    return {**read, PREDICTIONS: out}


@pytest.mark.parametrize("moved", [False, True])
def test_the_order_and_the_cut_of_what_is_read_make_no_difference(
    moved: bool, tmp_path: Path
) -> None:
    plain = events(5, 300)
    read = segmented(plain, moved=moved)
    found = []
    for way in range(2):
        join = new(tmp_path / str(way))
        messages = records(observed(read, way, again=way == 1))
        rng, joinings = random.Random(way), []
        while messages:
            cut = rng.randint(1, 60)
            joinings.append(join.on_batch(messages[:cut]))
            messages = messages[cut:]
        found.append(summed(joinings))
        join.close()
    assert found[0] == found[1]
    join = new(tmp_path / "plain")
    without = summed([join.on_batch(records(observed(plain, 0)))])
    join.close()
    assert len(whole(found[0]).segments) == (3 if moved else MOST_SEGMENTS + 1)
    for each in found[0].values():
        each.pop("segments", None)  # labels that wait for their prediction have none
    assert found[0] == without
