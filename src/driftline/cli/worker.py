"""Watch the models: read events, detect, publish windows, alerts and feedback."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from driftline.bus.config import Config


def command(
    config: Annotated[
        Path | None, typer.Option(help="driftline.yaml; defaults where left out.")
    ] = None,
    contract: Annotated[
        list[str] | None, typer.Option(help="A contract, besides those of the configuration.")
    ] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Brokers, host:port.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Of driftline's topics.")] = None,
    group: Annotated[str | None, typer.Option(help="Consumer group; workers share it.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Processes; one fails, all stop.")] = 1,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="For /live, /ready, /metrics; 0 is off.")
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0, help="Stop (exit code 0) after so many seconds with nothing to do."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what Faust and aiokafka say too.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
) -> None:
    """Watch the models: read events, detect, publish windows, alerts and feedback.

    Any number of workers, on any number of machines, share the work by using the same group.
    SIGTERM or Ctrl-C stops one in order: what it has in hand is finished, saved and committed.
    """
    from driftline.bus.config_file import load, printed
    from driftline.cli._book import load_book

    _set_up_logging(verbose=verbose, quiet=quiet)
    effective = (load(config) if config is not None else _defaults()).with_overrides(
        bootstrap=bootstrap, prefix=prefix, group=group
    )
    if health_port is not None:
        effective = effective.with_health_port(health_port)
    book = load_book(effective, contract or [])
    if concurrency > 1:
        from driftline.bus.supervise import supervise

        supervise(_shares(sys.argv[2:], concurrency, effective.health.port))
        return
    if not supervised and not quiet:
        typer.echo(printed(effective).rstrip(), err=True)
        typer.echo(f"# {len(book)} contracts: {', '.join(book.models) or 'none'}", err=True)
    from driftline.bus.worker import run

    asyncio.run(run(effective, book, until_idle_s=until_idle, parent_pipe=supervised))


def _defaults() -> Config:
    from driftline.bus.config import Config

    return Config()


def _shares(arguments: list[str], concurrency: int, port: int) -> list[list[str]]:
    """Return the arguments of each process: the same, but for the port of its health endpoint."""
    own = [
        ["--concurrency", "1"] + (["--health-port", str(port + number)] if port else [])
        for number in range(concurrency)
    ]
    return [[*arguments, *each] for each in own]


def _set_up_logging(*, verbose: bool, quiet: bool) -> None:
    level = logging.ERROR if quiet else logging.INFO
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Their errors come with pages of tracebacks; what ends a worker is told in one line at the end.
    for name in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL + 1)
