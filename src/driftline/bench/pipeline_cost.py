"""CPU time and memory of observe and detect alone: ``python -m driftline.bench.pipeline_cost``.

No broker and no Faust: the pure pipeline in one process, with default contracts and references
that are there from the start. Events come through a pipe; only calls into the pipeline are timed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from driftline.bench.launch import peak_rss_mb, rss_mb
from driftline.bench.stream import model_names
from driftline.contract import Book, Contract
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.pipeline.detect import Detect
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import ALWAYS, References
from driftline.simulate import START_US, traffic
from driftline.stats import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from driftline.pipeline.emission import Emission

__all__ = ["Cost", "measure_cost"]

REFERENCE_ROWS = 5_000
CHUNK_ROWS = 4_000
CHUNK_BYTES = 4 * 2**20
"""What a worker handles at a time: so many records, or what one fetch of a partition brings."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What some events cost.

    Attributes
    ----------
    observe_s, detect_s
        CPU time of decoding and folding, and of merging and detecting.
    start_mb, peak_mb
        Resident memory before the first event and at its largest, 10^6 bytes.
    """

    events: int
    observe_s: float
    detect_s: float
    start_mb: float
    peak_mb: float


def measure_cost(lines: Iterable[bytes], features: int, models: int) -> Cost:
    """Run the events of some models through one observe and one detect, to the end."""
    references = References()
    for reference in _references(features, models):
        references.hold(reference, ALWAYS)
    source, book = Source("bench.predictions", 0), Book()
    observe = Observe(source, InputSpec(source.topic, "prediction"), book, references)
    detect = Detect(book, [source], references)
    spent = [0.0, 0.0]
    events = messages = 0

    def take(emission: Emission) -> None:
        nonlocal messages
        begun = time.process_time()
        for _, pane in emission.panes:
            detect.on_message(messages, pane)
            messages += 1
        if emission.mark is not None:
            detect.on_message(messages, emission.mark)
            messages += 1
        spent[1] += time.process_time() - begun

    # Building detectors happens once in a model's life: it is done before anything is counted.
    observe.on_batch(_first_events(features, models))
    take(observe.on_idle(START_US))
    start_mb, spent = rss_mb(), [0.0, 0.0]
    _forget_peak()
    for chunk in _chunks(lines):
        records = [Record(events + at, None, value) for at, value in enumerate(chunk)]
        events += len(records)
        begun = time.process_time()
        emission = observe.on_batch(records)
        spent[0] += time.process_time() - begun
        take(emission)
    begun = time.process_time()
    emission = observe.finish()
    spent[0] += time.process_time() - begun
    take(emission)
    begun = time.process_time()
    detect.flush()
    spent[1] += time.process_time() - begun
    return Cost(events, spent[0], spent[1], start_mb, peak_rss_mb())


def _references(features: int, models: int) -> Iterator[Reference]:
    model = traffic(f"bench-{features}")
    slot = Contract(model=model.name).slot
    ts = (
        START_US
        - slot * 100
        + np.arange(REFERENCE_ROWS, dtype=np.int64) * (slot * 100 // REFERENCE_ROWS)
    )
    drawn = model.draw(ts, np.random.default_rng(3), {})
    drawn["prediction"] = model.score(drawn)
    columns = {name: values.tolist() for name, values in drawn.items()}
    built = Reference.build(model.name, columns, ts=ts, slot=slot)
    for name in model_names(models):
        yield dataclasses.replace(built, model=name)


def _first_events(features: int, models: int) -> list[Record]:
    """One event of each model, in a slot before all others."""
    zeros = {feature.name: 0.0 for feature in traffic(f"bench-{features}").features}
    ts = (START_US - 60_000_000) / 1e6
    common = {"ts": ts, "prediction_id": "first", "prediction": 0.0, "features": zeros}
    values = [orjson.dumps({"model": name, **common}) for name in model_names(models)]
    return [Record(at - models, None, value) for at, value in enumerate(values)]


def _forget_peak() -> None:
    """Let the peak begin anew: building references takes more than watching."""
    with contextlib.suppress(OSError):  # Linux alone can
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    left = iter(lines)
    for first in left:
        rows = min(CHUNK_ROWS, max(1, CHUNK_BYTES // len(first)))
        yield [line.rstrip(b"\n") for line in (first, *islice(left, rows - 1))]


def main() -> None:
    """Measure one case and print it."""
    parser = argparse.ArgumentParser()
    for name in ("features", "models", "per-slot", "slots"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    maker = [
        sys.executable,
        "-m",
        "driftline.bench.stream",
        *sys.argv[1:],
        "--slot-s",
        str(Contract(model="any").slot / 1e6),
    ]
    with subprocess.Popen(maker, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        cost = measure_cost(process.stdout, given.features, given.models)
    if process.returncode:
        sys.exit(f"making events failed with exit code {process.returncode}")
    found = {"bench": "measured", **dataclasses.asdict(cost)}
    sys.stdout.buffer.write(orjson.dumps(found) + b"\n")


if __name__ == "__main__":
    main()
