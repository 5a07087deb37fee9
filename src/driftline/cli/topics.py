"""Create and check driftline's topics."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from driftline.cli._configured import AsJson, Bootstrap, ConfigFile, Prefix, configured

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def apply(
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    with_inputs: Annotated[
        bool, typer.Option("--with-inputs", help="Create the input topics too.")
    ] = False,
    input_partitions: Annotated[int, typer.Option(min=1, help="Partitions of each input.")] = 4,
    input_retention: Annotated[
        str, typer.Option(help='How long inputs are kept ("7d"); "forever" for replayed history.')
    ] = "7d",
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing; existing ones are left as they are."""
    from driftline.bus import topics

    effective = configured(config, bootstrap, prefix)
    wanted = topics.outputs(effective)
    if with_inputs:
        wanted += topics.inputs(effective, input_partitions, _retention_ms(input_retention))
    created = asyncio.run(topics.apply(effective.broker, wanted))
    if as_json:
        typer.echo(json.dumps({"created": created, "there": len(wanted) - len(created)}))
        return
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(created)} created, {len(wanted) - len(created)} were there")


@app.command()
def check(
    config: ConfigFile = None,
    bootstrap: Bootstrap = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> int:
    """Compare the topics with what they have to be; exit code 1 lists every difference."""
    from driftline.bus import topics

    effective = configured(config, bootstrap, prefix)
    differences = asyncio.run(topics.check(effective))
    if as_json:
        typer.echo(json.dumps({"differences": differences}))
    else:
        for line in differences:
            typer.echo(line)
        count = f"{len(differences)} differences"
        typer.echo(count if differences else "all topics are as they should be")
    return 1 if differences else 0


def _retention_ms(text: str) -> int:
    from driftline.contract.quantities import parse_duration
    from driftline.errors import UsageError

    if text == "forever":
        return -1
    try:
        return parse_duration(text) // 1_000
    except ValueError:
        msg = f'--input-retention: expected a duration such as 7d, or "forever", got {text!r}'
        raise UsageError(msg) from None
