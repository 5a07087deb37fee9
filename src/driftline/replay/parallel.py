"""On how many processes a replay runs, and whose they are."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from driftline.replay.apart import Apart, NotShared
from driftline.replay.hosts import Seat, seated
from driftline.replay.judge import Share
from driftline.replay.pool import dask, processes
from driftline.replay.saved import FOLDER, Saved, binding
from driftline.replay.stretch import write_plan
from driftline.replay.supply import supply_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from driftline.contract import Book
    from driftline.replay.judge import Judged
    from driftline.replay.run import Opened
    from driftline.replay.stretch import Plan

__all__ = ["Engine", "NotShared", "observe_apart"]


@dataclass(frozen=True)
class Engine:
    """Where sources are observed, and models judged.

    Attributes
    ----------
    jobs
        Processes that observe; as many again judge, where there are several models.
    kind
        Processes of this machine, or a Dask cluster.
    scheduler
        The cluster's address; None for one on this machine.
    resume
        Whether to keep what was observed in the folder of the outputs until they are there, and to
        go on from what an earlier run has kept.
    optional
        Whether one process may do it where there is little to read.
    """

    jobs: int
    kind: Literal["processes", "dask"] = "processes"
    scheduler: str | None = None
    resume: bool = False
    optional: bool = False

    @contextmanager
    def pool(self) -> Iterator[Executor]:
        """Yield what stretches are given to."""
        with (
            processes(self.jobs)
            if self.kind == "processes"
            else dask(self.scheduler, self.jobs) as pool
        ):
            yield pool

    def forget(self, out: Path) -> None:
        """Remove the checkpoints: the outputs are there."""
        if self.resume:
            shutil.rmtree(out / FOLDER, ignore_errors=True)


def seats_of(book: Book, jobs: int) -> list[Seat]:
    """Return a seat for each share of the models."""
    of = max(1, min(jobs, len(book)))
    return [Seat(book, Share(place, of)) for place in range(of)]


def observe_apart(
    engine: Engine,
    at_hand: Opened,
    plan: Plan,
    advance: Callable[[int], None],
    tell: Callable[[str], None],
    seats: Sequence[Seat] | None = None,
) -> tuple[list[Judged], int]:
    """Observe stretches in a pool, and judge what they come to.

    Parameters
    ----------
    advance
        Called with the number of records of each step.
    tell
        Called with a line about what an earlier run has left.
    seats
        Who judges; None for the plan's book, its models shared out.

    Returns
    -------
    judged
        What each judge leaves.
    skipped
        Events outside of the span.

    Raises
    ------
    NotShared
        Several books judge, and what is normal changes on the way.
    """
    write_plan(plan, at_hand.spool)
    saved = _saved(at_hand, plan, tell) if engine.resume else None
    with ExitStack() as stack:
        pool = stack.enter_context(engine.pool())
        judging = seats_of(plan.book, engine.jobs) if seats is None else seats
        judges = stack.enter_context(seated(judging, at_hand.spool, engine.jobs))
        supplies = [supply_of(feed, place, plan) for place, feed in enumerate(at_hand.feeds)]
        apart = Apart(plan, at_hand.spool, supplies, pool, engine.jobs, saved)
        apart.shared = seats is not None and len(seats) > 1
        apart.run(judges, advance)
        found = judges.finish()
    if saved is not None and saved.taken:
        tell(f"{saved.taken:,} stretches were there from an earlier run, and not read again")
    return found, apart.skipped


def _saved(at_hand: Opened, plan: Plan, tell: Callable[[str], None]) -> Saved:
    spans = [tuple(feed.span) for feed in at_hand.feeds if hasattr(feed, "span")]
    saved = Saved(at_hand.out, binding(at_hand.named, plan, spans))
    for left in at_hand.out.glob(".spool-*"):
        if left != at_hand.spool:
            shutil.rmtree(left, ignore_errors=True)  # of the run that was killed
    if saved.foreign:
        tell("the checkpoints there are of other sources or contracts: begun anew")
    elif saved.found:
        tell(f"going on: {saved.found:,} stretches are there from an earlier run")
    return saved
