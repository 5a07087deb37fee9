"""Run the detectors over topics or files, and report what they would have said."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import Progress

    from driftline.bus.config import Config
    from driftline.contract import Book
    from driftline.replay.run import Request
    from driftline.replay.summary import Summary


def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="kafka://host:port/topic, or a .jsonl, .csv or .parquet file; "
            "labels=FILE says what a file holds.",
        ),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the outputs.")],
    contract: Annotated[
        list[Path] | None, typer.Option(help="A contract; may be given several times.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="T", help="Event time to begin at (RFC 3339).")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="T", help="Event time to end before.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="driftline.yaml: security, and where topics keep their fields."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print summary.json instead of words.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
) -> None:
    """Run the detectors over topics or files, and report what they would have said.

    The same objects run as in a worker, on event time alone: the same events and contracts give
    the same bytes. Events need not be sorted across sources. Writes alerts.jsonl, feedback.jsonl,
    windows.jsonl, deadletters.jsonl, summary.json and report.html.
    """
    from driftline.bus.garbage import collect_rarely
    from driftline.replay.run import Request

    collect_rarely()
    request = Request(
        sources=sources,
        book=_book(contract or []),
        out=out,
        span=(_instant("--from", start), _instant("--to", end)),
        config=_config(config),
        report=report,
    )
    summary = _with_progress(request)
    if as_json:
        sys.stdout.write(summary.to_json().decode())
        return
    from rich.console import Console

    from driftline.replay.words import print_summary

    print_summary(summary, out, Console(highlight=False))


def _book(paths: list[Path]) -> Book:
    from driftline.contract import load

    return load(paths)


def _config(path: Path | None) -> Config | None:
    if path is None:
        return None
    from driftline.bus.config_file import load

    return load(path)


def _instant(option: str, text: str | None) -> int | None:
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


def _with_progress(request: Request) -> Summary:
    from rich.console import Console

    from driftline.replay.run import replay

    console = Console(stderr=True)
    if not console.is_terminal:
        return replay(request, clock=time.monotonic)
    with _bar(console) as bar:
        return replay(request, clock=time.monotonic, progress=_advancer(bar))


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


def _advancer(bar: Progress) -> Callable[[int, int], None]:
    task = bar.add_task("opening", total=None)

    def advance(read: int, total: int) -> None:
        bar.update(task, description="replaying", completed=read, total=max(read, total))

    return advance
