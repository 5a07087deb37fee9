"""Commands by file: a command is offered when its file is there, and imported when it is called."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    import click

__all__ = ["LazyGroup"]

PACKAGE = "driftline.cli"
FOLDER = Path(__file__).parent


class LazyGroup(TyperGroup):
    """A group whose commands are the public modules beside this file.

    A module offers `app`, a `typer.Typer` with subcommands, or else `command`, a function that
    becomes one command. The first line of its docstring is what the overview prints: it is read
    from the source, so that `driftline --help` imports no command and stays fast.
    """

    listing = False

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Name the commands whose files are there, sorted."""
        found = pkgutil.iter_modules([str(FOLDER)])
        return sorted(module.name for module in found if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; while help is printed, stand in for it with its summary."""
        if cmd_name not in self.list_commands(ctx):
            return None
        if self.listing:
            return TyperCommand(cmd_name, help=summary(cmd_name))
        return load(cmd_name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the overview from summaries alone."""
        self.listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self.listing = False


def summary(name: str) -> str:
    """Read the first docstring line of a command's module without importing it."""
    path = FOLDER / f"{name}.py"
    if not path.exists():
        path = FOLDER / name / "__init__.py"
    doc = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    return doc.partition("\n")[0]


def load(name: str) -> click.Command:
    """Import a command's module and turn what it offers into a click command."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command(name, help=module.command.__doc__)(module.command)
        command = typer.main.get_command(app)
    else:
        command = typer.main.get_group(app)
        if not command.help:
            command.help = summary(name)
    command.name = name
    return command
