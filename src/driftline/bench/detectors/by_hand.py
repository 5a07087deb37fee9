"""River's detectors as people use them: by hand, event by event, one for each column.

They are given no budget, as they know none: beside their delay stands how often they are false.
KSWIN is left out: at a quarter of a millisecond a value a run would take days.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from river.drift import ADWIN, PageHinkley
from river.drift.binary import HDDMA

from driftline.bench.detectors.changes import CHANGES
from driftline.bench.detectors.law import EVENTS, Traffic
from driftline.contract import DAY, MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from driftline.bench.detectors.changes import Change

    Floats = npt.NDArray[np.float64]

__all__ = ["METHODS", "UNIVARIATE", "ByHand", "Task", "Tried", "measure", "summarise"]

UNIVARIATE = ("mean0.25", "mean0.5", "mean1", "mean2", "variance1.5", "variance2", "shape", "ramp")
"""Changes of one column of numbers: what these detectors are made for."""
SETTLED = 10_000
"""Events before the change."""
STRETCH = 100_000
"""Stationary events of one column in which false detections are counted, for each run."""
MONTH = 30 * DAY // MINUTE * EVENTS
"""Events in a model-month."""
COLUMNS = 100
CHANGED = 10


class Method(NamedTuple):
    """A detector, and whether it is fed the reference's ranks or the values as they are."""

    title: str
    make: Callable[[], Any]
    ranks: bool


METHODS: Mapping[str, Method] = {
    "adwin": Method("ADWIN", ADWIN, ranks=False),
    "adwin-ranks": Method("ADWIN on ranks", ADWIN, ranks=True),
    "page-hinkley": Method("PageHinkley", PageHinkley, ranks=False),
    "page-hinkley-ranks": Method("PageHinkley on ranks", PageHinkley, ranks=True),
    "hddm-a-ranks": Method(
        "HDDM_A on ranks, two-sided", lambda: HDDMA(two_sided_test=True), ranks=True
    ),
}


class Task(NamedTuple):
    """One method on one change, some runs; without a change its false detections are counted."""

    method: str
    change: str | None
    runs: int
    seed: int


class Tried(NamedTuple):
    """Events to the first detection after the change, run by run, None where missed.

    For one changed column, and for the first of ten. Of a task without a change: detections in
    `events` stationary values of one column.
    """

    task: Task
    one: tuple[int | None, ...]
    ten: tuple[int | None, ...]
    false: int
    events: int


def measure(task: Task) -> Tried:
    """Run one task; a pure function of its argument."""
    about = [task.seed, zlib.crc32(task.method.encode()), zlib.crc32((task.change or "").encode())]
    rng = np.random.default_rng(about)
    method = METHODS[task.method]
    if task.change is None:
        return _false(task, method, rng)
    change = CHANGES[task.change]
    one, ten = [], []
    for _ in range(task.runs):
        reference = np.sort(rng.standard_normal(change.before.rows))
        delays = [_delay(method, change, reference, rng) for _ in range(CHANGED)]
        one.append(delays[0])
        ten.append(min((d for d in delays if d is not None), default=None))
    return Tried(task, tuple(one), tuple(ten), 0, 0)


def _false(task: Task, method: Method, rng: np.random.Generator) -> Tried:
    found = 0
    for _ in range(task.runs):
        reference = np.sort(rng.standard_normal(20_000))
        detector = method.make()
        for value in _fed(method, reference, rng.standard_normal(STRETCH)):
            detector.update(value)
            found += detector.drift_detected
    return Tried(task, (), (), found, task.runs * STRETCH)


def _delay(
    method: Method, change: Change, reference: Floats, rng: np.random.Generator
) -> int | None:
    detector = method.make()
    for value in _fed(method, reference, rng.standard_normal(SETTLED)):
        detector.update(value)
    placed = change.place(rng, 1, 0)
    (at,) = (placed.law.names.index(name) for name in placed.names)
    column = Traffic(placed.law.only(at), rng).block(0, change.horizon * EVENTS)[:, 0]
    for event, value in enumerate(_fed(method, reference, column), 1):
        detector.update(value)
        if detector.drift_detected:
            return event
    return None


def _fed(method: Method, reference: Floats, values: Floats) -> list[float]:
    if not method.ranks:
        return values.tolist()
    ranks = np.searchsorted(reference, values) / reference.size
    return list(ranks.tolist())


@dataclass(frozen=True)
class ByHand:
    """What one method came to on one change, in one and in ten columns; delays in events."""

    method: str
    change: str
    one: tuple[int | None, ...]
    ten: tuple[int | None, ...]
    false: int
    events: int

    @property
    def false_a_month(self) -> float:
        """False detections in a model-month of 100 columns."""
        return self.false / self.events * MONTH * COLUMNS

    @property
    def false_below(self) -> float:
        """What the rate may be, with 95 %, where none was seen (the rule of three)."""
        return 3 / self.events * MONTH * COLUMNS

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "detector": METHODS[self.method].title,
            "change": self.change,
            "runs": len(self.one),
            "median_events": _median(self.one),
            "missed": round(sum(d is None for d in self.one) / len(self.one), 4),
            "median_events_of_ten": _median(self.ten),
            "missed_of_ten": round(sum(d is None for d in self.ten) / len(self.ten), 4),
            "false": self.false,
            "false_of_events": self.events,
            "false_a_model_month": round(self.false_a_month, 1),
        }


def summarise(tried: Sequence[Tried]) -> list[ByHand]:
    """Put tasks together: each change with what its method does on stationary values."""
    alone = {t.task.method: t for t in tried if t.task.change is None}
    return [
        ByHand(t.task.method, t.task.change, t.one, t.ten, own.false, own.events)
        for t in tried
        if t.task.change is not None
        for own in [alone[t.task.method]]
    ]


def _median(delays: Sequence[int | None]) -> float | None:
    told = sorted(math.inf if d is None else d for d in delays)
    middle = told[math.ceil(len(told) / 2) - 1]
    return None if math.isinf(middle) else float(middle)
