"""A worker's counts, for Prometheus: `driftline.bus.measures` says what they mean."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from driftline import __version__
from driftline.bus.instruments import instruments, new_registry
from driftline.bus.measures import MEASURES, TOPICS
from driftline.bus.owners import DetectOwner, JoinOwner, ObserveOwner
from driftline.bus.standings import Standings
from driftline.events.time import SECOND
from driftline.pipeline.marks import FOREVER, NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from driftline.bus.clock import Clock
    from driftline.bus.offsets import SafeOffset
    from driftline.bus.owners import Owner
    from driftline.bus.transport import Chunk
    from driftline.contract import Book
    from driftline.events.record import Source
    from driftline.pipeline.output import Output

__all__ = ["Metrics"]

STAGES: dict[type, str] = {ObserveOwner: "observe", JoinOwner: "join", DetectOwner: "detect"}
OF_PARTITIONS = ("lag_records", "committed_offset", "snapshot_bytes", "snapshot_age_seconds")


class Metrics:
    """One worker's registry.

    Parameters
    ----------
    models
        Models that are told apart, see `driftline.bus.standings`.

    Attributes
    ----------
    progress
        By source, the steady time (seconds) at which it was last handled; for the watchdog.
    """

    def __init__(self, book: Book, clock: Clock, models: int) -> None:
        self.registry = new_registry()
        self._of = instruments(self.registry, MEASURES)
        self._of["build_info"].labels(__version__).set(1)
        self._clock = clock
        self._standings = Standings(self._of, book, models)
        self.progress: dict[Source, float] = {}
        self._saved: dict[Source, float] = {}
        self._saving: dict[Source, float] = {}

    @contextmanager
    def batch(self, chunk: Chunk, owner: Owner) -> Iterator[None]:
        """Count and time the handling of a chunk."""
        before = _tally(owner)
        began = time.perf_counter()
        yield
        stage = STAGES[type(owner)]
        self._of["batch_seconds"].labels(stage).observe(time.perf_counter() - began)
        self._of["records_total"].labels(stage).inc(len(chunk.records))
        self._of["batches_total"].labels(stage).inc()
        self._of["last_batch_timestamp_seconds"].labels(stage).set(self._clock.wall() / SECOND)
        for (name, *labels), count in (_tally(owner) - before).items():
            counter = self._of[name]
            (counter.labels(*labels) if labels else counter).inc(count)
        self.progress[chunk.source] = self._clock.steady()

    def on_output(self, output: Output, seconds: float) -> None:
        """Note what a message of `panes` has led to, and the time that it took."""
        if not output.closed and not output:
            return  # a pane, as most messages are
        wall = self._clock.wall()
        for end in output.closed:
            self._of["slot_seconds"].observe(seconds / len(output.closed))
            self._of["slot_close_delay_seconds"].observe((wall - end) / SECOND)
        for name in TOPICS:
            count = len(getattr(output, name))
            if count:
                self._of["outputs_total"].labels(name).inc(count)
        for _, value in output.alerts:
            self._standings.on_alert(value)
        for _, value in output.feedback:
            self._standings.on_feedback(value)

    def on_assigned(self, owners: Mapping[Source, Owner]) -> None:
        """Forget the partitions of before."""
        self._of["assignments_total"].inc()
        for name in OF_PARTITIONS:
            self._of[name].clear()
        now = self._clock.steady()
        self.progress = dict.fromkeys(owners, now)
        self._saving.clear()
        self._saved = {
            source: now for source, owner in owners.items() if isinstance(owner, DetectOwner)
        }

    def on_commit(self, done: Mapping[Source, SafeOffset]) -> None:
        """Note committed offsets; those of `panes` say that a snapshot is durable."""
        for source, safe in done.items():
            self._of["committed_offset"].labels(*source).set(safe.offset)
            if source in self._saving:
                self._saved[source] = self._saving.pop(source)

    def on_snapshot(self, owner: DetectOwner, *, changed: bool) -> None:
        """Note a snapshot that is on its way, or that there was nothing to save."""
        noted = self._saving if changed else self._saved
        noted[owner.source] = self._clock.steady()
        self._of["snapshot_bytes"].labels(*owner.source).set(owner.saved_bytes)

    def refresh(
        self,
        owners: Mapping[Source, Owner],
        lag: Mapping[Source, int],
        idle: Collection[Source],
        *,
        ready: bool,
        stalled_s: float,
    ) -> None:
        """Bring what is a state, and no count, up to now; called before each scrape."""
        now = self._clock.steady()
        self._of["ready"].set(ready)
        self._of["stalled_seconds"].set(stalled_s)
        self._of["idle_partitions"].set(len(idle))
        for source, records in lag.items():
            if source in owners:
                self._of["lag_records"].labels(*source).set(records)
        for source, saved in self._saved.items():
            self._of["snapshot_age_seconds"].labels(*source).set(now - saved)
        stages = Counter(STAGES[type(owner)] for owner in owners.values())
        for stage in STAGES.values():
            self._of["partitions"].labels(stage).set(stages[stage])
        self._look_at_marks(owners, idle)
        self._standings.refresh(
            standing
            for owner in owners.values()
            if isinstance(owner, DetectOwner)
            for standing in owner.detect.standings()
        )

    def _look_at_marks(self, owners: Mapping[Source, Owner], idle: Collection[Source]) -> None:
        """Tell how far event time is behind, by the partition that is furthest behind."""
        wall = self._clock.wall()
        delays: dict[str, float] = {}
        for source, owner in owners.items():
            mark = wall if source in idle else owner.mark
            # Nothing has been read yet, or nothing more will come: there is no delay to tell.
            if NEVER < mark < FOREVER:
                stage = STAGES[type(owner)]
                behind = max(0.0, (wall - mark) / SECOND)
                delays[stage] = max(behind, delays.get(stage, 0.0))
        self._of["watermark_delay_seconds"].clear()
        for stage, delay in delays.items():
            self._of["watermark_delay_seconds"].labels(stage).set(delay)


def _tally(owner: Owner) -> Counter[tuple[str, ...]]:
    """Return what an owner has counted, by metric and labels."""
    if isinstance(owner, ObserveOwner):
        observe = owner.observe
        counts: Counter[tuple[str, ...]] = Counter(
            {("events_total", kind): count for kind, count in observe.events.items()}
        )
        counts.update({("dead_letters_total", code): n for code, n in owner.dead.items()})
        counts["late_events_total",] = observe.late
        counts["duplicate_events_total",] = observe.duplicates
        return counts
    if isinstance(owner, JoinOwner):
        return Counter({("joined_total",): owner.outputs})
    return Counter()
