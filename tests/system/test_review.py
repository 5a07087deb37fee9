"""A model's review: each answer from what was said and measured, or that nobody has said it."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from driftline.cli import main
from driftline.contract import Book, parse
from driftline.events.time import format_ts
from driftline.replay.review import Answer, answers, page, read_facts
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600_000_000
START = 1_795_478_400_000_000  # 2026-11-24T00:00:00Z
OWNED = """
model: loans
owner: {team: risk-ml, contact: "#risk-ml", escalation: risk-oncall}
runbook: https://wiki.example.com/loans
slot: 10m
lateness: 0s
reference: {from: warmup, events: 300}
quality: {metric: accuracy, at_least: 0.6, label_horizon: 6h, window: 6h, positive: "1"}
decision: {act_when: "score >= 0.5", action: refuse, within: 1h, costs: {fp: 100, fn: 800},
  baseline: {arm: holdout, share: 50%}}
fallback: {to: rules-v1}
retrain: {}
"""
TRICK = "<script>alert(1)</script>"


def _events(rng: random.Random) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = [
        {"type": "lifecycle", "ts": START, "kind": "retrained", "version": "v7", "by": "ada",
         "why": "drift of age " + TRICK},
        {"type": "lifecycle", "ts": START, "kind": "owner_confirmed", "by": "ada"},
        {"type": "lifecycle", "ts": START, "kind": "fallback_tested", "by": "ops"},
    ]  # fmt: skip
    for number in range(6_000):
        at, score = START + number * 60 * HOUR // 6_000, rng.random()
        arm = rng.choice(["model", "holdout"])
        name, bad = f"p{number}", rng.random() < score
        about = {"prediction_id": name}
        out.append(
            {"type": "prediction", "ts": at, **about, "prediction": int(score >= 0.5),
             "score": score, "version": "v7", "arm": arm, "features": {"age": rng.gauss(40, 9)}}
        )  # fmt: skip
        refused = score >= 0.5 if arm == "model" else rng.random() < 0.5
        said = {"action": "refuse" if refused else "grant", "actor": rng.choice(["bob", "eve"])}
        out.append({"type": "decision", "ts": at + 600_000_000, **about, **said})
        out.append({"type": "label", "ts": at + HOUR, **about, "label": int(bad)})
        worth = 0 if refused else -800 if bad else 100
        out.append({"type": "outcome", "ts": at + 2 * HOUR, **about, "value": worth})
    return [{**each, "model": "loans", "ts": format_ts(each["ts"])} for each in out]


def _replayed(folder: Path, contract: str, events: list[dict[str, Any]]) -> Path:
    source = folder / "events.jsonl"
    source.write_text("\n".join(map(json.dumps, events)) + "\n")
    (folder / "loans.yaml").write_text(contract)
    book = Book((parse(contract, "loans.yaml"),))
    request = Request([str(source)], book, folder / "out", report=False)
    replay(request, clock=time.monotonic)
    return folder / "out"


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("owned")
    _replayed(folder, OWNED, _events(random.Random(3)))
    return folder


def _answers(folder: Path, contract: str) -> list[Answer]:
    return answers(read_facts(folder / "out", parse(contract, "loans.yaml")))


def test_a_model_that_is_owned_used_and_worth_it(owned: Path) -> None:
    who, when, what, wrong, noticed = _answers(owned, OWNED)
    assert who.verdict == "good"
    assert "risk-ml owns it and is reached at #risk-ml" in who.text
    assert any("Confirmed by ada on 2026-11-24" in each.text for each in who.evidence)
    assert when.verdict == "good"
    assert when.text == f"It was retrained on 2026-11-24 as v7 by ada: drift of age {TRICK}."
    assert what.verdict == "good"
    assert "It asks to refuse when score >= 0.5, within 1 hour." in what.text
    assert "beats what was done before" in what.text
    assert any("decisions did as it recommends" in each.text for each in what.evidence)
    assert wrong.verdict == "good"
    assert wrong.text.startswith("rules-v1 takes over when there is trouble with")
    assert any("Measured: accuracy 0.7" in each.text for each in wrong.evidence)
    assert any("acting wrongly 100, wrongly leaving it 800" in each.text for each in wrong.evidence)
    assert noticed.verdict == "good"
    assert "bob" in noticed.text
    assert "would be lost in 30 days" in noticed.text


def test_alerts_that_nobody_reads_are_no_monitoring(owned: Path) -> None:
    facts = read_facts(owned / "out", parse(OWNED, "loans.yaml"))
    facts.readers = {"pager": 3}
    who = answers(facts)[0]
    assert who.verdict == "good"
    assert any("read by pager (3 not read yet)" in each.text for each in who.evidence)
    facts.readers = {}
    who = answers(facts)[0]
    assert who.verdict == "look at this"
    assert "nobody reads its alerts" in who.text


def test_nobody_has_said_is_an_answer(tmp_path: Path) -> None:
    bare = "{model: loans, slot: 10m, reference: {from: warmup, events: 300}}"
    kept = ("prediction", "decision")
    events = [each for each in _events(random.Random(1))[:3_000] if each["type"] in kept]
    _replayed(tmp_path, bare, events)
    found = _answers(tmp_path, bare)
    assert [each.verdict for each in found] == ["nobody has said"] * 5
    assert found[1].text == (
        "Nobody has said when it was last retrained; it has been watched since 2026-11-24."
    )
    assert "nobody: no decision about its predictions is reported" in found[4].text


def test_the_page_says_the_same_and_nothing_in_it_runs(owned: Path) -> None:
    facts = read_facts(owned / "out", parse(OWNED, "loans.yaml"))
    found = answers(facts)
    html = page(facts, found)
    assert TRICK not in html
    assert "&lt;script&gt;" in html
    for each in found:
        assert each.question in html
        assert each.verdict in html


def test_the_command_prints_text_and_json_and_writes_the_page(
    owned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["review", "loans", "--contract", str(owned / "loans.yaml")]
    arguments += ["--from", str(owned / "out")]
    assert main([*arguments, "--html", str(tmp_path / "review.html")]) == 0
    assert "If it were switched off today, who would notice?" in capsys.readouterr().out
    assert (tmp_path / "review.html").read_text().startswith("<!doctype html>")
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["verdict"] for each in told["answers"]] == ["good"] * 5
    assert all(each["evidence"] for each in told["answers"])


def test_what_is_not_there_is_one_clear_error(
    owned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", "loans", "--from", str(tmp_path)]) == 1
    assert "expected a replay's outputs, got no windows.jsonl" in capsys.readouterr().err
    assert main(["review", "lones", "--from", str(owned / "out")]) == 1
    assert "expected something about lones, got nothing" in capsys.readouterr().err
