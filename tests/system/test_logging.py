"""A worker's log as JSON: each line is one object, to its end, and holds no secret."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"


def lines(process: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.stderr.splitlines()]


def worker(*options: str) -> subprocess.CompletedProcess[str]:
    return logged("worker", *options)


def logged(command: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "driftline", command, "--log-format", "json", *options],
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_what_keeps_a_worker_from_starting_is_json_too(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text(
        "broker: {bootstrap: '127.0.0.1:1', security_protocol: SASL_PLAINTEXT, username: me, "
        f"password: {SECRET}, give_up_after: 1s}}"
    )
    done = worker("--config", str(path), "--verbose")
    assert done.returncode == 1
    assert SECRET not in done.stderr + done.stdout
    told = lines(done)
    assert all({"time", "level", "logger", "message"} <= set(line) for line in told)
    assert told[0]["configuration"]["broker"]["password"] == "********"
    assert told[-1]["level"] == "critical"
    assert told[-1]["message"].startswith("127.0.0.1:1: Kafka")


@pytest.mark.parametrize(("options", "code"), [(["--concurrency", "2"], 1), ([], 2)])
def test_exit_codes_are_those_of_the_text_form(
    options: list[str], code: int, tmp_path: Path
) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text("broker: {bootstrap: '127.0.0.1:1', give_up_after: 1s}" if options else "a: 1")
    done = worker("--config", str(path), *options)
    assert done.returncode == code
    assert {line["level"] for line in lines(done)} == {"critical"}


@pytest.mark.parametrize(
    ("command", "options", "why"),
    [
        ("notify", ["--routes", "nowhere.yaml"], "nowhere.yaml"),
        ("ui", ["--host", "0.0.0.0"], "--host 0.0.0.0: expected a login"),
    ],
)
def test_so_does_what_tells_people_and_what_shows_them(
    command: str, options: list[str], why: str
) -> None:
    done = logged(command, *options)
    (line,) = lines(done)
    assert line["level"] == "critical"
    assert why in line["message"]
    assert done.returncode == 2
