"""Retraining, fallback and violations: what is asked for, what comes of it, and who is told."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import orjson
import pytest

from driftline.contract import Contract
from driftline.contract.types import DAY, HOUR, MINUTE, SECOND, Decision, Fallback, Owner, Retrain
from driftline.detect.protocol import Finding
from driftline.events.outputs import Feedback
from driftline.events.windows import LifecycleWindow
from driftline.incidents import Context, Incidents, Served, Told

START = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z
SLOT = 10 * SECOND
FULL = Contract(
    model="credit-risk",
    owner=Owner(team="risk-ml", contact="#risk-ml", escalation="risk-oncall"),
    runbook="https://r",
    retrain=Retrain(at_most_every=7 * DAY, on=("drift", "quality")),
    fallback=Fallback(to="rules-v1", on=("quality", "silence"), release_after=30 * MINUTE),
    decision=Decision(act_when="score >= 0.5", action="reject"),
    review_by=dt.date(2027, 1, 1),
    deprecate_after=dt.date(2027, 6, 1),
    stated=frozenset({"model", "owner", "retrain", "fallback"}),
)
V7 = Served(100, {"v7": 100}, {})
RULES = Served(100, {"rules-v1": 100}, {})


class Story:
    """A model's incidents and what they say, moment by moment; each moment in a new life."""

    def __init__(self, contract: Contract = FULL) -> None:
        self._contract = contract
        self._state: dict[str, Any] | None = None
        self.keys: list[bytes] = []

    def slot(
        self, at: int, *findings: Finding, served: Served = V7, **lifecycle: Told
    ) -> list[dict[str, Any]]:
        incidents = Incidents(self._contract)
        if self._state is not None:
            incidents.restore(orjson.loads(orjson.dumps(self._state)))
        now = START + at
        told = list(incidents.step(findings, Context(now=now, served=served)).feedback)
        for kind, event in lifecycle.items():
            told += incidents.on_lifecycle(kind, event._replace(at=now))
        for _, value in incidents.history(now):
            msgspec.json.decode(value, type=LifecycleWindow)
        self._state = incidents.snapshot()
        self.keys += [key for key, _ in told]
        for _, value in told:
            msgspec.json.decode(value, type=Feedback)
        return [orjson.loads(value) for _, value in told]


def finding(kind: str = "drift", at: int = 0, **more: Any) -> Finding:
    given = {
        "state": "raised", "model": "credit-risk", "feature": None, "kind": kind,
        "detector": "evidence", "severity": "page", "change_point": START + at - 2 * SLOT,
        "detected_at": START + at, "effect": 0.8, "effect_unit": "reference sd",
        "text": "median 41 → 52", "log_e": 12.5, "evidence": {},
    }  # fmt: skip
    return Finding(**{**given, **more})


def told(version: str | None = None, by: str | None = None, why: str | None = None) -> Told:
    return Told(0, version, by, why)


def names(events: list[dict[str, Any]]) -> list[str]:
    kinds = (e["type"].rpartition(".")[2] for e in events)
    return [
        e["data"]["violation"] if kind == "contract_violated" else kind
        for kind, e in zip(kinds, events, strict=True)
    ]


# -- retraining -----------------------------------------------------------------------------------


def test_a_newer_version_closes_the_request_under_its_own_key():
    story = Story()
    (asked,) = story.slot(0, finding())
    (closed,) = story.slot(DAY, retrained=told("v8", "trainer", "drift of age"))
    assert names([asked, closed]) == ["retrain_requested", "retrain_closed"]
    assert story.keys[0] == story.keys[1] == asked["id"].encode()
    assert closed["id"] != asked["id"]
    data = closed["data"]
    assert (data["version"], data["by"], data["seconds"]) == ("v8", "trainer", 86_400.0)
    assert data["text"] == "answered by v8: drift of age"


def test_the_same_version_deployed_again_is_no_answer():
    story = Story()
    story.slot(0)
    story.slot(SLOT, finding(at=SLOT))
    assert story.slot(DAY, deployed=told("v7")) == []
    assert names(story.slot(2 * DAY, retrained=told("v8"))) == ["retrain_closed"]
    assert story.slot(3 * DAY, retrained=told("v9")) == []


def test_silence_is_escalated_and_each_time_after_twice_as_long():
    story = Story()
    story.slot(0, finding())
    told_at, reminders = [], []
    for day in range(1, 366):
        events = story.slot(day * DAY, owner_confirmed=told(), fallback_tested=told())
        found = [e for e in events if e["type"].endswith("retrain_escalated")]
        told_at += [day] * len(found)
        reminders += found
    assert told_at == [7, 21, 49, 105, 217]
    assert [e["data"]["number"] for e in reminders] == [1, 2, 3, 4, 5]
    assert reminders[0]["data"]["escalation"] == "risk-oncall"
    text = reminders[1]["data"]["text"]
    assert text.startswith("asked for 21d ago, and nobody has: ")
    assert text.endswith(" (reminder 2, the next one in 28d)")
    assert len({e["id"] for e in reminders}) == 5


def test_a_request_after_a_long_silence_is_limited_like_the_first():
    story = Story()
    story.slot(0, finding())
    for day in (7, 21, 49):
        assert names(story.slot(day * DAY)) == ["retrain_escalated"]
    assert names(story.slot(50 * DAY, retrained=told("v8"))) == ["retrain_closed"]
    assert names(story.slot(57 * DAY)) == ["retrain_requested"]
    (first,) = story.slot(64 * DAY)
    assert first["data"]["number"] == 1


def test_what_is_still_wrong_with_the_new_version_is_asked_for_again():
    story = Story()
    story.slot(0, finding("quality"))
    story.slot(DAY, retrained=told("v8"))
    assert story.slot(7 * DAY) == []
    assert names(story.slot(8 * DAY)) == ["retrain_requested"]


