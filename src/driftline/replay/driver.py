"""Run observe and detect over feeds, in one process."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from driftline.events.record import Record, Source
from driftline.pipeline.detect import Detect
from driftline.pipeline.marks import FOREVER
from driftline.pipeline.observe import Observe
from driftline.replay.canonical import Sorted, event_key, window_key
from driftline.replay.deadletters import deadletter_key, deadletter_line
from driftline.replay.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from driftline.contract import Book
    from driftline.pipeline.emission import Emission
    from driftline.pipeline.join import Join
    from driftline.pipeline.output import Output
    from driftline.pipeline.references import References
    from driftline.replay.feed import Feed
    from driftline.stats import Reference

__all__ = ["OUTPUTS", "Driver"]

OUTPUTS = ("windows", "alerts", "feedback")
CHUNK_RECORDS = 4_000
LEDGER = Source("ledger", 0)


class Driver:
    """One observe for each feed and one detect for all of them.

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
        self._references = references
        self._observers = [
            Observe(
                feed.source, feed.spec, book, references, span=span, reject_unknown=reject_unknown
            )
            for feed in feeds
        ]
        inputs = [feed.source for feed in feeds]
        self._join: Join | None = None
        if book.joins:
            # Here and not above: a replay that joins nothing needs no RocksDB.
            from driftline.ledger.store import Store
            from driftline.pipeline.join import Join

            self._join = Join(LEDGER, inputs, book, Store(spool / "ledger", FOREVER))
        ledger = [LEDGER] if self._join is not None else []
        self._detect = Detect(book, [*inputs, *ledger], references)
        self._entries = self._messages = 0
        self._sorted = {name: Sorted(spool) for name in (*OUTPUTS, "deadletters")}
        self.tally = Tally()

    def run(self, progress: Callable[[int], None]) -> None:
        """Read every feed to its end.

        Parameters
        ----------
        progress
            Called after each batch with the number of records in it.
        """
        # Ties go to the feed that was named first.
        queue = [(observe.mark, place) for place, observe in enumerate(self._observers)]
        heapq.heapify(queue)
        while queue:
            _, place = heapq.heappop(queue)
            records = self._feeds[place].read(CHUNK_RECORDS)
            observe = self._observers[place]
            if records:
                self._take(place, observe.on_batch(records))
                heapq.heappush(queue, (observe.mark, place))
                progress(len(records))
            else:
                self._take(place, observe.finish())
                self._feeds[place].close()
        self._publish(self._detect.flush())
        if self._join is not None:
            self._join.close()

    def _take(self, place: int, emission: Emission) -> None:
        for _, pane in emission.panes:
            self.tally.add(pane)
            self._to_detect(pane)
        if emission.mark is not None:
            self._to_detect(emission.mark)
        if self._join is not None:
            self._to_join(self._join, emission)
        origin = self._feeds[place].origin
        for dead in emission.dead:
            row = origin(dead.offset)
            self._sorted["deadletters"].add(deadletter_key(dead, row), deadletter_line(dead, row))

    def _to_join(self, join: Join, emission: Emission) -> None:
        values = [value for _, value in emission.ledger]
        values += [emission.mark] if emission.mark is not None else []
        records = [Record(at, None, value) for at, value in enumerate(values, self._entries)]
        self._entries += len(records)
        joining = join.on_batch(records)
        for _, cells in joining.cells:
            self._to_detect(cells)
        if joining.mark is not None:
            self._to_detect(joining.mark)

    def _to_detect(self, message: bytes) -> None:
        self._publish(self._detect.on_message(self._messages, message))
        self._messages += 1

    def _publish(self, output: Output) -> None:
        for _, value in output.windows:
            self._sorted["windows"].add(window_key(value), value)
        for name, messages in (("alerts", output.alerts), ("feedback", output.feedback)):
            for _, value in messages:
                self._sorted[name].add(event_key(value), value)

    def write(self, out: Path) -> dict[str, Any]:
        """Write the output files, and return how many lines each has."""
        counts = {name: held.write(out / f"{name}.jsonl") for name, held in self._sorted.items()}
        counts["differing"] = sum(held.differing for held in self._sorted.values())
        return counts

    @property
    def skipped(self) -> int:
        """Events outside of the span."""
        return sum(observe.skipped for observe in self._observers)

    def references(self) -> dict[str, Reference]:
        """Return the latest reference of each model that was met."""
        found = {model: self._references.latest(model) for model in sorted(self.tally.models)}
        return {model: reference for model, reference in found.items() if reference is not None}

    def warming_up(self) -> dict[str, int]:
        """Return the rows held by each model that never got a reference."""
        return self._detect.warming_up()
