"""Explain an incident: what moved, since when, what else happened, which events, what to do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli._configured import Bootstrap, Prefix

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from driftline.bus.config import Config
    from driftline.replay.explain import Case
    from driftline.replay.explain.outputs import Outputs
    from driftline.replay.summary import Found


def command(
    incident: Annotated[
        str | None,
        typer.Argument(help="Its id, or how the id begins; the only open one if left out."),
    ] = None,
    outputs: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A folder that a replay has written; the live topics if left out."
        ),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="Where the events are, as replay takes it; the input topics if left out.",
        ),
    ] = None,
    contract: Annotated[
        list[Path] | None, typer.Option(help="Contracts, beside those of the configuration.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="driftline.yaml, for the live topics.")
    ] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw it to this file as well: .html, .svg or .png."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain an incident: what moved, since when, what else happened, which events, what to do.

    Without an id it explains the one that is open, or lists those that are. The events around the
    change are read from the input topics; a replay's from the files it was made of, where they lie
    beside its outputs or --source names them. At most 60,000 are read.
    """
    from driftline.cli._configured import configured
    from driftline.replay.explain.choose import choose
    from driftline.replay.explain.outputs import Folder, Topics, incidents

    if picture is not None:
        _check(picture)
    effective = configured(config, bootstrap, prefix)
    with TemporaryDirectory(prefix="driftline-explain-") as spool:
        live = Topics(effective, Path(spool))
        said: Outputs = live if outputs is None else Folder(outputs)
        with _busy("reading what was said"):
            found = incidents(said)
        one = choose(found, incident)
        if one is None:
            _list(found, as_json=as_json)
            return
        with _busy("reading the events"):
            case = _case(said, found, one, effective, contract or [], sources or [], outputs)
    _tell(case, picture, as_json=as_json, live=outputs is None)


def _busy(doing: str) -> AbstractContextManager[object]:
    """Show somebody who looks that it goes on."""
    from rich.console import Console

    return Console(stderr=True).status(doing)


def _case(
    said: Outputs,
    found: list[Found],
    one: Found,
    config: Config,
    contracts: list[Path],
    sources: list[str],
    folder: Path | None,
) -> Case:
    from driftline.cli._book import load_book
    from driftline.replay.explain.events import beside, read_rows
    from driftline.replay.explain.outputs import read_case

    book = load_book(config, [str(path) for path in contracts])
    case = read_case(said, found, one, book)
    if not sources and folder is not None:
        sources = beside(folder)
    case.rows = read_rows(case, sources, config, live=folder is None)
    return case


def _tell(case: Case, picture: Path | None, *, as_json: bool, live: bool) -> None:
    from rich.console import Console

    from driftline.replay.explain import explain

    told = explain(case)
    if as_json:
        typer.echo(json.dumps(told.to_json(), ensure_ascii=False))
    else:
        from driftline.replay.explain.terminal import print_explanation

        now = time.time_ns() // 1_000 if live else None
        print_explanation(told, Console(highlight=False), now=now)
    # Last: what cannot be drawn has been told all the same.
    if picture is not None:
        from driftline.replay.explain.picture import write_picture

        write_picture(told, picture)
        typer.echo(f"drawn to {picture}", err=True)


def _list(found: list[Found], *, as_json: bool) -> None:
    from rich.console import Console

    from driftline.replay.explain.choose import open_ones
    from driftline.replay.explain.terminal import print_open

    still = open_ones(found)
    if as_json:
        typer.echo(json.dumps({"open": [each.to_json() for each in still]}, ensure_ascii=False))
        return
    if still:
        print_open(still, Console(highlight=False))
        return
    typer.echo("No incident is open.")
    if found:
        typer.echo("The latest, all resolved:")
        print_open(found[:-6:-1], Console(highlight=False))


def _check(picture: Path) -> None:
    from driftline.errors import UsageError
    from driftline.replay.explain.picture import SUFFIXES

    if picture.suffix not in SUFFIXES:
        msg = f"--picture {picture}: expected a file ending in .html, .svg or .png"
        raise UsageError(msg)
    if not picture.parent.is_dir():
        msg = f"--picture {picture}: expected a folder that is there, got {picture.parent}"
        raise UsageError(msg)
