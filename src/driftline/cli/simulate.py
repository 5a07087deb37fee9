"""Make traffic of models with planted faults, to Kafka or to files."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console

    from driftline.simulate import Delivery, Scenario
    from driftline.simulate.files import FileForm


def command(
    to: Annotated[str | None, typer.Option(help="Broker to send to: kafka://host:port.")] = None,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder to write events and truth into.")
    ] = None,
    models: Annotated[
        str, typer.Option(help="Models, by comma; other-name=model for another name.")
    ] = "credit-risk,demand-forecast",
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            help="kind:model[:feature][:size[:more]]@start[..end][ in feature=level]; may be "
            "repeated.",
        ),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="Event time to make; 1h, without end for --realtime.")
    ] = None,
    rate: Annotated[
        str, typer.Option(help="Predictions of each model in event time, as 200/s.")
    ] = "200/s",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same events.")] = 1,
    start: Annotated[
        str | None,
        typer.Option(
            help="Time of the first event, or how long ago it was: -30m. 2026-03-02T00:00:00Z if "
            "left out, or now for --realtime."
        ),
    ] = None,
    following: Annotated[
        str, typer.Option("--with", help="labels, decisions, outcomes, training, by comma.")
    ] = "",
    label_delay: Annotated[str, typer.Option(help="Mean time until a label comes.")] = "5m",
    segment: Annotated[
        str, typer.Option(help="Features, by comma, whose values are the events' segment too.")
    ] = "",
    calm: Annotated[
        bool, typer.Option("--calm", help="Independent rows: no season, no memory.")
    ] = False,
    events: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
    form: Annotated[str, typer.Option(help="With --out: jsonl, csv or parquet.")] = "jsonl",
    prefix: Annotated[str, typer.Option(help="With --to: before each topic name.")] = "driftline.",
    realtime: Annotated[
        bool,
        typer.Option("--realtime/--fast", help="With --to: keep pace with event time."),
    ] = False,
    envelope: Annotated[int, typer.Option(help="With --to: events in one message.")] = 1,
    compression: Annotated[
        str, typer.Option(help="With --to: none, gzip, snappy, lz4 or zstd.")
    ] = "none",
    keys: Annotated[
        bool, typer.Option("--keys/--no-keys", help="With --to: key messages by entity.")
    ] = True,
    truth_file: Annotated[
        Path | None,
        typer.Option("--truth", dir_okay=False, help="With --to: where to put the truth."),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show models, features and faults, then stop.")
    ] = False,
) -> None:
    """Make seeded traffic of models with planted faults, to Kafka or to files.

    The same seed gives the same events. Files have their truth beside them:
    what was planted, where, since when and how much. --list says what each
    kind of fault does; one of each:

    Features: mean:credit-risk:age:+1sd@20m,
    spread:credit-risk:age:x2@20m..40m, shape:credit-risk:savings@20m,
    mix:credit-risk:country:20%@20m, new_category:credit-risk:country:5%@20m,
    missing:credit-risk:age:20%@20m in country=DE,
    unit:credit-risk:income:x1000@20m, correlation:credit-risk:income@20m,
    stuck:demand-forecast:price@20m, ramp:credit-risk:age:+1sd@20m..50m.

    The model: silence:credit-risk@20m..30m,
    schema:credit-risk:age:vanish@20m.

    Rows as training recomputes them (--with training):
    skew:credit-risk:income:x1000:5%@1h, and in the place of x1000: +1sd, -2.5,
    null=0, default=0, lost, stale, round=10, lower, upper, code,
    swap=loan_amount.

    Labels (--with labels): concept:credit-risk:50%@10d,
    label_delay:credit-risk:2h:lognormal@1d, label_bias:credit-risk:x8:default@1d,
    label_error:credit-risk:5%@1d, label_loss:credit-risk:30%@1d.

    People (--with decisions): people:credit-risk:10@0s,
    override:credit-risk:24%:right@5d, ignore:credit-risk:50%@5d,
    late:credit-risk:x4@5d, rubber_stamp:credit-risk:3s@5d,
    tire:credit-risk:90%:overrides@5d..12d.

    What a model brings (--with decisions,outcomes):
    holdout:credit-risk:50%@0s in country=DE, uplift:credit-risk:+5pp:30%@0s.

    Loops (--with labels,decisions): retrain:demand-forecast:1d:500@0s,
    loop:demand-forecast:50%:80%@12d.
    """
    from rich.console import Console

    from driftline.errors import UsageError

    if listing:
        _list(Console())
        return
    if (to is None) == (out is None):
        msg = "say where to: either --to kafka://host:port or --out DIR (or --list)"
        raise UsageError(msg)
    if out is not None and (realtime or truth_file):
        msg = "--realtime and --truth go with --to; files are written at once, truth beside them"
        raise UsageError(msg)
    scenario = _scenario(
        models, faults or [], duration, rate, seed, start, following, label_delay, events,
        segment, calm=calm, realtime=realtime,
    )  # fmt: skip
    console = Console(stderr=True)
    begun = time.monotonic()
    if out is not None:
        _to_files(scenario, out, form, console)
        return
    from driftline.simulate import Delivery

    delivery = Delivery(
        prefix, None, realtime=realtime, envelope=envelope, keyed=keys, compression=compression
    )
    counts = _to_kafka(scenario, _bootstrap(to or ""), delivery, console)
    if truth_file is not None:
        from driftline.simulate.files import write_truth

        write_truth(scenario, truth_file, counts)
    seconds = time.monotonic() - begun
    typer.echo(f"sent {_counted(counts)} in {seconds:.1f} s")


def _scenario(
    models: str,
    faults: list[str],
    duration: str | None,
    rate: str,
    seed: int,
    start: str | None,
    following: str,
    label_delay: str,
    events: int | None,
    segment: str,
    *,
    calm: bool,
    realtime: bool,
) -> Scenario:
    from driftline.contract.quantities import parse_duration, parse_instant, parse_rate
    from driftline.errors import UsageError
    from driftline.simulate import START_US, Scenario, parse_fault, traffic
    from driftline.simulate.fault_checks import OPTIONS

    known = {option: kind for kind, option in OPTIONS.items()}
    asked = [name.strip() for name in following.split(",") if name.strip()]
    strange = sorted(set(asked) - set(known))
    if strange:
        msg = f"--with: expected {', '.join(known)}, got {', '.join(strange)}"
        raise UsageError(msg)
    rate = rate if "/" in rate or " per " in rate else f"{rate}/s"
    speed = _read(parse_rate, rate, "--rate", "200/s or 10/min")
    length = duration or (None if realtime or events is not None else "1h")
    # To the millisecond, which is what a Kafka record's timestamp can hold.
    now = time.time_ns() // 1_000_000 * 1_000
    if start is None:
        first = now if realtime else START_US
    elif start.startswith("-"):
        first = now - _read(parse_duration, start[1:], "--start", "an RFC 3339 time, or -30m")
    else:
        first = _read(parse_instant, start, "--start", "an RFC 3339 time, or -30m")
    return Scenario(
        models=tuple(traffic(name, calm=calm) for name in models.split(",") if name.strip()),
        faults=tuple(parse_fault(text) for text in faults),
        start=first,
        rate=speed.count / speed.per * 1e6,
        seed=seed,
        duration=None if length is None else _read(parse_duration, length, "--duration", "1h"),
        events=events,
        following=frozenset(known[name] for name in asked),
        label_delay=_read(parse_duration, label_delay, "--label-delay", "5m"),
        segment=tuple(name.strip() for name in segment.split(",") if name.strip()),
    )


def _read(parse: Callable[[str], Any], text: str, option: str, wants: str) -> Any:
    from driftline.errors import UsageError

    try:
        return parse(text)
    except ValueError as error:
        msg = f"{option}: expected {wants}, got {text!r}"
        raise UsageError(msg) from error


def _bootstrap(address: str) -> str:
    from driftline.errors import UsageError

    scheme, _, rest = address.rpartition("://")
    host, _, port = rest.rstrip("/").rpartition(":")
    if scheme not in {"", "kafka"} or not host or not port.isdigit():
        msg = f"--to: expected kafka://host:port, got {address!r}"
        raise UsageError(msg)
    return rest.rstrip("/")


def _to_files(scenario: Scenario, out: Path, form: str, console: Console) -> None:
    from driftline.errors import UsageError
    from driftline.simulate import to_files

    if form not in {"jsonl", "csv", "parquet"}:
        msg = f"--form: expected jsonl, csv or parquet, got {form!r}"
        raise UsageError(msg)
    with _progress(scenario, console) as advance:
        told = to_files(scenario, out, cast("FileForm", form), advance)
    typer.echo(f"wrote {_counted(told['events'])} to {out}")
    typer.echo(f"planted faults: {len(scenario.faults)}, told in {out / 'truth.json'}")


def _counted(counts: Mapping[str, int]) -> str:
    told = (f"{n:,} {kind}s" for kind, n in sorted(counts.items()))
    return ", ".join(told) or "nothing"


def _to_kafka(scenario: Scenario, bootstrap: str, delivery: Delivery, console: Console) -> Any:
    from driftline.simulate import to_kafka

    async def run(advance: Callable[[int], None]) -> Any:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        # Being interrupted is how a run without end ends: what was made is delivered first.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await to_kafka(scenario, bootstrap, delivery, advance, stop)

    with _progress(scenario, console) as advance:
        return asyncio.run(run(advance))


@contextmanager
def _progress(scenario: Scenario, console: Console) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("events"),
        TimeElapsedColumn(),
    )  # fmt: skip
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("simulate", total=scenario.expected_events)
        yield lambda events: bar.advance(task, events)


def _list(console: Console) -> None:
    from rich.table import Table

    from driftline.simulate import KINDS, MODELS
    from driftline.simulate.fault_checks import OPTIONS

    for kind, model in MODELS.items():
        console.print(f"[bold]{kind}[/bold]  {model.about}")
        if kind == "bench":
            continue
        table = Table(box=None, pad_edge=True, show_header=False)
        for feature in model.features:
            table.add_row(feature.name, feature.kind, feature.about or ", ".join(feature.levels))
        console.print(table)
    console.print(
        r"[bold]faults[/bold]  "
        r"kind:model\[:feature]\[:size\[:more]]@start\[..end]\[ in feature=level]",
        highlight=False,
    )
    table = Table(box=None, pad_edge=True)
    for heading in ("kind", "on", "what happens", "for example"):
        table.add_column(heading)
    for name, plan in KINDS.items():
        on = ", ".join(plan.applies) or (OPTIONS[plan.needs] if plan.needs else "the model")
        table.add_row(name, on, plan.about, plan.usage)
    console.print(table)
