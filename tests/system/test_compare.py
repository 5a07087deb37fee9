"""Backtests: several contracts side by side, against what is known."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.cli import main
from driftline.contract import load
from driftline.contract.variants import parse_grid, variants
from driftline.errors import UsageError
from driftline.events.time import format_ts
from driftline.replay.compare.candidates import Candidate, candidates_of, groups_of
from driftline.replay.compare.known import Known, KnownAll, read_truth, read_verdicts
from driftline.replay.compare.pairs import pairs_of
from driftline.replay.compare.score import Alarm, Rate, score
from driftline.replay.compare.verdict import exactly, judge
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.replay.compare.score import Score

START = 1_700_000_000_000_000
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
ROWS = 3_000
MOVED = START + 2_000 * SECOND


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(
        "model: m\nslot: 10s\nlateness: 10s\nreference: {from: warmup, events: 1000}\n"
        "features: {x: {tolerance: 0.1}, y: {}}\n"
    )
    return path


def write_events(path: Path, *, retrained: bool = False) -> Path:
    rng = np.random.default_rng(4)
    lines = []
    for row in range(ROWS):
        ts = START + row * SECOND
        x, y = rng.normal(1.5 if ts >= MOVED else 0.0), rng.normal()
        event = {"type": "prediction", "model": "m", "ts": format_ts(ts), "prediction": 0.5}
        event |= {"prediction_id": f"p{row}", "features": {"x": round(x, 3), "y": round(y, 3)}}
        lines.append(json.dumps(event))
        if retrained and row == 2_300:
            told = {"type": "lifecycle", "model": "m", "ts": format_ts(ts), "version": "2"}
            lines.append(json.dumps(told | {"kind": "retrained"}))
    path.write_text("\n".join(lines))
    return path


# Which contracts.


def test_a_grid_puts_values_into_the_file(contract: Path) -> None:
    grid = parse_grid(["budget.false_pages=1 per 30d,1 per 7d", "features.x.tolerance=0.5"])
    found = variants(contract, grid, 8)
    assert [each.name for each in found] == [
        "budget.false_pages=1 per 30d, features.x.tolerance=0.5",
        "budget.false_pages=1 per 7d, features.x.tolerance=0.5",
    ]
    assert [each.contract.budget.false_pages.per for each in found] == [30 * DAY, 7 * DAY]
    assert [each.contract.feature("x").tolerance for each in found] == [0.5, 0.5]
    (both,) = variants(contract, parse_grid(["detectors=[evidence, adwin]"]), 8)
    assert [plan.name for plan in both.contract.detectors] == ["evidence", "adwin"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("slot", "expected field=value,value"),
        ("slot=", "expected field=value,value"),
        ("slot..x=1h", "expected a dotted path"),
        ("slut=1h", "did you mean slot"),
        ("slot=soon", r"\$\.slot: expected .*, got \"soon\""),
        ("slot.x=1h", "expected a mapping before .x"),
        ("slot=1s,2s,3s,4s,5s,6s,7s,8s,9s", "expected at most 8 combinations, got 9"),
        ("slot={", "expected a value as it stands in YAML"),
    ],
)
def test_a_grid_that_makes_no_sense_is_told_by_field(
    contract: Path, option: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        variants(contract, parse_grid([option]), 8)


def test_a_grid_never_leaves_features_out_unasked(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("model: m\n")
    with pytest.raises(UsageError, match="naming one would leave out the others"):
        variants(tmp_path / "m.yaml", parse_grid(["features.x.tolerance=0.5"]), 8)


def test_candidates_are_of_one_model_and_differ(tmp_path: Path, contract: Path) -> None:
    other, same = tmp_path / "other.yaml", tmp_path / "same.yaml"
    other.write_text("model: n\n")
    same.write_text(contract.read_text() + "budget: {false_pages: 1 per 30d}\n")
    with pytest.raises(UsageError, match="expected a contract of m, got one of n"):
        candidates_of([contract], [other], [])
    with pytest.raises(UsageError, match=r"got the effect of m\.yaml"):
        candidates_of([contract], [same], [])
    with pytest.raises(UsageError, match="got none"):
        candidates_of([], [other], [])
    found = candidates_of([contract], [], ["slot=10s,20s", "budget.false_pages=1 per 7d"])
    assert [each.letter for each in found] == ["A", "B", "C"]
    # Detection alone differs between A and B: their events are read once for both.
    assert [[each.letter for each in group] for group in groups_of(found)] == [["A", "B"], ["C"]]


# What is known.


def test_truth_is_read_from_tables_lines_and_simulations(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "model,feature,kind,since,until\nm,x;y,drift,2024-01-02T00:00:00Z,\nm,,,2024-01-01,1704240000\n"
    )
    first, second = read_truth(tmp_path / "t.csv").all
    assert first.features == ()
    assert format_ts(first.until or 0) == "2024-01-03T00:00:00Z"
    assert (second.features, second.kinds, second.until) == (("x", "y"), ("drift",), None)
    line = '{"model":"m","feature":"x","since":"2024-01-01T00:00:00Z"}'
    (tmp_path / "t.jsonl").write_text(line)
    assert read_truth(tmp_path / "t.jsonl").all[0].features == ("x",)
    out = tmp_path / "traffic"
    told = ["simulate", "--out", str(out), "--models", "credit-risk", "--duration", "2m"]
    assert main([*told, "--calm", "--fault", "mean:credit-risk:age:+1sd@1m"]) == 0
    (fault,) = read_truth(out / "truth.json").all
    assert (fault.model, fault.features, fault.kinds) == ("credit-risk", ("age",), ("drift",))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "model,since\n", "expected 1 to 10,000 rows, got 0"),
        ("t.csv", "model,since\nm,soon\n", "row 1: since: expected"),
        ("t.csv", "since\n2024-01-01\n", "row 1: expected a field model"),
        ("t.csv", "model,feature\nm,x\n", "row 1: expected a field since"),
        ("t.csv", "model,since,until\nm,2024-01-02,2024-01-01\n", "until: expected a time after"),
        ("t.jsonl", "{", "expected rows with model and since"),
        ("t.txt", "", "expected a file ending in .csv, .jsonl or .json"),
    ],
)
def test_a_truth_file_that_says_nothing_names_its_row(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        read_truth(tmp_path / name)


def alert(incident: str, **more: Any) -> dict[str, Any]:
    about = {"feature": "x", "kind": "drift"}
    data = {"incident": incident, "model": "m", "number": 1, "resolved_at": None, **about}
    data |= {"change_point": "2024-01-01T00:00:00Z", "members": [about], **more}
    return {"data": data}


def test_verdicts_come_with_alerts_or_as_events(tmp_path: Path) -> None:
    rows = [
        alert("one", verdict={"verdict": "true", "by": "anna"}),
        alert("two"),
        alert("three"),
        {"type": "lifecycle", "kind": "incident_judged", "incident": "two", "verdict": "false"},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    known = read_verdicts([tmp_path / "a.jsonl"])
    assert [each.verdict for each in known.all] == ["true", "false"]
    assert not known.complete
    # The events alone are enough where a replay has the same incidents.
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows[:3])))
    (tmp_path / "events.jsonl").write_text(json.dumps(rows[3]))
    assert read_verdicts([tmp_path / "events.jsonl"], [tmp_path / "own.jsonl"]).all[0].model == "m"
    with pytest.raises(UsageError, match="got 1 judged and 0 alerts"):
        read_verdicts([tmp_path / "events.jsonl"])
    (tmp_path / "bad.jsonl").write_text("\n[]\n")
    with pytest.raises(UsageError, match="line 2: expected a JSON object"):
        read_verdicts([tmp_path / "bad.jsonl"])


# What it was worth.


def alarm(name: str, at: int, *, feature: str = "x", page: bool = True) -> Alarm:
    about: set[tuple[str | None, str]] = {(feature, "drift")}
    told = Alarm(name, "m", at - HOUR, at, "moved", about, [feature], "drift")
    told.paged_at = at if page else None
    return told


def scored(known: KnownAll, *alarms: Alarm, days: int = 60) -> Score:
    counts = {"m": dict.fromkeys(range(START, START + days * DAY, HOUR), 10)}
    return score(alarms, known, counts, {"m": HOUR})


CHANGE = Known("m", ("x",), ("drift",), START + 10 * DAY, START + 20 * DAY)


def test_pages_are_held_against_what_happened() -> None:
    known = KnownAll((CHANGE,), complete=True)
    at = CHANGE.since + 5 * HOUR
    told = scored(
        known,
        alarm("early", CHANGE.since - HOUR),
        alarm("hint", at - HOUR, page=False),
        alarm("true", at),
        alarm("again", at + HOUR),
        alarm("other", at + HOUR, feature="y"),
        alarm("late", START + 21 * DAY),
    )
    assert [each.verdict for each in told.alarms] == [
        *("false", "true", "true", "true", "false", "false"),
    ]
    assert (len(told.pages), len(told.notices), told.found) == (5, 1, 1)
    assert told.precision == 2 / 5
    assert told.recall == 1.0
    assert told.findings[0].delay == 5 * HOUR
    assert told.findings[0].events == 50
    assert told.months == 2.0
    assert told.false.per_month == 1.5


def test_of_what_nobody_has_judged_nothing_is_known() -> None:
    expected = Known("m", ("y",), (), START, START + DAY, "expected")
    known = KnownAll((expected, CHANGE), complete=False)
    told = scored(
        known, alarm("fine", START + HOUR, feature="y"), alarm("who knows", START + 40 * DAY)
    )
    assert [each.verdict for each in told.alarms] == ["expected", None]
    assert told.precision is None
    assert told.recall == 0.0
    assert told.to_json()["false_pages_per_month"] is None


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668)]
)
def test_a_rate_has_the_exact_interval_of_poisson(count: int, low: float, high: float) -> None:
    assert Rate(count, 1.0).interval == pytest.approx((low, high), abs=0.001)
    assert Rate(count, 2.0).interval == pytest.approx((low / 2, high / 2), abs=0.001)


def test_alarms_of_two_contracts_are_paired_by_what_they_tell_of() -> None:
    first = [alarm("a", START + DAY), alarm("b", START + 2 * DAY, feature="y")]
    other = [alarm("c", START + DAY + HOUR), alarm("d", START + 5 * DAY, feature="z")]
    pairs = [
        (p.first and p.first.incident, p.other and p.other.incident, p.later)
        for p in pairs_of(first, other)
    ]
    assert pairs == [("a", "c", HOUR), ("b", None, None), (None, "d", None)]


def told_of(*scores: Score) -> Any:
    book = load([])
    return judge([(Candidate("ABC"[at], "", book), each) for at, each in enumerate(scores)])


def test_the_verdict_is_told_in_a_sentence() -> None:
    known = KnownAll((CHANGE,), complete=True)
    hit = alarm("hit", CHANGE.since + HOUR)
    later = alarm("hit", CHANGE.since + 3 * HOUR + 600 * SECOND)
    noise = [alarm(f"n{day}", START + (30 + day) * DAY) for day in range(12)]
    noisy, quiet = scored(known, hit, *noise), scored(known, later, *noise[:4])
    told = told_of(noisy, quiet)
    assert told.best is None
    assert told.sentence == (
        "It is a choice: B pages for nothing 3 times less (4 against 12), "
        "but finds the one known change 2 h 10 min later."
    )
    assert told.caution == "So small a difference in pages may be chance."
    silent = scored(known, hit)
    assert told_of(noisy, silent).sentence == (
        "B is better: it never pages for nothing (A: 12 times); "
        "both find the one known change at the same time."
    )
    assert told_of(noisy, silent).caution == ""
    assert told_of(silent, scored(known, noise[0])).sentence == (
        "A is better: it never pages for nothing (B: once), "
        "and finds the one known change that B misses."
    )
    same = told_of(silent, silent).sentence
    assert same == "A and B come to the same: each finds 1 of 1 known changes with 0 false pages."
    assert told_of(noisy, silent, quiet).sentence == (
        "B is the best of 3: it never pages for nothing (A: 12 times); "
        "both find the one known change at the same time."
    )
    alone = told_of(scored(KnownAll(), *noise), scored(KnownAll(), *noise[:2]))
    assert alone.best is None
    assert "nobody has said what really happened" in alone.sentence


def test_one_change_of_several_found_later_is_told() -> None:
    changes = tuple(
        Known("m", (name,), ("drift",), CHANGE.since, CHANGE.until) for name in ("x", "y", "z")
    )
    at = CHANGE.since + HOUR
    soon = scored(KnownAll(changes, complete=True), *(alarm(n, at, feature=n) for n in "xyz"))
    late = scored(
        KnownAll(changes, complete=True),
        *(alarm(n, at + HOUR * (n == "x"), feature=n) for n in "xyz"),
    )
    assert told_of(soon, late).sentence == (
        "A is better: it finds 1 of 3 known changes 1 h sooner; neither pages for nothing."
    )


def test_pages_that_differ_in_nothing_else_are_told() -> None:
    meant = Known("m", ("y",), (), START, START + DAY, "expected")
    known = KnownAll((CHANGE, meant))
    hit = alarm("hit", CHANGE.since + HOUR)
    told = told_of(
        scored(known, hit, alarm("meant", START + HOUR, feature="y")), scored(known, hit)
    )
    assert told.sentence == (
        "B is better: it never pages about what was expected (A: once); "
        "neither pages for nothing, and both find the one known change at the same time."
    )
    more = told_of(scored(known, hit), scored(known, hit, alarm("odd", START + 40 * DAY)))
    assert more.best is None
    assert more.sentence == (
        "It is a choice: B pages twice in all (A: once); "
        "neither pages for nothing, and both find the one known change at the same time."
    )


def test_lengths_of_time_have_two_units() -> None:
    lengths = {0: "0 s", 45: "45 s", 7_800: "2 h 10 min", 86_400: "1 d", 90_061: "1 d 1 h"}
    assert {each: exactly(each * SECOND) for each in lengths} == lengths


# All of it.


def test_contracts_side_by_side_say_what_each_says_alone(
    tmp_path: Path, contract: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_events(tmp_path / "e.jsonl")
    (tmp_path / "truth.csv").write_text(f"model,feature,since\nm,x,{format_ts(MOVED)}\n")
    out = tmp_path / "out"
    common = ["replay", str(source), "--contract", str(contract), "--out", str(out), "--jobs", "1"]
    grid = ["--grid", "slot=10s,60s", "--grid", "budget.false_pages=1 per 30d,1 per 365d"]
    assert main([*common, *grid, "--truth", str(tmp_path / "truth.csv"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((out / "comparison.json").read_bytes())
    assert [each["letter"] for each in told["contracts"]] == ["A", "B", "C", "D"]
    assert told["decoded"] == 2
    for each, candidate in zip(
        told["contracts"], candidates_of([contract], [], grid[1::2]), strict=True
    ):
        assert each["recall"] == 1.0
        assert each["known"][0]["delay_events"] == each["known"][0]["delay_s"]
        assert each["false_pages_per_month"] == 0.0
        alone = tmp_path / f"alone-{each['letter']}"
        request = Request([str(source)], candidate.book, alone, report=False)
        replay(request, clock=lambda: 0.0)
        for name in ("alerts", "feedback", "windows"):
            ours = (out / each["letter"] / f"{name}.jsonl").read_bytes()
            assert ours == (alone / f"{name}.jsonl").read_bytes()
    assert told["verdict"]["sentence"] in (out / "report.html").read_text()


def test_what_is_normal_may_change_on_the_way(tmp_path: Path, contract: Path) -> None:
    source = write_events(tmp_path / "e.jsonl", retrained=True)
    strict = tmp_path / "strict.yaml"
    strict.write_text(contract.read_text() + "detectors: [missing]\n")
    out = tmp_path / "out"
    common = ["replay", str(source), "--contract", str(contract), "--out", str(out), "--jobs", "1"]
    assert main([*common, "--compare", str(strict)]) == 0
    # Each contract learns its own reference: the events are read once more for each.
    assert json.loads((out / "comparison.json").read_bytes())["decoded"] == 3
    for letter, path in (("A", contract), ("B", strict)):
        request = Request([str(source)], load([path]), tmp_path / letter, report=False)
        replay(request, clock=lambda: 0.0)
        alone = (tmp_path / letter / "alerts.jsonl").read_bytes()
        assert (out / letter / "alerts.jsonl").read_bytes() == alone


def test_the_page_draws_itself_in_a_browser(tmp_path: Path, contract: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if browser is None:
        pytest.skip("chromium is not there")
    source = write_events(tmp_path / "e.jsonl")
    (tmp_path / "truth.csv").write_text(f"model,feature,since\nm,x,{format_ts(MOVED)}\n")
    common = ["replay", str(source), "--contract", str(contract), "--out", str(tmp_path / "out")]
    more = ["--grid", "slot=60s", "--truth", str(tmp_path / "truth.csv"), "--jobs", "1"]
    assert main([*common, *more]) == 0
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
        + ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"]
        + ["--virtual-time-budget=3000", "--dump-dom", f"file://{tmp_path / 'out/report.html'}"],
        capture_output=True,
        text=True,
        timeout=50,
    )
    # The lanes, the close-up of what happened, and the sums.
    assert done.stdout.count("<canvas") == 3


def test_options_that_need_each_other_say_so(
    tmp_path: Path, contract: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_events(tmp_path / "e.jsonl")
    common = ["replay", str(source), "--contract", str(contract), "--out", str(tmp_path / "out")]
    assert main([*common, "--truth", str(tmp_path / "t.csv")]) == 2
    assert "expected --compare or --grid" in capsys.readouterr().err
    more = ["--grid", "slot=60s", "--truth", "t.csv", "--verdicts", "v.jsonl"]
    assert main([*common, *more]) == 2
    assert "got both" in capsys.readouterr().err
