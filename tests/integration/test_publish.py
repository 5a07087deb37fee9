"""Publishers and a real broker: what was accepted arrives, once, and can be read."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest

from driftline.broker import EmbeddedBroker
from driftline.cli import main
from driftline.events import Decoder, InputSpec, Source
from driftline.events.inputs import TOPICS
from driftline.publish import AsyncPublisher, Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from driftline.events.frame import EventType
    from driftline.publish import Counts

PARTITIONS = 3
KEEP = {"retention_ms": "-1"}


class Models:
    def kinds(self, model: str) -> None:
        return None

    def max_ahead(self, model: str) -> int:
        return 3_600_000_000

    def known(self, model: str) -> bool:
        return True

    accepts = known


def create(kafka: Any, prefix: str, types: tuple[EventType, ...] = ("prediction",)) -> None:
    for type_ in types:
        kafka.create(prefix + TOPICS[type_], PARTITIONS, **KEEP)


def arrived(kafka: Any, prefix: str, type_: EventType = "prediction") -> list[Any]:
    """Read a topic through the project's codec: every event, and no dead letter."""
    topic = prefix + TOPICS[type_]
    frames = []
    for partition in range(PARTITIONS):
        decoder = Decoder(InputSpec(topic, type_), Source(topic, partition), Models())
        records = [r for r in kafka.consume(topic) if r.partition == partition]
        found = decoder.decode(records)
        assert not found.dead, found.dead[0].message
        frames += found.frames
    return frames


def ids(kafka: Any, prefix: str, type_: EventType = "prediction") -> Counter[str]:
    return Counter(name for frame in arrived(kafka, prefix, type_) for name in frame.ids or ())


def once(names: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 1))


def all_sent(counts: Counts, events: int) -> None:
    assert counts.accepted == counts.sent == events
    assert (counts.pending, counts.spooled, dict(counts.dropped)) == (0, 0, {})


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_all_types_arrive_whatever_the_compression(
    kafka: Any, topic_prefix: str, compression: Any
) -> None:
    create(kafka, topic_prefix, tuple(TOPICS))
    options: Any = {"prefix": topic_prefix, "compression": compression, "version": 3}
    with Publisher(kafka.bootstrap, model="m", strict=True, **options) as publisher:
        for i in range(300):
            name = f"p{i}"
            publisher.prediction(name, np.float64(i), {"x": np.float32(i), "c": "a", "n": None})
            publisher.label(name, i % 2)
            publisher.decision(name, "accept", actor="anna")
            publisher.outcome(name, -i)
            publisher.features({"x": i}, prediction_id=name, source="training")
        publisher.lifecycle("retrained", why="drift")
        assert publisher.flush(20)
        all_sent(publisher.counts, 1_501)
    wanted = once([f"p{i}" for i in range(300)])
    for type_ in ("prediction", "label", "decision", "outcome", "features"):
        assert ids(kafka, topic_prefix, type_) == wanted
    assert publisher.counts.messages < 100, "envelopes"
    (frame,) = arrived(kafka, topic_prefix, "lifecycle")
    assert frame.values["kind"] == ["retrained"]
    frames = arrived(kafka, topic_prefix)
    assert sorted(x for frame in frames for x in frame.columns["x"]) == list(range(300))


def test_envelopes_of_many_models_and_an_event_of_a_mebibyte(kafka: Any, topic_prefix: str) -> None:
    create(kafka, topic_prefix)
    with Publisher(kafka.bootstrap, prefix=topic_prefix, envelope_bytes=2_000) as publisher:
        for i in range(500):
            publisher.prediction(f"p{i}", 0.5, {"x": i}, model=f"model-{i % 7}")
        publisher.prediction("large", 0.5, {"x": "y" * 1_000_000}, model="m")
    all_sent(publisher.counts, 501)
    frames = arrived(kafka, topic_prefix)
    assert {frame.model for frame in frames} == {*(f"model-{i}" for i in range(7)), "m"}
    assert ids(kafka, topic_prefix) == once([*(f"p{i}" for i in range(500)), "large"])


def test_coroutines_publish_too(kafka: Any, topic_prefix: str) -> None:
    create(kafka, topic_prefix)

    async def run() -> Counts:
        async with AsyncPublisher(kafka.bootstrap, model="m", prefix=topic_prefix) as publisher:
            for i in range(200):
                assert await publisher.prediction(f"p{i}", 0.5)
            assert await publisher.flush(20)
            return publisher.counts

    all_sent(asyncio.run(run()), 200)
    assert ids(kafka, topic_prefix) == once([f"p{i}" for i in range(200)])


