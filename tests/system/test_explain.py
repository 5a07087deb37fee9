"""An incident explained: each kind of fault is planted, replayed, and told as it was planted."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import time
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftline.bus.config import Config
from driftline.cli import main
from driftline.contract import parse
from driftline.contract.book import Book
from driftline.errors import UsageError
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.events.time import format_ts, read_ts
from driftline.replay.explain import Case, Explanation, explain
from driftline.replay.explain.choose import choose, open_ones
from driftline.replay.explain.events import beside, read_rows
from driftline.replay.explain.outputs import Folder, incidents, read_case
from driftline.replay.explain.page import page
from driftline.replay.explain.plot import bars, curve
from driftline.replay.explain.reel import Around, stretch_around
from driftline.replay.explain.rows import Rows, rows_of
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from driftline.replay.explain.histogram import Bar

MINUTE = 60_000_000
START = 1_772_409_600_000_000  # 2026-03-02T00:00:00Z
CHANGE = START + 10 * MINUTE
TRICK = "<script>alert(1)</script>"
CONTRACT = """
model: credit-risk
owner: {team: risk-ml, contact: "#risk-ml", escalation: risk-oncall}
runbook: https://wiki.example.com/runbooks/credit-risk
budget: {false_pages: 1 per 30d}
reference: {from: warmup, events: 3000}
sla: {silence: 2m}
"""
BOOK = Book((parse(CONTRACT, "credit-risk.yaml"),))
Made = dict[str, "Path"]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Replay the simulator's traffic with a fault from minute 10 on; each fault once."""
    made: Made = {}

    def of(fault: str) -> Path:
        if fault not in made:
            folder = tmp_path_factory.mktemp("explained")
            arguments = ["simulate", "--out", str(folder), "--models", "credit-risk", "--calm"]
            arguments += ["--duration", "16m", "--rate", "25/s", "--fault", fault]
            assert main(arguments) == 0
            request = Request([str(folder / "events.jsonl")], BOOK, folder / "out", report=False)
            replay(request, clock=time.monotonic)
            made[fault] = folder / "out"
        return made[fault]

    return of


def case_of(out: Path, *, book: Book = BOOK, sources: bool = True, which: int = 0) -> Case:
    said = Folder(out)
    found = incidents(said)
    case = read_case(said, found, found[which], book)
    case.rows = read_rows(case, beside(out) if sources else [], Config(), live=False)
    return case


def of_label(told: Explanation, start: str) -> Bar:
    assert told.histogram is not None
    (bar,) = [bar for bar in told.histogram.bars if bar.label.startswith(start)]
    return bar


def sides(told: Explanation) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the course's main line before the change and after it."""
    course = told.course
    assert course is not None
    times = np.array(course.times)
    line = np.array(course.lines[course.main], dtype=float)
    assert (np.diff(times) == course.stretch).all()
    assert CHANGE in times
    return line[times < CHANGE], line[(times >= CHANGE) & (times < told.case.ended)]


def held(told: Explanation, out: Path) -> list[dict[str, Any]]:
    """Return the sampled events, each looked up in the file where it is said to stand."""
    lines = (out.parent / "events.jsonl").read_bytes().splitlines()
    found = []
    for event in told.examples.events:
        raw = orjson.loads(lines[event.place.offset])
        assert raw["prediction_id"] == event.id
        assert read_ts(raw["ts"]) == event.at
        found.append(raw)
    return found


