"""``driftline worker`` with the real pipeline, as a process, on a real broker."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from driftline.broker.ready import free_ports
from driftline.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from driftline.broker.protocol import Broker

END_S = 90
START_MS = 1_770_000_000_000


def event(number: int) -> bytes:
    return orjson.dumps(
        {
            "model": "m",
            "prediction_id": f"p{number}",
            "ts": START_MS + number * 100,
            "prediction": number % 7 / 7,
            "features": {"x": number % 13 / 13, "kind": "ab"[number % 2]},
        }
    )


@pytest.fixture
def settings(broker: Broker, topic_prefix: str, tmp_path: Path) -> Path:
    """A configuration whose topics are there."""
    path = tmp_path / "driftline.yaml"
    path.write_text(
        f"""
broker: {{bootstrap: "{broker.bootstrap}", give_up_after: 10s}}
group: {topic_prefix}group
prefix: {topic_prefix}
inputs: [{{topic: {topic_prefix}predictions, type: prediction}}]
outputs: {{partitions: 2}}
idle_after: 1s
session_timeout: 6s
"""
    )
    arguments = ["--config", str(path), "--with-inputs", "--input-partitions", "2"]
    assert main(["topics", "apply", *arguments, "--input-retention", "forever"]) == 0
    return path


@pytest.fixture
def start(settings: Path) -> Iterator[Any]:
    started: list[subprocess.Popen[str]] = []

    def run(*options: str, config: Path = settings) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "driftline", "worker", "--config", str(config), *options],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_S
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_events_become_windows_and_each_counts_once(
    start: Any, kafka: Any, topic_prefix: str
) -> None:
    values = [event(number) for number in range(2_000)]
    kafka.produce(f"{topic_prefix}predictions", [*values, b"{", b"[]"])
    worker = start("--until-idle", "1")
    _, log = worker.communicate(timeout=END_S)
    assert worker.returncode == 0, log
    assert "password" not in log
    assert f"prefix: {topic_prefix}" in log
    windows = {r.key: orjson.loads(r.value) for r in kafka.consume(f"{topic_prefix}windows")}
    plain = [window for window in windows.values() if "kind" not in window]
    counted = sum(window["events"].get("prediction", 0) for window in plain)
    dead = kafka.consume(f"{topic_prefix}deadletter")
    assert counted == 2_000
    assert [record.value for record in dead] == [b"{"]


def test_health_and_graceful_stop(start: Any, kafka: Any, topic_prefix: str) -> None:
    (port,) = free_ports(1)
    worker = start("--health-port", str(port), "--quiet")
    until(lambda: ask(port, "/ready")[0] == 200)
    kafka.produce(f"{topic_prefix}predictions", [event(number) for number in range(100)])
    counted = 'driftline_events_total{type="prediction"} 100.0'
    until(lambda: counted in ask(port, "/metrics")[1])
    status, body = ask(port, "/live")
    assert (status, json.loads(body)["live"]) == (200, True)
    partitions = json.loads(ask(port, "/ready")[1])["partitions"]
    assert partitions == sorted(
        f"{topic_prefix}{name}/{n}" for name in ("panes", "predictions") for n in (0, 1)
    )
    until(lambda: "driftline_committed_offset" in ask(port, "/metrics")[1])
    until(lambda: "driftline_lag_records{" in ask(port, "/metrics")[1])
    text = ask(port, "/metrics")[1]
    assert "driftline_snapshot_age_seconds{" in text
    assert 'driftline_partitions{stage="detect"} 2.0' in text
    if promtool := shutil.which("promtool"):
        said = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30
        )
        assert (said.returncode, said.stdout + said.stderr) == (0, "")
    worker.send_signal(signal.SIGTERM)
    _, log = worker.communicate(timeout=END_S)
    assert worker.returncode == 0
    assert log == ""


def test_several_processes_and_one_failure_stops_all(
    start: Any, kafka: Any, topic_prefix: str
) -> None:
    worker = start("--concurrency", "2", "--until-idle", "1")
    kafka.produce(f"{topic_prefix}predictions", [event(number) for number in range(300)])
    _, log = worker.communicate(timeout=END_S)
    assert worker.returncode == 0, log
    # What cannot be read in `panes` is no record's fault: the pipeline writes that topic.
    kafka.produce(f"{topic_prefix}panes", [b"rubbish"], key=b"m")
    worker = start("--concurrency", "2")
    _, log = worker.communicate(timeout=END_S)
    assert worker.returncode == 1, log
    assert "expected a pane or a mark, got b'rubbish'" in log
    assert log.splitlines()[-1].startswith("driftline: error: a worker ended with exit code 1")


def test_corrupt_state_is_a_clear_error_and_stays(
    start: Any, kafka: Any, topic_prefix: str
) -> None:
    for _ in range(8):
        kafka.produce(f"{topic_prefix}state", [b"\x00rubbish"], key=b"m")
    worker = start("--until-idle", "1")
    _, log = worker.communicate(timeout=END_S)
    assert worker.returncode == 1
    assert log.splitlines()[-1].startswith("driftline: error: state of m: cannot be read: ")
    assert {record.value for record in kafka.consume(f"{topic_prefix}state")} == {b"\x00rubbish"}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("broker: {bootstrap: '127.0.0.1:1'}", 1, "driftline: error: 127.0.0.1:1: Kafka"),
        ("broker: {bootstrap: nowhere}", 2, "bootstrap: expected host:port"),
        ("contracts: [nowhere/*.yaml]", 2, "contracts: no file matches"),
    ],
)
def test_what_keeps_a_worker_from_starting_is_one_line(
    start: Any, tmp_path: Path, text: str, code: int, line: str
) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(text)
    worker = start("--quiet", config=path)
    _, log = worker.communicate(timeout=END_S)
    assert (worker.returncode, line in log, len(log.splitlines())) == (code, True, 1), log


def test_missing_topics_are_named(start: Any, broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(f"{{broker: {{bootstrap: '{broker.bootstrap}'}}, prefix: nowhere-}}")
    worker = start("--quiet", config=path)
    _, log = worker.communicate(timeout=END_S)
    assert worker.returncode == 1
    assert "nowhere-panes: expected a topic, found none" in log
    assert "driftline topics apply" in log


def test_a_group_that_cannot_be_joined_is_one_line(start: Any, settings: Path) -> None:
    # Shorter than brokers allow (6 s): aiokafka tells it to those who ask, and otherwise waits.
    settings.write_text(settings.read_text().replace("session_timeout: 6s", "session_timeout: 2s"))
    worker = start("--quiet", "--until-idle", "1")
    _, log = worker.communicate(timeout=END_S)
    assert worker.returncode == 1, log
    assert len(log.splitlines()) == 1
    assert "InvalidSessionTimeoutError" in log
