"""What a worker tells of itself, by Prometheus and by OTLP, and that all of it is documented."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiohttp import web
from prometheus_client import generate_latest
from tests.unit._programs import program
from tests.unit._scrape import measured, scraped

from driftline.bus.clock import Clock
from driftline.bus.config import Config, OutputConfig
from driftline.bus.instruments import PROCESS
from driftline.bus.measures import MEASURES, OTHER
from driftline.bus.metrics import Metrics
from driftline.bus.offsets import SafeOffset
from driftline.bus.otlp import OtlpExport, wanted
from driftline.bus.owners import DetectOwner, ObserveOwner
from driftline.bus.transport import Chunk
from driftline.cli import main
from driftline.cli._metrics_reference import markdown
from driftline.contract import Book, Contract
from driftline.contract.types import Budget, Rate, ReferencePlan
from driftline.errors import UsageError
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.notify import measures as notify
from driftline.pipeline.detect import Detect
from driftline.pipeline.observe import Observe
from driftline.pipeline.output import Output
from driftline.pipeline.references import References

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[2] / "deploy"
SECOND = 1_000_000
DAY = 86_400 * SECOND
START_S = 1_770_000_000
SOURCE = Source("p.predictions", 0)
PANES = Source("p.panes", 1)
CONFIG = Config(prefix="p.", outputs=OutputConfig(partitions=2))


class Standing(Clock):
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = START_S + 3_600.0

    def wall(self) -> int:
        return int(self.now * SECOND)

    def steady(self) -> float:
        return self.now


def event(second: float, **more: Any) -> bytes:
    number = int(second * 1000)
    body = {"model": "m", "prediction_id": f"p{number}", "ts": START_S + second, "prediction": 0.5}
    return orjson.dumps({**body, "features": {"x": number % 7}} | more)


class Bench:
    """An input partition and the partition of `panes` behind it, without a broker."""

    def __init__(self, book: Book | None = None, models: int = 100) -> None:
        book = book if book is not None else Book(())
        self.clock = Standing()
        self.metrics = Metrics(book, self.clock, models)
        self.book, self.references = book, References()
        references = self.references
        observe = Observe(SOURCE, InputSpec(topic=SOURCE.topic), book, references)
        self.observe = ObserveOwner(observe, 0, CONFIG)
        detect = Detect(book, [SOURCE], references)
        self.detect = DetectOwner(
            detect, PANES, 0, CONFIG, lambda: asyncio.sleep(0), self.metrics.on_output
        )
        self.owners = {SOURCE: self.observe, PANES: self.detect}
        self.metrics.on_assigned(self.owners)
        self._next: Counter[Source] = Counter()

    def restarted(self) -> Bench:
        """Return the same with a new process's objects, from what was saved."""
        fresh = Bench(self.book)
        detect = Detect(self.book, [SOURCE], self.references)
        for group in self.detect.detect.snapshot():
            for key, value in group:
                detect.restore(key, value)
        fresh.detect.detect = detect
        return fresh

    def feed(self, values: list[bytes]) -> None:
        parcel = self._handle(SOURCE, self.observe, values)
        panes = [
            m.value
            for stage in (*parcel.stages, parcel.latest[:1])
            for m in stage
            if m.topic == "p.panes" and m.value is not None
        ]
        self._handle(PANES, self.detect, panes)

    def _handle(self, source: Source, owner: Any, values: list[bytes]) -> Any:
        first = self._next[source]
        records = [Record(first + at, START_S * 1000, value) for at, value in enumerate(values)]
        self._next[source] += len(values)
        chunk = Chunk(source, 1, records, first + len(values))
        with self.metrics.batch(chunk, owner):
            return asyncio.run(owner.handle(chunk))

    def scrape(self, **more: Any) -> dict[tuple[str, ...], float]:
        """Return the values by name and labels' values, in the order of the labels' names."""
        self.metrics.refresh(
            self.owners, more.get("lag", {}), more.get("idle", ()), ready=True, stalled_s=0.0
        )
        return scraped(self.metrics.registry, "driftline_")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_reference_is_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    hint = "run: driftline metrics --write deploy/metrics.md"
    assert (DEPLOY / "metrics.md").read_text("utf-8") == markdown(), hint
    assert main(["metrics"]) == 0
    assert capsys.readouterr().out == markdown()
    assert main(["metrics", "--json"]) == 0
    listed = orjson.loads(capsys.readouterr().out)
    both = (*MEASURES, *notify.MEASURES)
    assert [each["name"] for each in listed] == [f"driftline_{each.name}" for each in both]


