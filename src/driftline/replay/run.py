"""One replay from its arguments to its files."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from msgspec import structs

from driftline.bus.config import Config
from driftline.errors import DriftlineError, UsageError
from driftline.replay.alarms import alarms_of
from driftline.replay.driver import Driver
from driftline.replay.files import open_file
from driftline.replay.naming import NamedFile, NamedTopic, parse_sources
from driftline.replay.references import references_for
from driftline.replay.report import write_report
from driftline.replay.summary import Summary, drills_of, incidents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driftline.contract import Book
    from driftline.replay.feed import Feed

__all__ = ["Request", "replay"]


@dataclass(frozen=True)
class Request:
    """What to replay.

    Attributes
    ----------
    sources
        SOURCE arguments, as `driftline.replay.naming` reads them.
    out
        Folder for the outputs; it is made if it is not there.
    span
        Event time to count, microseconds, from and up to but not including; None is open.
    config
        How to connect to Kafka, where its topics keep their fields, and whether models without a
        contract are watched.
    report
        Whether to write ``report.html`` too.
    """

    sources: Sequence[str]
    book: Book
    out: Path
    span: tuple[int | None, int | None] = (None, None)
    config: Config | None = None
    report: bool = True


def replay(
    request: Request,
    *,
    clock: Callable[[], float],
    progress: Callable[[int, int], None] = lambda _read, _total: None,
) -> Summary:
    """Replay, and write windows, alerts, feedback, dead letters and the summary.

    Parameters
    ----------
    clock
        Seconds that pass, for the speed in the summary; nothing else depends on it.
    progress
        Called with the number of records read so far and their total.

    Raises
    ------
    UsageError
        A source, the span or the folder makes no sense.
    DriftlineError
        A source cannot be read.
    """
    low, high = request.span
    if low is not None and high is not None and low >= high:
        msg = "--to: expected a time after --from"
        raise UsageError(msg)
    named = parse_sources(request.sources)
    out = _folder(request.out)
    config = request.config or Config()
    begun = clock()
    with ExitStack() as stack:
        spool = Path(mkdtemp(prefix=".spool-", dir=out))
        stack.callback(shutil.rmtree, spool, ignore_errors=True)
        topics = [source for source in named if isinstance(source, NamedTopic)]
        if topics:
            broker = structs.replace(config.broker, bootstrap=topics[0].bootstrap)
            config = structs.replace(config, broker=broker)
        feeds = _feeds(named, request, config, spool, stack)
        references = references_for(request.book, config)
        driver = Driver(
            request.book,
            references,
            feeds,
            spool,
            request.span,
            reject_unknown=config.unknown_models == "reject",
        )
        total = sum(feed.total for feed in feeds)
        read = 0

        def advance(records: int) -> None:
            nonlocal read
            read += records
            progress(read, total)

        driver.run(advance)
        lines = driver.write(out)
    tally = driver.tally.to_json()
    if driver.tally.dead != lines["deadletters"]:
        msg = f"expected {lines['deadletters']} dead letters in the panes, got {driver.tally.dead}"
        raise DriftlineError(msg)
    summary = Summary(
        counts={**tally, "skipped": driver.skipped},
        windows=lines["windows"],
        alerts=lines["alerts"],
        feedback=lines["feedback"],
        differing=lines["differing"],
        found=incidents_of(out / "alerts.jsonl"),
        sources=[
            {"name": str(feed.source), "type": feed.spec.type, "records": feed.total}
            for feed in feeds
        ],
        warming_up=driver.warming_up(),
        drills=drills_of(out / "feedback.jsonl"),
        alarms=alarms_of(out / "windows.jsonl"),
        references=driver.references(),
        seconds=clock() - begun,
    )
    (out / "summary.json").write_bytes(summary.to_json())
    if request.report:
        write_report(out, summary, summary.references)
    return summary


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"--out {out}: expected a folder that can be written ({error.strerror})"
        raise UsageError(msg) from error
    return out


def _feeds(
    named: Sequence[NamedFile | NamedTopic],
    request: Request,
    config: Config,
    spool: Path,
    stack: ExitStack,
) -> list[Feed]:
    book = request.book
    only = book.models[0] if len(book) == 1 else None
    low = request.span[0]
    feeds: list[Feed] = []
    for source in named:
        opened: Any
        if isinstance(source, NamedFile):
            opened = [open_file(source, only, spool)]
        else:
            from driftline.replay.topics import open_topic

            # An event's time may run ahead of its record's by so much, and no more.
            ahead = max([book.of("").max_ahead, *(contract.max_ahead for contract in book)])
            opened = open_topic(source, config, None if low is None else low - ahead)
        for feed in opened:
            stack.callback(feed.close)
            feeds.append(feed)
    return feeds
