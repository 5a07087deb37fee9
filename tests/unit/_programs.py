"""Programs that pip cannot bring; `.ci/run` installs them where it can."""

from __future__ import annotations

import shutil

import pytest


def program(name: str, package: str) -> str:
    """Return a program's path, or skip the test with the reason that it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on PATH (Debian: apt-get install {package})")
    return found
