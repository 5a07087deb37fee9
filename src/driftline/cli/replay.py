"""Run the detectors over topics or files, and report what they would have said."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from driftline.cli._recorded import (
    ConfigFile,
    End,
    Start,
    book_of,
    config_of,
    instant,
    watched,
)


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
    start: Start = None,
    end: End = None,
    config: ConfigFile = None,
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
    from driftline.replay.run import Request, replay

    collect_rarely()
    request = Request(
        sources=sources,
        book=book_of(contract or []),
        out=out,
        span=(instant("--from", start), instant("--to", end)),
        config=config_of(config),
        report=report,
    )
    summary = watched(
        lambda progress: replay(request, clock=time.monotonic, progress=progress), "replaying"
    )
    if as_json:
        sys.stdout.write(summary.to_json().decode())
        return
    from rich.console import Console

    from driftline.replay.words import print_summary

    print_summary(summary, out, Console(highlight=False))
