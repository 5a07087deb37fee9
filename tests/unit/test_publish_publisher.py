"""Publishers without a broker: they never raise, never hold anybody up, and count exactly."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import driftline
from driftline.events.fields import EVENT_TYPES
from driftline.events.parse import split_envelope
from driftline.publish import (
    AsyncPublisher,
    Counts,
    EventRefused,
    Publisher,
    Settings,
    SettingsError,
)
from driftline.publish.backlog import Backlog
from driftline.publish.counters import REASONS, Tally
from driftline.publish.settings import Options

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = "127.0.0.1:1"
"""Nothing listens there."""


def sums_up(counts: Counts) -> bool:
    return counts.accepted == counts.sent + sum(counts.dropped.values()) + counts.pending


def spooled(folder: Path) -> list[dict[str, Any]]:
    """Read what was left on disk, and leave it there no more."""
    held = Backlog(folder, 2**30, Tally())
    held.take_over()
    found: list[dict[str, Any]] = []
    while (envelope := held.read()) is not None:
        many = envelope.value.startswith(b"[")
        parts = split_envelope(envelope.value, 10_000) if many else [envelope.value]
        assert parts is not None
        assert len(parts) == envelope.events
        found += [{**orjson.loads(part), "topic": envelope.topic} for part in parts]
        held.arrive(envelope)
    held.close()
    return found


def test_importing_the_package_imports_no_publisher() -> None:
    code = "import driftline, sys; assert 'aiokafka' not in sys.modules; driftline.Publisher"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    assert driftline.Publisher is Publisher
    assert driftline.AsyncPublisher is AsyncPublisher
    with pytest.raises(AttributeError, match="Publishre"):
        _ = driftline.Publishre  # type: ignore[attr-defined]


def test_settings_are_checked_at_once_and_options_are_the_settings() -> None:
    with pytest.raises(SettingsError) as caught:
        Publisher(NOBODY, capacity=0, when_full="never", linger_s="1")  # type: ignore[arg-type]
    told = str(caught.value)
    assert "capacity: expected 1 to 1e+08, got 0" in told
    assert "when_full: expected one of drop_newest, drop_oldest, block, got 'never'" in told
    assert "linger_s: expected a number, got '1'" in told
    assert {f.name for f in fields(Settings)} == {"bootstrap", *Options.__annotations__}


def test_all_six_go_to_their_topics(tmp_path: Path) -> None:
    with Publisher(NOBODY, model="m", version="3", prefix="x.", spool=tmp_path) as publisher:
        assert publisher.prediction("p", np.float32(0.5), {"age": 41}, score=0.5)
        assert publisher.features({"age": 41}, source="training", prediction_id="p")
        assert publisher.label("p", "bad", weight=2.0)
        assert publisher.decision("p", "reject", actor="anna", segment={"region": "eu"})
        assert publisher.outcome("p", -800)
        assert publisher.lifecycle("retrained", why="drift", build=[1, 2])
    counts = publisher.counts
    assert (counts.accepted, counts.pending, counts.spooled) == (6, 6, 6)
    found = {each.pop("topic"): each for each in spooled(tmp_path)}
    assert list(found) == ["x.predictions", "x.features", "x.labels", "x.decisions"] + [
        "x.outcomes",
        "x.lifecycle",
    ]
    now = time.time()
    for each in found.values():
        assert each["model"] == "m"
        assert each["version"] == "3"
        assert now - 60 < each["ts"] <= now
    assert found["x.predictions"]["features"] == {"age": 41}
    assert found["x.decisions"]["segment"] == {"region": "eu"}
    assert found["x.lifecycle"]["build"] == [1, 2]


def test_a_call_holds_what_its_caller_changes_afterwards(tmp_path: Path) -> None:
    with Publisher(NOBODY, model="m", spool=tmp_path) as publisher:
        row = {"age": 1}
        for age in range(5):
            row["age"] = age
            publisher.prediction(f"p{age}", 0.5, row)
    assert [each["features"]["age"] for each in spooled(tmp_path)] == [0, 1, 2, 3, 4]


def test_bad_events_are_counted_with_their_reason_and_told_a_few_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level(logging.WARNING, "driftline.publish"),
        Publisher(NOBODY, model="m", close_s=0.3) as publisher,
    ):
        for i in range(50):
            publisher.prediction(f"p{i}", float("nan"))
        publisher.prediction("big", 0.5, {"x": "y" * 2_000_000})
        publisher.prediction("odd", 0.5, {"x": object()})
    counts = publisher.counts
    assert counts.dropped == {"closed": 1, "invalid": 50, "too_large": 1}
    assert counts.mended == {"a feature value of type object": 1}
    assert sums_up(counts)
    assert counts.pending == 0
    told = [r.getMessage() for r in caplog.records if "$.prediction" in r.getMessage()]
    line = "prediction event dropped: $.prediction: expected a value for prediction, got nan"
    assert told == [line] * 3
    assert set(counts.dropped) <= set(REASONS)


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_with_nobody_there_the_buffer_fills_and_says_so(when_full: Any) -> None:
    options: Any = {"capacity": 100, "when_full": when_full, "in_flight_bytes": 1_000}
    with Publisher(NOBODY, model="m", close_s=0.1, linger_s=0.01, **options) as publisher:
        for i in range(5_000):
            publisher.prediction(f"p{i}", 0.5)
            if i % 1_000 == 0:
                assert sums_up(publisher.counts)
        counts = publisher.counts
        assert counts.dropped["buffer_full"] > 3_000
        assert counts.accepted == 5_000
        assert sums_up(counts)
        assert publisher.flush(0.05) is False
    counts = publisher.counts
    assert counts.pending == 0
    assert counts.dropped["closed"] + counts.dropped["buffer_full"] == 5_000
    assert publisher.prediction("late", 0.5) is False
    assert publisher.counts.dropped["closed"] == counts.dropped["closed"] + 1
    assert publisher.close() is False


def test_blocking_is_bounded() -> None:
    options: Any = {"capacity": 10, "when_full": "block", "block_s": 0.1, "in_flight_bytes": 1_000}
    options["linger_s"] = 0.01
    with Publisher(NOBODY, model="m", close_s=0.1, **options) as publisher:
        longest = 0.0
        for i in range(20_000):
            begun = time.monotonic()
            publisher.prediction(f"p{i}", 0.5)
            longest = max(longest, time.monotonic() - begun)
            if longest > 0.1:
                break
        assert 0.1 < longest < 3.0
        assert sums_up(publisher.counts)


def test_strict_raises_what_would_be_counted() -> None:
    with Publisher(NOBODY, model="m", strict=True, close_s=0.1, capacity=1) as publisher:
        with pytest.raises(EventRefused, match=r"\$\.prediction: expected") as caught:
            publisher.prediction("p", float("nan"))
        assert caught.value.reason == "invalid"
        with pytest.raises(EventRefused) as caught:
            publisher.prediction("p", 0.5, {"x": "y" * 2_000_000})
        assert caught.value.reason == "too_large"
        assert publisher.prediction("p", 0.5)
    with pytest.raises(EventRefused, match="open publisher"):
        publisher.prediction("p", 0.5)


def test_a_publisher_that_published_nothing_has_no_thread() -> None:
    before = threading.active_count()
    publisher = Publisher(NOBODY, model="m")
    assert threading.active_count() == before
    assert publisher.flush(0) is True
    assert publisher.close(0) is True
    assert publisher.counts == Counts(0, 0, {}, 0)


def test_many_threads_one_count(tmp_path: Path) -> None:
    def publish(name: int) -> None:
        for i in range(500):
            publisher.prediction(f"{name}-{i}", 0.5, {"x": i})

    with Publisher(NOBODY, model="m", spool=tmp_path) as publisher:
        threads = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    counts = publisher.counts
    assert (counts.accepted, counts.spooled, counts.dropped) == (2_000, 2_000, {})
    found = spooled(tmp_path)
    assert len({each["prediction_id"] for each in found}) == 2_000
    for name in range(4):
        own = [e["features"]["x"] for e in found if e["prediction_id"].startswith(f"{name}-")]
        assert own == list(range(500))


def test_the_next_process_takes_over_and_the_sum_stays_right(tmp_path: Path) -> None:
    with Publisher(NOBODY, model="m", spool=tmp_path) as first:
        first.prediction("a", 0.5)
        first.prediction("b", 0.5)
    with Publisher(NOBODY, model="m", spool=tmp_path) as second:
        second.prediction("c", 0.5)
        deadline = time.monotonic() + 10
        while second.counts.recovered != 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    counts = second.counts
    assert (counts.accepted, counts.recovered, counts.pending) == (3, 2, 3)
    assert [each["prediction_id"] for each in spooled(tmp_path)] == ["a", "b", "c"]


def test_coroutines(tmp_path: Path) -> None:
    async def run() -> Counts:
        async with AsyncPublisher(NOBODY, model="m", spool=tmp_path) as publisher:
            assert await publisher.prediction("a", 0.5, {"x": 1})
            assert await publisher.label("a", 1)
            assert await publisher.flush(0.05) is False
        return publisher.counts

    counts = asyncio.run(run())
    assert (counts.accepted, counts.spooled) == (2, 2)


def test_coroutines_wait_for_room_and_let_others_run() -> None:
    options: Any = {"capacity": 5, "when_full": "block", "block_s": 0.2, "in_flight_bytes": 1_000}
    options["linger_s"] = 0.01

    async def run() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with AsyncPublisher(NOBODY, model="m", close_s=0.1, **options) as publisher:
            taken = True
            for i in range(20_000):
                taken = await publisher.prediction(f"p{i}", 0.5)
                if not taken:
                    break
            assert not taken
            assert sums_up(publisher.counts)
        ticking.cancel()
        assert ticks >= 5

    asyncio.run(run())


GARBAGE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.binary(),
        st.decimals(), st.datetimes(), st.sampled_from([object(), int, np.zeros(2), print]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def busy() -> Any:
    with Publisher(NOBODY, model="m", close_s=0.1, capacity=50) as publisher:
        yield publisher


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), kind=st.sampled_from(EVENT_TYPES))
def test_no_value_whatever_raises(busy: Publisher, data: st.DataObject, kind: str) -> None:
    call: Any = getattr(busy, kind)
    needed = 1 if kind in {"features", "lifecycle"} else 2
    before = busy.counts.accepted
    args = [data.draw(GARBAGE) for _ in range(needed)]
    more = data.draw(
        st.dictionaries(st.sampled_from(["ts", "score", "segment", "arm", "oops"]), GARBAGE)
    )
    assert call(*args, **more) in {True, False}
    counts = busy.counts
    assert counts.accepted == before + 1
    assert sums_up(counts)
    assert "failed" not in counts.dropped
