"""The configuration that a command goes by: a file, or the defaults, and what its options say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from driftline.bus.config import Config

__all__ = ["AsJson", "Bootstrap", "ConfigFile", "Prefix", "configured"]

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="driftline.yaml; defaults where left out.")
]
Bootstrap = Annotated[str | None, typer.Option(help="Brokers, host:port.")]
Prefix = Annotated[str | None, typer.Option(help="Of driftline's topics.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def configured(path: Path | None, bootstrap: str | None, prefix: str | None) -> Config:
    """Load a configuration, with what the command line said over it."""
    from driftline.bus.config import Config
    from driftline.bus.config_file import load

    found = load(path) if path is not None else Config()
    return found.with_overrides(bootstrap=bootstrap, prefix=prefix)
