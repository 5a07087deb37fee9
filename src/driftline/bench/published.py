"""Publish as a service does, measured from inside: ``python -m driftline.bench.published``."""

from __future__ import annotations

import argparse
import time

from driftline.bench.errors import BenchError
from driftline.bench.launch import Meter, feature_rows
from driftline.publish import Publisher

FLUSH_S = 60.0


def main() -> None:
    """Publish predictions as fast as they are taken, and wait until all are acknowledged."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "prefix"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--events", type=int, required=True)
    given = parser.parse_args()
    rows, meter = feature_rows(), Meter()
    # As fast as it goes: a call waits for room in place of dropping.
    with Publisher(
        given.bootstrap, prefix=given.prefix, model="bench", when_full="block", block_s=30.0
    ) as publisher:
        _connect(publisher)
        meter.begin()
        for i in range(given.events):
            publisher.prediction(f"p{i}", 0.5, rows[i % len(rows)])
        done = publisher.flush(FLUSH_S)
        counts = publisher.counts
        if not done or counts.sent != given.events:
            msg = f"not all was sent: {counts}"
            raise BenchError(msg)
        meter.say(given.events, messages=counts.messages, bytes=counts.message_bytes)


def _connect(publisher: Publisher) -> None:
    """Wait until it has reached the broker: start-up is not measured, of nobody."""
    deadline = time.monotonic() + FLUSH_S
    while not publisher.connected:
        if time.monotonic() > deadline:
            msg = f"no broker at {publisher.settings.bootstrap}"
            raise BenchError(msg)
        time.sleep(0.01)


if __name__ == "__main__":
    main()