def test_a_shift_of_the_mean(replayed: Callable[[str], Path]) -> None:
    out = replayed("mean:credit-risk:age:+1sd@10m")
    told = explain(case_of(out))
    part = told.parts[0]
    assert (part.feature, part.kind, part.change) == ("age", "drift", CHANGE)
    assert re.fullmatch(r"median 4\d\S* → 5\d\S*; middle half .*", part.text)
    assert part.strength[0].startswith("evidence: log evidence")
    assert told.state == "open"
    assert told.histogram is not None
    assert sum(bar.was for bar in told.histogram.bars) == pytest.approx(1)
    assert sum(bar.now for bar in told.histogram.bars) == pytest.approx(1)
    # The young have become fewer and the old more, in this order.
    moved = [bar.moved for bar in told.histogram.bars if bar.moved]
    assert moved == sorted(moved)
    assert {-1, 1} <= set(moved)
    before, after = sides(told)
    assert before == pytest.approx(41, abs=3)
    assert after == pytest.approx(53, abs=3)
    events = held(told, out)
    assert len(events) == 8
    assert all(read_ts(each["ts"]) >= CHANGE for each in events)
    assert np.mean([each["features"]["age"] for each in events]) > 50
    assert told.replay.startswith("driftline replay events.jsonl --contract credit-risk.yaml")
    assert told.promise.startswith("at most 1 false page per 30d")


def test_a_change_of_unit_that_is_over(replayed: Callable[[str], Path]) -> None:
    out = replayed("unit:credit-risk:income:x1000@10m..12m")
    told = explain(case_of(out))
    assert told.state == "resolved"
    assert told.life[0].state == "opened"
    assert told.life[-1].state == "resolved"
    assert told.forgotten == 0
    assert "multiplied by 1000" in told.parts[0].text
    above = of_label(told, "above, to ")
    assert (above.was, above.moved) == (0, 1)
    course = told.course
    assert course is not None
    line = np.array(course.lines["median"], dtype=float)
    times = np.array(course.times)
    assert np.nanmax(line[times < CHANGE]) < 100_000
    # All of the fault, and nothing of what came when it was over.
    assert np.nanmin(line[(times >= CHANGE) & (times < CHANGE + 2 * MINUTE)]) > 1e7
    assert np.nanmax(line[times >= CHANGE + 2 * MINUTE]) < 100_000
    assert all(each["features"]["income"] > 3e6 for each in held(told, out))
    assert any(step.text.startswith("retrain closed") for step in told.happened)


def test_a_mix_of_levels(replayed: Callable[[str], Path]) -> None:
    out = replayed("mix:credit-risk:country:20%@10m")
    told = explain(case_of(out))
    gained, lost = of_label(told, "PT"), of_label(told, "DE")
    assert (gained.moved, lost.moved) == (1, -1)
    assert gained.now - gained.was == pytest.approx(0.2, abs=0.04)
    assert {each["features"]["country"] for each in held(told, out)} == {"PT"}
    before, after = sides(told)
    assert abs(np.mean(before) - np.mean(after)) == pytest.approx(0.2, abs=0.04)


def test_missing_values(replayed: Callable[[str], Path]) -> None:
    out = replayed("missing:credit-risk:age:20%@10m")
    told = explain(case_of(out))
    assert told.parts[0].kind == "missing"
    assert of_label(told, "missing").now == pytest.approx(0.2, abs=0.03)
    assert told.course is not None
    assert told.course.what == "share of rows without age"
    before, after = sides(told)
    assert not before.any()
    assert after.mean() == pytest.approx(0.2, abs=0.03)
    assert all(each["features"].get("age") is None for each in held(told, out))


def test_a_level_never_seen_before_is_named(replayed: Callable[[str], Path]) -> None:
    out = replayed("new_category:credit-risk:country:5%@10m")
    told = explain(case_of(out))
    assert of_label(told, "new: unheard-of").now == pytest.approx(0.05, abs=0.02)
    before, after = sides(told)
    assert not before.any()
    assert after.mean() == pytest.approx(0.05, abs=0.02)
    assert {each["features"]["country"] for each in held(told, out)} == {"unheard-of"}


def test_columns_that_move_apart_are_drawn_together(replayed: Callable[[str], Path]) -> None:
    out = replayed("correlation:credit-risk:income@10m")
    told = explain(case_of(out))
    assert {part.feature for part in told.parts} >= {"income"}
    assert told.histogram is None  # each by itself is what it was
    assert told.course is not None
    assert told.course.what == "rank correlation of income and loan_amount"
    before, after = sides(told)
    assert before.mean() == pytest.approx(0.65, abs=0.1)
    assert after.mean() == pytest.approx(0, abs=0.1)
    assert set(told.examples.events[0].values) == {"income", "loan_amount"}


