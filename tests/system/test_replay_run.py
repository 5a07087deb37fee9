from __future__ import annotations

import csv
import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftline.cli import main
from driftline.contract import load
from driftline.errors import UsageError
from driftline.events.time import format_ts
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.contract import Book
    from driftline.replay.summary import Summary

START = 1_700_000_000_000_000
SECOND = 1_000_000
ROWS = 3_000
BREAK = 2_000


def event(row: int, rng: np.random.Generator, *, moved: bool) -> dict[str, Any]:
    return {
        "type": "prediction",
        "model": "m",
        "ts": format_ts(START + row * SECOND // 2),
        "prediction_id": f"p{row}",
        "prediction": round(float(rng.normal()), 3),
        "features": {
            "x": round(float(rng.normal(1.5 if moved else 0.0)), 3),
            "y": round(float(rng.normal()), 3) if rng.random() > 0.1 else None,
            "c": str(rng.choice(["at", "be", "ch"])),
        },
    }


def flat(row: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in row.items() if name != "features"}
    return out | {f"features.{name}": value for name, value in row["features"].items()}


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [event(row, rng, moved=row >= BREAK) for row in range(ROWS)]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    folder = tmp_path_factory.mktemp("contract")
    rng = np.random.default_rng(2)
    rows = [flat(event(row, rng, moved=False)) for row in range(4_000)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "reference.parquet")
    (folder / "m.yaml").write_text(
        "model: m\nslot: 10s\nlateness: 10s\nwindows: [5m]\n"
        "reference: {from: file, path: reference.parquet}\n"
    )
    return load([folder / "m.yaml"])


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([flat(row) for row in rows]), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, flat(rows[0]))
            writer.writeheader()
            writer.writerows(map(flat, rows))
    return path


def run(book: Book, out: Path, *sources: Path | str, **more: Any) -> Summary:
    request = Request([str(s) for s in sources], book, out, report=False, **more)
    return replay(request, clock=lambda: 0.0)


def outputs(out: Path, *names: str) -> dict[str, str]:
    """What a replay wrote, without the names of the files that it read."""
    found = {}
    for name in ("windows", "alerts", "feedback"):
        text = (out / f"{name}.jsonl").read_text()
        for each in names:
            text = text.replace(each, "SOURCE")
        found[name] = text
    return found


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory, book: Book, events: list[dict[str, Any]]
) -> tuple[dict[str, str], Summary]:
    folder = tmp_path_factory.mktemp("plain")
    summary = run(book, folder / "out", write(folder / "e.jsonl", events))
    return outputs(folder / "out", "e.jsonl"), summary