def test_everything_that_is_told_is_documented(bench: Bench) -> None:
    bench.scrape()
    told = measured(bench.metrics.registry)
    documented = {f"driftline_{each.name}" for each in MEASURES} | set(PROCESS)
    assert told <= documented
    if sys.platform == "linux":
        assert told == documented


def test_events_and_faults_are_counted_by_kind(bench: Bench) -> None:
    label = {"model": "m", "type": "label", "prediction_id": "p", "label": 1, "ts": START_S}
    bench.feed(
        [
            *(event(number / 10, type="prediction") for number in range(1_000)),
            event(99.5, type="prediction"),  # its id was there in that slot
            event(0.5, type="prediction", prediction_id="late"),
            orjson.dumps(label),
            b"{",
            b"",
            event(99, type="nonsense"),
            event(99, type="prediction", ts="soon"),
            orjson.dumps({"type": "prediction", "ts": START_S}),
            event(99, type="prediction", prediction=[1]),
            event(99, type="prediction", features={"x": "y" * 2_000_000}),
        ]
    )
    bench.clock.now = START_S + 130.0
    told = bench.scrape(lag={SOURCE: 7})
    assert told["events_total", "prediction"] == 1_002
    assert told["events_total", "label"] == 1
    assert told["duplicate_events_total",] == 1
    # The late one, and the label of the first slot.
    assert told["late_events_total",] == 2
    reasons = {key[1]: n for key, n in told.items() if key[0] == "dead_letters_total"}
    assert reasons == {
        "not_json": 1,
        "empty": 1,
        "unknown_type": 1,
        "time": 1,
        "missing": 1,
        "value": 1,
        "too_large": 1,
    }
    assert told["lag_records", "0", "p.predictions"] == 7
    # Slots of 10 s close 30 s after their end: six of ten have, the last of them 70 s ago.
    assert told["watermark_delay_seconds", "observe"] == pytest.approx(130 - 99.9)
    assert told["watermark_delay_seconds", "detect"] == pytest.approx(130 - 99.9)
    assert told["slot_close_delay_seconds_count",] == told["slot_seconds_count",] == 6
    assert told["slot_seconds_sum",] > 0
    # They were closed before the clock moved: an hour after the first, ten seconds less each.
    assert told["slot_close_delay_seconds_sum",] == sum(3_600 - 10 * at for at in range(1, 7))
    assert told["models", "warming_up"] == 1
    assert bench.scrape(idle={SOURCE})["watermark_delay_seconds", "observe"] == 0


def test_a_snapshot_is_old_until_it_is_durable(bench: Bench) -> None:
    bench.feed([event(number / 10, type="prediction") for number in range(1_000)])
    bench.clock.now += 50
    age = ("snapshot_age_seconds", "1", "p.panes")
    parcel = bench.detect.snapshot(1)
    bench.metrics.on_snapshot(bench.detect, changed=parcel.safe is not None)
    assert bench.scrape()[age] == 50
    bench.metrics.on_commit({PANES: SafeOffset(9)})
    bench.clock.now += 3
    assert bench.scrape()[age] == 3


def alert(state: str = "opened", severity: str = "page") -> tuple[bytes, bytes]:
    data = {"model": "m", "incident": "a", "severity": severity, "state": state}
    return b"", orjson.dumps({"data": data})


def test_pages_are_those_of_detects_state() -> None:
    """A feature vanishes, and somebody calls the page false; a restart forgets nothing."""
    bench = Bench(Book([Contract(model="m", reference=ReferencePlan(events=500))]))
    bench.feed([event(second / 10, type="prediction") for second in range(1_000)])
    gone = [event(second / 10, type="prediction", features={}) for second in range(1_000, 3_000)]
    bench.feed(gone)
    told = bench.scrape()
    assert told["incidents_open", "m", "page"] == 1
    assert told["pages_raised", "m", "unjudged"] == 1
    assert told["alerts_total", "page", "opened"] == 1
    judged = {"type": "lifecycle", "model": "m", "kind": "incident_judged", "verdict": "false"}
    (incident,) = next(s.open for s in bench.detect.detect.standings())
    act = orjson.dumps({**judged, "incident": incident, "by": "me", "ts": START_S + 301})
    later = [event(second / 10, type="prediction", features={}) for second in range(3_020, 5_000)]
    bench.feed([act, *later])
    for told in (bench.scrape(), bench.restarted().scrape()):
        assert told["pages_raised", "m", "false"] == 1
        assert told["pages_raised", "m", "unjudged"] == 0
        assert told["incidents_open", "m", "page"] == 1


