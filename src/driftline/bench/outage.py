"""What a call costs while the broker is away, and what becomes of the events when it is back."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.bench.errors import BenchError
from driftline.bench.launch import feature_rows
from driftline.broker import EmbeddedBroker
from driftline.bus import topics
from driftline.bus.config import BrokerConfig
from driftline.bus.reader import read
from driftline.bus.topics import TopicSpec
from driftline.contract.types import HOUR
from driftline.events.codec import Decoder
from driftline.events.layouts import AnyModel
from driftline.events.mapping import InputSpec
from driftline.publish import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.events.record import Source

__all__ = ["Arrived", "Outage", "arrived", "run_outage"]

PREFIX = "outage."
BEFORE = 1_000
AT_ONCE = 50
FLUSH_S = 120.0


@dataclass(frozen=True)
class Arrived:
    """What is on a topic, read by the codec: different events, repeats of them, dead letters."""

    events: int
    repeats: int
    dead: int


@dataclass(frozen=True)
class Outage:
    """Calls with the broker stopped, in microseconds each, and the end of it."""

    calls: int
    rate: float
    raised: int
    p50_us: float
    p99_us: float
    p999_us: float
    most_us: float
    spooled: int
    accepted: int
    sent: int
    dropped: int
    pending: int
    drained_s: float
    arrived: Arrived

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)


def run_outage(calls: int, rate: float, notify: Callable[[str], None]) -> Outage:
    """Publish with a broker, stop it, publish `calls` more at `rate` a second, and start it again.

    Raises
    ------
    BenchError
        The publisher could not reach the broker to begin with.
    """
    rows = feature_rows()
    with EmbeddedBroker(notify=notify) as broker, tempfile.TemporaryDirectory() as spool:
        config = BrokerConfig(bootstrap=broker.bootstrap)
        spec = TopicSpec(f"{PREFIX}predictions", 4, 1, {"retention.ms": "-1"})
        asyncio.run(topics.apply(config, [spec]))
        with Publisher(broker.bootstrap, prefix=PREFIX, model="bench", spool=spool) as publisher:
            for i in range(BEFORE):
                publisher.prediction(f"before-{i}", 0.5, rows[i % len(rows)])
            if not publisher.flush(FLUSH_S):
                msg = f"no broker at {broker.bootstrap}: {publisher.counts}"
                raise BenchError(msg)
            broker.stop(keep=True)
            notify(f"the broker is stopped; {calls:,} calls follow")
            times, raised = _call(publisher, rows, calls, rate)
            spooled = publisher.counts.spooled
            broker.start()
            begun = time.monotonic()
            publisher.flush(FLUSH_S)
            drained = time.monotonic() - begun
            counts = publisher.counts
        found = arrived(config, spec.name)
    p50, p99, p999 = np.quantile(times, [0.5, 0.99, 0.999]) / 1e3
    return Outage(
        calls=calls,
        rate=rate,
        raised=raised,
        p50_us=float(p50),
        p99_us=float(p99),
        p999_us=float(p999),
        most_us=float(times.max() / 1e3),
        spooled=spooled,
        accepted=counts.accepted,
        sent=counts.sent,
        dropped=counts.lost,
        pending=counts.pending,
        drained_s=drained,
        arrived=found,
    )


def _call(
    publisher: Publisher, rows: list[dict[str, float]], calls: int, rate: float
) -> tuple[np.ndarray[Any, Any], int]:
    """Call at a steady rate, a few at a time; return nanoseconds of each and how many raised."""
    times = np.empty(calls, dtype=np.int64)
    raised = 0
    begun = time.monotonic()
    for i in range(calls):
        before = time.perf_counter_ns()
        try:
            publisher.prediction(f"p{i}", 0.5, rows[i % len(rows)])
        except Exception:  # noqa: BLE001 - that there is none is what is measured
            raised += 1
        times[i] = time.perf_counter_ns() - before
        if i % AT_ONCE == 0:
            time.sleep(max(0.0, i / rate - (time.monotonic() - begun)))
    return times, raised


def arrived(broker: BrokerConfig, topic: str) -> Arrived:
    """Read a topic of predictions through the codec."""
    seen: Counter[str] = Counter()
    dead = 0
    decoders: dict[Source, Decoder] = {}
    for source, records in read(broker, topic):
        if source not in decoders:
            decoders[source] = Decoder(InputSpec(topic, "prediction"), source, AnyModel(HOUR))
        found = decoders[source].decode(records)
        dead += len(found.dead)
        for frame in found.frames:
            seen.update(frame.ids or ())
    return Arrived(len(seen), seen.total() - len(seen), dead)
