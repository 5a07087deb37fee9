"""``driftline demo`` as a process, on a broker that stays: what it says, and what it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from driftline.bus import topics
from driftline.bus.config import BrokerConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from driftline.broker.protocol import Broker

END_S = 180
STOP_S = 45

pytestmark = [pytest.mark.broker, pytest.mark.timeout(END_S + 2 * STOP_S)]


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a demo whose temporary files lie in the test's own folder."""
    started: list[subprocess.Popen[str]] = []

    def run(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "driftline", "demo", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DRIFTLINE_BROKER": broker.bootstrap, "TMPDIR": str(tmp_path)},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=STOP_S)


def processes(folder: Path) -> dict[int, str]:
    """Return those of a demo, known by the folder in their arguments."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(folder) in words:
                found[int(entry.name)] = words
    return found


def worker_of(demo: subprocess.Popen[str], folder: Path) -> int:
    """Wait for the demo's worker; return its process id."""
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        assert demo.poll() is None, demo.communicate()
        for pid, words in processes(folder).items():
            if " worker " in words:
                return pid
        time.sleep(0.05)
    raise AssertionError(demo.args)


def assert_clean(folder: Path) -> None:
    deadline = time.monotonic() + STOP_S
    while (processes(folder) or list(folder.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes(folder)
    assert not list(folder.iterdir())


def left_topics(broker: Broker) -> list[str]:
    async def ask() -> list[str]:
        async with topics.administering(BrokerConfig(bootstrap=broker.bootstrap)) as admin:
            return [name for name in await admin.list_topics() if name.startswith("driftline-demo")]

    return asyncio.run(ask())


@pytest.mark.slow
def test_once_finds_each_fault_by_its_name_and_leaves_nothing(
    start: Callable[..., subprocess.Popen[str]], broker: Broker, tmp_path: Path
) -> None:
    demo = start("--once", "--json")
    out, err = demo.communicate(timeout=END_S)
    assert demo.returncode == 0, out + err
    told: dict[str, Any] = json.loads(out)
    found = {(each["model"], each["alert_feature"], each["kind"]) for each in told["faults"]}
    assert found == {
        ("credit-risk", "age", "drift"),
        ("demand-forecast", "stock", "missing"),
        ("credit-risk", "income", "drift"),
        ("demand-forecast", "store", "drift"),
        ("demand-forecast", "temperature", "missing"),
    }
    assert all(each["right_feature"] for each in told["faults"])
    assert all(0 < each["delay_s"] <= 60 for each in told["faults"])
    # The same seed: the same events, so the same delays in events in every run.
    assert [each["delay_events"] for each in told["faults"]] == [521, 250, 237, 271, 246, 256]
    assert told["alerts_before_any_fault"] == told["alerts_about_anything_else"] == 0
    assert told["retrain_requested"] == ["credit-risk", "credit-risk", "demand-forecast"]
    # Retrained and resolved because of a request; fallback engaged, seen to serve, released.
    assert told["did_not_happen"] == []
    assert_clean(tmp_path)
    assert not left_topics(broker)


def test_a_demo_that_is_told_to_stop_takes_everything_away(
    start: Callable[..., subprocess.Popen[str]], broker: Broker, tmp_path: Path
) -> None:
    demo = start()
    worker_of(demo, tmp_path)
    demo.send_signal(signal.SIGTERM)
    # Asked twice it does not forget the half of it.
    time.sleep(0.2)
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=STOP_S)
    assert demo.returncode == 0, out + err
    assert_clean(tmp_path)
    assert not left_topics(broker)


def test_a_worker_that_dies_is_one_clear_error(
    start: Callable[..., subprocess.Popen[str]], broker: Broker, tmp_path: Path
) -> None:
    demo = start("--once")
    os.kill(worker_of(demo, tmp_path), signal.SIGKILL)
    out, err = demo.communicate(timeout=STOP_S)
    assert demo.returncode == 1, out + err
    assert "driftline: error: the worker ended with signal 9" in err.splitlines()[-1]
    assert "Traceback" not in out + err
    assert_clean(tmp_path)
    assert not left_topics(broker)


def test_a_demo_that_is_killed_leaves_no_worker(
    start: Callable[..., subprocess.Popen[str]], broker: Broker, tmp_path: Path
) -> None:
    demo = start()
    worker_of(demo, tmp_path)
    demo.stdout.readline()  # type: ignore[union-attr] - by now the watchdog is there
    demo.kill()
    demo.communicate(timeout=STOP_S)
    assert_clean(tmp_path)
    # Nobody was left to delete its topics.
    made = left_topics(broker)
    assert made

    asyncio.run(topics.remove(BrokerConfig(bootstrap=broker.bootstrap), made))
