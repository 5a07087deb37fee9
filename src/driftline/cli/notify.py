"""Tell people: alerts to Slack, webhooks, Alertmanager, PagerDuty and mail."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli._configured import AsJson, Bootstrap, ConfigFile, Prefix, configured
from driftline.cli._logging import LogFormat, fatal_as, set_up

if TYPE_CHECKING:
    from driftline.bus.config import Config
    from driftline.notify.routes import Routes

app = typer.Typer(invoke_without_command=True, add_completion=False)

RoutesFile = Annotated[Path, typer.Option("--routes", metavar="FILE", help="Where messages go.")]
OwnRoutesFile = Annotated[Path | None, typer.Option("--routes", metavar="FILE", help="As above.")]
Group = Annotated[str, typer.Option(help="Consumer group; one process of it is at work.")]
FILE = Path("routes.yaml")
GROUP = "driftline-notify"
INTERRUPTED = 130


@app.callback()
def notify(
    ctx: typer.Context,
    *,
    routes: RoutesFile = FILE,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    group: Group = GROUP,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent for what is open; stop.")
    ] = False,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0, help="Stop (exit code 0) after so many seconds with nothing to tell."),
    ] = None,
    health_port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="For /live, /ready, /metrics, at health.host; 0: off."),
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings.")] = False,
    log_format: LogFormat = "text",
    as_json: AsJson = False,
) -> None:
    """Tell people: alerts to Slack, webhooks, Alertmanager, PagerDuty and mail.

    Incidents that came together are one cause and one message. What was told stands on the topic
    `notify`, so that a start goes on where the last one stood. Several processes of one group stand
    in for one another. SIGTERM or Ctrl-C ends it: attempts in hand are finished; a second one does
    not wait for that.
    """
    if ctx.invoked_subcommand is not None:
        return
    from driftline.notify.form import load

    if dry_run:
        _print_previews(configured(config, bootstrap, prefix), load(routes), as_json=as_json)
        return
    set_up(log_format, logging.WARNING if quiet else logging.INFO)
    with fatal_as(log_format):
        found, effective = load(routes), configured(config, bootstrap, prefix)
        for route in found.routes:
            for secret in route.secrets:
                secret.read()  # told now, not in the night
        # A worker's own port stands in the configuration, which may be shared with one beside it.
        asyncio.run(_work(effective.with_health_port(health_port), found, group, until_idle))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file of routes.")],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on missing secrets, too.")] = False,
    as_json: AsJson = False,
) -> int:
    """List every fault of a file of routes, and the secrets that are not there."""
    from driftline.errors import UsageError
    from driftline.notify.form import RoutesError, load

    try:
        found = load(file)
    except RoutesError as error:
        if as_json:
            faults = [
                {"path": f.path, "line": f.line, "column": f.column, "message": f.message}
                for f in error.faults
            ]
            typer.echo(json.dumps({"ok": False, "faults": faults}, indent=2))
        else:
            for fault in error.faults:
                typer.echo(f"{typer.style('fault', fg='red', bold=True)}  {fault}")
        return 1
    missing = []
    for route in found.routes:
        for secret in route.secrets:
            try:
                secret.read()
            except UsageError as error:
                missing.append((route.name, str(error)))
    if as_json:
        told: dict[str, Any] = {
            "ok": not (strict and missing),
            "routes": {r.name: type(r.target).__name__.lower() for r in found.routes},
            "secrets_missing": [{"route": name, "message": text} for name, text in missing],
        }
        typer.echo(json.dumps(told, indent=2))
    else:
        for name, text in missing:
            typer.echo(f"{typer.style('secret', fg='yellow', bold=True)}  {name}: {text}")
        for route in found.routes:
            typer.echo(f"{route.name}: {type(route.target).__name__.lower()}")
    return int(strict and bool(missing))


@app.command("test")
def try_out(
    ctx: typer.Context,
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="Its name in the file.")],
    *,
    routes: OwnRoutesFile = None,
) -> None:
    """Send a test message to one route; exit code 1 where it was not taken."""
    from driftline.notify.form import load
    from driftline.notify.rehearse import try_route

    found = load(routes or _given(ctx))
    said = asyncio.run(try_route(found.named(route), found))
    typer.echo(f"{route}: taken{f': {said}' if said else ''}")


@app.command()
def redeliver(
    ctx: typer.Context,
    *,
    routes: OwnRoutesFile = None,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    group: Group = GROUP,
    as_json: AsJson = False,
) -> int:
    """Send what could not be delivered once more; exit code 1 where some of it fails again."""
    from driftline.notify.form import load
    from driftline.notify.rehearse import redeliver as send_again

    found, effective = load(routes or _given(ctx)), configured(config, bootstrap, prefix)
    became = asyncio.run(send_again(effective, found, group=group))
    if as_json:
        typer.echo(json.dumps(became._asdict()))
    else:
        typer.echo(
            f"{became.sent} delivered, {became.failed} failed again, "
            f"{became.over} left out as they are over"
        )
    return int(became.failed > 0)


def _given(ctx: typer.Context) -> Path:
    """Return the file of routes named before the command's own name."""
    assert ctx.parent is not None
    return Path(ctx.parent.params["routes"])


async def _work(config: Config, routes: Routes, group: str, until_idle_s: float | None) -> None:
    """Work until a signal asks to end; a second one does not wait, for a broker that is away."""
    from driftline.notify.run import run

    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    work = loop.create_task(
        run(config, routes, group=group, stopping=stopping, until_idle_s=until_idle_s)
    )

    def stop() -> None:
        if stopping.is_set():
            work.cancel()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await work
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None


def _print_previews(config: Config, routes: Routes, *, as_json: bool) -> None:
    from driftline.notify.rehearse import dry_run

    found = asyncio.run(dry_run(config, routes))
    if as_json:
        typer.echo(json.dumps([each._asdict() for each in found], indent=2, ensure_ascii=False))
        return
    for each in found:
        typer.echo(f"{typer.style(each.route, bold=True)} ({each.where})")
        body = each.body
        text = body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)
        typer.echo("\n".join(f"    {line}" for line in text.splitlines()))
    typer.echo(f"{len(found)} messages; nothing was sent")