def test_a_missing_topic_holds_up_no_other_and_is_told(
    kafka: Any, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    create(kafka, topic_prefix)
    with Publisher(kafka.bootstrap, model="m", prefix=topic_prefix, close_s=20) as publisher:
        for i in range(100):
            publisher.prediction(f"p{i}", 0.5)
            publisher.label(f"p{i}", 1)
        begun = time.monotonic()
        while publisher.counts.sent < 100:
            assert time.monotonic() - begun < 8
            time.sleep(0.05)
        assert publisher.flush(30)
    assert publisher.counts.dropped == {"no_topic": 100}
    assert publisher.counts.sent == 100
    assert f"no topic {topic_prefix}labels" in caplog.text


def test_a_topic_that_takes_smaller_messages_gets_smaller_ones(
    kafka: Any, topic_prefix: str
) -> None:
    kafka.create(f"{topic_prefix}predictions", PARTITIONS, max_message_bytes="20000", **KEEP)
    options: Any = {"prefix": topic_prefix, "compression": "none", "close_s": 40}
    with Publisher(kafka.bootstrap, model="m", **options) as publisher:
        for i in range(2_000):
            publisher.prediction(f"p{i}", 0.5, {"x": "y" * 100})
        publisher.prediction("large", 0.5, {"x": "y" * 50_000})
        assert publisher.flush(60)
    counts = publisher.counts
    assert (counts.sent, dict(counts.dropped)) == (2_000, {"too_large": 1})
    assert ids(kafka, topic_prefix) == once([f"p{i}" for i in range(2_000)])


@contextmanager
def stoppable() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as started:
        yield started


@pytest.mark.broker
def test_a_broker_that_goes_away_costs_nobody_anything(
    kafka_of: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """Calls go on, disk takes what memory cannot, and each event is there once, in order."""
    options: Any = {"prefix": topic_prefix, "spool": tmp_path, "capacity": 2_000}
    options |= {"in_flight_bytes": 20_000, "when_full": "block", "block_s": 1.0}
    with stoppable() as broker:
        kafka = kafka_of(broker)
        kafka.create(f"{topic_prefix}predictions", 1, **KEEP)
        with Publisher(broker.bootstrap, model="m", **options) as publisher:
            for i in range(1_000):
                assert publisher.prediction(f"p{i}", 0.5, {"x": i})
            assert publisher.flush(30)
            broker.stop(keep=True)
            for i in range(1_000, 21_000):
                assert publisher.prediction(f"p{i}", 0.5, {"x": i})
            while publisher.counts.spooled < 10_000:
                time.sleep(0.05)
            counts = publisher.counts
            assert counts.accepted == counts.sent + counts.pending == 21_000
            assert not publisher.flush(0.1)
            broker.start()
            for i in range(21_000, 22_000):
                assert publisher.prediction(f"p{i}", 0.5, {"x": i})
            assert publisher.flush(90), publisher.counts
            all_sent(publisher.counts, 22_000)
        records = kafka.consume(f"{topic_prefix}predictions")
    found = [e["features"]["x"] for r in records for e in listed(r.value)]
    # A batch whose answer was lost may come twice: at least once, and never out of its turn.
    assert sorted(set(found)) == list(range(22_000))
    assert len(found) - 22_000 <= publisher.counts.resent * 1_000
    first_seen = list(dict.fromkeys(found))
    assert first_seen == sorted(first_seen)
    assert not list(tmp_path.iterdir())


def listed(value: bytes) -> list[dict[str, Any]]:
    found = orjson.loads(value)
    return found if isinstance(found, list) else [found]


def test_the_next_process_sends_what_one_could_not(
    kafka: Any, topic_prefix: str, tmp_path: Path
) -> None:
    create(kafka, topic_prefix)
    options: Any = {"model": "m", "prefix": topic_prefix, "spool": tmp_path}
    with Publisher("127.0.0.1:1", **options) as gone:
        for i in range(300):
            gone.prediction(f"p{i}", 0.5)
    assert gone.counts.spooled == 300
    with Publisher(kafka.bootstrap, **options) as publisher:
        publisher.prediction("new", 0.5)
        assert publisher.flush(20)
    assert publisher.counts.recovered == 300
    all_sent(publisher.counts, 301)
    assert ids(kafka, topic_prefix) == once([*(f"p{i}" for i in range(300)), "new"])
    assert not list(tmp_path.iterdir())


SERVICE = """
import os, signal, sys, threading, time
from driftline import Publisher
bootstrap, prefix, folder = sys.argv[1:]
publisher = Publisher(bootstrap, model="m", prefix=prefix, close_s=20)
def serve(name):
    count = 0
    told = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT)
    while publisher.prediction(f"{name}-{count}", 0.5, {"x": count}):
        count += 1
        os.pwrite(told, b"%012d" % count, 0)
        time.sleep(0.0003)
"""


def serve(kafka: Any, prefix: str, folder: Path, code: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", SERVICE + code, kafka.bootstrap, prefix, str(folder)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def nothing_lost(found: Counter[str], folder: Path) -> None:
    """Hold what arrived to what each server was told is accepted; the very last it may not note."""
    assert set(found.values()) == {1}
    for told in folder.iterdir():
        count = int(told.read_text())
        there = sum(name.startswith(f"{told.name}-") for name in found)
        assert count > 0
        assert there in {count, count + 1}, told.name
        assert all(f"{told.name}-{i}" in found for i in range(there))


def test_sigterm_loses_nothing_that_was_accepted(
    kafka: Any, topic_prefix: str, tmp_path: Path
) -> None:
    create(kafka, topic_prefix)
    code = """
thread = threading.Thread(target=serve, args=("t",))
thread.start()
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""
    process = serve(kafka, topic_prefix, tmp_path, code)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=40)
    assert process.returncode == -signal.SIGTERM
    nothing_lost(ids(kafka, topic_prefix), tmp_path)


def test_forked_workers_lose_nothing_and_neither_does_their_parent(
    kafka: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """A parent in full work forks workers as gunicorn does; they are ended by SIGTERM."""
    create(kafka, topic_prefix)
    code = """
thread = threading.Thread(target=serve, args=("parent",))
thread.start()
time.sleep(0.5)
children = []
for number in range(3):
    child = os.fork()
    if not child:
        serving = threading.Thread(target=serve, args=(f"child{number}",))
        serving.start()
        while True:
            time.sleep(0.01)
    children.append(child)
time.sleep(2.0)
for child in children:
    os.kill(child, signal.SIGTERM)
for child in children:
    assert os.waitpid(child, 0)[1] == signal.SIGTERM
time.sleep(0.5)
publisher.close(20)
thread.join()
"""
    process = serve(kafka, topic_prefix, tmp_path, code)
    process.communicate(timeout=90)
    assert process.returncode == 0
    servers = {told.name for told in tmp_path.iterdir()}
    assert servers == {"parent", "child0", "child1", "child2"}
    nothing_lost(ids(kafka, topic_prefix), tmp_path)


def test_files_are_published(
    kafka: Any, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(kafka, topic_prefix, ("prediction", "label"))
    made = ["simulate", "--out", str(tmp_path), "--models", "credit-risk", "--with", "labels"]
    assert main([*made, "--duration", "20s", "--rate", "50/s"]) == 0
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    (tmp_path / "events.jsonl").write_text("\n".join([*lines[:10], "{oops", *lines[10:]]))
    capsys.readouterr()
    argv = ["publish", str(tmp_path / "events.jsonl"), "--bootstrap", kafka.bootstrap]
    code = main([*argv, "--prefix", topic_prefix, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 1, "one line could not be read"
    events = [json.loads(line) for line in lines]
    by_type = Counter(event["type"] for event in events)
    assert told["sent"] == len(events)
    assert told["by_type"] == dict(by_type)
    assert told["refused"] == 1
    for type_ in ("prediction", "label"):
        wanted = [e["prediction_id"] for e in events if e["type"] == type_]
        assert ids(kafka, topic_prefix, type_) == Counter(wanted)


def test_interrupting_it_sends_what_was_read_and_counts(
    kafka: Any, topic_prefix: str, tmp_path: Path
) -> None:
    create(kafka, topic_prefix)
    path = tmp_path / "predictions.jsonl"
    row = {"model": "m", "ts": 1_790_000_000, "prediction": 0.5}
    path.write_text("".join(json.dumps({**row, "prediction_id": f"p{i}"}) + "\n"
                            for i in range(200_000)))  # fmt: skip
    argv = [sys.executable, "-m", "driftline", "publish", str(path), "--rate", "2000"]
    argv += ["--bootstrap", kafka.bootstrap, "--prefix", topic_prefix, "--json"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=os.environ)
    begun = time.monotonic()
    while not kafka.consume(f"{topic_prefix}predictions"):
        assert time.monotonic() - begun < 40
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    sent = json.loads(out)["sent"]
    assert 0 < sent < 200_000
    assert ids(kafka, topic_prefix) == once([f"p{i}" for i in range(sent)])
