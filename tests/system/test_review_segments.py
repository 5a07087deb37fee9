"""The review and the report show segments beside the whole, and never in its place."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from driftline.cli import main
from driftline.contract import Book, parse
from driftline.events.time import format_ts
from driftline.replay.quality import read_quality
from driftline.replay.review import answers, page, read_facts
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600_000_000
START = 1_795_478_400_000_000  # 2026-11-24T00:00:00Z
CONTRACT = """
model: loans
slot: 10m
lateness: 0s
reference: {from: warmup, events: 300}
quality: {metric: accuracy, at_least: 0.7, label_horizon: 6h, window: 6h, positive: "1"}
decision: {act_when: "score >= 0.5", action: refuse, within: 1h,
  baseline: {arm: holdout, share: 50%}}
"""
TRICK = "<b>PT</b>"
RIGHT = {"DE": 0.95, "FR": 0.85, TRICK: 0.45}
OVERRIDDEN = {"DE": 0.02, "FR": 0.3, TRICK: 0.1}


def events(rng: random.Random, *, segments: bool) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for number in range(2_400):
        at, score = START + number * 30 * HOUR // 2_400, rng.random()
        country, guess = rng.choice(list(RIGHT)), int(score >= 0.5)
        about = {"prediction_id": f"p{number}"}
        own = {"segment": {"country": country}} if segments else {}
        out.append(
            {"type": "prediction", "ts": at, **about, "prediction": guess, "score": score,
             "features": {"age": rng.gauss(40, 9)}, "arm": rng.choice(["model", "holdout"]), **own}
        )  # fmt: skip
        act = guess ^ (rng.random() < OVERRIDDEN[country])
        said = {"action": "refuse" if act else "grant", "actor": "bob"}
        out.append({"type": "decision", "ts": at + HOUR // 6, **about, **said})
        label = guess ^ (rng.random() >= RIGHT[country])
        out.append({"type": "label", "ts": at + HOUR, **about, "label": label})
        out.append({"type": "outcome", "ts": at + HOUR, **about, "value": int(rng.random() < 0.4)})
    return [{**each, "model": "loans", "ts": format_ts(each["ts"])} for each in out]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Outputs of the same events with segments, and without."""
    found = {}
    for segments in (True, False):
        folder = tmp_path_factory.mktemp("loans")
        told = events(random.Random(7), segments=segments)
        (folder / "events.jsonl").write_text("\n".join(map(json.dumps, told)) + "\n")
        (folder / "loans.yaml").write_text(CONTRACT)
        book = Book((parse(CONTRACT, "loans.yaml"),))
        replay(
            Request([str(folder / "events.jsonl")], book, folder / "out", report=segments),
            clock=lambda: 0.0,
        )
        found[segments] = folder
    return found


def test_what_is_said_of_the_whole_is_the_same_with_segments(folders: dict[bool, Path]) -> None:
    contract = parse(CONTRACT, "loans.yaml")
    told = {}
    for segments, folder in folders.items():
        facts = read_facts(folder / "out", contract)
        told[segments] = facts
        assert bool(facts.parts) == segments
    for kind in ("quality", "decisions", "uplift"):
        assert told[True].windows[kind] == told[False].windows[kind]
    qualities = [read_quality(folder / "out" / "windows.jsonl") for folder in folders.values()]
    assert qualities[0][0].windows == qualities[1][0].windows
    assert [part["segment"]["country"] for part in qualities[0][0].parts] == [TRICK, "FR", "DE"]
    assert qualities[1][0].parts == []
    said = [answers(told[segments]) for segments in (True, False)]
    for mine, others in zip(*said, strict=True):
        assert (mine.verdict, mine.text) == (others.verdict, others.text)
        assert [e for e in mine.evidence if not e.rows] == others.evidence


def test_the_review_has_a_table_of_segments_with_the_worst_first(
    folders: dict[bool, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folders[True]
    facts = read_facts(folder / "out", parse(CONTRACT, "loans.yaml"))
    found = answers(facts)
    tables = {each.source: each.rows for answer in found for each in answer.evidence if each.rows}
    assert tables.keys() == {"labels", "decisions", "outcomes"}
    names = [f"country={country}" for country in (TRICK, "FR", "DE")]
    assert [row[0] for row in tables["labels"]] == ["segment", *names]
    assert float(tables["labels"][1][1]) == pytest.approx(0.45, abs=0.1)
    assert [row[0] for row in tables["decisions"]] == ["segment", *(names[1], names[0], names[2])]
    assert sorted(row[0] for row in tables["outcomes"][1:]) == sorted(names)
    html = page(facts, found)
    assert "<table>" in html
    assert TRICK not in html
    assert "country=&lt;b&gt;PT&lt;/b&gt;" in html
    arguments = ["review", "loans", "--contract", str(folder / "loans.yaml")]
    assert main([*arguments, "--from", str(folder / "out")]) == 0
    text = capsys.readouterr().out
    table = text[text.index("accuracy by segment on 2026-11-") :]
    order = [table.index(name) for name in names]
    assert order == sorted(order)


def test_the_report_has_a_table_of_segments(folders: dict[bool, Path]) -> None:
    text = (folders[True] / "out" / "report.html").read_text()
    (table,) = re.findall(r"<h3>By segment</h3>.*?</table>", text, re.S)
    assert re.findall(r"<tr><td>(country=.*?)</td>", table) == [
        "country=&lt;b&gt;PT&lt;/b&gt;",
        "country=FR",
        "country=DE",
    ]
