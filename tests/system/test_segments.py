"""Segments watched each by itself: references, budget, findings, incidents."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from scipy.stats import norm

from driftline.cli import main
from driftline.contract import (
    Budget,
    Contract,
    DetectorPlan,
    Rate,
    ReferencePlan,
    SegmentPlan,
)
from driftline.detect import budget_slots, build_segments, split
from driftline.detect.registry import slots_of_whole
from driftline.incidents import Context, Incidents
from driftline.pipeline.references import reference_from_file
from driftline.pipeline.successor import Successor
from driftline.pipeline.watched import Watched
from driftline.stats import ABSENT, BadReferenceError, Pane, Reference, with_segments
from driftline.stats.segments import LEAST_ROWS, OTHER_SEGMENT
from driftline.stats.table import TableError, table_from_events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from driftline.detect import Finding
    from driftline.events.frame import Segment

SLOT = 10_000_000
FEATURES = ("x", "y", "z")
EVIDENCE = (DetectorPlan(name="evidence"),)


def named(number: int) -> Segment:
    return (("country", f"c{number:02d}"), ("device", "ios"))


def contract(**more: Any) -> Contract:
    return Contract(**({"model": "m", "slot": SLOT, "detectors": EVIDENCE} | more))


def reference_of(segments: int, rows: int, seed: int = 1, most: int = 20) -> Reference:
    """Of normal features, in every third segment 0.6 sd higher."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, segments, rows)
    columns = {name: (rng.normal(0, 1, rows) + 0.6 * (of % 3 == 0)).tolist() for name in FEATURES}
    ts = np.sort(rng.integers(0, 300 * SLOT, rows))
    whole = Reference.build("m", columns, ts=ts, slot=SLOT)
    named_of = [named(k) for k in of.tolist()]
    return with_segments(whole, columns, named_of, most=most, ts=ts, slot=SLOT)


class Traffic:
    """Panes of the law that `reference_of` draws from, straight from their exact law."""

    def __init__(self, reference: Reference, segments: int, rows: int, seed: int = 7) -> None:
        self.reference, self.segments, self.rows = reference, segments, rows
        self.rng = np.random.default_rng(seed)

    def slot(self, moved: Mapping[int, float] | float = 0.0) -> tuple[Pane, dict[Segment, Pane]]:
        """Draw a slot; `moved` is by how many sd the feature x has moved, by segment or in all."""
        whole, panes = Pane.empty(self.reference, 0), {}
        shares = np.full(self.segments, 1 / self.segments)
        for k, rows in enumerate(self.rng.multinomial(self.rows, shares).tolist()):
            by = moved if isinstance(moved, float) else moved.get(k, 0.0)
            pane = panes[named(k)] = Pane.empty(self.reference, 0)
            pane.events = {"prediction": rows}
            pane.counts = np.concatenate(
                [self.drawn(c.edges, rows, 0.6 * (k % 3 == 0) + by * (c.name == "x"))
                 for c in self.reference.columns]
            )  # fmt: skip
            whole.merge(pane)
        return whole, panes

    def drawn(self, edges: np.ndarray, rows: int, mean: float) -> np.ndarray:
        inside = np.diff(norm.cdf(edges - mean))
        return np.append(self.rng.multinomial(rows, np.append(inside, 1 - inside.sum())), 0)


def watch(watched: Watched, traffic: Traffic, slots: range, moved: Any = 0.0) -> list[Finding]:
    found = []
    for number in slots:
        whole, panes = traffic.slot(moved)
        found += watched.step(watched.slot(number * SLOT, (number + 1) * SLOT, whole), panes)
    return found


def incidents_of(
    reference: Reference, findings: list[Finding], **more: Any
) -> tuple[Incidents, list[dict[str, Any]]]:
    incidents, told = Incidents(contract(**more)), []
    for at in sorted({f.detected_at for f in findings}):
        mine = [f for f in findings if f.detected_at == at]
        told += incidents.step(mine, Context(now=at, reference=reference)).alerts
    return incidents, [msgspec.json.decode(value)["data"] for _, value in told]


@pytest.fixture(scope="module")
def eight() -> Reference:
    return reference_of(8, 16_000)


# References.


