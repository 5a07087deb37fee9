"""Measure throughput, scaling, memory and detectors on this machine."""

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


@app.command()
def ledger(
    json: AsJson = None,
    pairs: Annotated[
        int, typer.Option(min=10_000, help="Predictions, each with a label.")
    ] = 1_000_000,
) -> None:
    """Join predictions with labels that come 30 days later, and lose and rebuild the store.

    Runs join in a process without a broker, on one core and one partition of the ledger.
    """
    from driftline.bench.ledger import run
    from driftline.bench.table import print_ledger

    found = run(pairs, _notify())
    print_ledger(found, _console())
    _write(json, found.as_json())


@app.command()
def detectors(
    json: AsJson = None,
    plot: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Draw the figures here, as SVG.")
    ] = None,
    laws: Annotated[
        str | None, typer.Option(help="These laws only, by comma, such as normal,ar.9.")
    ] = None,
    changes: Annotated[
        str | None, typer.Option(help="These changes only, by comma, such as mean0.5,mix.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Everything, briefly.")] = False,
    libraries: Annotated[
        bool, typer.Option("--libraries", help="Evidently and NannyML too, as in a full run.")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, max=256, help="Cores to use.")] = 2,
    detectors: Annotated[
        str, typer.Option(help="By comma, such as evidence,adwin; or what contracts default to.")
    ] = "default",
    slots: Annotated[int | None, typer.Option(min=100, help="For each law.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Other traffic with each number.")] = 1,
) -> None:
    """Set promised false pages beside achieved ones, and delays beside the least possible.

    Models of 100 features are watched by their own detectors on traffic whose law is known: on
    stationary traffic every page is false, and planted changes are to be found. Beside them stand
    river's detectors as people use them by hand, and, in environments of their own that are made on
    the first run, Evidently and NannyML.
    """
    from driftline.bench.detectors.plot import draw
    from driftline.bench.detectors.run import Asked, run
    from driftline.bench.detectors.table import print_found

    asked = Asked(
        laws=_by_comma(laws),
        changes=_by_comma(changes),
        quick=quick,
        detectors=None if detectors == "default" else tuple(_by_comma(detectors) or ()),
        seed=seed,
        slots=slots,
        processes=processes,
        libraries=libraries,
    )
    found = run(asked, _notify())
    print_found(found, _console())
    _write(json, found.as_json())
    if plot is not None:
        plot.write_text(draw(found), encoding="utf-8")


@app.command()
def publish(
    json: AsJson = None,
    events: Annotated[int, typer.Option(min=1_000, help="Predictions to send.")] = 500_000,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Runs of each client.")] = 3,
    calls: Annotated[
        int, typer.Option(min=0, help="Calls while the broker is away; 0 leaves that out.")
    ] = 100_000,
    rate: Annotated[float, typer.Option(min=1, help="Of these calls, a second.")] = 5_000,
) -> None:
    """Publish from one process, beside plain aiokafka and confluent-kafka; then stop the broker.

    All send the same predictions of 20 features, acknowledged by the broker, with zstd, on one
    core, in turns. confluent-kafka lives in an environment of its own, made on the first run. Then
    a broker is stopped under the publisher: what a call takes, and what arrives when it is back.
    """
    from driftline.bench.publishing import TITLES, run
    from driftline.bench.table import print_publishing

    found = run(events, rounds, calls, rate, _notify())
    print_publishing(found, TITLES, _console())
    _write(json, found.as_json())


def _by_comma(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


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
