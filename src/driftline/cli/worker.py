"""Watch the models: read events, detect, publish windows, alerts and feedback."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from driftline.cli._book import load_book
from driftline.cli._configured import Bootstrap, ConfigFile, Prefix, configured
from driftline.cli._logging import Format, fatal_as, set_up

if TYPE_CHECKING:
    from driftline.bus.config import Config
    from driftline.contract import Book

log = logging.getLogger("driftline.worker")


def command(
    config: ConfigFile = None,
    contract: Annotated[
        list[str] | None, typer.Option(help="A contract, besides those of the configuration.")
    ] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    group: Annotated[str | None, typer.Option(help="Consumer group; workers share it.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Processes; one fails, all stop.")] = 1,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="For /live, /ready, /metrics; 0 is off.")
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Stop (exit code 0) after so many seconds with nothing to do; inputs that hold "
            "nothing more count as idle after as many, unless idle_after is configured.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what Faust and aiokafka say too.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
    log_format: Annotated[
        Format, typer.Option(help="json: one object a line, the configuration and errors too.")
    ] = "text",
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
) -> None:
    """Watch the models: read events, detect, publish windows, alerts and feedback.

    Any number of workers, on any number of machines, share the work by using the same group.
    SIGTERM or Ctrl-C stops one in order: what it has in hand is finished, saved and committed.
    """
    set_up(log_format, logging.ERROR if quiet else logging.INFO, verbose=verbose)
    with fatal_as(log_format):
        effective = configured(config, bootstrap, prefix).with_overrides(group=group)
        if health_port is not None:
            effective = effective.with_health_port(health_port)
        book = load_book(effective, contract or [])
        if concurrency > 1:
            from driftline.bus.supervise import supervise

            supervise(_shares(sys.argv[2:], concurrency, effective.health.port))
            return
        if not supervised and not quiet:
            _show(effective, book, log_format)
        from driftline.bus.worker import run

        asyncio.run(run(effective, book, until_idle_s=until_idle, parent_pipe=supervised))


def _show(config: Config, book: Book, form: Format) -> None:
    """Tell what holds, defaults included and secrets masked."""
    from driftline.bus.config_file import printed

    text = printed(config).rstrip()
    about = f"{len(book)} contracts: {', '.join(book.models) or 'none'}"
    if form == "json":
        log.info(about, extra={"configuration": yaml.safe_load(text)})
        return
    typer.echo(text, err=True)
    typer.echo(f"# {about}", err=True)


def _shares(arguments: list[str], concurrency: int, port: int) -> list[list[str]]:
    """Return the arguments of each process: the same, but for the port of its health endpoint."""
    own = [
        ["--concurrency", "1"] + (["--health-port", str(port + number)] if port else [])
        for number in range(concurrency)
    ]
    return [[*arguments, *each] for each in own]
