"""A worker's metrics to an OpenTelemetry collector: the same registry, by OTLP.

On where the standard variables name an endpoint and the extra ``driftline[otel]`` is installed.
OpenTelemetry reads its own variables (endpoint, headers, certificates, timeout, resource). It is
OTLP over HTTP with protobuf; there are no traces.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from driftline import __version__
from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import CollectorRegistry, Metric

__all__ = ["OtlpExport", "wanted"]

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
INTERVAL_MS = 60_000
"""OpenTelemetry's own default."""
SCOPE = "driftline"


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment asks for an export."""
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environment.get("OTEL_METRICS_EXPORTER", "otlp") == "none"
    return any(environment.get(name) for name in ENDPOINTS) and not off and not none


class OtlpExport:
    """Sends the registry at intervals, and once more at the end.

    A collector that does not answer is no reason to stop: the next export carries the same counts,
    as they are sums since the start.

    Parameters
    ----------
    refresh
        Brings the registry up to now.

    Raises
    ------
    driftline.errors.UsageError
        The extra is missing, or another protocol is asked for.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        refresh: Callable[[], None],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        for name in PROTOCOLS:
            protocol = environment.get(name, "http/protobuf")
            if protocol != "http/protobuf":
                msg = f"{name}: expected http/protobuf, got {protocol!r}"
                raise UsageError(msg)
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.resources import Resource
        except ModuleNotFoundError as error:
            msg = f"{ENDPOINTS[1]} is set: needs `pip install driftline[otel]` ({error.name})"
            raise UsageError(msg) from error
        self._registry = registry
        self._refresh = refresh
        self._every_s = _interval_s(environment)
        self._resource = Resource.create(_resource(environment))
        self._exporter = OTLPMetricExporter()
        self._began = time.time_ns()

    async def run(self) -> None:
        """Export at intervals, for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.export()

    async def export(self) -> None:
        """Export now; waits for the collector's answer in a thread."""
        # Read here, where nothing else moves the counts; only the sending is somebody else's.
        self._refresh()
        data = self._data()
        try:
            await asyncio.to_thread(self._exporter.export, data)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being sent
            log.warning("metrics were not exported: %s: %s", type(error).__name__, error)

    async def stop(self) -> None:
        """Export what there is, and close the connection."""
        await self.export()
        await asyncio.to_thread(self._exporter.shutdown)

    def _data(self) -> Any:
        from opentelemetry.sdk.metrics import export
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        now = time.time_ns()
        metrics = [_translated(m, self._began, now) for m in self._registry.collect() if m.samples]
        scope = export.ScopeMetrics(InstrumentationScope(SCOPE), metrics, "")
        return export.MetricsData([export.ResourceMetrics(self._resource, [scope], "")])


def _resource(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what tells this process from others, as far as the environment does not say it."""
    stated = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if environment.get("OTEL_SERVICE_NAME"):
        stated += ",service.name="
    ours = {
        "service.name": SCOPE,
        "service.version": __version__,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return {name: text for name, text in ours.items() if f"{name}=" not in stated}


def _interval_s(environment: Mapping[str, str]) -> float:
    stated = environment.get(INTERVAL, str(INTERVAL_MS))
    if not stated.isdigit() or not int(stated):
        msg = f"{INTERVAL}: expected milliseconds, got {stated!r}"
        raise UsageError(msg)
    return int(stated) / 1_000


def _translated(metric: Metric, began: int, now: int) -> Any:
    """Return one of Prometheus's families as OpenTelemetry's metric; times in nanoseconds."""
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        Gauge,
        Histogram,
        NumberDataPoint,
        Sum,
    )
    from opentelemetry.sdk.metrics.export import Metric as OtelMetric

    sums = AggregationTemporality.CUMULATIVE
    data: Any
    if metric.type == "histogram":
        data = Histogram(list(_histograms(metric, began, now)), sums)
    else:
        points = [
            NumberDataPoint(sample.labels, began, now, sample.value) for sample in metric.samples
        ]
        is_sum = metric.type == "counter"
        data = Sum(points, sums, is_monotonic=True) if is_sum else Gauge(points)
    # As in a scrape, where the suffix tells counters.
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return OtelMetric(name, metric.documentation, _unit(metric.name), data)


def _histograms(metric: Metric, began: int, now: int) -> Iterator[Any]:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    series: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in metric.samples:
        labels = {name: text for name, text in sample.labels.items() if name != "le"}
        held = series.setdefault(tuple(labels.items()), {"bounds": [], "counts": []})
        if sample.name.endswith("_bucket"):
            held["bounds"].append(float(sample.labels["le"]))
            held["counts"].append(int(sample.value))
        else:
            held[sample.name.rpartition("_")[2]] = sample.value
    for key, held in series.items():
        counts = held["counts"]  # of all values up to a bound; OpenTelemetry wants each bucket's
        yield HistogramDataPoint(
            attributes=dict(key),
            start_time_unix_nano=began,
            time_unix_nano=now,
            count=int(held["count"]),
            sum=held["sum"],
            bucket_counts=[b - a for a, b in zip([0, *counts], counts, strict=False)],
            explicit_bounds=held["bounds"][:-1],
            min=None,
            max=None,
        )


def _unit(name: str) -> str:
    """Return the unit in UCUM, which a name ends with."""
    return {"seconds": "s", "bytes": "By"}.get(name.rpartition("_")[2], "1")