def test_of_a_segment_its_own_rows_are_shown(tmp_path: Path) -> None:
    fault = "mean:credit-risk:age:+1sd@10m in country=DE"
    arguments = ["simulate", "--out", str(tmp_path), "--models", "credit-risk", "--calm"]
    arguments += ["--duration", "14m", "--rate", "25/s", "--segment", "country", "--fault", fault]
    assert main(arguments) == 0
    source = str(tmp_path / "events.jsonl")
    replay(Request([source], BOOK, tmp_path / "out", report=False), clock=time.monotonic)
    told = explain(case_of(tmp_path / "out"))
    part = told.parts[0]
    assert (part.feature, part.segment) == ("age", {"country": "DE"})
    assert part.text.startswith("median")
    before, after = sides(told)
    assert after.mean() - before.mean() == pytest.approx(12, abs=2)
    for raw in held(told, tmp_path / "out"):
        assert raw["segment"] == {"country": "DE"}


def test_silence(replayed: Callable[[str], Path]) -> None:
    out = replayed("silence:credit-risk@10m..14m")
    told = explain(case_of(out))
    assert (told.parts[0].kind, told.parts[0].feature) == ("silence", None)
    assert told.histogram is None
    before, after = sides(told)
    assert before[1:] == pytest.approx(before[1:].mean(), rel=0.3)
    assert not after.any()
    events = held(told, out)
    assert [read_ts(each["ts"]) < CHANGE for each in events] == [True] * 4 + [False] * 4
    assert read_ts(events[4]["ts"]) >= CHANGE + 4 * MINUTE
    assert not [each for each in told.moved if each.stands_out]


QUALITY = """
model: loans
slot: 10m
lateness: 0s
reference: {from: warmup, events: 300}
quality: {metric: accuracy, at_least: 0.8, label_horizon: 6h, window: 6h, positive: "1"}
"""


def test_lost_quality_shows_the_predictions_that_labels_contradict(tmp_path: Path) -> None:
    rng = random.Random(1)
    day = 1_440 * MINUTE
    rows: list[dict[str, Any]] = []
    for number in range(9_000):
        at, score = START + number * 3 * day // 9_000, rng.random()
        right = rng.random() < (0.93 if at < START + 2 * day else 0.6)
        made = int(score >= 0.5)
        about = {"model": "loans", "prediction_id": f"p{number}"}
        rows.append(
            {"type": "prediction", "ts": at, **about, "prediction": made, "score": score,
             "features": {"age": rng.gauss(40, 9)}}
        )  # fmt: skip
        rows.append({"type": "label", "ts": at + 30 * MINUTE, **about, "label": abs(made - right)})
        rows[-1]["label"] = made if right else 1 - made
    lines = (orjson.dumps({**row, "ts": format_ts(row["ts"])}) for row in rows)
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines))
    book = Book((parse(QUALITY, "loans.yaml"),))
    source = str(tmp_path / "events.jsonl")
    replay(Request([source], book, tmp_path / "out", report=False), clock=time.monotonic)
    told = explain(case_of(tmp_path / "out", book=book))
    assert told.parts[0].kind == "quality"
    assert any("against 0.8 promised" in each for each in told.parts[0].strength)
    assert told.course is not None
    assert told.course.normal == {"accuracy": 0.8}
    line = np.array(told.course.lines["accuracy"], dtype=float)
    times = np.array(told.course.times)
    assert np.nanmin(line[times < START + 2 * day]) > 0.88
    assert np.nanmax(line[times >= START + 2 * day]) < 0.7
    assert len(told.examples.events) == 8
    for event in told.examples.events:
        assert event.values["label"] != event.values["prediction"]
    assert any("nobody has written" not in step.text for step in told.life)


