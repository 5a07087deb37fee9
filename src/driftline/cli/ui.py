"""The page: how worried one should be about each model, in a browser."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli._configured import Bootstrap, ConfigFile, Prefix, configured
from driftline.cli._logging import LogFormat, fatal_as, set_up

if TYPE_CHECKING:
    from driftline.ui.settings import Door

TOKEN = "DRIFTLINE_UI_TOKEN"  # noqa: S105 - the variable's name


def command(
    config: ConfigFile = None,
    contract: Annotated[
        list[str] | None, typer.Option(help="A contract, besides those of the configuration.")
    ] = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    outputs: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A folder that a replay has written; the live topics if left out."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback a login is demanded.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8600,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"First line: what people log in with; or the environment's {TOKEN}."),
    ] = None,
    trust_header: Annotated[
        str | None,
        typer.Option(help="Header in which a reverse proxy names the person: X-Forwarded-User."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Network of such proxies, 10.0.0.0/8; others are refused."),
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(help="Name that the page is called by, besides those of loopback."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Folder of its view; <datadir>/ui of the configuration if left out."),
    ] = None,
    keep_rows: Annotated[
        int, typer.Option(min=24, max=10_000, help="Windows kept of each feature, the latest.")
    ] = 400,
    keep_days: Annotated[
        int, typer.Option(min=1, max=3_650, help="Days of event time kept of all but what is open.")
    ] = 90,
    keep_incidents: Annotated[
        int, typer.Option(min=100, help="Resolved incidents kept, the latest.")
    ] = 200_000,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log logins, decisions and trouble.")
    ] = False,
    log_format: LogFormat = "text",
) -> None:
    """Show models by how worried one should be, incidents and features, in a browser.

    Reads the topics alerts, feedback, windows and references into a SQLite file of its own and
    never asks a worker. The file is bounded: --keep-rows windows of each feature (some 100 bytes
    each; a fourth as many of each segment's), --keep-days of event time, --keep-incidents resolved
    incidents, 1,000 feedback events of a model, 10,000 models. It is a cache: without it everything
    is read again.

    People acknowledge, silence and judge incidents: the page publishes lifecycle events, as any
    other program may. Beyond loopback they log in, with a token or by a reverse proxy.
    """
    import asyncio
    import tempfile

    from driftline.cli._book import load_book
    from driftline.ui.serve import serve, serve_folder
    from driftline.ui.view import Limits

    set_up(log_format, logging.INFO if verbose else logging.WARNING)
    with fatal_as(log_format):
        door = _door(host, port, token_file, trust_header, trusted_proxy or [], host_name or [])
        effective = configured(config, bootstrap, prefix)
        book = load_book(effective, contract or [])
        limits = Limits(rows=keep_rows, days=keep_days, incidents=keep_incidents)
        if outputs is not None:
            with tempfile.TemporaryDirectory(prefix="driftline-ui-") as folder:
                asyncio.run(serve_folder(outputs, book, door, Path(folder), limits, _say))
            return
        kept = state or Path(effective.datadir) / "ui"
        asyncio.run(serve(effective, book, door, kept, limits, _say))


def _say(address: str) -> None:
    typer.echo(f"driftline ui: {address}")


def _door(
    host: str,
    port: int,
    token_file: Path | None,
    header: str | None,
    proxies: list[str],
    names: list[str],
) -> Door:
    import getpass

    from driftline.errors import UsageError
    from driftline.ui.settings import Door, networks

    token = os.environ.get(TOKEN) or None
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"--token-file: expected a readable text file, got {error}"
            raise UsageError(msg) from error
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return Door(
        host=host,
        port=port,
        token=token,
        header=header,
        proxies=networks(proxies),
        names=tuple(names),
        user=user,
    )
