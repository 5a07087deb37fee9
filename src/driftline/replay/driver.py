"""Run observe over feeds, and judges over what it says, in one process."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from driftline.pipeline.marks import NEVER
from driftline.pipeline.observe import Observe
from driftline.replay.judge import Judge, beginning, step_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from driftline.contract import Book
    from driftline.pipeline.references import References
    from driftline.replay.feed import Feed
    from driftline.replay.judge import Judged

__all__ = ["CHUNK_RECORDS", "Driver"]

CHUNK_RECORDS = 4_000


class Driver:
    """One observe for each feed and one judge for all of them.

    The feed that stands furthest back in event time is read next, so that as few slots as possible
    are open at a time.

    Parameters
    ----------
    spool
        Folder for outputs on their way into order; whoever made it removes it.
    span
        Event time to count, microseconds, from and up to but not including; None is open.
    reject_unknown
        Whether events of models without a contract are dead letters.
    """

    def __init__(
        self,
        book: Book,
        references: References,
        feeds: Sequence[Feed],
        spool: Path,
        span: tuple[int | None, int | None] = (None, None),
        *,
        reject_unknown: bool = False,
    ) -> None:
        self._feeds = feeds
        self._observers = [
            Observe(
                feed.source, feed.spec, book, references, span=span, reject_unknown=reject_unknown
            )
            for feed in feeds
        ]
        self._judge = Judge(book, references, [feed.source for feed in feeds], spool)

    def run(self, progress: Callable[[int], None]) -> None:
        """Read every feed to its end.

        Parameters
        ----------
        progress
            Called after each batch with the number of records in it.
        """
        # Ties go to the feed that was named first.
        queue = [(getattr(feed, "begins", NEVER), place) for place, feed in enumerate(self._feeds)]
        for begins, place in queue:
            if begins != NEVER:
                self._judge.take(beginning(self._feeds[place].source, begins))
        heapq.heapify(queue)
        while queue:
            _, place = heapq.heappop(queue)
            feed, observe = self._feeds[place], self._observers[place]
            records = feed.read(CHUNK_RECORDS)
            emission = observe.on_batch(records) if records else observe.finish()
            self._judge.take(step_of(emission, feed, observe.mark, len(records)))
            if records:
                heapq.heappush(queue, (observe.mark, place))
                progress(len(records))
            else:
                feed.close()
        self._judge.finish()

    def judged(self) -> list[Judged]:
        """Return what came of it."""
        return [self._judge.judged()]

    @property
    def skipped(self) -> int:
        """Events outside of the span."""
        return sum(observe.skipped for observe in self._observers)
