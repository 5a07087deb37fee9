"""Write the live output topics as files, in the order in which a replay writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from driftline.cli._configured import Bootstrap, ConfigFile, Prefix, configured


def command(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the outputs.")],
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write the live output topics as files, in the order in which a replay writes them.

    Reads windows, alerts and feedback to their ends and writes windows.jsonl, alerts.jsonl and
    feedback.jsonl: `cmp` with those of a replay of the same topics says whether both said the same.
    """
    from driftline.replay.export import export

    effective = configured(config, bootstrap, prefix)
    counts = export(effective.broker, effective.prefix, out)
    if as_json:
        typer.echo(json.dumps(counts))
        return
    told = ", ".join(f"{counts[name]:,} {name}" for name in ("alerts", "feedback", "windows"))
    typer.echo(f"{told} in {out}")
    if counts["differing"]:
        typer.echo(f"{counts['differing']:,} came twice with different content", err=True)
        raise typer.Exit(1)
