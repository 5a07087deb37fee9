"""Run the detectors over topics or files, and report what they would have said."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from driftline.replay.parallel import Engine
    from driftline.replay.run import Request


class EngineKind(StrEnum):
    """Where the work is done."""

    processes = "processes"
    dask = "dask"


Jobs = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Processes that read; as many as there are cores."),
]


def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="kafka://host:port/topic, a .jsonl or .csv (also .gz, .zst) or .parquet file, or "
            "a folder of them; labels=FILE says what a file holds.",
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
    jobs: Jobs = None,
    engine: Annotated[
        EngineKind, typer.Option(help="Processes of this machine, or a Dask cluster.")
    ] = EngineKind.processes,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="tcp://host:port of a Dask scheduler, for --engine dask."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Keep checkpoints in --out until all is done, and go on from those there.",
        ),
    ] = False,
    compare: Annotated[
        list[Path] | None,
        typer.Option(help="Another contract of the same model; side by side with --contract."),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=V,V", help="Side by side: --contract with other values in a field."
        ),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="What really happened: .csv, .jsonl, or truth.json.")
    ] = None,
    verdicts: Annotated[
        list[Path] | None,
        typer.Option(help="Alerts that people have judged, or their incident_judged events."),
    ] = None,
) -> None:
    """Run the detectors over topics or files, and report what they would have said.

    The same objects run as in a worker, on event time alone: the same events and contracts give
    the same bytes. Events need not be sorted across sources. Writes alerts.jsonl, feedback.jsonl,
    windows.jsonl, deadletters.jsonl, references.jsonl, summary.json and report.html. How many
    processes it runs on makes no difference to them.

    With --compare or --grid several contracts read the same events: comparison.json and report.html
    say what each would have paged, when, and what that was worth, and a folder of each contract's
    letter has its outputs.
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
        engine=_engine(jobs, engine, scheduler, resume=resume),
    )
    told: list[str] = []
    if compare or grid or truth or verdicts:
        _compare(request, contract or [], compare or [], grid or [], truth, verdicts or [], as_json)
        return
    summary = watched(
        lambda progress: replay(request, clock=time.monotonic, progress=progress, tell=told.append),
        "replaying",
    )
    for line in told:
        typer.echo(line, err=True)
    if as_json:
        sys.stdout.write(summary.to_json().decode())
        return
    from rich.console import Console

    from driftline.replay.words import print_summary

    print_summary(summary, out, Console(highlight=False))


def _compare(
    request: Request,
    contracts: list[Path],
    compare: list[Path],
    grid: list[str],
    truth: Path | None,
    verdicts: list[Path],
    as_json: bool,
) -> None:
    from rich.console import Console

    from driftline.errors import UsageError
    from driftline.replay.compare.candidates import candidates_of
    from driftline.replay.compare.page import write_page
    from driftline.replay.compare.run import compare as run
    from driftline.replay.compare.words import print_comparison
    from driftline.replay.parallel import Engine

    if not compare and not grid:
        msg = "--truth and --verdicts: expected --compare or --grid with them, got neither"
        raise UsageError(msg)
    if truth is not None and verdicts:
        msg = "--truth: expected either what happened or --verdicts, got both"
        raise UsageError(msg)
    candidates = candidates_of(contracts, compare, grid)
    told: list[str] = []
    comparison = watched(
        lambda progress: run(
            request,
            candidates,
            request.engine or Engine(1),
            truth=truth,
            verdicts=verdicts,
            clock=time.monotonic,
            progress=progress,
            tell=told.append,
        ),
        "comparing",
    )
    if request.report:
        write_page(comparison, request.out)
    for line in told:
        typer.echo(line, err=True)
    if as_json:
        sys.stdout.write(comparison.to_json().decode())
        return
    print_comparison(comparison, request.out, Console(highlight=False))


def _engine(
    jobs: int | None, kind: EngineKind, scheduler: str | None, *, resume: bool
) -> Engine | None:
    """Return how it is to run; None for one process."""
    from driftline.errors import UsageError
    from driftline.replay.parallel import Engine
    from driftline.replay.pool import cores

    if scheduler is not None and kind is not EngineKind.dask:
        msg = f"--scheduler: expected --engine dask with it, got --engine {kind.value}"
        raise UsageError(msg)
    if kind is EngineKind.dask:
        return Engine(jobs or cores(), "dask", scheduler, resume=resume)
    if resume:
        return Engine(jobs or cores(), resume=True)
    count = jobs or cores()
    return None if count == 1 else Engine(count, optional=jobs is None)
