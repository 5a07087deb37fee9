"""A model's quality, window by window: what is told when, and when it rings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import numpy as np
import pytest

from driftline.contract import DAY, HOUR, Contract, parse
from driftline.detect import StateError
from driftline.events.schema import json_schema
from driftline.incidents import threshold_message
from driftline.ledger.claims import Claims
from driftline.ledger.entry import Claim
from driftline.ledger.quality import Quality
from driftline.ledger.summing import Summing
from driftline.ledger.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.detect.protocol import Finding
    from driftline.ledger.cell import Cell

START = 1_795_392_000_000_000
"""A midnight."""
ARL = 10_000.0


def contract(quality: str, more: str = "") -> Contract:
    return parse(f"{{model: m, slot: 1h, lateness: 0s, quality: {quality}{more}}}", "m.yaml")


ACCURACY = contract("{metric: accuracy, at_least: 0.8, label_horizon: 3d, window: 1d}")
MAE = contract("{metric: mae, at_most: 1, label_horizon: 3d, window: 1d}")


def classified(rng: np.random.Generator, rows: int, right: float) -> tuple[list[Any], list[Any]]:
    """Predictions with scores, of which so many will turn out right."""
    score = np.where(rng.random(rows) < 0.5, right, 1 - right)
    label = (rng.random(rows) < score).astype(int)
    made = [(str(int(s > 0.5)), float(s), None, None, None) for s in score]
    return made, [(int(value), None) for value in label]


def measured(rng: np.random.Generator, rows: int, error: float) -> tuple[list[Any], list[Any]]:
    truth, off = rng.normal(100, 10, rows), rng.laplace(0, error, rows)
    made = [(float(t + e), None, None, None, None) for t, e in zip(truth, off, strict=True)]
    return made, [(float(t), None) for t in truth]


class Story:
    """Predictions of each hour, and their labels so many hours later, shown slot by slot."""

    def __init__(self, terms: Contract, delay: int = 24, seed: int = 1, rows: int = 40) -> None:
        self.terms = terms
        self.task = Task.of(terms)
        self.summing = Summing.of(terms)
        self.quality = Quality(terms, ARL)
        self.rows, self.delay = rows, delay
        self.rng = np.random.default_rng(seed)
        self.told: list[dict[str, Any]] = []
        self.found: list[Finding] = []
        self.waiting: dict[int, list[tuple[Claim, int]]] = {}
        self.hour = 0

    def go(self, hours: int, level: float) -> None:
        make = measured if self.task.regression else classified
        for _ in range(hours):
            start = START + self.hour * HOUR
            made, labels = make(self.rng, self.rows, level)
            claims = self.waiting.setdefault(self.hour, [])
            claims += [(Claim("predicted", start, (start, body), None), 1) for body in made]
            later = START + (self.hour + self.delay) * HOUR
            self.waiting.setdefault(self.hour + self.delay, []).extend(
                (Claim("first", later, (start, body), (later, label)), 1)
                for body, label in zip(made, labels, strict=True)
            )
            self.step(start)

    def step(self, start: int) -> None:
        messages = self.quality.tell(start, passed=True)
        self.told += [json.loads(value) for _, value in messages]
        cells = self.cells(self.waiting.pop(self.hour, []))
        self.found += self.quality.step(start, start + HOUR, cells)
        self.hour += 1

    def cells(self, claims: Sequence[tuple[Claim, int]]) -> Mapping[int, Cell]:
        groups: dict[int, Claims] = {}
        for claim, times in claims:
            told = claim.prediction or claim.label
            assert told is not None
            groups.setdefault(told[0] // DAY * DAY, Claims()).add(claim, times)
        return self.summing.sum(groups)


def test_windows_are_told_as_labels_come_and_once_more_when_they_are_over() -> None:
    story = Story(ACCURACY, delay=20)
    story.go(24 * 6, 0.9)
    first = [window for window in story.told if window["start"] == "2026-11-23T00:00:00Z"]
    assert [window["as_of"][:10] for window in first] == [
        "2026-11-24",
        "2026-11-25",
        "2026-11-27",
    ]
    assert [window["labelled"] for window in first] == [160, 960, 960]
    assert [window["final"] for window in first] == [False, False, True]
    assert [window["mature"] for window in first] == [False, True, True]
    assert not first[0]["estimated"]
    assert first[-1]["realised"]["accuracy"] == pytest.approx(0.9, abs=0.03)
    low, high = first[-1]["interval"]["accuracy"]
    assert low < 0.9 < high
    assert first[-1]["counts"] == {"labelled": 960, "predicted": 960}
    assert first[-1]["label_delay_s"] == pytest.approx(72_000, rel=0.1)
    for window in story.told:
        jsonschema.validate(window, json_schema("quality-window"))


def test_quality_is_foretold_from_scores_once_they_are_calibrated() -> None:
    story = Story(ACCURACY)
    story.go(24 * 3, 0.9)
    story.go(24 * 2, 0.85)
    (foretold,) = [
        window
        for window in story.told
        if window["start"] == "2026-11-27T00:00:00Z" and window["labelled"] == 0
    ] or [None]
    assert foretold is None or foretold["estimated"]
    told = {w["start"]: w for w in story.told if w["estimated"] and w["labelled"] == 0}
    assert told
    for window in told.values():
        expected = window["estimated"]["accuracy"]
        assert expected["value"] == pytest.approx(0.9, abs=0.06)
        assert 0 < expected["sd"] < 0.05


@pytest.mark.parametrize(("terms", "well", "worse"), [(ACCURACY, 0.9, 0.7), (MAE, 0.9, 1.6)])
def test_a_broken_promise_is_a_page_that_dates_the_predictions(
    terms: Contract, well: float, worse: float
) -> None:
    story = Story(terms)
    story.go(24 * 8, well)
    assert not story.found
    story.go(24 * 4, worse)
    (finding,) = story.found
    assert (finding.kind, finding.state, finding.severity) == ("quality", "raised", "page")
    broken = START + 8 * DAY
    assert abs(finding.change_point - broken) <= DAY
    assert broken + DAY <= finding.detected_at <= broken + 3 * DAY
    assert finding.evidence["promised"] == (0.8 if terms is ACCURACY else 1)
    story.go(24 * 8, well)
    assert [each.state for each in story.found] == ["raised", "cleared"]


def test_it_is_the_predictions_day_that_counts_however_late_labels_are() -> None:
    story = Story(ACCURACY, delay=60)
    story.go(24 * 8, 0.9)
    story.go(24 * 6, 0.6)
    assert abs(story.found[0].change_point - (START + 8 * DAY)) <= DAY


def test_a_regression_has_an_interval_and_is_foretold() -> None:
    story = Story(MAE)
    story.go(24 * 6, 0.9)
    last = [window for window in story.told if window["final"]][-1]
    low, high = last["interval"]["mae"]
    assert low < last["realised"]["mae"] < high
    assert high - low < 0.5
    told = [window for window in story.told if window["estimated"]]
    assert told
    for window in told:
        expected = window["estimated"]["mae"]
        assert expected["value"] == pytest.approx(0.9, abs=0.15)
        assert 0 < expected["sd"] < 0.2
        jsonschema.validate(window, json_schema("quality-window"))


def test_an_improvement_never_rings() -> None:
    story = Story(ACCURACY)
    story.go(24 * 5, 0.85)
    story.go(24 * 10, 0.97)
    assert not story.found


def test_what_cannot_be_betted_on_is_told_all_the_same() -> None:
    story = Story(contract("{metric: average_precision, at_least: 0.8, label_horizon: 2d}"))
    story.go(24 * 4, 0.6)
    assert not story.found
    assert story.told[0]["no_alarm"]
    assert any(window["realised"].get("average_precision") for window in story.told)


def test_time_alone_ends_no_window() -> None:
    story = Story(ACCURACY)
    story.go(24 * 2, 0.9)
    told = [json.loads(value) for _, value in story.quality.tell(START + 900 * DAY, passed=False)]
    assert told
    assert not any(window["final"] for window in told)
    assert story.quality.tell(START + 9_000 * DAY, passed=False) == []


@pytest.mark.parametrize("terms", [ACCURACY, MAE])
def test_a_snapshot_goes_on_bit_for_bit(terms: Contract) -> None:
    one, other = Story(terms), Story(terms)
    for story in (one, other):
        story.go(24 * 4 + 7, 0.9)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(other.quality.snapshot()))
    other.quality = Quality(terms, ARL)
    other.quality.restore(state)
    for story in (one, other):
        story.go(24 * 5, 0.6 if terms is ACCURACY else 2.0)
    assert one.told == other.told
    assert one.found == other.found
    assert one.found


def acting(threshold: float) -> Story:
    return Story(
        contract(
            "{metric: accuracy, at_least: 0.5, label_horizon: 2d}",
            f", decision: {{act_when: 'score >= {threshold}', costs: {{fp: 100, fn: 300}}, "
            "threshold_review_every: 5d}",
        )
    )


def test_a_threshold_that_loses_money_is_to_be_reviewed() -> None:
    story = acting(0.05)
    story.go(24 * 9, 0.9)
    (review,) = story.quality.due_reviews
    assert review.due
    assert review.best == pytest.approx(0.9)
    # Of five days, half acted on wrongly in nine of ten cases, at 100 each.
    assert review.regret == pytest.approx(5 * 960 / 2 * (0.9 * 100 - 0.1 * 300), rel=0.15)
    assert 0 < review.regret_at_least < review.regret
    told = story.told[-1]["threshold"]
    assert (told["today"], told["text"]) == (0.05, review.text)
    jsonschema.validate(story.told[-1], json_schema("quality-window"))
    _, value = threshold_message(review, story.terms)
    jsonschema.validate(json.loads(value), json_schema("feedback"))


def test_a_threshold_that_is_right_is_left_alone() -> None:
    story = acting(0.5)
    story.go(24 * 9, 0.9)
    assert not story.quality.due_reviews
    assert "within chance" in story.told[-1]["threshold"]["text"]


def test_labels_of_one_action_alone_say_nothing_of_another_threshold() -> None:
    story = acting(0.5)
    sums = story.cells

    def acted_only(claims: Sequence[tuple[Claim, int]]) -> Mapping[int, Cell]:
        return sums([(c, n) for c, n in claims if c.label is None or c.prediction[1][1] > 0.5])

    story.cells = acted_only  # type: ignore[method-assign, assignment]
    story.go(24 * 9, 0.9)
    assert not story.quality.due_reviews
    told = story.told[-1]["threshold"]
    assert told["best"] is None
    assert "selective" in told["text"]


@pytest.mark.parametrize(
    ("text", "taken", "kept"),
    [
        ("{metric: auc, at_least: 0.7, label_horizon: 3d, window: 1d}", True, False),
        ("{metric: accuracy, at_least: 0.8, label_horizon: 5d, window: 1d}", True, True),
        ("{metric: accuracy, at_least: 0.8, label_horizon: 3d, window: 12h}", False, False),
        ("{metric: mae, at_most: 1, label_horizon: 3d, window: 1d}", False, False),
    ],
)
def test_a_contract_may_change_between_two_lives(text: str, taken: bool, kept: bool) -> None:
    story = Story(ACCURACY)
    story.go(24 * 4, 0.9)
    state = story.quality.snapshot()
    fresh = Quality(contract(text), ARL)
    assert fresh.can_restore(state) == taken
    assert not fresh.can_restore(None)
    if not taken:
        with pytest.raises(StateError):
            fresh.restore(state)
        return
    before = fresh.snapshot()["alarm"]
    fresh.restore(state)
    assert (fresh.snapshot()["alarm"] != before) == kept
    assert fresh.snapshot()["windows"] == state["windows"]


@pytest.mark.parametrize(("positive", "hinted"), [("", True), (", positive: '1'", False)])
def test_scores_of_the_other_class_are_told_as_such(positive: str, hinted: bool) -> None:
    story = Story(contract(f"{{metric: auc, at_least: 0.7, window: 1d{positive}}}"))
    sums = story.cells

    def other_class(claims: Sequence[tuple[Claim, int]]) -> Mapping[int, Cell]:
        turned = [
            (c._replace(label=(c.label[0], (1 - c.label[1][0], None))) if c.label else c, n)
            for c, n in claims
        ]
        return sums(turned)

    story.cells = other_class  # type: ignore[method-assign, assignment]
    story.go(24 * 4, 0.9)
    assert "promised at least 0.7" in story.found[0].text
    assert ("with quality.positive '0' it would be 0.9" in story.found[0].text) == hinted


def test_corrections_and_what_makes_no_sense_are_counted() -> None:
    story = Story(ACCURACY)
    at = START
    made = (at, ("1", 0.9, None))
    claims = [
        (Claim("predicted", at, made, None), 1),
        (Claim("first", at, made, (at, (0, None))), 1),
        (Claim("paired", at, made, (at, (0, None))), -1),
        (Claim("paired", at, made, (at, (1, None))), 1),
        (Claim("again", at, made, (at, (1, None))), 1),
        (Claim("waiting", at, None, (at, (1, None))), 1),
        (Claim("first", at, (at, ("1", 7.0, None)), (at, (1, None))), 1),
        (Claim("first", at, (at, (None, 0.5, None)), (at, (1, None))), 1),
    ]
    (cell,) = story.cells(claims).values()
    assert cell.card.rows == 2
    assert cell.counts == {
        "predicted": 1,
        "labelled": 2,
        "again": 1,
        "waiting": 1,
        "score: expected a probability from 0 to 1": 1,
        "prediction: expected a class": 1,
    }


def test_pairs_of_which_none_makes_sense_are_counted() -> None:
    made, label = (START, (None, 0.5, None)), (START, (1, None))
    (cell,) = Story(ACCURACY).cells([(Claim("first", START, made, label), 1)]).values()
    assert cell.card.rows == 0
    assert cell.counts == {"prediction: expected a class": 1}