def test_what_else_happened_stands_at_its_distance_from_the_change(tmp_path: Path) -> None:
    """People's word, a new version, a field, a dead letter, another model with the same fault."""
    rng = np.random.default_rng(4)
    rows: list[dict[str, Any]] = []
    for number in range(24_000):
        at = START + number * 40_000
        moved = at >= CHANGE
        for model in ("first", "second"):
            features: dict[str, Any] = {
                "shared": float(rng.normal(3 if moved else 0)),
                "follows": float(rng.normal(0.12 if moved else 0)),
                "still": float(rng.normal()),
            }
            if moved:
                features["extra"] = 1
            rows.append(
                {"type": "prediction", "model": model, "ts": format_ts(at),
                 "prediction_id": f"{model}-{number}", "prediction": 0,
                 "version": "v2" if moved else "v1", "features": features}
            )  # fmt: skip
        if number == 14_700:  # 12 s before
            # No deployment: after one what is normal is learnt anew.
            moved_by = {"kind": "feature_store_moved", "by": "ada", "why": TRICK}
            rows.append({"type": "lifecycle", "model": "first", "ts": format_ts(at), **moved_by})
    broken = {"type": "prediction", "model": "first", "ts": format_ts(CHANGE + MINUTE)}
    rows.append({**broken, "prediction": 0})
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    models = [parse(f"model: {m}\nreference: {{from: warmup, events: 3000}}", m)
              for m in ("first", "second")]  # fmt: skip
    book, source = Book(tuple(models)), str(tmp_path / "events.jsonl")
    replay(Request([source], book, tmp_path / "out", report=False), clock=time.monotonic)
    found = incidents(Folder(tmp_path / "out"))
    place = next(
        at for at, each in enumerate(found) if each.model == "first" and each.feature == "shared"
    )
    told = explain(case_of(tmp_path / "out", book=book, which=place))
    said = {each.text: told.case.after(each.at) for each in told.happened}
    assert said[f"feature store moved by ada: {TRICK}"] == "10 s before"
    assert said["version v2 begins to predict (100% of predictions since)"] == "at the change"
    assert said["version v1 predicts for the last time"] == "at the change"
    assert said["extra appears: no event had it before"] == "at the change"
    (dead,) = [text for text in said if text.startswith("a dead letter of events.jsonl")]
    assert "prediction_id" in dead
    assert said[dead] == "1 min after"
    other = told.others[0]
    assert (other.found.model, other.same[0]) == ("second", "shared")
    assert abs(other.apart) <= 10_000_000
    ranked = [each.feature for each in told.moved if each.stands_out]
    assert ranked[0] == "shared"
    # Too little to be reported, and more than chance.
    assert "follows" not in told.case.found.features
    assert "follows" in ranked
    assert "still" not in ranked
    assert TRICK not in page(told)


def test_without_its_events_the_alert_still_shows_what_moved(
    replayed: Callable[[str], Path],
) -> None:
    out = replayed("mean:credit-risk:age:+1sd@10m")
    told = explain(case_of(out, sources=False, book=Book(())))
    assert told.histogram is not None
    assert told.histogram.source == "alert"
    assert [bar.moved for bar in told.histogram.bars].count(1) >= 3
    assert told.course is None
    assert told.examples.events == []
    assert told.examples.text == "no source of events was given"
    assert told.promise == "no contract was given, so what is promised is not known"


def test_where_events_are_gone_the_windows_show_the_course(
    replayed: Callable[[str], Path], tmp_path: Path
) -> None:
    source = replayed("mean:credit-risk:age:+1sd@10m").parent / "events.jsonl"
    book = Book((parse(CONTRACT + "windows: [1m]", "credit-risk.yaml"),))
    replay(Request([str(source)], book, tmp_path, report=False), clock=time.monotonic)
    told = explain(case_of(tmp_path, sources=False, book=book))
    assert told.course is not None
    assert told.course.source == "windows"
    before, after = sides(told)
    assert np.nanmean(before) == pytest.approx(41, abs=3)
    assert np.nanmean(after) == pytest.approx(53, abs=3)
    ranked = [each.feature for each in told.moved if each.stands_out]
    assert ranked[:2] == ["age", "score"]
    assert "income" not in ranked
    assert "was 0." in told.moved[0].text


