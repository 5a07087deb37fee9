"""The configuration that a command goes by: a file, or the defaults, and what its options say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.bus.config import Config

__all__ = ["configured"]


def configured(path: Path | None, bootstrap: str | None, prefix: str | None) -> Config:
    """Load a configuration, with what the command line said over it."""
    from driftline.bus.config import Config
    from driftline.bus.config_file import load

    found = load(path) if path is not None else Config()
    return found.with_overrides(bootstrap=bootstrap, prefix=prefix)