def test_a_segment_has_the_bins_of_the_whole_and_counts_of_its_own(eight):
    assert len(eight.segments) == 8
    assert sum(own.events for own in eight.segments.values()) == eight.events
    for k, (whole, own) in enumerate(
        zip(eight.columns, eight.segments[named(3)].columns, strict=True)
    ):
        assert np.array_equal(whole.edges, own.edges)
        assert (whole.center, whole.unit) == (own.center, own.unit)
        assert own.mean == pytest.approx(0.6, abs=0.1), k
        parts = [each.columns[k].counts for each in eight.segments.values()]
        assert np.array_equal(np.sum(parts, axis=0), whole.counts)


def test_saved_and_read_it_is_the_same(eight):
    again = Reference.from_json(eight.to_json())
    assert again.to_json() == eight.to_json()
    assert list(again.segments) == list(eight.segments)
    assert again.id == eight.id
    one, other = eight.segments[named(1)], again.segments[named(1)]
    assert one.id == other.id != eight.id
    broken = eight.to_json().replace(b'"segments":[{"columns":[[[', b'"segments":[{"columns":[[[1,')
    with pytest.raises(BadReferenceError, match=r"expected 1\d counts, got 1\d"):
        Reference.from_json(broken)


def test_without_segments_its_bytes_are_what_they_were():
    columns = {"x": np.random.default_rng(1).normal(size=500).tolist()}
    whole = Reference.build("m", columns)
    assert b"segment" not in whole.to_json()
    assert with_segments(whole, columns, [()] * 500, most=20) is whole
    assert with_segments(whole, columns, [named(0)] * 500, most=0) is whole


def test_the_largest_are_kept_and_the_tiny_and_the_whole_left_out():
    of = [named(0)] * 600 + [named(1)] * 400 + [named(2)] * 300 + [named(3)] * (LEAST_ROWS - 1)
    of += [OTHER_SEGMENT] * 300 + [()] * 300
    columns = {"x": np.random.default_rng(1).normal(size=len(of)).tolist()}
    whole = Reference.build("m", columns)
    found = with_segments(whole, columns, of, most=2)
    assert list(found.segments) == [named(0), named(1)]
    assert found.left_out == {named(2): 300, named(3): LEAST_ROWS - 1}
    most = [named(0)] * (len(of) - 260) + [named(1)] * 260
    found = with_segments(whole, columns, most[: len(of)], most=20)
    assert list(found.segments) == [named(0), named(1)]
    nearly_all = [named(0)] * (len(of) - 100) + [named(1)] * 100
    assert not with_segments(whole, columns, nearly_all, most=20).segments


def test_a_wide_model_has_fewer():
    rng = np.random.default_rng(1)
    of = [named(k) for k in rng.integers(0, 4, 2_000).tolist()]
    columns = {f"f{i:03d}": rng.integers(0, 3, 2_000).tolist() for i in range(700)}
    whole = Reference.build("m", columns, dependent=False)
    assert len(with_segments(whole, columns, of, most=20).segments) == 2


def test_what_moves_the_whole_from_slot_to_slot_moves_segments_of_two_rows_as_well():
    rng = np.random.default_rng(1)
    slots, rows, segments = 400, 40, 20
    wander = np.convolve(rng.normal(0, 0.1, slots + 19), np.ones(20), "valid")
    slot = np.repeat(np.arange(slots), rows)
    columns = {"x": (rng.normal(0, 1, slot.size) + wander[slot]).tolist()}
    of = [named(k) for k in rng.integers(0, segments, slot.size).tolist()]
    whole = Reference.build("m", columns, ts=slot * SLOT, slot=SLOT)
    found = with_segments(whole, columns, of, most=20, ts=slot * SLOT, slot=SLOT)
    assert len(found.segments) == segments
    assert whole.tau[0] > 5
    for own in found.segments.values():
        assert own.rho[0] >= whole.rho[0]
        assert 1.5 < own.tau[0] <= 1.5 * whole.tau[0]
    timeless = with_segments(Reference.build("m", columns), columns, of, most=20)
    assert {own.tau[0] for own in timeless.segments.values()} == {1.0}


