"""The house as it is drawn: which room may import which, and what a room may look like."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "driftline"
FILES = sorted(SRC.rglob("*.py"))

# Imports point to the left: a room may import those in steps before its own.
STEPS = (
    {"events", "contract"},
    {"stats"},
    {"detect", "ledger"},
    {"incidents"},
    {"pipeline"},
    {"bus"},
    {"replay", "notify"},
    {"cli", "ui"},
)
ASIDE = {"publish", "broker", "simulate", "bench"}
ALLOWED = {
    **{room: set().union(*STEPS[:at]) for at, step in enumerate(STEPS) for room in step},
    "broker": set(),
    "publish": {"events", "contract"},
    "simulate": {"events", "contract"},
    "bench": {
        *("events", "contract", "stats", "detect", "ledger", "incidents", "pipeline", "bus"),
        *("broker", "simulate", "publish"),
    },
}
ALLOWED["cli"] |= ASIDE | {"ui"}
ALLOWED["ui"] |= {"publish"}
# How bets are summed and state is packed is the same mathematics in both rooms.
ALLOWED["ledger"] |= {"detect"}
# Everybody may raise an error; the version is at the top.
OPEN = {"errors", "__init__", "__version__"}

# Faust's classes stay behind one door. aiokafka is also what the SDK, the simulator (it writes
# traffic as any producer would) and the local broker may use without Faust. The programs that
# bench measures driftline against lie in tests/perf/peers.
ONLY_IN = {
    "faust": {"bus"},
    "mode": {"bus"},
    "aiokafka": {"bus", "publish", "simulate", "broker"},
}
LINES = 400
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
TOP = {
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "deploy",
    "docs",
    "docker-compose.yml",
    "pyproject.toml",
    "requirements.lock",
    "scripts",
    "src",
    "tests",
}


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """All absolute names that a file imports, wherever in it, for types too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(path: Path) -> set[str]:
    inside = [name.split(".")[1] for name in imported(path) if name.startswith("driftline.")]
    return set(inside) - OPEN - {room_of(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    if room in OPEN or room == "__main__":
        # At the top stands what programs use.
        assert rooms_imported(path) <= {"cli", "bus", "publish"}
        return
    assert room in ALLOWED, f"{room} is no room of the house"
    assert rooms_imported(path) <= ALLOWED[room], f"{room} may import {sorted(ALLOWED[room])}"


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_the_bus_stays_behind_its_door(package: str) -> None:
    users = {
        room_of(path)
        for path in FILES
        if any(name.split(".")[0] == package for name in imported(path))
    }
    assert users <= ONLY_IN[package]


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(SRC)): count
        for path in FILES
        if (count := len(path.read_text("utf-8").splitlines())) > LINES
    }
    assert not long


def test_names_say_what_is_inside() -> None:
    assert not [path for path in FILES if path.stem in EMPTY_NAMES]


def test_the_top_level_is_tidy() -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        said = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("git is not on PATH")
    if said.returncode:
        pytest.skip("not a git checkout")
    top = {line.partition("/")[0] for line in said.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= TOP
