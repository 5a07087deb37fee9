from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import orjson
import pytest
from tests.unit._page import START, alerts, book_of, finding, replayed, view_of

from driftline.contract import DAY, HOUR, SECOND, Book
from driftline.events.record import Source
from driftline.events.time import format_ts
from driftline.replay.history import View as Asked
from driftline.replay.history import draw, read_windows, survey
from driftline.replay.quality import chart, read_quality
from driftline.replay.report import chart_of, marks_of
from driftline.replay.review import answers, read_facts
from driftline.replay.summary import incidents_of
from driftline.ui import charts, pages
from driftline.ui.view import Limits, Reader, View
from driftline.ui.view.columns import reference_of
from driftline.ui.view.tables import FILE
from driftline.ui.worry import Concern, Level, worry

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "credit-risk"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return replayed(tmp_path_factory.mktemp("replayed"))


@pytest.fixture
def reader(outputs: Path, tmp_path: Path) -> Reader:
    view_of(tmp_path, outputs).close()
    return Reader(tmp_path)


def rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    db = sqlite3.connect(folder / FILE)
    names = [n for (n,) in db.execute("select name from sqlite_master where type = 'table'")]
    found = {n: sorted(db.execute(f"select * from {n}"), key=repr) for n in names if n != "offsets"}
    # Beside each cause stands how often anything was said of it, which repeats do not repeat.
    return found | {"causes": [cause[:-1] for cause in found["causes"]]}


def test_the_page_gives_the_answers_of_a_review(reader: Reader, outputs: Path) -> None:
    contract = book_of(outputs).of(MODEL)
    theirs = answers(read_facts(outputs, contract))
    assert answers(reader.facts(contract)) == theirs
    assert len(reader.facts(contract).incidents) == len(incidents_of(outputs / "alerts.jsonl")) > 0


def test_the_page_draws_what_the_report_draws(reader: Reader, outputs: Path) -> None:
    reference = reference_of(reader.db, MODEL)
    assert reference is not None
    windows = list(read_windows(outputs / "windows.jsonl"))
    history = survey(windows, {MODEL: reference})[MODEL]
    found = incidents_of(outputs / "alerts.jsonl")
    for name in ("age", "country", "savings"):
        (drawn,) = draw(windows, history, [Asked([name], history.first, history.last)])
        drawing = charts.of_feature(reader, MODEL, name)
        assert drawing is not None
        (plot,) = drawing["plots"]
        assert plot["times"] == drawn.times
        assert plot["chart"] == chart_of(drawn.points[0], marks_of(name, found))
    quality = charts.of_quality(reader, book_of(outputs), MODEL)
    assert quality is not None
    (theirs,) = read_quality(outputs / "windows.jsonl")
    assert quality["plots"] == [{"kind": "quality", **chart(theirs)}]


def test_an_incident_is_drawn_around_its_change(reader: Reader, outputs: Path) -> None:
    (each,) = [i for i in incidents_of(outputs / "alerts.jsonl") if "age" in i.features]
    plots = charts.of_incident(reader, book_of(outputs), each.incident)
    assert plots is not None
    first = plots["plots"][0]
    assert first["chart"]["name"] == "age"
    (mark,) = first["chart"]["marks"]
    assert first["ends"][0] < mark["change"] <= mark["detected"] < first["ends"][1]
    shown = pages.incident(reader, each.incident)
    assert shown is not None
    assert "→" in shown["moved"][0].text
    assert (
        shown["evidence"][0]["evidence"]["log_e"]
        > shown["evidence"][0]["evidence"]["log_threshold"]
    )


def test_features_that_incidents_name_come_first(reader: Reader, outputs: Path) -> None:
    shown = pages.model(reader, book_of(outputs), MODEL, every=True)
    assert shown is not None
    names = [now.column.name for now, _ in shown["features"]]
    assert set(names[: len(shown["reported"])]) == shown["reported"] >= {"age"}
    excess = [now.excess for now, _ in shown["features"]][len(shown["reported"]) :]
    assert excess == sorted(excess, reverse=True)