def test_order_of_rows_makes_no_difference():
    rng = np.random.default_rng(1)
    of = rng.integers(0, 3, 2_000)
    x, order = rng.normal(size=2_000), rng.permutation(2_000)
    found = []
    for rows in (np.arange(2_000), order):
        columns = {"x": x[rows].tolist()}
        whole = Reference.build("m", columns)
        found.append(with_segments(whole, columns, [named(k) for k in of[rows]], most=20).to_json())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("csv", lambda x, s: f"{x},{s},ios"),
        ("jsonl", lambda x, s: f'{{"x": {x}, "segment": {{"country": "{s}", "device": "ios"}}}}'),
    ],
)
def test_a_file_of_rows_may_have_them(
    tmp_path: Path, suffix: str, text: Callable[[float, str], str]
) -> None:
    rng = np.random.default_rng(1)
    of = rng.integers(0, 2, 1_000).tolist()
    lines = [
        text(round(x, 4), f"c0{k}")
        for x, k in zip(rng.normal(size=1_000).tolist(), of, strict=True)
    ]
    head = ["x,segment.country,segment.device"] if suffix == "csv" else []
    path = tmp_path / f"rows.{suffix}"
    path.write_text("\n".join([*head, *lines]) + "\n")
    plan = ReferencePlan(source="file", path=str(path))
    found = reference_from_file(contract(reference=plan))
    assert [c.name for c in found.columns] == ["x"]
    assert set(found.segments) == {named(0), named(1)}
    off = reference_from_file(contract(reference=plan, segments=SegmentPlan(most=0)))
    assert not off.segments
    assert off.columns[0].counts.tolist() == found.columns[0].counts.tolist()


def test_a_segment_of_a_file_that_is_none_is_named():
    with pytest.raises(TableError, match=r"t, row 1: segment.country: expected a string, got 3"):
        table_from_events([{"features": {"x": 1}, "segment": {"country": 3}}], "t")
    assert table_from_events([{"features": {"x": 1}}], "t").segments is None
    table = table_from_events(
        [{"features": {"x": 1}}, {"features": {}, "segment": {"a": "b"}}], "t"
    )
    assert table.segments == [(), (("a", "b"),)]


# The budget.


def test_the_parts_of_the_budget_add_up_to_it(eight):
    plan = contract(detectors=tuple(DetectorPlan(name=n) for n in ("evidence", "adwin")))
    whole = split(["evidence", "adwin"], slots_of_whole(plan, eight))
    rate = sum(1 / run for run in whole.values())
    each = build_segments(plan, eight)
    logs = {detector._log_arl for detector in each.values()}  # type: ignore[attr-defined]
    (log_run,) = logs
    assert rate + len(each) / np.exp(log_run) == pytest.approx(1 / budget_slots(plan))
    assert rate == pytest.approx(0.8 / budget_slots(plan))


@pytest.mark.parametrize(
    "plan",
    [{"segments": SegmentPlan(most=0)}, {"detectors": (DetectorPlan(name="adwin"),)}],
    ids=["off", "no evidence"],
)
def test_without_segments_the_whole_has_all_of_it(eight, plan):
    assert slots_of_whole(contract(**plan), eight) == budget_slots(contract(**plan))
    assert build_segments(contract(**plan), eight) == {}


def test_as_many_as_the_contract_wants(eight):
    kept = build_segments(contract(segments=SegmentPlan(most=3)), eight)
    assert list(kept) == list(eight.segments)[:3]


def test_twenty_segments_keep_the_promise():
    """On stationary traffic, with segments that differ and references of 400 rows."""
    reference = reference_of(20, 8_000)
    assert len(reference.segments) == 20
    slots, promised = 800, 40
    rate = Rate(count=1, per=promised * SLOT)
    watched = Watched(contract(budget=Budget(false_pages=rate)), reference)
    found = watch(watched, Traffic(reference, 20, 200), range(slots))
    pages = [f for f in found if f.state == "raised" and f.severity == "page"]
    assert len(pages) <= slots / promised
    assert sum(bool(f.segment) for f in pages) <= 0.2 * slots / promised


# What is found.


def test_one_that_moves_alone_is_one_page_that_names_it(eight):
    watched, traffic = Watched(contract(), eight), Traffic(eight, 8, 200)
    assert not watch(watched, traffic, range(20))
    found = watch(watched, traffic, range(20, 60), {5: 1.0})
    assert {(f.feature, f.segment) for f in found} >= {("x", named(5))}
    assert {f.feature for f in found} == {"x"}
    incidents, told = incidents_of(eight, found)
    assert len(incidents.open) == 1
    assert [(d["state"], d["segment"]) for d in told[:1]] == [
        ("opened", {"country": "c05", "device": "ios"})
    ]
    opened = told[0]
    assert opened["text"].startswith("in country=c05, device=ios: median ")
    assert opened["reference"]["events"] == eight.segments[named(5)].events
    assert opened["window"] is None
    assert opened["members"][0]["segment"] == opened["segment"]


