"""Quality, decisions, uplift and skew by segment, beside the whole that they make up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from tests.unit._office import HEALTHY, SOME, Office
from tests.unit._skew_traffic import START as SKEW_START
from tests.unit._skew_traffic import STEP, Traffic, planted
from tests.unit.test_ledger_quality import ACCURACY, ARL, MAE, START, Story, classified, measured
from tests.unit.test_ledger_uplift import CONTRACT as TRIED
from tests.unit.test_ledger_uplift import drawn

from driftline.contract import DAY, HOUR, Book, parse
from driftline.detect.budget import run_of_decisions
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.events.schema import json_schema
from driftline.ledger.acts import Acts
from driftline.ledger.coarse import coarse_card, coarse_scores
from driftline.ledger.decisions import Decisions
from driftline.ledger.entry import PREDICTION, SERVED, Claim, Part, pack, unpack
from driftline.ledger.metrics import evaluate
from driftline.ledger.packing import Packer
from driftline.ledger.packing import unpack as unpack_message
from driftline.ledger.pairs import Pairs
from driftline.ledger.quality import Quality
from driftline.ledger.scorecard import SCORE_STEPS, Scorecard
from driftline.ledger.skew import Plan, Skew, SkewWatch
from driftline.ledger.trials import Trials
from driftline.ledger.uplift import Uplift
from driftline.ledger.worth import Worth
from driftline.stats.segments import OTHER_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Contract
    from driftline.events.frame import Segment

PT, DE = (("country", "PT"),), (("country", "DE"),)
VALID = {
    name: jsonschema.Draft202012Validator(json_schema(name))
    for name in ("quality-window", "decisions-window", "uplift-window", "skew-window")
}


class Countries(Story):
    """A story whose predictions come from countries, each of its own quality."""

    def __init__(self, terms: Contract, *, told: bool = True, **more: Any) -> None:
        super().__init__(terms, **more)
        self.named = told
        self.rows_of: dict[tuple[str, str], list[tuple[Any, Any]]] = {}

    def go_by_country(self, hours: int, levels: Mapping[str, float]) -> None:
        make = measured if self.task.regression else classified
        for _ in range(hours):
            start = START + self.hour * HOUR
            later = start + self.delay * HOUR
            for country, level in levels.items():
                made, labels = make(self.rng, self.rows, level)
                own = ((("country", country),),) if self.named and country else ()
                for body, label in zip(made, labels, strict=True):
                    about = start, (*body, *own)
                    now = Claim("predicted", start, about, None), 1
                    first = Claim("first", later, about, (later, label)), 1
                    self.waiting.setdefault(self.hour, []).append(now)
                    self.waiting.setdefault(self.hour + self.delay, []).append(first)
                    day = START + self.hour // 24 * DAY
                    told = self.rows_of.setdefault((str(day), country), [])
                    told.append((body, label[0]))
            self.step(start)


def by_segment(told: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for window in told:
        out.setdefault(window["segment"].get("country", ""), []).append(window)
    return out


GOOD = {"DE": 0.85, "PT": 0.85, "": 0.85}


def test_realised_metrics_by_segment_are_those_of_the_same_rows() -> None:
    story = Countries(ACCURACY)
    story.go_by_country(24 * 6, {"DE": 0.95, "FR": 0.8, "": 0.9})
    found = by_segment(story.told)
    assert found.keys() == {"DE", "FR", ""}
    for country in ("DE", "FR"):
        final = [window for window in found[country] if window["final"]]
        assert len(final) == 2
        for window in final:
            day = START + ((window["start"] > "2026-11-23T00:00:00Z") * DAY)
            rows = story.rows_of[str(day), country]
            truth, score = [label for _, label in rows], [body[1] for body, _ in rows]
            guess = [int(body[0]) for body, _ in rows]
            assert window["labelled"] == window["counts"]["predicted"] == len(rows)
            realised = window["realised"]
            assert realised["accuracy"] == pytest.approx(accuracy_score(truth, guess), abs=1e-6)
            assert realised["f1"] == pytest.approx(f1_score(truth, guess), abs=1e-6)
            assert realised["auc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-3)
            assert realised["log_loss"] == pytest.approx(log_loss(truth, score), abs=1e-3)
            low, high = window["interval"]["accuracy"]
            assert low < realised["accuracy"] < high
            assert window["concept"] is None
            assert window["no_alarm"]
    for window in story.told:
        VALID["quality-window"].validate(window)
    assert len({window["id"] for window in story.told}) == len(story.told)
    whole = [window for window in found[""] if window["final"]]
    parts = [w for name in ("DE", "FR") for w in found[name] if w["final"]]
    rest = sum(len(rows) for (_, country), rows in story.rows_of.items() if not country) // 6
    assert whole[0]["labelled"] == sum(p["labelled"] for p in parts[::2]) + rest
    assert any(w["estimated"] for w in found["DE"])


@pytest.mark.parametrize(("terms", "well", "worse"), [(ACCURACY, 0.85, 0.5), (MAE, 0.9, 4.0)])
def test_the_segment_that_carries_a_loss_is_named(
    terms: Contract, well: float, worse: float
) -> None:
    levels = dict.fromkeys(GOOD, well)
    story = Countries(terms, rows=20)
    story.go_by_country(24 * 8, levels)
    assert not story.found
    story.go_by_country(24 * 4, levels | {"PT": worse})
    (finding,) = story.found
    assert "; worst in country=PT: " in finding.text
    assert "country=DE" not in finding.text
    (named,) = finding.evidence["segments"]
    assert named["segment"] == {"country": "PT"}
    assert named["labels"] >= 20
    assert abs(named["value"] - worse) < abs(named["value"] - well)
    story.go_by_country(24 * 10, levels)
    cleared = story.found[1]
    assert cleared.state == "cleared"
    assert "worst" not in cleared.text
    assert "segments" not in cleared.evidence


def test_the_whole_is_told_as_if_there_were_no_segments() -> None:
    stories = [Countries(ACCURACY, told=told, rows=20) for told in (True, False)]
    for story in stories:
        story.go_by_country(24 * 6, GOOD)
        story.go_by_country(24 * 4, GOOD | {"PT": 0.5})
    with_parts, without = stories
    assert by_segment(with_parts.told)[""] == without.told
    assert not any(window["segment"] for window in without.told)
    found = [[replace(f, text="", evidence={}) for f in story.found] for story in stories]
    assert found[0] == found[1]
    assert found[0]


@pytest.mark.parametrize("terms", [ACCURACY, MAE])
def test_a_snapshot_goes_on_bit_for_bit(terms: Contract) -> None:
    levels = GOOD if terms is ACCURACY else dict.fromkeys(GOOD, 0.9)
    worse = levels | {"PT": 0.5 if terms is ACCURACY else 4.0}
    one, other = Countries(terms, rows=20), Countries(terms, rows=20)
    for story in (one, other):
        story.go_by_country(24 * 4 + 7, levels)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(other.quality.snapshot()))
    other.quality = Quality(terms, ARL)
    other.quality.restore(state)
    for story in (one, other):
        story.go_by_country(24 * 5, worse)
    assert one.told == other.told
    assert one.found == other.found
    assert one.found
    assert by_segment(one.told).keys() == {"DE", "PT", ""}


def test_a_contract_without_segments_sends_and_tells_none() -> None:
    frame = Frame("m", "prediction", *(np.arange(3, dtype=np.int64) for _ in range(3)))
    frame.ids, frame.columns = ["a", "b", "c"], {"prediction": ["1", "0", "1"]}
    frame.segments = [PT, (), PT]
    for most, told in ((0, []), (2, [PT, ()])):
        text = f"{{model: m, segments: {{most: {most}}}, quality: {{metric: auc, at_least: 0.6}}}}"
        packer = Packer(Book((parse(text, "m.yaml"),)), Source("t", 0), 1)
        packer.add(frame, np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.bool_))
        ((_, value),) = packer.take()
        (section,) = unpack_message(value).sections
        assert section.segments == told
        assert section.segment == ([0, 1, 0] if told else [])


def test_an_entry_keeps_its_segment_and_may_have_none() -> None:
    plain = Part(PREDICTION, 0, 1, 1, (1, 1, 1), ("a", 0.5, None, None, None))
    shares = ("a", 0.5, (("a", 0.5),), None, None, PT)
    row = ("id", None, (("age", 1.0),))
    parts = [
        plain,
        plain._replace(body=(*plain.body, PT)),
        plain._replace(body=shares),
        Part(SERVED, 0, 1, 1, (1, 1, 1), row),
        Part(SERVED, 0, 1, 1, (1, 1, 1), (*row, PT)),
    ]
    for part in parts:
        assert unpack(pack([part])) == [part]
    made = [Claim("predicted", 0, (1, part.body)).segment for part in parts[:3]]
    assert made == [(), PT, PT]
    assert [Claim("compared", 0, None, served=(1, p.body)).segment for p in parts[3:]] == [(), PT]
    assert Claim("waiting", 0, None, (1, (1, None))).segment == ()


def test_rounded_scores_keep_order_and_metrics() -> None:
    every = np.arange(SCORE_STEPS + 1)
    rounded = coarse_scores(every)
    assert (np.diff(rounded) >= 0).all()
    assert (coarse_scores(rounded) == rounded).all()
    assert (coarse_scores(SCORE_STEPS - every) == SCORE_STEPS - rounded).all()
    assert np.unique(rounded).size < 1_000
    rng = np.random.default_rng(2)
    for a, b in ((2, 5), (0.5, 500), (0.3, 0.3)):
        score = rng.beta(a, b, 20_000)
        label = rng.random(score.size) < score
        names = [[str(int(each)) for each in side] for side in (score > 0.5, label)]
        ones = np.ones(score.size)
        card = Scorecard.of(Pairs(names[0], score, {}, names[1], ones, ones.astype(np.int8)))
        asked = ["accuracy", "f1", "auc", "log_loss", "brier"]
        told, near = evaluate(card, asked), evaluate(coarse_card(card), asked)
        assert (near["accuracy"], near["f1"]) == (told["accuracy"], told["f1"])
        for name in ("auc", "log_loss", "brier"):
            assert near[name] == pytest.approx(told[name], abs=1e-3)


def together(offices: Mapping[Segment, Office]) -> list[tuple[int, dict[int, Acts]]]:
    """What all offices did, hour by hour, with the part of each."""
    out = []
    for slots in zip(*(office.shown for office in offices.values()), strict=True):
        cells: dict[int, Acts] = {}
        for segment, (_, shown) in zip(offices, slots, strict=True):
            for window, acts in shown.items():
                acts.segments = {segment: acts.part()}
                cells.setdefault(window, Acts.empty()).merge(acts)
        out.append((slots[0][0], cells))
    return out


def test_where_overrides_have_risen_is_said_by_segment() -> None:
    offices = {PT: Office(SOME, seed=3), DE: Office(SOME, seed=4)}
    for office in offices.values():
        office.go(12, HEALTHY)
    offices[PT].go(4, replace(HEALTHY, overrides=0.6))
    offices[DE].go(4, HEALTHY)
    decisions = Decisions(SOME, run_of_decisions(SOME, DAY))
    told, found = [], []
    for number, (start, cells) in enumerate(together(offices)):
        told += [json.loads(value) for _, value in decisions.tell(start, passed=True)]
        found += decisions.step(start, start + HOUR, cells)
        if number == 300:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(decisions.snapshot()))
            decisions = Decisions(SOME, run_of_decisions(SOME, DAY))
            decisions.restore(state)
    raised = next(finding for finding in found if finding.detector == "overridden")
    assert "in country=PT (" in raised.text
    where = [each for each in raised.evidence["where"] if each["what"] == "in"]
    assert [each["name"] for each in where] == ["country=PT"]
    assert where[0]["part"] > 0.5
    parts = by_segment(told)
    assert parts.keys() == {"PT", "DE", ""}
    for whole in parts[""]:
        VALID["decisions-window"].validate(whole)
        key = whole["start"], whole["as_of"]
        beside = [p for n in ("PT", "DE") for p in parts[n] if (p["start"], p["as_of"]) == key]
        for name, count in whole["counts"].items():
            assert count == sum(part["counts"][name] for part in beside)
        for part in beside:
            VALID["decisions-window"].validate(part)
            assert part["calm"] is None
            assert part["open"] == []
            assert part["median_latency_s"] is not None or not part["counts"]["decided"]


def test_each_segment_has_its_part_of_the_chance_of_a_wrong_claim() -> None:
    rng = np.random.default_rng(5)
    worth, alone = Worth(TRIED), Uplift(TRIED)
    own = {PT: Uplift(TRIED, part=1 / 21), DE: Uplift(TRIED, part=1 / 21)}
    for at in range(40):
        start = at * HOUR
        parts = {
            PT: Trials.of(drawn(rng, 300, 0.5, (0.3, 0.5))),
            DE: Trials.of(drawn(rng, 300, 0.5, (0.3, 0.3))),
        }
        whole = Trials.empty()
        for segment, trials in parts.items():
            whole.merge(trials)
            own[segment].add(start, start + HOUR, trials)
        alone.add(start, start + HOUR, whole)
        worth.step(start, start + HOUR, [whole], parts)
        if at == 20:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(worth.snapshot()))
            worth = Worth(TRIED)
            worth.restore(state)
    told = {
        message["segment"].get("country", ""): message
        for message in (json.loads(value) for _, value in worth.tell(10**12, passed=True))
    }
    assert told.keys() == {"", "PT", "DE"}
    for message in told.values():
        VALID["uplift-window"].validate(message)
    assert told["PT"]["answer"] == "better"
    assert told["DE"]["answer"] == "cannot tell yet"
    for name, uplift in {"": alone, "PT": own[PT], "DE": own[DE]}.items():
        low, high = uplift.interval
        assert (told[name]["low"], told[name]["high"]) == pytest.approx((low, high), rel=1e-5)
    widths = [told["PT"][side] - told["PT"]["effect"] for side in ("low", "high")]
    full = Uplift(TRIED)
    full._rows, full._total, full._squares = own[PT]._rows, own[PT]._total, own[PT]._squares
    full._past = own[PT]._past
    assert 1.2 < widths[1] / (full.interval[1] - full.effect) < 1.5
    assert worth.tell(10**12, passed=True) == []


def test_more_segments_than_are_told_apart_have_one_verdict_together() -> None:
    terms = parse(
        "{model: m, segments: {most: 2}, decision: {action: reject, "
        "baseline: {arm: holdout, share: 50%}}}",
        "m.yaml",
    )
    rng, worth = np.random.default_rng(6), Worth(terms)
    parts = {(("country", name),): Trials.of(drawn(rng, 50, 0.5, (0.3, 0.3))) for name in "abcd"}
    whole = Trials.empty()
    for trials in parts.values():
        whole.merge(trials)
    worth.step(0, HOUR, [whole], parts)
    told = [json.loads(value) for _, value in worth.tell(10**12, passed=True)]
    names = [message["segment"] for message in told]
    assert names == [{}, {"country": "a"}, {"country": "b"}, dict(OTHER_SEGMENT)]
    assert told[0]["baseline"]["rows"] == sum(each["baseline"]["rows"] for each in told[1:])
    # One that would come first by name has no verdict of its own: two are spoken for.
    late = Trials.of(drawn(rng, 50, 0.5, (0.3, 0.3)))
    worth.step(HOUR, 2 * HOUR, [late], {(("country", "A"),): late})
    told = [json.loads(value) for _, value in worth.tell(10**12, passed=True)]
    assert [message["segment"] for message in told] == [{}, dict(OTHER_SEGMENT)]


def test_skew_is_told_by_segment() -> None:
    plan = Plan(model="m", span=500 * STEP)
    traffic, watch = Traffic(3), SkewWatch(plan, 1e6)
    mistake = planted("count0", lambda v: v + 1, share=0.5)
    for at in range(10):
        parts = {
            PT: Skew.of(traffic.pairs(60, mistake), plan.tolerances),
            DE: Skew.of(traffic.pairs(40), plan.tolerances),
        }
        whole = Skew.empty()
        for skew in parts.values():
            whole.merge(skew)
        start = SKEW_START + at * 100 * STEP
        own = {segment: Skew(skew.rows, skew.tallies) for segment, skew in parts.items()}
        watch.step(start, start + 100 * STEP, whole, own)
        if at == 4:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(watch.snapshot()))
            watch = SkewWatch(plan, 1e6)
            watch.restore(state)
    told = [json.loads(value) for _, value in watch.tell(10**17)]
    found = by_segment(told)
    assert found.keys() == {"", "PT", "DE"}
    for message in told:
        VALID["skew-window"].validate(message)
    assert sum(m["pairs"] for m in found["PT"]) == 600
    assert sum(m["pairs"] for m in found["DE"]) == 400
    for whole_told, *beside in zip(found[""], found["PT"], found["DE"], strict=True):
        pairs = [m["features"]["count0"]["differ"] for m in (whole_told, *beside)]
        assert pairs[0] == pairs[1] + pairs[2]
        assert pairs[2] == 0
        assert whole_told["features"]["count0"]["mistake"] == "shift"
        assert beside[0]["features"]["count0"]["mistake"] is None
