"""Measure throughput, scaling and memory on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here too.")
]


@app.command()
def throughput(
    json: AsJson = None,
    events: Annotated[int, typer.Option(min=1_000, help="Events on the broker.")] = 500_000,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Runs of each program.")] = 3,
    partitions: Annotated[int, typer.Option(min=1, max=100, help="Of the input topic.")] = 1,
    peers: Annotated[
        str | None, typer.Option(help="Some programs only, by comma, such as decode,worker.")
    ] = None,
) -> None:
    """Compare worker and replay with plain decoding and with peers, one core each.

    All read the same 20-feature events from a real broker, one program after another, in turns.
    Start-up is not counted. driftline reads everything, with its default detectors and a reference
    from a file; Quix Streams and Bytewax live in environments of their own, made on the first run,
    and are left out with the reason where these cannot be made.
    """
    from driftline.bench.entrants import ALL
    from driftline.bench.table import print_throughput
    from driftline.bench.throughput import run

    names = ALL if peers is None else tuple(n.strip() for n in peers.split(",") if n.strip())
    found = run(events, rounds, partitions, names, _notify())
    print_throughput(found, _console())
    _write(json, found.as_json())


@app.command()
def scaling(json: AsJson = None) -> None:
    """Show the cost of a value at 10 to 1,000 features and at 1 to 1,000 models.

    Runs observe and detect in a process without a broker. Models have default contracts and
    references from the start; features are independent normal values.
    """
    from driftline.bench.scaling import run
    from driftline.bench.table import print_scaling

    found = run(_notify())
    print_scaling(found, _console())
    _write(json, found.as_json())


@app.command()
def memory(
    json: AsJson = None,
    events: Annotated[int, typer.Option(min=1_000_000, help="Events to send.")] = 10_000_000,
) -> None:
    """Send millions of events through one worker and show its memory at each million.

    Takes about five minutes for ten million events. The topic keeps 1.5 GiB at most.
    """
    from driftline.bench.memory import run
    from driftline.bench.table import print_memory

    found = run(events, _notify())
    print_memory(found, _console())
    _write(json, found.as_json())


def _console() -> Any:
    from rich.console import Console

    # A table in a file or a log should not be folded at 80 columns.
    console = Console()
    return console if console.is_terminal else Console(width=120)


def _notify() -> Callable[[str], None]:
    return lambda line: typer.echo(f"driftline: {line}", err=True)


def _write(path: Path | None, found: dict[str, Any]) -> None:
    if path is None:
        return
    import orjson

    path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
