"""What a worker counts, for Prometheus; labels are partitions and stages, never names of events."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from driftline.bus.owners import DetectOwner, JoinOwner, ObserveOwner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from driftline.bus.offsets import SafeOffset
    from driftline.bus.owners import Owner
    from driftline.bus.transport import Chunk
    from driftline.events.record import Source

__all__ = ["Metrics"]

STAGES: dict[type, str] = {ObserveOwner: "observe", JoinOwner: "join", DetectOwner: "detect"}
PARTITION = ("topic", "partition")


class Metrics:
    """One worker's registry.

    Attributes
    ----------
    progress
        By source, the steady time (seconds) at which it was last handled; for the watchdog.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"driftline_{name}", about, labels, registry=self.registry)

        def gauge(name: str, about: str) -> Gauge:
            return Gauge(f"driftline_{name}", about, PARTITION, registry=self.registry)

        self.records = counter("records", "Kafka records read", "stage")
        self.batches = counter("batches", "Chunks handled", "stage")
        self.seconds = Histogram(
            "driftline_batch_seconds",
            "Time to handle a chunk",
            ["stage"],
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=self.registry,
        )
        self.events = counter("events", "Events that count")
        self.dead = counter("dead_letters", "Elements that could not be read")
        self.joined = counter("joined", "Sums of joined rows that were sent to detect")
        self.outputs = counter("outputs", "Messages published by detect")
        self.alerts = counter("alerts", "Alerts published")
        self.assignments = counter("assignments", "Assignments taken over")
        self.lag = gauge("lag_records", "Records not handled yet")
        self.committed = gauge("committed_offset", "Offset last committed")
        self.snapshot_bytes = gauge("snapshot_bytes", "Size of the last snapshot")
        self.snapshot_age = gauge("snapshot_age_seconds", "Since the last snapshot")
        self.progress: dict[Source, float] = {}
        self._saved: dict[Source, float] = {}

    @contextmanager
    def batch(self, chunk: Chunk, owner: Owner) -> Iterator[None]:
        """Count and time the handling of a chunk."""
        before = self._tally(owner)
        began = time.perf_counter()
        yield
        stage = STAGES[type(owner)]
        self.seconds.labels(stage).observe(time.perf_counter() - began)
        self.records.labels(stage).inc(len(chunk.records))
        self.batches.labels(stage).inc()
        after = self._tally(owner)
        for name, count in after.items():
            getattr(self, name).inc(count - before[name])
        self.progress[chunk.source] = time.monotonic()

    def _tally(self, owner: Owner) -> dict[str, int]:
        if isinstance(owner, ObserveOwner):
            return {"events": owner.observe.events, "dead": owner.dead}
        if isinstance(owner, JoinOwner):
            return {"joined": owner.outputs}
        assert isinstance(owner, DetectOwner)
        return {"outputs": owner.outputs, "alerts": owner.alerts}

    def on_assigned(self, owners: Mapping[Source, Owner]) -> None:
        """Forget the partitions of before."""
        self.assignments.inc()
        for gauge in (self.lag, self.committed, self.snapshot_bytes, self.snapshot_age):
            gauge.clear()
        now = time.monotonic()
        self.progress = dict.fromkeys(owners, now)
        self._saved = {
            source: now for source, owner in owners.items() if isinstance(owner, DetectOwner)
        }

    def on_commit(self, done: Mapping[Source, SafeOffset]) -> None:
        """Note committed offsets."""
        for source, safe in done.items():
            self.committed.labels(*source).set(safe.offset)

    def on_snapshot(self, owner: DetectOwner) -> None:
        """Note a snapshot."""
        self._saved[owner.source] = time.monotonic()
        self.snapshot_bytes.labels(*owner.source).set(owner.saved_bytes)

    def exposition(self, lag: Mapping[Source, int]) -> bytes:
        """Return all in Prometheus's text form."""
        now = time.monotonic()
        for source, records in lag.items():
            self.lag.labels(*source).set(records)
        for source, saved in self._saved.items():
            self.snapshot_age.labels(*source).set(now - saved)
        return generate_latest(self.registry)
