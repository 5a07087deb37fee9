"""A worker's memory over millions of events."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.bench.cores import choose, on_cores
from driftline.bench.errors import BenchError
from driftline.bench.machine import describe
from driftline.bench.process import follow
from driftline.bench.traffic import FIRST_US, RATE, Bus, closing, scenario, write_contract
from driftline.broker import CHOICE, EmbeddedBroker, open_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driftline.broker.protocol import Broker

__all__ = ["Memory", "Sample", "run"]

STRETCH = 250_000
"""Events sent at a time."""
AHEAD = 1_000_000
"""Events that may lie unread on the topic: less than its retention keeps, or some would be lost."""
RETENTION = {"retention.bytes": str(3 * 2**29), "segment.bytes": str(2**27)}
"""1.5 GiB, in segments small enough to go soon; a million events take 0.6."""
SETTLED = 0.2
"""Share of the events after which caches have their size; the slope is taken from there on."""
PER_EVENT_S = 1 / 5_000
"""A worker slower than this has failed."""


@dataclass(frozen=True)
class Sample:
    """Resident memory, 10^6 bytes, after so many events."""

    events: int
    rss_mb: float
    seconds: float


@dataclass(frozen=True)
class Memory:
    """Everything a run found."""

    machine: str
    samples: Sequence[Sample]

    @property
    def settled(self) -> list[Sample]:
        """Samples from which the slope is taken."""
        last = self.samples[-1].events
        return [sample for sample in self.samples if sample.events >= SETTLED * last]

    @property
    def slope(self) -> float:
        """Growth by least squares, MB a million events; nan for fewer than three samples."""
        settled = self.settled
        if len(settled) < 3:
            return float("nan")
        events = np.array([sample.events for sample in settled]) / 1e6
        rss = np.array([sample.rss_mb for sample in settled])
        return float(np.polyfit(events, rss, 1)[0])

    def each(self, events: int) -> list[Sample]:
        """Return the first sample of each so many events, and the last of all."""
        picked: dict[int, Sample] = {}
        for sample in self.samples:
            picked.setdefault(sample.events // events, sample)
        whole = [sample for number, sample in sorted(picked.items()) if number]
        return whole if self.samples[-1] in whole else [*whole, self.samples[-1]]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        slope = self.slope
        return {
            "bench": "memory",
            "machine": self.machine,
            "slope_mb_per_million_events": None if np.isnan(slope) else round(slope, 3),
            "peak_mb": max(sample.rss_mb for sample in self.samples),
            "samples": [
                {"events": s.events, "rss_mb": round(s.rss_mb, 1), "seconds": round(s.seconds, 1)}
                for s in self.samples
            ],
        }


def run(events: int, notify: Callable[[str], None]) -> Memory:
    """Send events as fast as one worker takes them, and look at its memory on the way.

    Raises
    ------
    BenchError
        The worker failed, or was too slow.
    """
    cores = choose()
    broker = _broker(notify)
    with on_cores(cores.others):
        broker.start()
    with broker, tempfile.TemporaryDirectory(prefix="driftline-bench-") as temporary:
        folder = Path(temporary)
        bus = Bus(broker.bootstrap, f"bench-{uuid.uuid4().hex[:8]}", 1)
        bus.create_input(RETENTION)
        prefix = f"{bus.name}.worker."
        fan_out = bus.create_outputs(prefix)
        config = bus.write_config(folder, prefix, write_contract(folder))
        watched = [sys.executable, "-m", "driftline.bench.watched", "--every", str(STRETCH)]
        watched += ["--events", str(events + 1), "--fan-out", str(fan_out)]
        argv = [*watched, "--", "worker", "--config", str(config)]
        reader = _Reader(argv, events * PER_EVENT_S + 120, cores.measured, notify)
        reader.start()
        with on_cores(cores.others):
            _feed(bus, events, reader)
        reader.join()
        reader.check()
        return Memory(describe(cores), reader.samples)


def _broker(notify: Callable[[str], None]) -> Broker:
    if os.environ.get(CHOICE, "embedded") != "embedded":
        return open_broker(notify=notify)
    # Looking every five minutes, the default, would let all events lie on the disk at once.
    return EmbeddedBroker(extra={"log.retention.check.interval.ms": "5000"}, notify=notify)


class _Reader(threading.Thread):
    """Follows the worker while events are being sent."""

    def __init__(
        self,
        argv: list[str],
        timeout_s: float,
        cores: frozenset[int],
        notify: Callable[[str], None],
    ) -> None:
        super().__init__(name="bench-worker")
        self._argv = argv
        self._timeout_s = timeout_s
        self._cores = cores
        self._notify = notify
        self.samples: list[Sample] = []
        self.error: BenchError | None = None

    @property
    def read(self) -> int:
        """Events the worker has read."""
        return self.samples[-1].events if self.samples else 0

    def run(self) -> None:
        """Collect what the worker says until it ends."""
        try:
            for said in follow(self._argv, timeout_s=self._timeout_s, cores=self._cores):
                self.samples.append(Sample(said["events"], said["now_mb"], said["wall_s"]))
                self._notify(f"{said['events']:,} events, {said['now_mb']:.0f} MB")
        except BenchError as error:
            self.error = error

    def check(self) -> None:
        """Raise what ended the worker too early."""
        if self.error is not None:
            raise self.error
        if not self.is_alive() and not self.samples:
            msg = "the worker said nothing"
            raise BenchError(msg)


def _feed(bus: Bus, events: int, reader: _Reader) -> None:
    start, sent, number = FIRST_US, 0, 1
    while sent < events:
        reader.check()
        if not reader.is_alive():
            return
        if sent - reader.read > AHEAD - STRETCH:
            time.sleep(0.2)
            continue
        stretch = min(STRETCH, events - sent)
        bus.send(scenario(stretch, start=start, seed=number))
        start += round(stretch / RATE * 1e6 * 1.02)
        sent += stretch
        number += 1
    bus.send(closing(0, 1, start=start))
