"""The command line: one file a command, one line an error.

Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Annotated

import click
import typer

from driftline import __version__
from driftline.cli._lazy import LazyGroup
from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

FIRST = 1
"""The process of a container: it is sent SIGTERM only where somebody has said what to do then, and
commands do so when they have imported all they need."""
INTERRUPTED = 130
THREADS = "OPENBLAS_NUM_THREADS"
"""The matrices here are small: numpy's threads gain nothing, and on busy cores wait for one another
(measured: 70 µs in place of 0.4 for the co-moments of a row of 100 columns). Read when numpy is
first imported; what is set already holds."""

root = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@root.callback()
def _root(
    ctx: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Watch deployed models from the event bus."""
    ctx.obj = {"debug": debug}
    if version:
        typer.echo(f"driftline {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program's name; the process's own where left out.

    Returns
    -------
    int
        The exit code. A command may return one; any other value counts as 0.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault(THREADS, "1")
    if os.getpid() == FIRST:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = _invoke(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe went away; what is still buffered must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _invoke(args: list[str]) -> int:
    group = typer.main.get_command(root)
    try:
        result = group.main(args=args, prog_name="driftline", standalone_mode=False)
    except (KeyboardInterrupt, click.exceptions.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a command: its help is the answer, and already printed if it is rich.
        typer.echo(error.format_message())
        return 0
    except Exception as error:  # noqa: BLE001 - the last door: every failure becomes one line
        if "--debug" in args:
            traceback.print_exc()
        line, code = in_one_line(error)
        typer.echo(f"driftline: error: {line}", err=True)
        return code
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def in_one_line(error: Exception) -> tuple[str, int]:
    """Turn an exception into the one line to print and the exit code."""
    match error:
        case DriftlineError():
            text, code = str(error), error.exit_code
        case click.ClickException():
            text, code = error.format_message(), error.exit_code
        case ModuleNotFoundError():
            text, code = f"needs the Python package {error.name!r}, which is not installed", 1
        case OSError():
            text, code = str(error), 1
        case _:
            text, code = f"unexpected {type(error).__name__}: {error} (--debug shows where)", 1
    line, *more = [part.strip() for part in text.splitlines() if part.strip()] or [repr(error)]
    for part in more:
        line += f" {part}" if line.endswith((":", ";", ",")) else f"; {part}"
    return line, code