def test_models_have_few_labels_and_series_begin_at_nothing() -> None:
    budget = Budget(false_pages=Rate(count=2, per=15 * DAY))
    bench = Bench(Book([Contract(model="z", budget=budget)]), models=2)
    names = ["b", "c", "z", "a"]
    bench.feed(
        [
            event(number / 10, model=name, type="prediction")
            for number in range(1_000)
            for name in names
        ]
    )
    told = bench.scrape()
    # The one with a contract, the first that came, and one name for all the others.
    assert {key[1] for key in told if key[0] == "pages_promised"} == {"z", "a", OTHER}
    assert told["pages_promised", "z"] == 4
    assert told["pages_promised", OTHER] == 2
    assert told["pages_raised", OTHER, "false"] == told["drills_total", "z", "failed"] == 0
    assert told["incidents_open", "z", "page"] == told["drill_due", "z"] == 0
    # Their partition goes to another worker, which tells of them from then on.
    del bench.owners[PANES]
    assert not [key for key in bench.scrape() if key[0] in {"pages_promised", "incidents_open"}]


def test_promtool_finds_no_fault(bench: Bench) -> None:
    promtool = program("promtool", "prometheus")
    bench.feed([event(number / 10, type="prediction") for number in range(1_000)])
    bench.metrics.on_output(Output(alerts=[alert("a")]), 0.0)
    bench.scrape(lag={SOURCE: 7})
    text = generate_latest(bench.metrics.registry)
    said = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, timeout=30
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("opentelemetry.sdk", reason="the extra driftline[otel] is not installed")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    return


def test_the_same_goes_to_a_collector(
    bench: Bench, endpoint: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    bench.feed([event(number / 10, type="prediction") for number in range(1_000)])
    told = bench.scrape()
    received: list[ExportMetricsServiceRequest] = []

    async def collect(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        received.append(ExportMetricsServiceRequest.FromString(await request.read()))
        return web.Response()

    async def go() -> None:
        app = web.Application()
        app.add_routes([web.post("/v1/metrics", collect)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        assert wanted()
        export = OtlpExport(bench.metrics.registry, bench.scrape)
        await export.export()
        await export.stop()
        await runner.cleanup()

    asyncio.run(go())
    assert len(received) == 2
    (resource,) = received[0].resource_metrics
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert attributes["service.name"] == "driftline"
    assert attributes["deployment.environment"] == "test"
    metrics = {each.name: each for each in resource.scope_metrics[0].metrics}
    assert {f"driftline_{each.name}" for each in MEASURES if (each.name,) in told} <= set(metrics)
    events = metrics["driftline_events_total"].sum
    assert events.is_monotonic
    (point,) = events.data_points
    assert (point.attributes[0].value.string_value, point.as_double) == ("prediction", 1_000)
    (slots,) = metrics["driftline_slot_close_delay_seconds"].histogram.data_points
    assert metrics["driftline_slot_close_delay_seconds"].unit == "s"
    assert slots.count == told["slot_close_delay_seconds_count",] == sum(slots.bucket_counts) > 0
    assert slots.sum == told["slot_close_delay_seconds_sum",]
    assert len(slots.bucket_counts) == len(slots.explicit_bounds) + 1


def test_a_collector_that_is_away_is_no_fault(
    bench: Bench, endpoint: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    asyncio.run(OtlpExport(bench.metrics.registry, bench.scrape).stop())
    told = [record for record in caplog.records if record.levelname in {"ERROR", "WARNING"}]
    assert {record.name.partition(".")[0] for record in told} == {"opentelemetry"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/v1/metrics"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_METRICS_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_decides(environment: dict[str, str], expected: bool) -> None:
    assert wanted(environment) is expected


@pytest.mark.parametrize(
    "environment",
    [{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"OTEL_METRIC_EXPORT_INTERVAL": "1s"}],
)
def test_what_cannot_be_done_is_said(
    bench: Bench, endpoint: None, environment: dict[str, str]
) -> None:
    ((name, got),) = environment.items()
    with pytest.raises(UsageError, match=f"{name}: expected .* got '{got}'"):
        OtlpExport(bench.metrics.registry, bench.scrape, environment)
