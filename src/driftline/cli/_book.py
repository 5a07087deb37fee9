"""The contracts that a command works with: those of the configuration, and those named."""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftline.bus.config import Config
    from driftline.contract import Book

__all__ = ["load_book"]


def load_book(config: Config, named: list[str]) -> Book:
    """Load the contracts of the configuration's patterns and those named; all faults at once."""
    from driftline.contract import load
    from driftline.errors import UsageError

    paths: list[str] = []
    for pattern in [*config.contracts, *named]:
        found = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
        if not found:
            msg = f"contracts: no file matches {pattern}"
            raise UsageError(msg)
        paths += [path for path in found if path not in paths]
    return load(paths)
