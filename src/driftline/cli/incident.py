"""List, show, acknowledge, silence and judge incidents."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli._configured import AsJson, Bootstrap, ConfigFile, Prefix, configured

if TYPE_CHECKING:
    from driftline.bus.config import Config

app = typer.Typer(no_args_is_help=True, add_completion=False)

Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of incidents, or how they begin.")
]
By = Annotated[str | None, typer.Option(help="Who acts; whoever is logged in if left out.")]
Why = Annotated[str | None, typer.Option(help="What people are to know about it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the alerts say that it is done.")]
Patience = Annotated[str, typer.Option(help="With --wait: how long.")]


@app.command(name="list")
def list_(
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A name or pattern; may be repeated.")
    ] = None,
    severity: Annotated[str, typer.Option(help="page leaves notices out.")] = "notice",
    everything: Annotated[
        bool, typer.Option("--all", help="Resolved ones too, as far as the topic holds them.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print ids only, for other commands to take.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the incidents that are open, the oldest first.

    That is what the alerts topic says: acknowledged and silenced ones are open, too.
    """
    import msgspec

    from driftline.cli._incidents import known, table_of

    found = known(configured(config, bootstrap, prefix), model or [], severity)
    shown = found if everything else [a for a in found if a.data.resolved_at is None]
    if as_json:
        typer.echo(msgspec.json.encode([alert.data for alert in shown]).decode())
        return
    if quiet:
        for alert in shown:
            typer.echo(alert.data.incident)
        return
    if not shown:
        typer.echo("no incident is open" if not everything else "no incident is known")
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.print(table_of(shown, found))
    pages = sum(a.data.severity == "page" and a.data.resolved_at is None for a in shown)
    still = sum(a.data.resolved_at is None for a in shown)
    console.print(f"\n{still} open, {pages} of them pages")


@app.command()
def show(
    ids: Ids,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of incidents now."""
    import msgspec

    from driftline.cli._incidents import incidents_named, known, lines_of

    found = incidents_named(ids, known(configured(config, bootstrap, prefix)))
    if as_json:
        typer.echo(msgspec.json.encode([alert.data for alert in found]).decode())
        return
    for number, alert in enumerate(found):
        if number:
            typer.echo("")
        for heading, text in lines_of(alert):
            typer.echo(f"{heading:<18}{text}")


@app.command()
def ack(
    ids: Ids,
    why: Why = None,
    by: By = None,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    wait: Wait = False,
    patience: Patience = "2m",
    as_json: AsJson = False,
) -> int:
    """Acknowledge incidents: somebody sees to them, nobody else is called."""
    told = {"by": by, "why": why}
    effective = configured(config, bootstrap, prefix)
    return _act(effective, ids, "incident_acknowledged", told, wait, patience, as_json=as_json)


@app.command()
def silence(
    ids: Ids,
    until: Annotated[str | None, typer.Option(metavar="T", help="RFC 3339.")] = None,
    lasting: Annotated[str | None, typer.Option("--for", help="In its place: 2h.")] = None,
    why: Why = None,
    by: By = None,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    wait: Wait = False,
    patience: Patience = "2m",
    as_json: AsJson = False,
) -> int:
    """Silence incidents: what changes in them is not told until a time (30 days at most).

    That they are resolved is told all the same, and so is a notice that becomes a page.
    """
    from driftline.cli._acts import until_of

    end = until_of(until, lasting, time.time_ns() // 1_000)
    told = {"by": by, "why": why, "until": end}
    effective = configured(config, bootstrap, prefix)
    return _act(effective, ids, "incident_silenced", told, wait, patience, as_json=as_json)


@app.command()
def unsilence(
    ids: Ids,
    why: Why = None,
    by: By = None,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    wait: Wait = False,
    patience: Patience = "2m",
    as_json: AsJson = False,
) -> int:
    """End a silence before its time."""
    told = {"by": by, "why": why}
    effective = configured(config, bootstrap, prefix)
    return _act(effective, ids, "incident_unsilenced", told, wait, patience, as_json=as_json)


@app.command()
def judge(
    ids: Ids,
    verdict: Annotated[
        str,
        typer.Argument(
            metavar="VERDICT",
            help="true: it was right to tell of it; false: it was not; expected: so it was meant.",
        ),
    ],
    why: Why = None,
    by: By = None,
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    wait: Wait = False,
    patience: Patience = "2m",
    as_json: AsJson = False,
) -> int:
    """Say whether it was right to tell of incidents, before they are resolved or after.

    Verdicts are counted beside the promised number of false pages (`driftline review`). They change
    nothing else: no threshold moves because of them.
    """
    from driftline.errors import UsageError
    from driftline.incidents.acts import VERDICTS

    if verdict not in VERDICTS:
        msg = f"VERDICT: expected one of {', '.join(VERDICTS)}, got {verdict!r}"
        raise UsageError(msg)
    told = {"by": by, "why": why, "verdict": verdict}
    effective = configured(config, bootstrap, prefix)
    return _act(effective, ids, "incident_judged", told, wait, patience, as_json=as_json)


def _act(
    config: Config,
    ids: list[str],
    kind: str,
    told: dict[str, Any],
    wait: bool,
    patience: str,
    *,
    as_json: bool,
) -> int:
    """Send one act for each incident, and say what was done; 1 where any was refused."""
    from driftline.cli._acts import send, send_and_wait, somebody
    from driftline.cli._incidents import about, incidents_named, known

    patience_s = _seconds(patience)
    named = incidents_named(ids, known(config))
    said = {name: value for name, value in told.items() if value is not None}
    said |= {"kind": kind, "by": somebody(told["by"])}
    events = [{"model": a.data.model, "incident": a.data.incident, **said} for a in named]
    became = send_and_wait(config, events, patience_s) if wait else send(config, events)
    if as_json:
        typer.echo(json.dumps(became))
    else:
        for alert, event in zip(named, became, strict=True):
            what = event.get("refused") or event.get("reason") or f"{kind} sent"
            typer.echo(f"{alert.data.incident} {about(alert.data)}: {what}")
    return int(any("refused" in event for event in became))


def _seconds(patience: str) -> float:
    from driftline.contract.quantities import parse_duration
    from driftline.errors import UsageError

    try:
        return parse_duration(patience) / 1e6
    except ValueError:
        msg = f"--patience: expected a duration such as 2m, got {patience!r}"
        raise UsageError(msg) from None
