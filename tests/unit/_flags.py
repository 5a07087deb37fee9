"""Command lines that files in deploy/ hold, held to the command line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from driftline.cli._lazy import LazyGroup, load

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_line(arguments: Sequence[str]) -> click.Context:
    """Parse a command line of driftline without running it; fails where it would be refused."""
    name, *rest = arguments
    if name not in LazyGroup(name="x").list_commands(None):  # type: ignore[arg-type]
        pytest.skip(f"there is no command `driftline {name}`")
    command = load(name)
    while isinstance(command, click.Group) and rest and rest[0] in command.commands:
        command, rest = command.commands[rest[0]], rest[1:]
    return command.make_context(name, list(rest), resilient_parsing=False)
