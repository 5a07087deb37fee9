"""What a scrape of a registry says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


def scraped(registry: CollectorRegistry, prefix: str) -> dict[tuple[str, ...], float]:
    """Return the values by name and labels' values, in the order of the labels' names."""
    text = generate_latest(registry).decode()
    return {
        (s.name.removeprefix(prefix), *(s.labels[name] for name in sorted(s.labels))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


def measured(registry: CollectorRegistry) -> set[str]:
    """Return the names of all metrics."""
    text = generate_latest(registry).decode()
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