# -- fallback -------------------------------------------------------------------------------------


def test_the_fallback_is_engaged_seen_to_work_and_released_after_half_an_hour_of_calm():
    story = Story()
    quality = finding("quality")
    assert names(story.slot(0, quality)) == ["retrain_requested", "fallback_engaged"]
    assert story.slot(MINUTE) == []
    (seen,) = story.slot(2 * MINUTE, served=RULES)
    assert seen["data"]["text"] == "predictions come from rules-v1, 120 s after it was asked for"
    over = finding("quality", HOUR, state="cleared")
    assert names(story.slot(HOUR, over, served=RULES)) == ["retrain_closed"]
    assert story.slot(HOUR + 29 * MINUTE, served=RULES) == []
    (released,) = story.slot(HOUR + 30 * MINUTE, served=RULES)
    assert released["type"] == "driftline.feedback.fallback_released"
    assert released["data"]["seconds"] == 90 * 60
    (back,) = story.slot(HOUR + 31 * MINUTE)
    assert back["data"]["text"] == "predictions come from the model, 60 s after it was asked for"


def test_what_comes_back_within_the_half_hour_keeps_it_engaged():
    story = Story()
    story.slot(0, finding("quality"))
    story.slot(MINUTE, served=RULES)
    story.slot(HOUR, finding("quality", HOUR, state="cleared"), served=RULES)
    again = HOUR + 10 * MINUTE
    assert "fallback_engaged" not in names(story.slot(again, finding("quality", again)))
    assert "fallback_released" not in names(story.slot(again + 40 * MINUTE, served=RULES))


def test_a_notice_and_other_kinds_engage_nothing():
    story = Story()
    found = story.slot(0, finding(), finding("quality", severity="notice"))
    assert "fallback_engaged" not in names(found)


@pytest.mark.parametrize(
    ("served", "violation", "words"),
    [
        (V7, "fallback_not_switched", "100 of 100 predictions still do not come from it"),
        (Served(100, {"rules-v1": 60, "v7": 40}, {}), "fallback_not_switched", "40 of 100"),
        (Served(100), "fallback_unverified", "predictions name neither version nor arm"),
    ],
)
def test_serving_that_does_not_switch_is_told_once(served, violation, words):
    story = Story()
    story.slot(0, finding("quality"))
    assert story.slot(4 * MINUTE, served=served) == []
    assert story.slot(5 * MINUTE, served=Served()) == []
    (event,) = story.slot(6 * MINUTE, served=served)
    assert event["data"]["violation"] == violation
    assert words in event["data"]["text"]
    assert story.slot(7 * MINUTE, served=served) == []
    by_arm = Served(100, {}, {"fallback": 99, "model": 1})
    assert names(story.slot(8 * MINUTE, served=by_arm)) == ["fallback_verified"]


def test_a_fallback_that_stays_after_its_release_is_told():
    story = Story()
    story.slot(0, finding("quality"))
    story.slot(MINUTE, finding("quality", MINUTE, state="cleared"), served=RULES)
    assert "fallback_released" in names(story.slot(HOUR, served=RULES))
    assert names(story.slot(HOUR + 6 * MINUTE, served=RULES)) == ["fallback_not_released"]


# -- violations -----------------------------------------------------------------------------------


def test_what_has_to_be_confirmed_falls_overdue_and_an_event_sets_it_right():
    story = Story()
    assert story.slot(0) == []
    assert story.slot(180 * DAY) == []
    overdue = story.slot(181 * DAY)
    assert names(overdue) == ["owner_unconfirmed", "fallback_untested"]
    assert "181 days (at most 180)" in overdue[0]["data"]["text"]
    assert story.slot(182 * DAY, owner_confirmed=told(by="ada"), fallback_tested=told()) == []
    assert story.slot(300 * DAY) == []
    later = dt.datetime(2026, 3, 2, tzinfo=dt.UTC) + dt.timedelta(days=363)
    assert later.date() > dt.date(2027, 1, 1)
    assert names(story.slot(363 * DAY)) == [
        "review_overdue", "owner_unconfirmed", "fallback_untested",
    ]  # fmt: skip


def test_a_threshold_that_nobody_reviews():
    decision = Decision(act_when="score >= 0.5", action="a", threshold_review_every=90 * DAY)
    story = Story(msgspec.structs.replace(FULL, decision=decision))
    story.slot(0)
    assert names(story.slot(91 * DAY)) == ["threshold_review_overdue"]


def test_a_version_that_nobody_announced():
    story = Story()
    assert story.slot(0) == []
    story.slot(SLOT, deployed=told("v8"))
    assert story.slot(2 * SLOT, served=Served(10, {"v8": 9, "rules-v1": 1}, {})) == []
    (event,) = story.slot(3 * SLOT, served=Served(10, {"v8": 9, "v9-test": 1}, {}))
    assert event["data"]["violation"] == "unannounced_version"
    assert "v9-test" in event["data"]["text"]
    assert story.slot(4 * SLOT, served=Served(10, {"v8": 9, "v9-test": 1}, {})) == []


def test_predictions_of_a_model_that_is_out_of_use():
    late = msgspec.structs.replace(FULL, deprecate_after=dt.date(2026, 3, 4))
    story = Story(late)
    assert story.slot(2 * DAY) == []
    assert story.slot(3 * DAY, served=Served()) == []
    assert names(story.slot(3 * DAY + SLOT)) == ["served_after_deprecation"]
    assert story.slot(3 * DAY + 2 * SLOT) == []
    said = Story()
    said.slot(0, deprecated=told(by="ada"))
    assert said.slot(DAY) == []
    assert names(said.slot(DAY + SLOT)) == ["served_after_deprecation"]
