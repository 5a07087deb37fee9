"""Tell that people work on a model: what begins meanwhile wakes nobody."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli._configured import AsJson, Bootstrap, ConfigFile, Prefix, configured

if TYPE_CHECKING:
    from driftline.bus.config import Config


def command(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Names of models.")],
    until: Annotated[str | None, typer.Option(metavar="T", help="RFC 3339.")] = None,
    lasting: Annotated[
        str | None, typer.Option("--for", help="In its place, from --since on: 2h.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="When it begins, or has begun; now.")
    ] = None,
    why: Annotated[str | None, typer.Option(help="What is being done.")] = None,
    by: Annotated[str | None, typer.Option(help="Who says so; whoever is logged in.")] = None,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Tell that people work on models until a time, 30 days at most.

    Incidents that begin meanwhile are notices, silenced until the end; what is there then becomes a
    page if it is one. Of maintenances that overlap the last word counts: to end one at once, tell
    another --for 1s. What is planned stands in the contract (maintenance).
    """
    from driftline.cli._acts import send, somebody, until_of
    from driftline.cli._recorded import instant
    from driftline.events.time import format_ts

    now = time.time_ns() // 1_000
    begins = instant("--since", since) or now
    end = until_of(until, lasting, now, begins=begins)
    said = {"kind": "maintenance", "since": format_ts(begins), "until": end}
    said |= {"by": somebody(by)} | ({} if why is None else {"why": why})
    events = [{"model": model, **said} for model in dict.fromkeys(models)]
    effective = configured(config, bootstrap, prefix)
    _warn(effective, models)
    sent = send(effective, events)
    if as_json:
        typer.echo(json.dumps(sent))
        return
    for event in events:
        typer.echo(f"{event['model']}: maintenance from {event['since']} until {event['until']}")


def _warn(config: Config, models: list[str]) -> None:
    """Say of names that no contract has: nobody would hear of a misspelt one."""
    from driftline.cli._book import load_book
    from driftline.contract.names import suggest

    known = load_book(config, []).models
    for model in models:
        if known and model not in known:
            meant = suggest(model, known)
            hint = f" (did you mean {meant}?)" if meant else ""
            typer.echo(f"note: there is no contract of {model}{hint}", err=True)
