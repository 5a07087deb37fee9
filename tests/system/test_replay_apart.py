"""Sources observed apart give the bytes of one process."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftline.cli import main
from driftline.contract import load
from driftline.errors import UsageError
from driftline.events.time import format_ts
from driftline.replay import hosts, parallel, supply
from driftline.replay.parallel import Engine
from driftline.replay.run import Request, replay
from driftline.replay.saved import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from driftline.contract import Book

START = 1_700_000_000_000_000
SECOND = 1_000_000
WRITTEN = ("alerts", "feedback", "windows", "deadletters", "references")


def prediction(
    model: str, row: int, ts: int, rng: np.random.Generator, mean: float
) -> dict[str, Any]:
    return {
        "type": "prediction",
        "model": model,
        "ts": format_ts(ts),
        "prediction_id": f"{model}-{row}",
        "prediction": str(rng.choice(["yes", "no"])),
        "score": round(float(rng.random()), 3),
        "version": "2" if mean else "1",
        "segment": {"region": str(rng.choice(["eu", "us"]))},
        "features": {
            "x": round(float(rng.normal(mean)), 3),
            "c": str(rng.choice(["at", "be"])) if rng.random() > 0.05 else None,
        },
    }


def write_archive(folder: Path, seed: int, rows: int = 2_400) -> list[str]:
    """Two models in three files that overlap, with all that can go wrong in one."""
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    lines: list[list[str]] = [[], []]
    labels = []
    for row in range(rows):
        ts = START + row * SECOND
        for model, change in (("a", rows // 2), ("b", rows * 3 // 4)):
            event = prediction(model, row, ts, rng, 1.5 if row >= change else 0.0)
            lines[chance.randrange(2)].append(json.dumps(event))
            if row % 3 == 0:
                late = ts + chance.randrange(600) * SECOND
                label = {"type": "label", "model": model, "ts": format_ts(late)}
                labels.append(label | {"prediction_id": event["prediction_id"], "label": "yes"})
            if row == change + rows // 10:
                retrained = {"type": "lifecycle", "kind": "retrained", "model": model}
                lines[0].append(json.dumps(retrained | {"ts": format_ts(ts), "version": "2"}))
        if row % 500 == 7:
            told = {"type": "lifecycle", "kind": "maintenance", "model": "b", "ts": format_ts(ts)}
            told |= {"until": format_ts(ts + 60 * SECOND), "by": "anna", "why": "a new feed"}
            lines[0].append(json.dumps(told))
        if row % 97 == 0:
            lines[chance.randrange(2)].append(chance.choice(["{", '{"type":"label"}', "7"]))
        if row % 203 == 202:
            lines[0].append(lines[0][-2])
    lines[1].insert(0, "not json")
    chance.shuffle(lines[1])
    (folder / "one.jsonl").write_text("\n".join(lines[0]))
    (folder / "two.jsonl").write_text("\n".join(lines[1]))
    pq.write_table(pa.Table.from_pylist(labels), folder / "labels.parquet", row_group_size=500)
    return [str(folder / name) for name in ("one.jsonl", "two.jsonl", "labels.parquet")]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    rng = np.random.default_rng(9)
    rows = [prediction("b", row, START, rng, 0.0) for row in range(3_000)]
    flat = [{f"features.{k}": v for k, v in row["features"].items()} for row in rows]
    pq.write_table(pa.Table.from_pylist(flat), tmp_path / "b.parquet")
    (tmp_path / "a.yaml").write_text(
        "model: a\nslot: 10s\nlateness: 10s\nwindows: [5m]\nsample: 8\n"
        "reference: {from: warmup, events: 500}\n"
        "quality: {metric: auc, at_least: 0.6, label_horizon: 20m, window: 10m}\n"
    )
    (tmp_path / "b.yaml").write_text(
        "model: b\nslot: 15s\nlateness: 0s\nwindows: [5m]\n"
        "reference: {from: file, path: b.parquet}\n"
    )
    return load([tmp_path / "a.yaml", tmp_path / "b.yaml"])


@contextmanager
def _in_a_thread(_: int) -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def run(sources: list[str], book: Book, out: Path, engine: Engine | None, **more: Any) -> None:
    request = Request(sources, book, out, report=False, engine=engine, **more)
    replay(request, clock=lambda: 0.0)


def outputs(out: Path) -> dict[str, bytes]:
    found = {name: (out / f"{name}.jsonl").read_bytes() for name in WRITTEN}
    return found | {"summary": (out / "summary.json").read_bytes()}


@pytest.mark.parametrize("seed", range(3))
def test_stretches_say_what_whole_files_say(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    sources = write_archive(tmp_path, seed)
    span = (START + 300 * SECOND, START + 2_100 * SECOND) if seed == 2 else (None, None)
    run(sources, book, tmp_path / "whole", None, span=span)
    monkeypatch.setattr(parallel, "processes", _in_a_thread)
    # Judges in this process, of one share each: what is held here is who judges what.
    monkeypatch.setattr(hosts, "_There", _Apart)
    monkeypatch.setattr(supply, "RECORDS", 150 + 37 * seed)
    monkeypatch.setattr(supply, "FIRST", 90)
    given: list[int] = []
    file_supply = supply.FileSupply.__init__

    def counted(self: supply.FileSupply, *arguments: Any) -> None:
        file_supply(self, *arguments)
        given.append(len(self._stretches))

    monkeypatch.setattr(supply.FileSupply, "__init__", counted)
    run(sources, book, tmp_path / "apart", Engine(2), span=span)
    whole, apart = outputs(tmp_path / "whole"), outputs(tmp_path / "apart")
    assert min(given) > 5
    assert json.loads(whole["summary"])["incidents"] >= 2
    assert json.loads(whole["summary"])["dead_letters"] > 20
    for name, told in whole.items():
        assert apart[name] == told, name


class _Apart:
    """Groups of judges one after the other in this process."""

    def __init__(self, groups: Any, folder: Path) -> None:
        self._here = [hosts._Here(group, folder, str(place)) for place, group in enumerate(groups)]

    def take(self, step: Any, *, exact: bool) -> list[bytes]:
        return [value for here in self._here for value in here.take(step, exact=exact)]

    def finish(self) -> Any:
        return [each for here in self._here for each in here.finish()]

    def kill(self) -> None:
        pass

    def close(self) -> None:
        for here in self._here:
            here.close()


@pytest.mark.timeout(240)
def test_processes_say_what_one_says(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = write_archive(tmp_path, 7)
    run(sources, book, tmp_path / "one", None)
    monkeypatch.setattr(supply, "RECORDS", 1_500)
    monkeypatch.setattr(supply, "FIRST", 500)
    run(sources, book, tmp_path / "two", Engine(2))
    assert outputs(tmp_path / "two") == outputs(tmp_path / "one")


def write_long(path: Path, rows: int) -> Path:
    """Many events of model b, which moves after two thirds of them."""
    x = np.random.default_rng(3).normal(size=rows).round(3)
    x[rows * 2 // 3 :] += 1.5
    head = '{"type":"prediction","model":"b","prediction":"yes","score":0.5,'
    with path.open("w") as file:
        for row, value in enumerate(x.tolist()):
            ts = format_ts(START + row * SECOND // 20)
            file.write(f'{head}"ts":"{ts}","prediction_id":"{row}","features":')
            file.write(f'{{"x":{value},"c":"{"at" if row % 2 else "be"}"}}}}\n')
    return path


def replay_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "driftline", "replay", *map(str, arguments)]


@pytest.mark.timeout(240)
def test_a_killed_replay_goes_on_from_its_checkpoints(
    tmp_path: Path, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    write_long(tmp_path / "e.jsonl", 60_000)
    common = [tmp_path / "e.jsonl", "--contract", tmp_path / "b.yaml", "--no-report"]
    assert main(["replay", *map(str, common), "--jobs", "1", "--out", str(tmp_path / "one")]) == 0
    out = tmp_path / "two"
    command = replay_command(*common, "--out", out, "--jobs", 1, "--resume")
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as killed:
        end = time.monotonic() + 100
        while not list((out / FOLDER).glob("*.zst")) and time.monotonic() < end:
            time.sleep(0.02)
        # The whole session: what a machine does that goes down.
        os.killpg(killed.pid, signal.SIGKILL)
    left = {path.name for path in (out / FOLDER).glob("*.zst")}
    assert left
    assert not (out / "summary.json").exists()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"going on: {len(left)} stretch" in done.stderr
    for name in WRITTEN:
        assert (out / f"{name}.jsonl").read_bytes() == (
            tmp_path / "one" / f"{name}.jsonl"
        ).read_bytes()
    told = [json.loads((each / "summary.json").read_bytes()) for each in (out, tmp_path / "one")]
    for each in told:
        del each["seconds"], each["events_per_second"]
    assert told[0] == told[1]
    # What was kept is of no more use, and the folder of the killed run has gone as well.
    assert {path.name for path in out.iterdir()} == {
        *(f"{name}.jsonl" for name in WRITTEN),
        "summary.json",
    }


def test_checkpoints_of_other_contracts_are_not_taken(tmp_path: Path, book: Book) -> None:
    sources = write_archive(tmp_path, 1, rows=400)
    (tmp_path / "two" / FOLDER).mkdir(parents=True)
    (tmp_path / "two" / FOLDER / "bound").write_text("something else")
    (tmp_path / "two" / FOLDER / "00000-000000.zst").write_bytes(b"of another replay")
    told: list[str] = []
    request = Request(sources, book, tmp_path / "two", report=False, engine=Engine(1, resume=True))
    replay(request, clock=lambda: 0.0, tell=told.append)
    assert told == ["the checkpoints there are of other sources or contracts: begun anew"]
    run(sources, book, tmp_path / "one", None)
    assert outputs(tmp_path / "two") == outputs(tmp_path / "one")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", ["a child is there", "a checkpoint is there"])
def test_ctrl_c_ends_the_children(tmp_path: Path, book: Book, moment: str) -> None:
    write_long(tmp_path / "e.jsonl", 60_000)
    command = replay_command(
        *(
            tmp_path / "e.jsonl",
            "--contract",
            tmp_path / "a.yaml",
            "--contract",
            tmp_path / "b.yaml",
        ),
        *("--out", tmp_path / "out", "--jobs", 2, "--resume"),
    )
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as running:
        end = time.monotonic() + 100
        while time.monotonic() < end:
            if moment == "a child is there" and len(_session(running.pid)) > 1:
                break
            if list((tmp_path / "out").glob(f"{FOLDER}/*.zst")):
                break
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 130, said
        assert b"Traceback" not in said
    end = time.monotonic() + 10
    while _session(running.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _session(running.pid)


def _session(group: int) -> list[str]:
    """Processes of a session that are still there."""
    listed = subprocess.run(["ps", "-o", "pid=", "-s", str(group)], capture_output=True, text=True)
    return listed.stdout.split()


@pytest.mark.timeout(240)
def test_a_dask_cluster_says_what_one_process_says(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="comes with driftline[dask]")
    sources = write_archive(tmp_path, 5, rows=1_500)
    run(sources, book, tmp_path / "one", None)
    monkeypatch.setattr(supply, "RECORDS", 700)
    monkeypatch.setattr(supply, "FIRST", 300)
    run(sources, book, tmp_path / "two", Engine(1, "dask"))
    assert outputs(tmp_path / "two") == outputs(tmp_path / "one")


def test_options_of_engines_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.jsonl").write_text('{"model":"m","ts":1,"prediction_id":"a","label":1}')
    common = ["replay", str(tmp_path / "labels.jsonl"), "--out", str(tmp_path / "out")]
    assert main([*common, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "--engine dask" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*common, "--engine", "dask"]) == 2
    assert "driftline[dask]" in capsys.readouterr().err


def test_a_folder_says_what_its_files_say(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    lines = write_long(tmp_path / "e.jsonl", 6_000).read_text().splitlines(keepends=True)
    names = [f"{part}.jsonl.gz" if part % 2 else f"{part}.jsonl" for part in range(9)]
    for part, name in enumerate(names):
        data = "".join(lines[part * 700 : (part + 1) * 700]).encode()
        (folder / name).write_bytes(gzip.compress(data) if part % 2 else data)
    run([str(folder / name) for name in names], book, tmp_path / "files", None)
    run([str(folder)], book, tmp_path / "whole", None)
    monkeypatch.setattr(supply, "RECORDS", 300)
    monkeypatch.setattr(supply, "FIRST", 300)
    run([str(folder)], book, tmp_path / "apart", Engine(1))
    files = outputs(tmp_path / "files")
    assert outputs(tmp_path / "whole") == files
    assert outputs(tmp_path / "apart") == files


def test_a_column_holds_the_same_in_all_files_of_a_folder(tmp_path: Path, book: Book) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    head = "type,ts,prediction_id,prediction,features.zip\n"
    (folder / "1.csv").write_text(head + "prediction,2024-01-01,a,1,1010\n")
    (folder / "2.csv").write_text(head + "prediction,2024-01-02,b,1,\n")
    (folder / "3.csv").write_text(head + "prediction,2024-01-03,c,1,A-1010\n")
    with pytest.raises(UsageError, match=r"features\.zip: number in .*1\.csv, text in .*3\.csv"):
        run([str(folder)], book, tmp_path / "out", None)
    files = [str(folder / f"{part}.csv") for part in (1, 2, 3)]
    run(files, load([]), tmp_path / "out", None)
