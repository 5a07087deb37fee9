"""What joining costs: predictions and their labels, a month late, through one join and its store.

No broker: packed messages are made as observe makes them, before the clock starts.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.bench.cores import choose
from driftline.bench.launch import rss_mb
from driftline.bench.machine import describe
from driftline.bus.garbage import collect_rarely
from driftline.contract import DAY, SECOND, Book, parse
from driftline.events.frame import Frame
from driftline.events.record import Record, Source
from driftline.ledger.packing import Packer
from driftline.ledger.store import Store
from driftline.pipeline.join import Join
from driftline.pipeline.marks import encode_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt

    from driftline.events.frame import EventType

__all__ = ["LedgerCost", "run"]

MODEL = "bench"
CONTRACT = f"""
model: {MODEL}
quality: {{metric: auc, at_least: 0.7, label_horizon: 40d}}
"""
BATCH = 4_000
"""Rows of a message: what a worker reads at a time, on one partition."""
MESSAGES = 10
"""Messages that are joined at a time."""
START = 1_795_464_000 * SECOND
RATE = 1_000
"""Predictions a second."""
DELAY = 30 * DAY
SOURCE, LEDGER = Source("bench", 0), Source("ledger", 0)


@dataclass(frozen=True)
class LedgerCost:
    """What so many pairs cost, on one core.

    Attributes
    ----------
    predictions_s, labels_s
        CPU seconds to take the predictions in, and to join their labels.
    wall_s
        Both together, as the clock has them.
    recovery_s
        Seconds to read all of it into a store that was lost.
    disk_bytes
        Of the store, when all of it is on disk.
    grown_mb
        Resident memory at the end beyond that at the start, 10^6 bytes.
    """

    machine: str
    pairs: int
    predictions_s: float
    labels_s: float
    wall_s: float
    recovery_s: float
    disk_bytes: int
    grown_mb: float

    @property
    def pairs_a_cpu_second(self) -> float:
        """Pairs joined in a CPU second, taking the predictions in included."""
        return self.pairs / (self.predictions_s + self.labels_s)

    @property
    def bytes_an_entry(self) -> float:
        """Bytes on disk of a prediction and its label."""
        return self.disk_bytes / self.pairs

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "bench": "ledger",
            **asdict(self),
            "pairs_a_cpu_second": round(self.pairs_a_cpu_second),
            "bytes_an_entry": round(self.bytes_an_entry, 1),
        }


def run(pairs: int, notify: Callable[[str], None]) -> LedgerCost:
    """Join so many pairs, and rebuild the store from the ledger."""
    book = Book((parse(CONTRACT, "bench.yaml"),))
    collect_rarely()  # as a worker does
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
        notify(f"{pairs:,} predictions, {RATE:,} a second, and their labels 30 days later")
        join = _join(book, Path(folder) / "store")
        start_mb = rss_mb()
        predictions = _timed(join.on_batch, _batches(book, "prediction", pairs, 0))
        notify(f"predictions: {predictions.cpu_s:.1f} s")
        labels = _timed(join.on_batch, _batches(book, "label", pairs, predictions.records))
        notify(f"labels: {labels.cpu_s:.1f} s")
        grown_mb = rss_mb() - start_mb
        join.close()
        disk = sum(path.stat().st_size for path in (Path(folder) / "store").iterdir())
        notify("the store is lost, and read again")
        fresh = _join(book, Path(folder) / "fresh")
        again = [
            _timed(fresh.rebuild, _batches(book, "prediction", pairs, 0)),
            _timed(fresh.rebuild, _batches(book, "label", pairs, predictions.records)),
        ]
        fresh.close()
    return LedgerCost(
        machine=describe(choose()),
        pairs=pairs,
        predictions_s=predictions.cpu_s,
        labels_s=labels.cpu_s,
        wall_s=predictions.wall_s + labels.wall_s,
        recovery_s=sum(part.wall_s for part in again),
        disk_bytes=disk,
        grown_mb=grown_mb,
    )


def _join(book: Book, folder: Path) -> Join:
    return Join(LEDGER, [SOURCE], book, Store(folder, 2 * DELAY))


class _Spent(NamedTuple):
    records: int
    cpu_s: float
    wall_s: float


def _timed(step: Callable[[list[Record]], object], batches: Iterable[list[Record]]) -> _Spent:
    """Take batches; their making is not counted."""
    records, cpu_s, wall_s = 0, 0.0, 0.0
    for batch in batches:
        cpu, wall = time.process_time(), time.perf_counter()
        step(batch)
        cpu_s += time.process_time() - cpu
        wall_s += time.perf_counter() - wall
        records += len(batch)
    return _Spent(records, cpu_s, wall_s)


def _batches(book: Book, kind: EventType, pairs: int, first: int) -> Iterator[list[Record]]:
    """Yield the messages of one type of event, some at a time, from an offset on."""
    packer = Packer(book, SOURCE, 1)
    slot = book.of(MODEL).slot
    rng = np.random.default_rng(1 if kind == "prediction" else 2)
    waiting: list[Record] = []
    for start in range(0, pairs, BATCH):
        rows = np.arange(start, min(start + BATCH, pairs))
        ts = START + rows * SECOND // RATE + (DELAY if kind == "label" else 0)
        packer.add(_frame(kind, rows, ts, rng), ts // slot * slot, np.ones(rows.size, np.bool_))
        values = [value for _, value in packer.take()]
        values.append(encode_mark(SOURCE, int(ts[-1])))
        waiting += [
            Record(first + at, None, value) for at, value in enumerate(values, len(waiting))
        ]
        if len(waiting) >= 2 * MESSAGES:
            yield waiting
            first += len(waiting)
            waiting = []
    if waiting:
        yield waiting


def _frame(
    kind: EventType,
    rows: npt.NDArray[np.int64],
    ts: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Frame:
    ids = [f"{row:016x}" for row in rows.tolist()]
    frame = Frame(MODEL, kind, ts, rows, np.zeros_like(rows), ids=ids)
    if kind == "label":
        frame.values["label"] = rng.integers(0, 2, rows.size).tolist()
    else:
        score = np.round(rng.random(rows.size), 6)
        frame.columns["prediction"] = np.where(score > 0.5, "1", "0").tolist()
        frame.columns["score"] = score.tolist()
    return frame