def test_a_restart_and_repeats_change_nothing(outputs: Path, tmp_path: Path) -> None:
    view_of(tmp_path / "once", outputs).close()
    book = book_of(outputs)
    for name in ("references", "windows", "feedback", "alerts"):
        lines = (outputs / f"{name}.jsonl").read_bytes().splitlines()
        half = len(lines) // 2
        for number, part in enumerate((lines[:half], lines[: half + 3], lines[half:])):
            view = View(tmp_path / "again", book, str(outputs))
            view.take(name, part, {Source(name, 0): number})
            view.close()
    view = View(tmp_path / "again", book, str(outputs))
    assert view.offsets()[Source("alerts", 0)] == 2
    view.close()
    assert rows(tmp_path / "again") == rows(tmp_path / "once")
    # What comes from elsewhere is not mixed with it.
    other = View(tmp_path / "again", Book(), "another broker")
    assert other.offsets() == {}
    assert Reader(tmp_path / "again").models().total == 0
    other.close()


def test_it_stays_within_its_limits(outputs: Path, tmp_path: Path) -> None:
    kept = Limits(rows=8, incidents=2, days=30, models=3, feedback=4)
    view = view_of(tmp_path, outputs, kept)
    db = Reader(tmp_path).db
    by_feature = "select count(*) from columns where segment = '' group by model, feature"
    counts = {count for (count,) in db.execute(by_feature)}
    assert counts <= {8}
    assert db.execute("select count(*) from feedback").fetchone()[0] <= 4
    life = [(0, finding("a", 0)), (HOUR, finding("a", HOUR, state="cleared"))]
    view.take("alerts", alerts("a", *life), {})
    for number in range(5):
        model = f"m{number}"
        story = [(0, finding(model, 0)), (HOUR + number, finding(model, HOUR, state="cleared"))]
        view.take("alerts", alerts(model, *story), {})
    view.take("alerts", alerts("a", (0, finding("a", 0, feature="income"))), {})
    assert len(view.left_out) == 4
    view.prune()
    resolved = "select count(*) from incidents where not open and model <> ?"
    assert db.execute(resolved, (MODEL,)).fetchone()[0] <= 2
    late = alerts("a", (60 * DAY, finding("a", 60 * DAY, feature="savings")))
    view.take("alerts", late, {})
    view.prune()
    told = db.execute("select about, open from incidents").fetchall()
    assert ("income", 1) in [tuple(row) for row in told]
    assert all(row["open"] for row in told)
    view.close()


def test_what_is_no_message_is_counted_and_passed_over(tmp_path: Path) -> None:
    view = View(tmp_path, Book(), "here")
    good = alerts("a", (0, finding("a", 0)))
    event = orjson.loads(good[0])
    bad = [b"", b"null", b"[1]", b"{}", b'{"data":{"model":7}}', b"\xff"]
    bad += [orjson.dumps(event | {"data": event["data"] | {"severity": None}})]
    bad += [orjson.dumps(event | {"data": event["data"] | {"incident": {"a": 1}}})]
    bad += [orjson.dumps(event | {"time": "yesterday"})]
    view.take("alerts", [*bad, None, *good], {})
    view.refresh()
    assert view.unreadable == len(bad)
    assert Reader(tmp_path).incidents().total == 1
    view.close()


def test_models_come_in_the_order_of_worry(tmp_path: Path) -> None:
    view = View(tmp_path, Book(), "here")
    stories = {
        "notice": [(HOUR, finding("notice", HOUR, severity="notice"))],
        "one-page": [(0, finding("one-page", 0))],
        "two-pages": [
            (0, finding("two-pages", 0)),
            (5 * HOUR, finding("two-pages", 5 * HOUR, kind="quality", feature=None)),
        ],
        "over": [(0, finding("over", 0)), (HOUR, finding("over", HOUR, state="cleared"))],
    }
    for model, story in stories.items():
        view.take("alerts", alerts(model, *story), {})
    changed = view.refresh()
    assert changed.models == set(stories)
    assert len(changed.incidents) == 5
    reader = Reader(tmp_path)
    found = reader.models().rows
    # Of "over" no window has ever come.
    assert [row.model for row in found] == ["two-pages", "one-page", "notice", "over"]
    assert [row.level for row in found] == [Level.PAGE, Level.PAGE, Level.NOTICE, Level.SILENT]
    assert found[1].why == "age: median 41 → 52"
    assert [row.model for row in reader.models("PAGE").rows] == ["two-pages", "one-page"]
    assert reader.models("%").total == 0
    assert reader.models(level=Level.NOTICE).rows[0].model == "notice"
    view.close()