def test_a_shift_is_found_and_named(plain: tuple[dict[str, str], Summary]) -> None:
    written, summary = plain
    assert summary.counts["events"] == {"prediction": ROWS}
    assert summary.counts["slots"] == ROWS / 20
    assert [found.feature for found in summary.found] == ["x"]
    found = summary.found[0]
    moved = format_ts(START + BREAK * SECOND // 2)
    assert moved < found.detected_at < format_ts(START + (BREAK + 200) * SECOND // 2)
    first = json.loads(written["alerts"].splitlines()[0])
    assert first["type"] == "driftline.alert.opened"
    told = [json.loads(line) for line in written["windows"].splitlines()]
    windows = [window for window in told if "kind" not in window]
    assert sum(window["events"]["prediction"] for window in windows) == ROWS
    assert [w["end"] for w in windows] == sorted(w["end"] for w in windows)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_files_of_all_kinds_in_any_order_say_the_same(
    tmp_path: Path,
    book: Book,
    events: list[dict[str, Any]],
    plain: tuple[dict[str, str], Summary],
    suffix: str,
) -> None:
    shuffled = random.Random(3).sample(events, len(events))
    summary = run(book, tmp_path / "out", write(tmp_path / f"e.{suffix}", shuffled))
    assert outputs(tmp_path / "out", f"e.{suffix}") == plain[0]
    assert summary.counts == plain[1].counts


def test_two_sources_say_the_same_as_one(
    tmp_path: Path,
    book: Book,
    events: list[dict[str, Any]],
    plain: tuple[dict[str, str], Summary],
) -> None:
    one = write(tmp_path / "a.jsonl", events[::2])
    two = write(tmp_path / "b.parquet", events[1::2])
    summary = run(book, tmp_path / "out", one, two)
    written = outputs(tmp_path / "out", "a.jsonl b.parquet")
    assert written == plain[0]
    assert summary.counts == plain[1].counts


def test_a_span_counts_what_lies_in_it(
    tmp_path: Path, book: Book, events: list[dict[str, Any]]
) -> None:
    span = (START + 100 * SECOND, START + 300 * SECOND)
    summary = run(book, tmp_path / "out", write(tmp_path / "e.csv", events), span=span)
    assert summary.counts["events"] == {"prediction": 400}
    assert summary.counts["skipped"] == ROWS - 400
    with pytest.raises(UsageError, match="--to"):
        run(book, tmp_path / "out", tmp_path / "e.csv", span=(2, 1))


def test_every_row_is_counted_once(
    tmp_path: Path, book: Book, events: list[dict[str, Any]]
) -> None:
    lines = [json.dumps(each) for each in events[:200]]
    lines[50:50] = ["{nothing", "[]", '{"ts":"2023-11-14T22:13:30Z","model":"m"}']
    lines.append(lines[10])
    labels = [
        {"model": "m", "ts": format_ts(START + n * SECOND), "prediction_id": f"p{n}", "label": 1}
        for n in range(30)
    ]
    (tmp_path / "e.jsonl").write_text("\n".join(lines))
    path = tmp_path / "l.jsonl"
    path.write_text("\n".join(map(json.dumps, labels)))
    summary = run(book, tmp_path / "out", tmp_path / "e.jsonl", f"labels={path}")
    assert summary.counts["events"] == {"label": 30, "prediction": 200}
    assert summary.counts["duplicates"] == 1
    lines = (tmp_path / "out/deadletters.jsonl").read_text().splitlines()
    letters = [json.loads(line) for line in lines]
    assert summary.counts["dead_letters"] == len(letters)
    assert {letter["source"]["offset"] for letter in letters} <= {50, 51, 52}
    assert letters[0]["value"] == "{nothing"
    assert letters[0]["source"]["topic"] == "e.jsonl"


def test_a_model_that_came_too_seldom_is_said_to_be_unjudged(
    tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    summary = run(load([]), tmp_path / "out", write(tmp_path / "e.jsonl", events[:100]))
    assert summary.warming_up == {"m": 100}


def test_the_same_command_twice_writes_the_same_bytes(
    tmp_path: Path, book: Book, events: list[dict[str, Any]]
) -> None:
    source = write(tmp_path / "e.parquet", events)
    for out in ("one", "two"):
        replay(Request([str(source)], book, tmp_path / out), clock=lambda: 0.0)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {
        "alerts.jsonl",
        "deadletters.jsonl",
        "feedback.jsonl",
        "references.jsonl",
        "report.html",
        "summary.json",
        "windows.jsonl",
    }
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_command_prints_words_or_json(
    tmp_path: Path, events: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "e.jsonl", events)
    contract = tmp_path / "m.yaml"
    contract.write_text("model: m\nreference: {from: warmup, events: 1000}\n")
    common = ["replay", str(source), "--contract", str(contract), "--out", str(tmp_path / "out")]
    assert main(common) == 0
    said = capsys.readouterr()
    assert "Read 3,000 predictions in" in said.out
    assert "drift of x" in said.out
    assert said.err == ""
    assert main([*common, "--json", "--no-report"]) == 0
    assert json.loads(capsys.readouterr().out)["incidents"] == 1
    assert main([*common, "--from", "yesterday"]) == 2
    assert "--from: expected a time" in capsys.readouterr().err
    assert main(["replay", "nowhere.csv", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
