"""What is planted is found by a replay, under its own kind, and not where it is not planted."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from tests.unit._planted import DAY, HOUR, assert_rate

from driftline.contract import Book, parse
from driftline.replay.run import Request, replay
from driftline.simulate import Scenario, parse_fault, to_files, traffic

TERMS = "model: {model}\nslot: 1h\nlateness: 0s\nreference: {{from: warmup, events: 400}}\n"


class Told(NamedTuple):
    """Findings, feedback and windows of a replay."""

    alerts: list[dict[str, Any]]
    feedback: list[dict[str, Any]]
    windows: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return what alerts of a kind say."""
        return [a["data"] for a in self.alerts if a["data"]["kind"] == kind]

    def windows_of(self, kind: str) -> list[dict[str, Any]]:
        return [window for window in self.windows if window.get("kind") == kind]


@cache
def replayed(
    model: str, terms: str, following: tuple[str, ...], days: int, per_day: int, *faults: str
) -> Told:
    """Simulate into files, replay these against a contract, and read what came out."""
    scenario = Scenario(
        (traffic(model, calm=True),),
        tuple(map(parse_fault, faults)),
        rate=per_day / 86_400,
        duration=days * DAY,
        following=frozenset(following),  # type: ignore[arg-type]
        label_delay=HOUR,
    )
    with TemporaryDirectory() as place:
        folder = Path(place)
        to_files(scenario, folder)
        book = Book((parse(TERMS.format(model=model) + terms, f"{model}.yaml"),))
        source = str(folder / "events.jsonl")
        replay(Request([source], book, folder / "out", report=False), clock=time.monotonic)
        names = ("alerts", "feedback", "windows")
        lines = ((folder / "out" / f"{name}.jsonl").read_text().splitlines() for name in names)
        return Told(*([json.loads(line) for line in each] for each in lines))


def labelled(*faults: str) -> list[dict[str, Any]]:
    """Return all that is told of the quality of six days."""
    terms = "quality: {metric: auc, at_least: 0.5, label_horizon: 2d, positive: default}"
    return replayed("credit-risk", terms, ("label",), 6, 500, *faults).windows_of("quality")


def test_labels_that_never_come_are_told() -> None:
    # Where all labels come nobody waits, which tells nothing of those who would.
    assert all((w["never_labelled"] or 0.0) < 0.05 for w in labelled())
    lost = labelled("label_loss:credit-risk:30%@0s")
    assert lost[-1]["never_labelled"] == pytest.approx(0.3, abs=0.05)
    final = [w["counts"] for w in lost if w["final"]]
    assert_rate(sum(c["labelled"] for c in final), sum(c["predicted"] for c in final), 0.7)


def test_slow_labels_are_told() -> None:
    for faults, hours in (((), 0.85), (("label_delay:credit-risk:8h:lognormal@0s",), 4.85)):
        median = labelled(*faults)[-1]["label_delay_s"] / 3600
        assert median == pytest.approx(hours, rel=0.15)


def test_early_labels_that_are_no_fair_sample_are_told() -> None:
    assert not any(window["early_labels"] for window in labelled())
    biased = labelled("label_bias:credit-risk:x8:default@0s")
    assert all("repaid" in window["early_labels"] for window in biased)


def test_corrected_labels_change_what_was_told_and_nothing_in_the_end() -> None:
    plain, corrected = labelled(), labelled("label_error:credit-risk:20%@0s")
    told = [{(w["start"], w["as_of"]): w for w in each} for each in (plain, corrected)]
    final = [k for k, w in told[0].items() if w["final"]]
    assert len(final) == 3
    assert all(told[0][k]["realised"] == told[1][k]["realised"] for k in final)
    # One in thirty labels of a day is wrong when it ends.
    early = [k for k in told[0].keys() & told[1].keys() if not told[0][k]["maturity"]]
    assert any(told[0][k]["realised"] != told[1][k]["realised"] for k in early)


