"""Cost a value as features and models grow, through the pure pipeline."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from driftline.bench.cores import choose
from driftline.bench.machine import describe
from driftline.bench.process import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CASES", "Case", "Scaling", "run"]

CASE_S = 420.0
VALUES = 4_000_000
"""About so many values are run through each case, but never fewer slots than `SLOTS`."""
SLOTS = 2


@dataclass(frozen=True)
class Case:
    """One point: models, features of each, and events of each model in a slot of 10 s."""

    axis: str
    features: int
    models: int
    per_slot: int

    @property
    def slots(self) -> int:
        """How many slots are run."""
        return max(SLOTS, VALUES // (self.features * self.models * self.per_slot))


CASES = (
    *(Case("features", features, 1, 1_000) for features in (10, 100, 1_000)),
    *(Case("models", 20, models, 100) for models in (1, 100, 1_000)),
)


@dataclass(frozen=True)
class Point:
    """What a case cost: nanoseconds of CPU a feature value, and memory in 10^6 bytes."""

    case: Case
    events: int
    observe_ns: float
    detect_ns: float
    start_mb: float
    peak_mb: float

    @property
    def total_ns(self) -> float:
        """Both together."""
        return self.observe_ns + self.detect_ns


@dataclass(frozen=True)
class Scaling:
    """All points."""

    machine: str
    points: Sequence[Point]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "bench": "scaling",
            "machine": self.machine,
            "points": [
                {**asdict(point.case), "slots": point.case.slots, **_figures(point)}
                for point in self.points
            ],
        }


def run(notify: Callable[[str], None], cases: Sequence[Case] = CASES) -> Scaling:
    """Measure every case in a process of its own.

    Raises
    ------
    BenchError
        A case failed or took too long.
    """
    cores = choose()
    points = []
    for case in cases:
        options = {
            "features": case.features,
            "models": case.models,
            "per-slot": case.per_slot,
            "slots": case.slots,
        }
        argv = [sys.executable, "-m", "driftline.bench.pipeline_cost"]
        argv += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        # Not pinned: the events are made by a second process at the same time.
        said = measure(argv, timeout_s=CASE_S)
        values = said["events"] * case.features
        point = Point(
            case,
            said["events"],
            said["observe_s"] / values * 1e9,
            said["detect_s"] / values * 1e9,
            said["start_mb"],
            said["peak_mb"],
        )
        points.append(point)
        notify(f"{case.models:,} models of {case.features:,} features: {point.total_ns:,.0f} ns")
    return Scaling(describe(cores._replace(measured=frozenset())), points)


def _figures(point: Point) -> dict[str, float]:
    return {
        "events": point.events,
        "ns_per_value": round(point.total_ns, 1),
        "observe_ns_per_value": round(point.observe_ns, 1),
        "detect_ns_per_value": round(point.detect_ns, 1),
        "start_mb": round(point.start_mb, 1),
        "peak_mb": round(point.peak_mb, 1),
    }
