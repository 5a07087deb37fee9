"""Python environments of their own for peers that cannot live beside driftline's dependencies."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Unavailable", "interpreter", "pins"]

INSTALL_S = 300.0
STAMP = "complete"


class Unavailable(Exception):  # noqa: N818 - a reason to skip, not a fault
    """A peer's environment cannot be made; the text says why."""


def pins(*requirements: str) -> tuple[str, ...]:
    """Pin river and orjson to the versions driftline runs, so that only the framework differs."""
    shared = ("river", "orjson", "numpy", "scipy")
    return (*requirements, *(f"{name}=={version(name)}" for name in shared))


def interpreter(name: str, requirements: Sequence[str], notify: Callable[[str], None]) -> Path:
    """Return an environment's interpreter; made on the first call, kept in the user's cache.

    Raises
    ------
    Unavailable
        It could not be made (no wheel for this Python, no package registry in reach, no time).
    """
    about = "\n".join([sys.version, *requirements])
    mark = hashlib.sha256(about.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "driftline" / "bench" / f"{name}-{mark}"
    python = folder / "bin" / "python"
    if (folder / STAMP).exists():
        return python
    notify(f"installing {requirements[0]} into {folder} (once)")
    # What an interrupted call left is not trusted: an environment without stamp is made anew.
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for command in _commands(folder, python, requirements):
            _run(command)
    except Unavailable:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / STAMP).touch()
    return python


def _commands(folder: Path, python: Path, requirements: Sequence[str]) -> list[list[str]]:
    # Wheels only: building librdkafka or a Rust crate is not what somebody who measures wants.
    uv = shutil.which("uv")
    if uv is not None:
        install = [uv, "pip", "install", "-q", "--python", str(python), "--only-binary", ":all:"]
        return [
            [uv, "venv", "-q", "--python", sys.executable, str(folder)],
            install + [*requirements],
        ]
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [*install, "--only-binary", ":all:", *requirements],
    ]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"installing took longer than {INSTALL_S:g} s"
        raise Unavailable(msg) from error
    except OSError as error:
        raise Unavailable(str(error)) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        wrong = [line for line in said if "error" in line.lower()] or said
        raise Unavailable(wrong[0].strip() if wrong else f"exit code {done.returncode}")