def test_what_several_models_have_in_common_is_one_cause(tmp_path: Path) -> None:
    view = View(tmp_path, Book(), "here")
    for number, model in enumerate(("a", "b", "c")):
        at = number * 10 * SECOND
        view.take("alerts", alerts(model, (at, finding(model, at, feature="income"))), {})
    view.take("alerts", alerts("d", (5 * HOUR, finding("d", 5 * HOUR, feature="income"))), {})
    view.refresh()
    view.close()
    # What is known of it outlives a restart, and one that was not foreseen.
    view = View(tmp_path, Book(), "here")
    at = 30 * SECOND
    view.take("alerts", alerts("e", (at, finding("e", at, feature="income"))), {})
    view.close()
    view = View(tmp_path, Book(), "here")
    view.take("alerts", alerts("e", (at, finding("e", at, feature="income"))), {})
    changed = view.refresh()
    reader = Reader(tmp_path)
    (cause,) = reader.causes()
    assert (cause["title"], cause["models"]) == ("income moved in 4 models", 4)
    page = pages.cause(reader, cause["cause"], 1)
    assert page is not None
    assert {row["model"] for row in page["page"].rows} == {"a", "b", "c", "e"}
    assert changed.incidents == {row["incident"] for row in page["page"].rows}
    first = pages.models(reader, "", "", 1)
    assert first["causes"] == [cause]
    lone = reader.incidents("d").rows[0]["incident"]
    assert reader.cause_of(lone) is None
    shown = pages.incident(reader, page["page"].rows[0]["incident"])
    assert shown is not None
    assert shown["cause"]["cause"] == cause["cause"]
    view.close()


def test_a_model_is_silent_when_its_windows_stay_away(outputs: Path, tmp_path: Path) -> None:
    view = View(tmp_path, Book(), "here")
    lines = (outputs / "windows.jsonl").read_bytes().splitlines()
    view.take("windows", [line for line in lines if b'"kind"' not in line], {})
    view.refresh()
    reader = Reader(tmp_path)
    assert reader.models().rows[0].level == Level.WELL
    as_of = reader.as_of()
    assert as_of is not None
    other = finding("other", as_of - START + 16 * 60 * SECOND, severity="notice")
    view.take("alerts", alerts("other", (as_of - START + 16 * 60 * SECOND, other)), {})
    view.refresh()
    row = reader.model(MODEL)
    assert row is not None
    assert row.level == Level.SILENT
    assert (
        row.why == f"Nothing has been heard of it since {format_ts(as_of)[:19].replace('T', ' ')}"
    )
    view.close()


def test_worry_is_what_is_worst_and_says_why() -> None:
    def concern(severity: str = "page", status: str = "open", by: str | None = None) -> Concern:
        return Concern(severity, f"{severity} text", status, START, by)

    lacks = {"no_runbook": "nothing says what to do", "no_owner": "no team answers for it"}
    overdue = {"review_overdue": "the review was due"} | lacks
    taken, hushed = concern(status="acknowledged", by="bo"), concern("notice", "silenced", "bo")
    failed = "The last drill did not ring: age +1sd"
    cases = [
        ([concern(), concern("notice")], {}, None, Level.PAGE, "page text"),
        ([concern(), taken], {}, None, Level.PAGE, "page text"),
        ([taken], {}, None, Level.TAKEN, "bo is on it: page text"),
        ([concern("notice")], overdue, None, Level.NOTICE, "notice text"),
        ([hushed], overdue, None, Level.VIOLATED, "The review was due"),
        ([], lacks, "age +1sd", Level.UNOWNED, "No team answers for it"),
        ([], {"no_runbook": "x"}, "age +1sd", Level.DRILL_FAILED, failed),
        ([], {"no_runbook": "no runbook"}, None, Level.UNSETTLED, "No runbook"),
        ([], {}, None, Level.WELL, "Nothing is wrong with it"),
    ]  # fmt: skip
    for concerns, violations, drill, level, why in cases:
        found = worry(concerns, violations, drill)
        assert (found.level, found.why) == (level, why)