def test_a_table_is_read_as_lines_are(replayed: Callable[[str], Path], tmp_path: Path) -> None:
    """Its rows are out of order, and named by where they stand."""
    out = replayed("new_category:credit-risk:country:5%@10m")
    rows = list(map(orjson.loads, (out.parent / "events.jsonl").read_bytes().splitlines()))
    random.Random(1).shuffle(rows)
    columns = {
        name: [row.get(name) for row in rows]
        for name in ("type", "model", "ts", "prediction_id", "prediction", "score")
    }
    columns |= {f"features.{name}": [row["features"].get(name) for row in rows]
                for name in ("age", "country")}  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    case = case_of(out, sources=False)
    case.rows = read_rows(case, [str(tmp_path / "events.parquet")], Config(), live=False)
    events = explain(case).examples.events
    assert len(events) == 8
    for event in events:
        raw = rows[event.place.offset]
        assert (raw["prediction_id"], raw["features"]["country"]) == (event.id, "unheard-of")


def test_explaining_is_pure(replayed: Callable[[str], Path]) -> None:
    out = replayed("mean:credit-risk:age:+1sd@10m")
    one, two = (json.dumps(explain(case_of(out)).to_json()) for _ in range(2))
    assert one == two


class _Reel:
    """Two hundred thousand events, half a second out of order here and there."""

    def __init__(self, count: int, begins: int = START) -> None:
        rng = np.random.default_rng(0)
        self.source, self.spec = Source("many", 3), InputSpec("many", "prediction")
        self.ends = (1_000, 1_000 + count)
        self.ts = begins + np.arange(count) * 10_000 + rng.integers(-500_000, 500_000, count)
        self.reads = self.taken = 0

    def read(self, at: int, most: int) -> list[Record]:
        self.reads += 1
        places = range(at, min(at + most, self.ends[1]))
        self.taken += len(places)
        return [
            Record(each, None, orjson.dumps({
                "model": "m", "ts": format_ts(int(self.ts[each - self.ends[0]])),
                "prediction_id": f"{self.source.partition}-{each}", "prediction": 0,
            }))
            for each in places
        ]  # fmt: skip

    def origin(self, offset: int) -> int:
        return offset


def test_a_long_source_is_searched_by_halves_and_sampled_evenly() -> None:
    reel = _Reel(200_000)
    middle = START + 1_000 * 1_000_000
    around = Around(middle - 400 * 1_000_000, middle, middle + 400 * 1_000_000)
    taken = stretch_around(reel, around, 1_000_000, most=4_800)
    ts = np.sort(np.concatenate([frame.ts for frame in taken.frames]))
    assert reel.reads < 150
    assert reel.taken < 2 * 4_800 + 60 * 16
    assert not taken.whole
    assert not taken.gone
    assert abs(int(ts[0]) - around.first) < 2_000_000
    assert abs(int(ts[-1]) - around.last) < 4_000_000
    # No gap is larger than what lies between two pieces, and the change itself is inside of one.
    assert np.diff(ts).max() < 1.1 * (around.last - around.change) / 23
    assert ((ts > middle - 300_000) & (ts < middle + 300_000)).sum() > 30
    near = Around(middle - 10_000_000, middle, middle + 10_000_000)
    exact = stretch_around(reel, near, 1_000_000, most=4_800)
    ids = [name for frame in exact.frames for name in frame.ids or ()]
    inside = np.flatnonzero((reel.ts >= near.first) & (reel.ts <= near.last)) + 1_000
    assert exact.whole
    assert {f"3-{each}" for each in inside} <= set(ids)
    assert len(ids) == len(set(ids))


def test_events_that_are_kept_no_longer_are_said_to_be_gone() -> None:
    reel = _Reel(500, begins=CHANGE + 60 * MINUTE)
    around = Around(CHANGE - MINUTE, CHANGE, CHANGE + MINUTE)
    assert stretch_around(reel, around, 0).gone
    assert not stretch_around(_Reel(500, begins=CHANGE - MINUTE), around, 0).gone