def test_a_change_too_small_for_the_whole_is_found_in_its_segment():
    reference = reference_of(20, 40_000)
    watched, traffic = Watched(contract(), reference), Traffic(reference, 20, 200)
    # A sixtieth of a standard deviation of the whole: six times below the tolerance.
    found = watch(watched, traffic, range(120), {4: 0.33})
    assert {f.segment for f in found} == {named(4)}


def test_all_that_move_are_one_incident_of_the_whole(eight):
    watched, traffic = Watched(contract(), eight), Traffic(eight, 8, 200)
    watch(watched, traffic, range(20))
    found = watch(watched, traffic, range(20, 60), 1.0)
    assert len({f.segment for f in found}) == 9, "every segment shows it, and the whole"
    incidents, told = incidents_of(eight, found)
    (incident,) = incidents.open
    assert [d["state"] for d in told] == ["opened"]
    assert "segment" not in told[0]
    assert len(incident.members) == 9


def test_five_that_move_at_once_are_one_incident(eight):
    watched, traffic = Watched(contract(), eight), Traffic(eight, 8, 200)
    watch(watched, traffic, range(20))
    found = watch(watched, traffic, range(20, 60), dict.fromkeys(range(5), 1.5))
    incidents, _ = incidents_of(eight, found)
    assert len(incidents.open) == 1


def test_a_segment_clears_by_itself(eight):
    watched, traffic = Watched(contract(), eight), Traffic(eight, 8, 400)
    found = watch(watched, traffic, range(40), {2: 2.0})
    found += watch(watched, traffic, range(40, 200))
    own = [f for f in found if f.segment == named(2)]
    assert [f.state for f in own] == ["raised", "cleared"]
    assert own[-1].text.startswith("in country=c02, device=ios: back inside the reference")
    incidents, told = incidents_of(eight, found)
    assert not incidents.open
    assert told[-1]["state"] == "resolved"


def test_what_is_silent_new_or_tiny_is_not_judged(eight):
    watched, traffic = Watched(contract(), eight), Traffic(eight, 8, 200)
    found = []
    for number in range(60):
        whole, panes = traffic.slot()
        del panes[named(1)]
        panes[(("country", "new"),)] = panes.pop(named(2))
        panes[named(3)].counts[:] = 0
        slot = watched.slot(number * SLOT, (number + 1) * SLOT, whole)
        found += watched.step(slot, panes)
    assert not found


def test_one_row_a_slot_is_enough_to_see_what_is_large(eight):
    watched, traffic = Watched(contract(), eight), Traffic(eight, 8, 8)
    assert not watch(watched, traffic, range(200))
    found = watch(watched, traffic, range(200, 400), {6: 4.0})
    assert {f.segment for f in found if f.state == "raised"} >= {named(6)}
    assert {f.segment for f in found} <= {named(6), ()}


def test_a_column_of_which_a_segment_says_nothing_is_not_judged_there():
    rng = np.random.default_rng(1)
    of = rng.integers(0, 2, 4_000)
    columns = {
        "x": rng.normal(size=4_000).tolist(),
        "y": [ABSENT if k else v for v, k in zip(rng.normal(size=4_000).tolist(), of, strict=True)],
        "z": [None if k else v for v, k in zip(rng.normal(size=4_000).tolist(), of, strict=True)],
    }
    ts = np.arange(4_000) * SLOT // 20
    whole = Reference.build("m", columns, ts=ts, slot=SLOT)
    of_named = [named(k) for k in of.tolist()]
    reference = with_segments(whole, columns, of_named, most=20, ts=ts, slot=SLOT)
    own = reference.segments[named(1)]
    assert own.columns[1].counts.sum() == 0
    watched, traffic = Watched(contract(), reference), Traffic(reference, 2, 200)
    found = watch(watched, traffic, range(40))
    assert "y" not in {f.feature for f in found if f.segment == named(1)}


# State.


def test_a_snapshot_continues_bit_for_bit(eight):
    one, traffic = Watched(contract(), eight), Traffic(eight, 8, 200)
    watch(one, traffic, range(30), {5: 0.4})
    saved = msgspec.msgpack.encode(one.snapshot())
    other = Watched(contract(), eight)
    other.restore(msgspec.msgpack.decode(saved))
    assert msgspec.msgpack.encode(other.snapshot()) == saved
    states = []
    for watched in (one, other):
        later = Traffic(eight, 8, 200, seed=11)
        found = watch(watched, later, range(30, 80), {5: 1.0})
        states.append((found, msgspec.msgpack.encode(watched.snapshot())))
    assert states[0] == states[1]
    assert states[0][0]