PEOPLE = "people:credit-risk:10@0s"


def office(*faults: str, days: int = 13) -> Told:
    """Return what is told of people who decide for two weeks."""
    terms = (
        "quality: {metric: auc, at_least: 0.5, label_horizon: 1d, positive: default}\n"
        "decision: {action: reject, within: 2h}"
    )
    following = ("decision", "label")
    return replayed("credit-risk", terms, following, days, 350, PEOPLE, *faults)


def test_people_who_do_as_they_did_for_a_month_are_not_told_of() -> None:
    assert not office(days=31).of("decision")


@pytest.mark.parametrize(
    ("fault", "detector"),
    [
        ("ignore:credit-risk:50%@8d", "ignored"),
        ("late:credit-risk:x8@8d", "late"),
        ("rubber_stamp:credit-risk:2s@8d", "hasty"),
        ("override:credit-risk:30%@8d", "overridden"),
        ("tire:credit-risk:95%:overrides@6d..9d", "unquestioned"),
        ("tire:credit-risk:99.9%:time@6d..9d", "hasty"),
    ],
)
def test_people_who_change_are_told_of(fault: str, detector: str) -> None:
    found = [a for a in office(fault).of("decision") if a["detector"] == detector]
    assert found
    begun = "2026-03-08" if fault.startswith("tire") else "2026-03-10"
    assert found[0]["change_point"] >= begun


def test_whoever_stamps_is_seen_in_time_and_in_overrides() -> None:
    windows = office("rubber_stamp:credit-risk:2s@8d").windows_of("decisions")
    assert [w["open"] for w in windows if w["judged"]][-1] == ["hasty", "unquestioned"]


@pytest.mark.parametrize(
    ("fault", "detectors"),
    [
        ("rubber_stamp:credit-risk:2s@4d..11d", {"hasty", "unquestioned"}),
        ("override:credit-risk:0.5%@4d..11d", {"unquestioned"}),
    ],
)
def test_what_is_usual_is_not_learnt_from_days_that_nobody_questioned(
    fault: str, detectors: set[str]
) -> None:
    told = office(fault, days=21)
    days = [w for w in told.windows_of("decisions") if w["judged"] and not w["final"]]
    during = [w for w in days if "2026-03-06" <= w["start"] < "2026-03-13"]
    after = [w for w in days if w["start"] >= "2026-03-13"]
    assert set().union(*(w["open"] for w in during)) == detectors
    assert {w["calm"]["overridden"] for w in during} == {during[0]["calm"]["overridden"]}
    # People override as they always did then, which is no news.
    assert [a["state"] for a in told.of("decision")][-1] == "resolved"
    assert not set().union(*(w["open"] for w in after[3:]))
    assert after[-1]["calm"]["overridden"] == pytest.approx(0.08, abs=0.015)


def test_overrides_that_are_right_are_told() -> None:
    right = office("override:credit-risk:90%:right@0s").of("decision")
    assert "corrected" in {a["detector"] for a in right}
    wrong = office("override:credit-risk:30%:wrong@0s").of("decision")
    assert "corrected" not in {a["detector"] for a in wrong}


