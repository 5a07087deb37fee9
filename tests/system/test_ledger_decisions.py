"""Does anybody act on the model? What is told of windows of decisions, and when it rings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from tests.unit._office import ALL, HEALTHY, HOURLY, SOME, START, Office, World, rows_of

from driftline.contract import DAY, HOUR
from driftline.detect import StateError
from driftline.detect.budget import run_of_decisions
from driftline.ledger.acts import Acts
from driftline.ledger.decisions import Decisions

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.detect.protocol import Finding
    from driftline.ledger.actrows import ActRows


def test_a_healthy_fortnight_is_quiet() -> None:
    office = Office(SOME)
    office.go(14, HEALTHY)
    assert not office.found
    first = [window for window in office.told if window["start"] == "2026-11-23T00:00:00Z"]
    assert [window["as_of"] for window in first] == [
        "2026-11-24T00:00:00Z",
        "2026-11-24T02:00:00Z",
        "2026-11-25T02:00:00Z",
    ]
    assert [window["judged"] for window in first] == [False, True, True]
    assert [window["final"] for window in first] == [False, False, True]
    assert first[0]["calm"] is None
    late = office.told[-1]["calm"]
    assert late["overridden"] == pytest.approx(0.07, abs=0.03)
    assert late["ignored"] < 0.1


PLANTED = {
    "ignored": World(ignored=0.5),
    "late": World(slow=6.0),
    "hasty": World(seconds=2.0),
    "unquestioned": World(overrides=0.002),
    "overridden": World(overrides=0.3),
}


@pytest.mark.parametrize("name", sorted(PLANTED))
@pytest.mark.parametrize("per_day", [200, 2000])
def test_each_fault_is_told_when_its_first_window_is_due(name: str, per_day: int) -> None:
    office = Office()
    healthy = replace(HEALTHY, per_day=per_day)
    office.go(6, healthy)
    assert not office.found
    office.go(2, replace(PLANTED[name], per_day=per_day))
    assert office.raised() == [name]
    found = office.found[0]
    began = START + 6 * DAY
    assert found.change_point == began
    assert found.detected_at <= began + DAY + 3 * HOUR
    assert (found.kind, found.severity) == ("decision", "notice")
    office.go(6, healthy)
    assert [f.state for f in office.found] == ["raised", "cleared"]
    assert office.found[1].detector == name


def test_nights_when_nobody_decides_are_no_change_though_windows_are_hours() -> None:
    office = Office(HOURLY)
    world = replace(HEALTHY, nights=False)
    office.go(31, world)
    assert not office.found
    judged = [w for w in office.told if w["judged"] and not w["final"]]
    assert {w["start"][11:13] for w in judged} == {f"{hour:02}" for hour in range(24)}
    asleep = [w for w in judged if w["start"][11:13] in {"22", "23", "00", "01"}]
    missed = sum(w["counts"]["due"] - w["counts"]["due_decided"] for w in asleep)
    assert missed > 0.3 * sum(w["counts"]["due"] for w in asleep)
    office.go(2, replace(world, ignored=0.5))
    (found,) = office.found
    assert (found.detector, found.change_point) == ("ignored", START + 31 * DAY)
    assert found.detected_at <= START + 32 * DAY + 3 * HOUR


def test_when_all_stop_to_act_it_is_a_page_and_late_decisions_are_only_late() -> None:
    office = Office(SOME)
    office.go(5, HEALTHY)
    office.go(2, replace(HEALTHY, ignored=0.5))
    office.go(2, replace(HEALTHY, decides=False))
    assert [(f.detector, f.severity) for f in office.found] == [
        ("ignored", "notice"),
        ("ignored", "page"),
    ]
    assert office.found[1].text.startswith("nobody acts: 100.0% of ")
    assert "none 2h after their window; " in office.found[1].text
    office.go(4, HEALTHY)
    assert [f.state for f in office.found] == ["raised", "raised", "cleared"]


def test_a_model_that_nobody_takes_is_no_page_and_learns_nothing_from_it() -> None:
    office = Office()
    office.go(4, replace(HEALTHY, decides=False))
    (found,) = office.found
    assert (found.detector, found.severity, found.change_point) == ("untaken", "notice", START)
    assert found.detected_at == START + DAY + 3 * HOUR
    office.go(5, HEALTHY)
    assert [(f.detector, f.state) for f in office.found[1:]] == [("untaken", "cleared")]
    assert office.told[-1]["calm"]["ignored"] < 0.1


def test_few_decisions_from_the_start_are_told_only_where_many_were_asked_for() -> None:
    nearly = replace(HEALTHY, ignored=0.97, per_day=2000)
    asked = Office(SOME)
    asked.go(3, nearly)
    assert [(f.detector, f.severity) for f in asked.found] == [("ignored", "page")]
    asked.go(5, HEALTHY)
    assert [f.state for f in asked.found] == ["raised", "cleared"]
    assert asked.told[-1]["calm"]["ignored"] < 0.1
    # Where nobody says when to act, it may be right to act on three of a hundred.
    unasked = Office(ALL)
    unasked.go(6, nearly)
    assert not unasked.found


def test_what_overrides_share_is_named() -> None:
    office = Office()
    office.go(5, HEALTHY)
    office.go(2, replace(HEALTHY, overrides=0.3))
    (found,) = office.found
    assert found.text.startswith("overridden: ")
    assert found.evidence["share"] > 2 * found.evidence["calm"]
    assert found.effect == pytest.approx(found.evidence["share"] - found.evidence["calm"], abs=1e-3)
    assert found.log_e is not None
    assert found.log_e >= found.evidence["log_threshold"]
    # All of them object, to all scores, though mostly to one of the two recommendations.
    assert [part["what"] for part in found.evidence["where"]] == ["direction"]
    assert "most accept → reject (" in found.text


def _decision(n: int, **columns: Any) -> ActRows:
    told = {"recommended": ["reject"] * n, "action": ["accept"] * n, "actor": ["p1"] * n}
    return rows_of(n, decided=np.ones(n, np.bool_), **{**told, **columns})


def test_a_window_is_told_by_rate_band_actor_and_direction() -> None:
    office = Office()
    office.go(4, HEALTHY)
    as_of = "2026-11-26T02:00:00Z"
    (window,) = [w for w in office.told if w["as_of"] == as_of and not w["final"]]
    assert (window["kind"], window["action"], window["within_s"]) == ("decisions", "reject", 7200)
    count = window["counts"]
    assert count["made"] == count["due"] > count["decided"] > 900
    assert count["decided"] == count["followed"] + count["overridden"]
    for name, ones, rows in (
        ("ignored", count["due"] - count["due_decided"], count["due"]),
        ("in_time", count["due_decided"] - count["due_late"], count["due"]),
        ("late", count["late"], count["decided"]),
        ("overridden", count["overridden"], count["decided"]),
        ("followed", count["followed"], count["decided"]),
    ):
        rate = window["rates"][name]
        assert rate["value"] == pytest.approx(ones / rows, abs=1e-6)
        assert rate["low"] < rate["value"] < rate["high"]
    assert [band["band"] for band in window["bands"]][:2] == ["0.0 to 0.1", "0.1 to 0.2"]
    actors = {actor["actor"]: actor for actor in window["actors"]}
    assert actors["auto"]["automatic"]
    assert actors["auto"]["median_latency_s"] < 1
    people = [actor for name, actor in actors.items() if name != "auto"]
    assert not any(actor["automatic"] for actor in people)
    assert min(actor["median_latency_s"] for actor in people) > 300
    for told in ("bands", "actors", "directions"):
        assert sum(each["decided"] for each in window[told]) == count["decided"]
    nothing = office.decisions
    nothing.step(START + 9 * DAY, START + 10 * DAY, {START + 9 * DAY: Acts.empty()})
    (message,) = nothing.tell(START + 10 * DAY, passed=False)
    assert set(json.loads(message[1])["rates"].values()) == {None}


def test_overrides_that_labels_prove_right_are_told_whenever_the_labels_come() -> None:
    office = Office()
    decisions, advice = office.decisions, office.advice
    told = _decision(60)
    decisions.step(START, START + HOUR, {START: Acts.of(told, advice)})
    long_after = START + 30 * DAY
    found = []
    for day in range(3):
        start = long_after + day * DAY
        part = told.take(np.arange(20 * day, 20 * (day + 1)))
        cell = Acts.of(replace(part, sign=-part.sign), advice)
        labels = ["0"] * 17 + ["1"] * 3
        cell.merge(Acts.of(replace(part, label=labels), advice))
        found += decisions.step(start, start + HOUR, {START: cell})
    (finding,) = found
    assert (finding.detector, finding.state, finding.severity) == ("corrected", "raised", "notice")
    assert "the person was right and not the model in 34 of 40" in finding.text
    assert finding.text.endswith("most are reject → accept")
    wrong = _decision(60, label=["1"] * 60)
    cell = Acts.of(wrong, advice)
    (over,) = decisions.step(long_after + 4 * DAY, long_after + 5 * DAY, {START: cell})
    assert (over.detector, over.state) == ("corrected", "cleared")


def test_people_who_are_right_half_of_the_time_are_never_called_right() -> None:
    called = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        office = Office()
        for day in range(30):
            start = START + day * DAY
            labels = np.where(rng.random(20) < 0.5, "0", "1").tolist()
            cell = Acts.of(_decision(20, label=labels), office.advice)
            called += any(
                f.detector == "corrected"
                for f in office.decisions.step(start, start + HOUR, {start: cell})
            )
    assert called <= 2


@pytest.mark.parametrize("terms", [SOME, HOURLY], ids=["days", "hours"])
def test_stopping_anywhere_changes_nothing(terms: Contract) -> None:
    office = Office(terms)
    office.go(4, HEALTHY)
    office.go(2, World(ignored=0.6, seconds=2.0))
    office.go(3, HEALTHY)
    assert len(office.found) >= 3
    told: list[dict[str, Any]] = []
    found: list[Finding] = []
    decisions = Decisions(terms, run_of_decisions(terms, DAY))
    for number, (start, cells) in enumerate(office.shown):
        if number % 7 == 3:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(decisions.snapshot()))
            decisions = Decisions(terms, run_of_decisions(terms, DAY))
            assert decisions.can_restore(state)
            decisions.restore(state)
        told += [json.loads(v) for _, v in decisions.tell(start - 1, passed=False)]
        told += [json.loads(v) for _, v in decisions.tell(start, passed=True)]
        found += decisions.step(start, start + HOUR, cells)
    assert found == office.found
    assert told == office.told


def test_a_state_of_another_policy_is_refused() -> None:
    state = Office(ALL).decisions.snapshot()
    other = Office(SOME).decisions
    assert not other.can_restore(state)
    assert not Office(HOURLY).decisions.can_restore(state)
    assert not other.can_restore(None)
    with pytest.raises(StateError, match="of"):
        other.restore(state)


def test_only_the_end_of_a_window_is_told_by_the_clock() -> None:
    office = Office()
    assert office.decisions.due > START + 1000 * DAY
    office.go(1, HEALTHY)
    assert office.decisions.due == START + DAY
    (message,) = office.decisions.tell(START + 9 * DAY, passed=False)
    assert not json.loads(message[1])["judged"]
    assert office.decisions.due > START + 1000 * DAY
    later = office.decisions.tell(START + 9 * DAY, passed=True)
    assert [json.loads(value)["final"] for _, value in later] == [False, True]
    assert {key for key, _ in later} == {message[0]}
    assert not office.decisions.tell(START + 9 * DAY, passed=True)


def test_windows_that_are_over_are_let_go_and_judged_before() -> None:
    office = Office()
    office.go(4, HEALTHY)
    office.go(1, replace(HEALTHY, decides=False))
    late = START + 40 * DAY
    found = office.decisions.step(late, late + HOUR, {})
    assert [(f.detector, f.severity) for f in found] == [("ignored", "page")]
    assert not office.decisions.snapshot()["windows"]
    old = Acts.of(rows_of(5), office.advice)
    office.decisions.step(late + HOUR, late + 2 * HOUR, {START: old})
    assert not office.decisions.snapshot()["windows"]


def test_a_machine_that_takes_the_place_of_people_is_named() -> None:
    office = Office()
    office.go(5, HEALTHY)
    office.go(3, replace(HEALTHY, newcomer=0.2))
    assert not office.found
    office.go(2, replace(HEALTHY, newcomer=0.7))
    # That it never objects is known from the days before.
    (hasty,) = office.found
    assert hasty.detector == "hasty"
    assert hasty.text.startswith("rubber-stamped: people took ")
    assert hasty.text.endswith("; most by bot")


def test_an_accepted_practice_is_the_usual_one_from_then_on() -> None:
    office = Office()
    often = replace(HEALTHY, overrides=0.3)
    office.go(5, HEALTHY)
    office.go(2, often)
    at = START + 7 * DAY
    over = office.decisions.renew(at)
    assert [(f.detector, f.state, f.detected_at) for f in over] == [("overridden", "cleared", at)]
    del office.found[:]
    office.go(8, often)
    assert not office.found
    assert office.told[-1]["calm"]["overridden"] > 0.2
