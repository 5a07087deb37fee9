"""What the commands over recorded traffic share: options, contracts, times, a bar of progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import Progress

    from driftline.bus.config import Config
    from driftline.contract import Book

    Advance = Callable[[int, int], None]
    """Called with the number of records read so far, and their total."""

__all__ = ["ConfigFile", "End", "Start", "book_of", "config_of", "instant", "watched"]

Start = Annotated[
    str | None, typer.Option("--from", metavar="T", help="Event time to begin at (RFC 3339).")
]
End = Annotated[str | None, typer.Option("--to", metavar="T", help="Event time to end before.")]
ConfigFile = Annotated[
    Path | None, typer.Option(help="driftline.yaml: security, and where topics keep their fields.")
]

T = TypeVar("T")


def book_of(paths: list[Path]) -> Book:
    """Load contracts."""
    from driftline.contract import load

    return load(paths)


def config_of(path: Path | None) -> Config | None:
    """Load a configuration, where there is one."""
    if path is None:
        return None
    from driftline.bus.config_file import load

    return load(path)


def instant(option: str, text: str | None) -> int | None:
    """Read an option's time, RFC 3339 or epoch seconds, as microseconds."""
    from driftline.errors import UsageError
    from driftline.events.errors import Fault
    from driftline.events.time import parse_ts

    if text is None:
        return None
    try:
        return parse_ts(float(text) if text.replace(".", "", 1).isdigit() else text)
    except Fault as fault:
        msg = f"{option}: expected {fault.expected}, got {fault.got}"
        raise UsageError(msg) from fault


def watched(run: Callable[[Advance], T], doing: str) -> T:
    """Run something long, with a bar of progress where somebody looks."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        return run(lambda _read, _total: None)
    with _bar(console) as bar:
        return run(_advancer(bar, doing))


def _bar(console: Console) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _advancer(bar: Progress, doing: str) -> Advance:
    task = bar.add_task("opening", total=None)

    def advance(read: int, total: int) -> None:
        bar.update(task, description=doing, completed=read, total=max(read, total))

    return advance