@pytest.mark.parametrize(
    ("faults", "answer"),
    [
        (("uplift:credit-risk:+10pp@0s", "holdout:credit-risk:50%@0s"), "better"),
        (("uplift:credit-risk:-10pp@0s", "holdout:credit-risk:50%@0s"), "worse"),
        (("uplift:credit-risk:+0pp@0s", "holdout:credit-risk:50%@0s"), "cannot tell yet"),
        (
            ("uplift:credit-risk:+10pp@0s", "holdout:credit-risk:0%@0s"),
            "cannot be known from these data",
        ),
        # Whoever compares the arms as they are finds the contrary: only propensities tell.
        (
            (
                "uplift:credit-risk:+10pp:20%@0s", "uplift:credit-risk:+10pp:80%@0s in country=DE",
                "holdout:credit-risk:20%@0s", "holdout:credit-risk:80%@0s in country=DE",
            ),
            "better",
        ),
    ],
)  # fmt: skip
def test_what_the_model_brings_is_told(faults: tuple[str, ...], answer: str) -> None:
    terms = "decision: {action: reject, within: 2h, baseline: {arm: holdout}}"
    told = replayed("credit-risk", terms, ("decision", "outcome"), 6, 1_000, *faults)
    last = told.windows_of("uplift")[-1]
    assert last["answer"] == answer
    planted = parse_fault(faults[0]).resolved_size
    if last["effect"] is not None:
        assert last["low"] <= planted <= last["high"]
    if len(faults) == 4:
        assert last["model_arm"]["mean"] < last["baseline"]["mean"]


RETRAIN = "retrain:{0}:1d:300@0s"
LOOP = "loop:{0}:60%:85%@13d"


@pytest.mark.parametrize(
    ("model", "following", "by"),
    [
        ("bench-8", ("decision", "label"), {"lineage", "spread"}),
        ("bench-8", ("label",), {"spread"}),
        ("demand-forecast", ("decision", "label"), {"lineage", "spread"}),
    ],
)
def test_a_loop_is_suspected_and_retraining_alone_is_not(
    model: str, following: tuple[str, ...], by: set[str]
) -> None:
    terms = (
        "quality: {metric: mae, at_most: 50, window: 1d, label_horizon: 1d}\n"
        "retrain: {on: [quality]}\nsla: {silence: 2d}\n"
    )
    if "decision" in following:
        terms += f"decision: {{action: {'act' if model == 'bench-8' else 'restock'}}}"
    plain, loop = (
        replayed(model, terms, following, 24, 100, *(text.format(model) for text in faults))
        for faults in ((RETRAIN,), (RETRAIN, LOOP))
    )
    kind = ".loop_suspected"
    assert not [e for e in plain.feedback if e["type"].endswith(kind)]
    told = [e for e in loop.feedback if e["type"].endswith(kind)]
    assert told
    # Before the tenth training on labels that the model has shaped.
    assert "2026-03-15" < told[0]["time"] < "2026-03-25"
    assert set(told[0]["data"]["loop"]["by"]) <= by
    assert told[0]["data"]["loop"]["retrains"] > 0


SKEWS = [
    ("credit-risk", "income:x1000:5%", "factor"),
    ("credit-risk", "age:+5:10%", "shift"),
    ("credit-risk", "savings:null=0:60%", "filled"),
    ("credit-risk", "savings:default=0:10%", "default"),
    ("credit-risk", "savings:lost:10%", "lost"),
    ("demand-forecast", "footfall:stale:10%", "stale"),
    ("credit-risk", "debt_to_income:round=0.1:10%", "rounding"),
    ("credit-risk", "country:lower:10%", "case"),
    ("credit-risk", "country:code:40%", "encoding"),
    ("credit-risk", "income:swap=loan_amount:10%", "permuted"),
]


@pytest.mark.parametrize(("model", "mistake", "kind"), SKEWS)
def test_each_mistake_is_named(model: str, mistake: str, kind: str) -> None:
    feature, form, _ = mistake.split(":")
    fault = f"skew:{model}:{mistake}@1d"
    told = replayed(model, "skew: {}", ("features",), 3, 800, fault).of("skew")
    about = {"income", "loan_amount"} if "swap" in form else {feature}
    assert {a["feature"] for a in told} == about
    assert kind in {a["evidence"]["mistake"] for a in told}
    assert all(a["change_point"] >= "2026-03-03" for a in told)


@pytest.mark.parametrize("model", ["credit-risk", "demand-forecast"])
def test_rows_that_are_served_as_training_has_them_are_no_skew(model: str) -> None:
    assert not replayed(model, "skew: {}", ("features",), 3, 800).of("skew")