def test_a_partition_that_went_quiet_is_told_and_so_are_labels_that_became_slower(
    replayed: Callable[[str], Path],
) -> None:
    case = case_of(replayed("mean:credit-risk:age:+1sd@10m"), sources=False)
    around = Around(CHANGE - MINUTE, CHANGE, CHANGE + MINUTE)
    going, stopped = _Reel(9_000, CHANGE - MINUTE), _Reel(5_000, CHANGE - MINUTE)
    stopped.source = Source("many", 4)
    taken = [(reel, stretch_around(reel, around, 1_000_000)) for reel in (going, stopped)]
    case.rows = rows_of("m", (), around, taken)
    assert case.rows.quiet == ["many/4"]
    assert len(case.rows) == sum(((r.ts >= around.first) & (r.ts <= around.last)).sum()
                                 for r in (going, stopped))  # fmt: skip
    # All that fell silent is the model, and not a partition of it.
    assert rows_of("m", (), around, taken[1:]).quiet == []
    hour = 60 * MINUTE
    case.told["quality"] = [
        {"start": format_ts(at), "end": format_ts(at + hour), "label_delay_s": delay,
         "metric": "auc", "realised": {}}
        for at, delay in ((CHANGE - 2 * hour, 600.0), (CHANGE, 7_200.0))
    ]  # fmt: skip
    said = {each.text: each.source for each in explain(case).happened}
    assert said["nothing more came on many/4, while other partitions went on"] == "events"
    assert said["labels have become slower: 2 h in the median, was 10 min"] == "quality"


def test_an_incident_is_chosen_by_how_its_id_begins(replayed: Callable[[str], Path]) -> None:
    (one, *_) = incidents(Folder(replayed("mean:credit-risk:age:+1sd@10m")))
    ids = ("ab12cd34ef56ab12", "ab12ff34ef56ab12", "0123456789abcdef")
    found = [dataclasses.replace(one, incident=name) for name in ids]
    found[2].resolved_at = found[2].detected_at
    assert choose(found, "0") is found[2]
    assert choose(found, "AB12C") is found[0]
    assert choose(found, None) is None
    assert choose(found[1:], None) is found[1]
    assert [each.incident for each in open_ones(found)] == list(ids[:2])
    with pytest.raises(UsageError, match="expected one incident, got 2: ab12cd34ef56ab12"):
        choose(found, "ab12")
    with pytest.raises(UsageError, match="no such; the nearest: ab12cd34ef56ab12"):
        choose(found, "ab12cd34ef56ab13")
    with pytest.raises(UsageError, match="got a model; its incidents: "):
        choose(found, "credit-risk")
    with pytest.raises(UsageError, match="no alert has been published"):
        choose([], "ab")


