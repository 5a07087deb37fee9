"""Print what driftline measures of itself: every metric, its labels and its meaning."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from driftline.errors import UsageError

__all__ = ["command"]


def command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write the reference there."),
    ] = None,
) -> None:
    """Print what driftline measures of itself: every metric, its labels and its meaning.

    As Markdown, which is what deploy/metrics.md holds. The values are on the health ports of
    workers and of notify, under /metrics.
    """
    from driftline.bus.measures import MEASURES
    from driftline.cli._metrics_reference import markdown
    from driftline.notify import measures as notify

    if as_json and write is not None:
        msg = "--write: writes Markdown; leave --json out"
        raise UsageError(msg)
    if as_json:
        both = (*MEASURES, *notify.MEASURES)
        typer.echo(json.dumps([_plain(dataclasses.asdict(each)) for each in both], indent=2))
    elif write is not None:
        write.write_text(markdown(), encoding="utf-8")
        typer.echo(str(write))
    else:
        typer.echo(markdown(), nl=False)


def _plain(measure: dict[str, object]) -> dict[str, object]:
    return measure | {"name": f"driftline_{measure['name']}"}
