"""Measures of a process: a table of them, and the registry that holds what it says.

Names follow Prometheus's conventions: base units in the name, ``_total`` for what only grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PROCESS", "Measure", "counter", "gauge", "histogram", "instruments", "new_registry"]

PROCESS: dict[str, str] = {
    "process_cpu_seconds_total": "CPU time used",
    "process_resident_memory_bytes": "Memory in use",
    "process_virtual_memory_bytes": "Address space in use",
    "process_start_time_seconds": "When the process began: `changes()` of it counts restarts",
    "process_open_fds": "Open files and connections",
    "process_max_fds": "How many may be open",
    "python_info": "Always 1; Python's version is a label",
    "python_gc_collections_total": "Collections, by generation",
    "python_gc_objects_collected_total": "Objects found by them",
    "python_gc_objects_uncollectable_total": "Objects they could not free",
}
"""Metrics of prometheus_client's own collectors; those of the process exist on Linux alone."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric, by the name without ``driftline_`` that it has in a scrape.

    Attributes
    ----------
    buckets
        Upper bounds of a histogram, in the unit that its name ends with.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def counter(name: str, about: str, *labels: str) -> Measure:
    """Return a measure of what only grows."""
    return Measure("counter", name, about, labels)


def gauge(name: str, about: str, *labels: str) -> Measure:
    """Return a measure of a state."""
    return Measure("gauge", name, about, labels)


def histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Measure:
    """Return a measure of how something is distributed."""
    return Measure("histogram", name, about, labels, buckets)


_KINDS: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


def instruments(registry: CollectorRegistry, measures: Iterable[Measure]) -> dict[str, Any]:
    """Register measures; return prometheus_client's objects by the names of the table."""
    made: dict[str, Any] = {}
    for measure in measures:
        more = {"buckets": measure.buckets} if measure.buckets else {}
        made[measure.name] = _KINDS[measure.kind](
            f"driftline_{measure.name}", measure.about, measure.labels, registry=registry, **more
        )
    return made


def new_registry() -> CollectorRegistry:
    """Return a registry that tells of the process."""
    # A second series for each counter, with the time at which it was made: nobody asks for it.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry
