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
from driftline.replay.errors import SourceError
from driftline.replay.files import open_file
from driftline.replay.folder import FolderFile, survey
from driftline.replay.judge import reference_lines, write
from driftline.replay.naming import NamedFile, NamedTopic, parse_sources
from driftline.replay.parallel import Engine, observe_apart
from driftline.replay.references import references_for
from driftline.replay.report import write_report
from driftline.replay.stretch import Plan
from driftline.replay.summary import Summary, drills_of, incidents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driftline.contract import Book
    from driftline.replay.feed import Feed
    from driftline.replay.judge import Judged

__all__ = ["Opened", "Request", "opened", "replay"]

MANY = 8
"""Files of folders that are worth looking through on several processes."""
SMALL = 100_000
"""Records that one process has read before others have so much as started."""


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
    engine
        On how many processes, and whose. None: in this one.
    """

    sources: Sequence[str]
    book: Book
    out: Path
    span: tuple[int | None, int | None] = (None, None)
    config: Config | None = None
    report: bool = True
    engine: Engine | None = None


@dataclass(frozen=True)
class Opened:
    """The sources of a request, open, and what they are read by."""

    named: Sequence[NamedFile | NamedTopic]
    feeds: Sequence[Feed]
    config: Config
    spool: Path
    out: Path

    def plan(self, book: Book, span: tuple[int | None, int | None]) -> Plan:
        """Return how the sources are observed by a book."""
        return Plan(
            book,
            references_for(book, self.config),
            [feed.source for feed in self.feeds],
            span,
            self.config.unknown_models == "reject",
        )


def opened(request: Request, stack: ExitStack) -> Opened:
    """Open all sources, and a folder for what is on its way.

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
    spool = Path(mkdtemp(prefix=".spool-", dir=out))
    stack.callback(shutil.rmtree, spool, ignore_errors=True)
    topics = [source for source in named if isinstance(source, NamedTopic)]
    if topics:
        broker = structs.replace(config.broker, bootstrap=topics[0].bootstrap)
        config = structs.replace(config, broker=broker)
    feeds = _feeds(named, request, config, spool, stack)
    return Opened(named, feeds, config, spool, out)


def replay(
    request: Request,
    *,
    clock: Callable[[], float],
    progress: Callable[[int, int], None] = lambda _read, _total: None,
    tell: Callable[[str], None] = lambda _line: None,
) -> Summary:
    """Replay, and write windows, alerts, feedback, dead letters and the summary.

    Parameters
    ----------
    clock
        Seconds that pass, for the speed in the summary; nothing else depends on it.
    progress
        Called with the number of records read so far and their total.
    tell
        Called with a line about what an earlier run has left, where there is one.

    Raises
    ------
    UsageError
        A source, the span or the folder makes no sense.
    DriftlineError
        A source cannot be read.
    """
    begun = clock()
    with ExitStack() as stack:
        at_hand = opened(request, stack)
        feeds, out, spool = at_hand.feeds, at_hand.out, at_hand.spool
        plan = at_hand.plan(request.book, request.span)
        advance = counted(progress, sum(feed.total for feed in feeds))
        engine = request.engine
        if engine is None or (engine.optional and sum(f.total for f in feeds) < SMALL):
            found, skipped = _in_one(plan, feeds, spool, advance)
        else:
            found, skipped = observe_apart(engine, at_hand, plan, advance, tell)
        judged, lines = write(found, spool, out)
    tally = judged.tally
    if tally.dead != lines["deadletters"]:
        msg = f"expected {lines['deadletters']} dead letters in the panes, got {tally.dead}"
        raise DriftlineError(msg)
    summary = Summary(
        counts={**tally.to_json(), "skipped": skipped},
        windows=lines["windows"],
        alerts=lines["alerts"],
        feedback=lines["feedback"],
        differing=lines["differing"],
        found=incidents_of(out / "alerts.jsonl"),
        sources=[
            {"name": str(feed.source), "type": feed.spec.type, "records": feed.total}
            for feed in feeds
        ],
        warming_up=judged.warming_up,
        drills=drills_of(out / "feedback.jsonl"),
        alarms=alarms_of(out / "windows.jsonl"),
        references=judged.references,
        seconds=clock() - begun,
    )
    (out / "references.jsonl").write_bytes(reference_lines(judged))
    (out / "summary.json").write_bytes(summary.to_json())
    if request.report:
        write_report(out, summary, summary.references)
    if engine is not None:
        engine.forget(out)
    return summary


def counted(progress: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    """Return what is called with records, and tells how many there have been of a total."""
    read = 0

    def advance(records: int) -> None:
        nonlocal read
        read += records
        progress(read, total)

    return advance


def _in_one(
    plan: Plan, feeds: Sequence[Feed], spool: Path, advance: Callable[[int], None]
) -> tuple[list[Judged], int]:
    driver = Driver(
        plan.book,
        plan.references,
        feeds,
        spool,
        plan.span,
        reject_unknown=plan.reject_unknown,
    )
    driver.run(advance)
    return driver.judged(), driver.skipped


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"--out {out}: expected a folder that can be written ({error.strerror})"
        raise UsageError(msg) from error
    return out


def _surveyed(
    named: Sequence[NamedFile | NamedTopic], request: Request, only: str | None, spool: Path
) -> dict[NamedFile | NamedTopic, FolderFile]:
    """Look the files of folders through, on as many processes as there are."""
    files = [each for each in named if isinstance(each, NamedFile) and each.folder is not None]
    if not files:
        return {}
    with ExitStack() as stack:
        engine = request.engine
        apart = engine is not None and len(files) >= MANY
        run = stack.enter_context(engine.pool()).map if engine is not None and apart else map
        found = list(run(survey, files, [only] * len(files), [str(spool)] * len(files)))
    feeds = [
        (each, FolderFile(each, only, spool, told)) for each, told in zip(files, found, strict=True)
    ]
    seen: dict[tuple[Path | None, str], FolderFile] = {}
    for each, feed in feeds:
        for column, reading in feed.readings.items():
            first = seen.setdefault((each.folder, column), feed)
            if first.readings[column] != reading:
                msg = (
                    f"{each.folder}: expected each column to hold the same in all files, got "
                    f"{column}: {first.readings[column]} in {first.named.path}, {reading} in "
                    f"{each.path} (files that are named one by one are taken as they are)"
                )
                raise SourceError(msg)
    return dict(feeds)


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
    looked_through = _surveyed(named, request, only, spool)
    for source in named:
        opened: Any
        if source in looked_through:
            opened = [looked_through[source]]
        elif isinstance(source, NamedFile):
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
