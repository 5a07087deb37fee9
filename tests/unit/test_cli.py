from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import driftline.cli
from driftline import __version__
from driftline.cli import _lazy, main

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("aiohttp", "aiokafka", "faust", "numpy", "pyarrow", "river", "scipy", "testcontainers")

FAILING = '''"""Fail in a chosen way.

More of it.
"""

import typer
from driftline.errors import BrokerError, UsageError


def command(how: str, size: int = 1) -> int:
    """Fail in a chosen way, at length."""
    match how:
        case "usage":
            raise UsageError("$.slot: expected a duration, got 'soon'")
        case "broker":
            raise BrokerError("the broker is gone;\\n  its log ends:\\nhere\\n")
        case "file":
            open("/not/there")
        case "package":
            import package_that_nobody_has
        case "bug":
            raise ValueError("slip")
        case "interrupt":
            raise KeyboardInterrupt
        case "code":
            return 1
        case _:
            print("done")
'''
GROUP = '''"""Do two things."""

import typer

app = typer.Typer()


@app.command()
def one() -> None:
    """Do one."""
    print("one done")
'''


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands beside the real ones' package."""
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "group.py").write_text(GROUP)
    (tmp_path / "_private.py").write_text("raise RuntimeError\n")
    monkeypatch.setattr(_lazy, "FOLDER", tmp_path)
    monkeypatch.setattr(driftline.cli, "__path__", [str(tmp_path)])
    for name in ("failing", "group"):
        monkeypatch.delitem(sys.modules, f"driftline.cli.{name}", raising=False)
    return tmp_path


def test_help_imports_nothing_heavy_and_is_fast() -> None:
    code = (
        "import json, sys; from driftline.cli import main; main(['--help']);"
        "json.dump(sorted(sys.modules), sys.stderr)"
    )
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    loaded = set(json.loads(done.stderr))
    assert not loaded & set(HEAVY)
    assert "broker" in done.stdout
    # CPU time, so that a busy machine does not fail it; 0.2 s on the one it was written on.
    assert min(spent) < 0.5


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"driftline {__version__}\n"


def test_every_command_there_loads_and_has_a_summary() -> None:
    names = _lazy.LazyGroup(name="x").list_commands(None)
    assert "broker" in names
    for name in names:
        assert _lazy.summary(name), name
        assert _lazy.load(name).name == name


def test_a_command_is_offered_when_its_file_is_there(
    commands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "failing" in said
    assert "Fail in a chosen way." in said
    assert "More of it" not in said
    assert "_private" not in said
    assert "driftline.cli.failing" not in sys.modules
    (commands / "failing.py").unlink()
    assert main(["failing", "usage"]) == 2
    assert capsys.readouterr().err == "driftline: error: No such command 'failing'.\n"


def test_a_file_may_hold_subcommands(commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["group", "one"]) == 0
    assert capsys.readouterr().out == "one done\n"
    assert main(["group"]) == 2
    assert main(["group", "two"]) == 2


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["failing", "usage"], 2, "$.slot: expected a duration, got 'soon'"),
        (["failing", "broker"], 1, "the broker is gone; its log ends: here"),
        (["failing", "file"], 1, "[Errno 2] No such file or directory: '/not/there'"),
        (
            ["failing", "package"],
            1,
            "needs the Python package 'package_that_nobody_has', which is not installed",
        ),
        (["failing", "bug"], 1, "unexpected ValueError: slip (--debug shows where)"),
        (["failing"], 2, "Missing argument 'HOW'."),
        (
            ["failing", "x", "--size", "y"],
            2,
            "Invalid value for '--size': 'y' is not a valid integer.",
        ),
        (["--nope"], 2, "No such option: --nope"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    args: list[str], code: int, line: str, commands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == code
    said = capsys.readouterr()
    assert said.err == f"driftline: error: {line}\n"
    assert said.out == ""


def test_interrupt_is_quiet(commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["failing", "interrupt"]) == 130
    said = capsys.readouterr()
    assert not said.err.strip()
    assert not said.out


def test_the_first_process_of_a_container_hears_of_sigterm(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = signal.getsignal(signal.SIGTERM)
    (commands / "waits.py").write_text(
        '"""Wait."""\nimport signal\ndef command() -> None:\n'
        '    """Wait."""\n    signal.raise_signal(signal.SIGTERM)\n'
    )
    monkeypatch.setattr(os, "getpid", lambda: 1)
    try:
        assert main(["waits"]) == 130
    finally:
        signal.signal(signal.SIGTERM, usual)


def test_a_command_may_return_its_exit_code(commands: Path) -> None:
    assert main(["failing", "code"]) == 1
    assert main(["failing", "nothing"]) == 0


def test_debug_shows_the_traceback(commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "failing", "bug"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.endswith("driftline: error: unexpected ValueError: slip (--debug shows where)\n")


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "driftline", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    command.stdout.close()
    _, said = command.communicate(timeout=30)
    assert said == b""
    assert command.returncode == 1