def test_what_people_did_to_it_is_told(replayed: Callable[[str], Path], tmp_path: Path) -> None:
    out = replayed("mean:credit-risk:age:+1sd@10m")
    (one, *_) = incidents(Folder(out))
    about = {"type": "lifecycle", "model": "credit-risk", "incident": one.incident, "by": "ada"}
    until = format_ts(CHANGE + 60 * MINUTE)
    acts = [
        {"kind": "incident_acknowledged", "why": "known"},
        {"kind": "incident_silenced", "why": "a feed is mended", "until": until},
        {"kind": "incident_judged", "verdict": "true"},
    ]
    lines = [
        orjson.dumps({**about, **act, "ts": format_ts(CHANGE + (at + 1) * MINUTE)})
        for at, act in enumerate(acts)
    ]
    source = tmp_path / "events.jsonl"
    source.write_bytes((out.parent / "events.jsonl").read_bytes() + b"\n".join(lines))
    replay(Request([str(source)], BOOK, tmp_path / "out", report=False), clock=time.monotonic)
    told = explain(case_of(tmp_path / "out"))
    assert told.case.found.incident == one.incident
    assert told.state == (
        "open, acknowledged by ada, silenced until 2026-03-02 01:10:00 by ada, judged true by ada"
    )
    acted = [step for step in told.life if step.by == "ada"]
    assert [step.state for step in acted] == ["acknowledged", "silenced", "judged"]
    assert acted[1].text == "a feed is mended; until 2026-03-02 01:10:00"
    assert "1 judged true" in told.promise
    assert told.forgotten == 0
    assert told.parts[0].text.startswith("median")
    assert told.histogram is not None
    del told.case.alerts[1:3]  # what compaction leaves
    assert explain(told.case).forgotten == 2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_plots_fit_the_terminal(replayed: Callable[[str], Path], width: int) -> None:
    for fault in ("mean:credit-risk:age:+1sd@10m", "mix:credit-risk:country:20%@10m"):
        told = explain(case_of(replayed(fault)))
        assert told.histogram is not None
        assert told.course is not None
        lines = bars(told.histogram, width)
        assert max(line.cell_len for line in lines) <= width
        drawn = curve(told.course, width)
        assert max(line.cell_len for line in drawn) <= width
        (axis,) = [line.plain for line in drawn if "└" in line.plain]
        # What stands above and below the mark is what came before and after it.
        assert axis.count("▲") == 1


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loading = ("src", "href") if tag == "link" else ("src",)
        self.loads += [value or "" for name, value in attrs if name in loading]


def test_the_command_prints_lists_and_draws(
    replayed: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = replayed("mean:credit-risk:age:+1sd@10m")
    (tmp_path / "c.yaml").write_text(CONTRACT)
    arguments = ["explain", "--from", str(out), "--contract", str(tmp_path / "c.yaml")]
    capsys.readouterr()
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert not re.search(r" +$", text, re.M)
    for section in ("What moved", "What else moved then", "What happened near it", "The events"):
        assert f"\n{section}\n" in text
    # Copied as it stands: on one line.
    assert re.search(r"^driftline replay .* --out replay-[0-9a-f]{16}$", text, re.M)
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parts"][0]["feature"] == "age"
    assert told["parts"][0]["change"] == "2026-03-02T00:10:00Z"
    assert len(told["events"]["sample"]) == 8
    html = tmp_path / "one.html"
    assert main([*arguments, "--picture", str(html)]) == 0
    parsed = _Page()
    parsed.feed(html.read_text())
    assert parsed.loads == []
    pytest.importorskip("matplotlib")
    for name, head in (("one.svg", b"<?xml"), ("one.png", b"\x89PNG")):
        assert main([*arguments, "--picture", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(head)
    capsys.readouterr()
    over = replayed("unit:credit-risk:income:x1000@10m..12m")
    assert main(["explain", "--from", str(over)]) == 0
    assert "No incident is open.\nThe latest, all resolved:" in capsys.readouterr().out


def test_what_is_asked_wrongly_is_one_line(
    replayed: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(replayed("mean:credit-risk:age:+1sd@10m"))
    cases = (
        (["zz", "--from", out], 2, "zz: expected an incident, got no such"),
        (["--from", str(tmp_path)], 1, "expected a replay's outputs, got no alerts.jsonl"),
        (["--from", out, "--picture", "x.gif"], 2, "expected a file ending in .html, .svg or .png"),
        (["--from", out, "--picture", "no/x.svg"], 2, "expected a folder that is there"),
        (["--from", out, "--source", "gone.jsonl"], 2, "gone.jsonl: no such file"),
        (["--bootstrap", "127.0.0.1:9"], 1, "127.0.0.1:9: "),
        (["--from", out, "--source", "kafka://127.0.0.1:9/x"], 1, "127.0.0.1:9: "),
    )
    for arguments, code, text in cases:
        capsys.readouterr()
        assert main(["explain", *arguments]) == code, arguments
        said = capsys.readouterr().err
        assert text in said
        assert len(said.splitlines()) == 1


def test_no_rows_say_why() -> None:
    assert Rows.none("gone").note == "gone"
    assert len(Rows.none("gone")) == 0
