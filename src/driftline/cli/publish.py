"""Send files of events to Kafka."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli._configured import configured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from driftline.bus.config import Config
    from driftline.cli._published import Outcome, Pump
    from driftline.events.frame import EventType
    from driftline.publish import Counts, Settings
    from driftline.replay.feed import Feed

INTERRUPTED = 130


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="A .jsonl, .jsonl.gz, .csv or .parquet file; labels=FILE says what it holds.",
        ),
    ],
    config: Annotated[
        Path | None, typer.Option(help="driftline.yaml: how to connect, and the prefix.")
    ] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Brokers, host:port.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Before each topic's name.")] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(help="Where a type goes: prediction=scoring.out. May be repeated."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Of events that name none.")] = None,
    rate: Annotated[
        str | None, typer.Option(help="As 500/s or 10/min; as fast as it goes where left out.")
    ] = None,
    compression: Annotated[str, typer.Option(help="none, gzip, snappy, lz4 or zstd.")] = "zstd",
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> int:
    """Send files of events to Kafka.

    The files are those that replay reads: events in envelopes go to the topics of their types, each
    file in the order of its events' time. What driftline could not read is told and not sent.
    Ctrl-C stops reading; what was read by then is sent. Exit code 1 where anything was not.
    """
    from driftline.cli._published import Pace, Pump
    from driftline.publish import Settings
    from driftline.publish.core import Core

    effective = configured(config, bootstrap, prefix)
    connection = effective.broker.client()
    settings = Settings(
        bootstrap=connection.pop("bootstrap_servers"),
        prefix=effective.prefix,
        topics=_topics(topic or []),
        compression=compression,  # type: ignore[arg-type]  # checked there
        when_full="block",
        on_sigterm=False,
        connection=connection,
    )
    core = Core(settings)
    begun = time.monotonic()
    with ExitStack() as stack:
        feeds = _feeds(files, model, stack)
        pump = Pump(core, Pace(_rate(rate)), _checker(effective, settings))
        try:
            interrupted = _run(feeds, pump)
        finally:
            core.close(effective.broker.give_up_after / 1e6)
    counts = core.counts()
    _say(pump.outcome, counts, time.monotonic() - begun, as_json=as_json)
    if interrupted:
        return INTERRUPTED
    return int(bool(pump.outcome.refused or counts.sent < counts.accepted))


def _run(feeds: Sequence[Feed], pump: Pump) -> bool:
    """Send all feeds; return whether somebody interrupted it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _bar(sum(feed.total for feed in feeds)) as advance:
            for feed in feeds:
                pump.run(feed, advance)
    except KeyboardInterrupt:
        return True
    finally:
        signal.signal(signal.SIGTERM, before)
    return False


def _topics(given: Sequence[str]) -> dict[Any, str]:
    from driftline.errors import UsageError
    from driftline.events.mapping import type_named

    topics = {}
    for text in given:
        word, _, name = text.partition("=")
        kind = type_named(word)
        if kind is None or not name:
            msg = f"--topic: expected TYPE=NAME, such as prediction=scoring.out, got {text!r}"
            raise UsageError(msg)
        topics[kind] = name
    return topics


def _rate(rate: str | None) -> float | None:
    from driftline.contract.quantities import parse_rate
    from driftline.errors import UsageError

    if rate is None:
        return None
    try:
        found = parse_rate(rate if "/" in rate or " per " in rate else f"{rate}/s")
    except ValueError as error:
        msg = f"--rate: expected 500/s or 10/min, got {rate!r}"
        raise UsageError(msg) from error
    return found.count / found.per * 1e6


def _feeds(files: Sequence[str], model: str | None, stack: ExitStack) -> list[Feed]:
    from driftline.errors import UsageError
    from driftline.replay.files import open_file
    from driftline.replay.naming import NamedFile, parse_sources

    spool = Path(mkdtemp(prefix="driftline-publish-"))
    stack.callback(shutil.rmtree, spool, ignore_errors=True)
    feeds = []
    for named in parse_sources(files):
        if not isinstance(named, NamedFile):
            msg = f"{named.topic}: expected a file, got a topic"
            raise UsageError(msg)
        feed = open_file(named, model, spool)
        stack.callback(feed.close)
        feeds.append(feed)
    return feeds


def _checker(config: Config, settings: Settings) -> Callable[[EventType], None]:
    """Return what makes sure that the topic of a type is there, before anything waits for it."""
    from driftline.bus.topics import partition_counts
    from driftline.errors import BrokerError

    def check(type_: EventType) -> None:
        topic = settings.topic(type_)
        if not asyncio.run(partition_counts(config.broker, [topic]))[topic]:
            msg = (
                f"{config.broker.bootstrap}: no topic {topic}; "
                "`driftline topics apply --with-inputs` creates the topics"
            )
            raise BrokerError(msg)

    return check


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """Show progress and rate where somebody looks."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("publishing"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    begun = time.monotonic()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("publishing", total=total, rate="")
        read = 0

        def advance(records: int) -> None:
            nonlocal read
            read += records
            rate = read / max(1e-9, time.monotonic() - begun)
            bar.update(task, advance=records, rate=f"{rate:,.0f}/s")

        yield advance


def _say(outcome: Outcome, counts: Counts, seconds: float, *, as_json: bool) -> None:
    for line in outcome.told:
        typer.echo(f"not sent: {line}", err=True)
    if outcome.refused > len(outcome.told):
        typer.echo(f"not sent: {outcome.refused - len(outcome.told):,} more", err=True)
    if as_json:
        told = {
            "accepted": counts.accepted,
            "sent": counts.sent,
            "by_type": dict(outcome.accepted),
            "dropped": dict(counts.dropped),
            "refused": outcome.refused,
            "messages": counts.messages,
            "seconds": round(seconds, 3),
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(outcome.accepted.items()))
    rate = counts.sent / max(1e-9, seconds)
    typer.echo(
        f"sent {counts.sent:,} events ({kinds or 'none'}) in {counts.messages:,} messages, "
        f"{seconds:.1f} s, {rate:,.0f}/s"
    )
    for reason, count in counts.dropped.items():
        typer.echo(f"not sent: {count:,} {reason}", err=True)