def test_a_state_from_before_there_were_segments_is_taken_up(eight):
    one = Watched(contract(), eight)
    state = one.snapshot()
    del state["segments"]
    other = Watched(contract(), eight)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state)))
    assert other.snapshot() == one.snapshot()


# A reference that follows another.


def collected(
    successor: Successor, reference: Reference, moved: float, slots: int = 40, rows: int = 100
) -> Reference:
    rng = np.random.default_rng(3)
    for number in range(slots):
        whole, panes = Pane.empty(reference, 64), {}
        of = rng.integers(0, 8, rows)
        key = rng.integers(0, 2**63, rows).astype(np.uint64)
        values = rng.normal(0, 1, (rows, 3)) + 0.6 * (of % 3 == 0)[:, None]
        values[:, 0] += moved
        ts = number * SLOT + np.arange(rows, dtype=np.int64)
        for k in range(8):
            here = np.flatnonzero(of == k)
            pane = panes[named(k)] = Pane.empty(reference, 64)
            pane.sample.add(key[here], ts[here], here, here * 0, values[here], here.size)
            whole.merge(pane)
        whole.sample.sort()
        successor.hold(number * SLOT, whole, panes)
    found = successor.build()
    assert found is not None
    return found


def test_segments_move_on_with_the_whole(eight):
    plan = contract(reference=ReferencePlan(events=2_500))
    successor = Successor(eight, plan)
    successor.accept(None, 0)
    found = collected(successor, eight, 2.0)
    assert set(found.segments) == set(eight.segments)
    for segment, own in found.segments.items():
        x, y = own.columns[:2]
        before = eight.segments[segment].columns
        assert x.mean == pytest.approx(before[0].mean + 2, abs=0.25)
        assert y.mean == pytest.approx(before[1].mean, abs=0.25)
        assert own.rho.tolist() == eight.segments[segment].rho.tolist(), "too short to tell anew"


def test_of_what_was_accepted_alone_the_rest_stays(eight):
    few = replace(eight, segments=dict(list(eight.segments.items())[:3]))
    plan = contract(reference=ReferencePlan(events=2_500))
    successor = Successor(few, plan)
    successor.accept({"x"}, 0)
    restarted = Successor(few, plan)
    found = collected(successor, few, 2.0)
    restarted.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(successor.snapshot())))
    again = restarted.build()
    assert again is not None
    assert again.to_json() == found.to_json()
    assert set(found.segments) == set(few.segments), "a new one has no normal but of x"
    for segment, own in found.segments.items():
        assert own.columns[1:] == few.segments[segment].columns[1:]
        assert own.columns[0].mean > few.segments[segment].columns[0].mean + 1.5


# From end to end.


def test_a_change_that_is_simulated_in_one_segment_is_told_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic, out, plan = tmp_path / "traffic", tmp_path / "out", tmp_path / "c.yaml"
    fault = "mean:credit-risk:age:+1.5sd@12m in country=ES"
    made = ["simulate", "--out", str(traffic), "--models", "credit-risk", "--rate", "20/s"]
    made += ["--duration", "16m", "--segment", "country", "--fault", fault]
    assert main(made) == 0
    plan.write_text("model: credit-risk\nreference: {from: warmup, events: 8000}\n")
    source = str(traffic / "events.jsonl")
    assert main(["replay", source, "--contract", str(plan), "--out", str(out)]) == 0
    assert "age: in country=ES: median " in capsys.readouterr().out
    lines = (out / "alerts.jsonl").read_bytes().splitlines()
    drifts = [d for d in (msgspec.json.decode(line)["data"] for line in lines) if d["log_e"]]
    assert len({data["incident"] for data in drifts}) == 1
    assert (drifts[0]["feature"], drifts[0]["segment"]) == ("age", {"country": "ES"})
    assert drifts[0]["detected_at"] <= "2026-03-02T00:13:00Z"
    (found,) = (f for f in msgspec.json.decode((out / "summary.json").read_bytes())["found"])
    assert found["segment"] == {"country": "ES"}
    assert "in country=ES: median " in (out / "report.html").read_text()
