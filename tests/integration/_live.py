"""Workers as processes on a real broker, and what came of them held against a replay."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import yaml
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from driftline.bus import topics
from driftline.bus.config_file import load
from driftline.bus.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aiokafka import TopicPartition
    from tests.integration._traffic import Message, Recording

TYPES = {
    "predictions": "prediction",
    "features": "features",
    "labels": "label",
    "decisions": "decision",
    "outcomes": "outcome",
}
MORE_TYPES = TYPES | {"lifecycle": "lifecycle"}
OUTPUTS = ("windows", "alerts", "feedback")
END_S = 90.0
"""Longest wait for anything; a worker here needs a few seconds even on a busy machine."""
SEND_S = 120.0
LOAD_S = 600.0
"""Nominal: tests say how much has to be there when, and the rest is sent at once in the end."""
NEVER = "1h"
DRIFTLINE = (sys.executable, "-m", "driftline")


class Live:
    """One set of topics, the workers on it, and their outputs.

    Parameters
    ----------
    folder
        Where configuration, logs and outputs go.
    prefix
        Of driftline's own topics.
    inputs
        Input topics by the name of what they hold, one of `TYPES` or another for all of them; by
        default three under the prefix.
    """

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        prefix: str,
        contracts: Sequence[Path] = (),
        inputs: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        self.prefix = prefix
        self.group = f"{prefix}group"
        self.contracts = [str(path) for path in contracts]
        self.inputs = inputs or {name: f"{prefix}{name}" for name in TYPES}
        self.settings = settings
        self.workers: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def config(self, **settings: Any) -> Path:
        """Write a configuration file; settings given here go before those of the object."""
        body: dict[str, Any] = {
            "broker": {"bootstrap": self.bootstrap, "give_up_after": "60s"},
            "group": self.group,
            "prefix": self.prefix,
            "inputs": [
                {"topic": topic} | ({"type": MORE_TYPES[name]} if name in MORE_TYPES else {})
                for name, topic in self.inputs.items()
            ],
            "contracts": self.contracts,
            "outputs": {"partitions": 4},
            "idle_after": NEVER,
            "snapshot_every": "1s",
            "commit_every": "200ms",
            "session_timeout": "6s",
            "datadir": str(self.folder / "data"),
        }
        for name, value in (self.settings | settings).items():
            body[name] = body[name] | value if isinstance(value, dict) else value
        body = {name: value for name, value in body.items() if value is not None}
        path = self.folder / f"driftline-{time.monotonic_ns()}.yaml"
        path.write_text(yaml.safe_dump(body))
        return path

    def create(self, partitions: int, *, inputs: bool = True, max_bytes: int = 2**20) -> None:
        """Make driftline's topics, and the inputs too."""
        config = load(self.config())
        specs = topics.outputs(config)
        if inputs:
            specs += topics.inputs(config, partitions, -1, max_bytes)
        asyncio.run(topics.apply(config.broker, specs))

    def start(self, *options: str, program: Sequence[str] = DRIFTLINE, **settings: Any) -> int:
        """Start a worker; return its number."""
        number = len(self.workers)
        with self._log(number).open("wb") as log:
            worker = subprocess.Popen(
                [*program, "worker", "--config", str(self.config(**settings)), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return number

    def _log(self, number: int) -> Path:
        return self.folder / f"worker-{number}.log"

    def log(self, number: int = -1) -> str:
        """Return what a worker has said."""
        return self._log(number % len(self.workers)).read_text(errors="replace")

    def until(self, text: str, number: int = -1, times: int = 1) -> None:
        """Wait until a worker has said something."""
        deadline = time.monotonic() + END_S
        while self.log(number).count(text) < times:
            assert self.workers[number].poll() is None, self.log(number)
            assert time.monotonic() < deadline, self.log(number)
            time.sleep(0.05)

    def end(self, number: int = -1) -> int:
        """Wait for a worker's end; return its exit code."""
        return self.workers[number].wait(END_S)

    def finish(self, **settings: Any) -> None:
        """Let a worker handle all that is left, and end by itself."""
        self.start("--until-idle", "0.5", **({"idle_after": "1s"} | settings))
        assert self.end() == 0, self.log()

    def export(self) -> Path:
        """Write the live outputs as files, as a user would."""
        out = self.folder / "live"
        run("export", "--config", str(self.config()), "--out", str(out))
        return out

    def replay(self, *options: str) -> Path:
        """Replay the input topics, as a user would."""
        out = self.folder / "replayed"
        sources = [f"kafka://{self.bootstrap}/{topic}" for topic in self.inputs.values()]
        stated = [word for path in self.contracts for word in ("--contract", path)]
        run("replay", *sources, *stated, "--out", str(out), "--no-report", *options)
        return out

    def dead_letters(self) -> list[Any]:
        """Return the records of the topic, one for each key."""
        config = load(self.config())
        found: dict[bytes, Any] = {}
        for _, records in read(config.broker, config.topic("deadletter")):
            for record in records:
                first = found.setdefault(record.key, record)  # type: ignore[attr-defined]
                assert (first.value, first.headers) == (record.value, record.headers)
        return list(found.values())

    def committed(self) -> dict[TopicPartition, Any]:
        """Return the group's commits."""

        async def ask() -> dict[TopicPartition, Any]:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
            await admin.start()
            try:
                return await admin.list_consumer_group_offsets(self.group)
            finally:
                await admin.close()

        return asyncio.run(ask())

    def moves_on(self, before: dict[TopicPartition, Any]) -> None:
        """Wait until more of the inputs is committed than there was."""
        deadline = time.monotonic() + END_S
        reached = self._handled(before)
        while self._handled(self.committed()) <= reached:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.2)

    def _handled(self, committed: dict[TopicPartition, Any]) -> int:
        mine = set(self.inputs.values())
        return sum(entry.offset for tp, entry in committed.items() if tp.topic in mine)

    def published(self) -> int:
        """Return how many records stand on the output topics, repeats included."""
        config = load(self.config())
        return sum(
            len(records)
            for name in OUTPUTS
            for _, records in read(config.broker, config.topic(name))
        )

    def load(self, messages: Sequence[Message]) -> None:
        """Send messages in order."""
        load = Load(self, messages, 0.0)
        load.run()
        assert load.fault is None, load.fault

    @contextmanager
    def loading(self, messages: Sequence[Message], seconds: float) -> Iterator[Load]:
        """Send messages meanwhile, spread over some seconds; all are there when this is left."""
        load = Load(self, messages, seconds)
        load.start()
        try:
            yield load
        finally:
            load.hurry()
            load.join(SEND_S)
        assert not load.is_alive()
        assert load.fault is None, load.fault

    def close(self) -> None:
        """Kill what still runs."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


class Load(threading.Thread):
    """Sends messages at an even pace, and faster when it is told so.

    Attributes
    ----------
    left
        Messages still to be sent.
    """

    def __init__(self, live: Live, messages: Sequence[Message], seconds: float) -> None:
        super().__init__()
        self._live = live
        self._messages = messages
        self._seconds = seconds
        self._at_least = 0
        self.left = len(messages)
        self.fault: BaseException | None = None

    def reach(self, share: float) -> None:
        """Send at once what is lacking to so much of the whole, then go on at the even pace."""
        self._at_least = max(self._at_least, int(share * len(self._messages)))

    def hurry(self) -> None:
        """Send the rest as fast as it goes."""
        self.reach(1.0)

    def run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as fault:  # noqa: BLE001 - the test's own thread raises it
            self.fault = fault

    async def _send(self) -> None:
        # Idempotent: what is sent again after an outage must not stand on the topic twice.
        producer = AIOKafkaProducer(
            bootstrap_servers=self._live.bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=20,
            max_batch_size=2**17,
            max_request_size=32 * 2**20,
            request_timeout_ms=int(SEND_S * 1_000),
        )
        await producer.start()
        try:
            begun, sent = time.monotonic(), []
            for number, each in enumerate(self._messages):
                due = begun + self._seconds * number / len(self._messages)
                # Another thread says when to hurry.
                while due - time.monotonic() > 0.05 and number >= self._at_least:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                topic = self._live.inputs[each.topic]
                key = b"gone" if each.value is None else None
                sent.append(
                    await producer.send(
                        topic, each.value, key, each.partition, each.timestamp, each.headers
                    )
                )
                self.left -= 1
            await asyncio.wait_for(asyncio.gather(*sent), SEND_S)
        finally:
            await producer.stop()


def run(*arguments: str) -> str:
    """Run a command of driftline to a good end; return what it printed."""
    done = subprocess.run(
        [*DRIFTLINE, *arguments], capture_output=True, text=True, timeout=END_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_same(live: Path, replayed: Path) -> None:
    """Hold the three output files against each other, byte for byte."""
    for name in OUTPUTS:
        ours = (live / f"{name}.jsonl").read_bytes()
        theirs = (replayed / f"{name}.jsonl").read_bytes()
        if ours == theirs:
            continue
        mine, other = ours.splitlines(), theirs.splitlines()
        only = [line for line in mine if line not in set(other)]
        lacking = [line for line in other if line not in set(mine)]
        told = f"{name}: {len(mine)} lines live, {len(other)} replayed; differ in {len(only)}"
        first = [line[:3_000].decode() for line in (*only[:1], *lacking[:1])]
        raise AssertionError("\n".join([told, *first]))


def windows_of(folder: Path) -> list[dict[str, Any]]:
    """Return the windows of statistics."""
    return [window for window in _windows_of(folder) if "kind" not in window]


def told_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return what else stands beside the windows: of quality, decisions, uplift, …"""
    return [window for window in _windows_of(folder) if window.get("kind") == kind]


def _windows_of(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / "windows.jsonl").read_bytes().splitlines()]


def counted(folder: Path) -> Counter[str]:
    """Add up the windows that hold every event once: tumbling, overall, one length a model."""
    total: Counter[str] = Counter()
    for window in windows_of(folder):
        if window["segment"] or window["length_s"] != window["hop_s"]:
            continue
        total["events"] += sum(window["events"].values())
        for name in ("late", "dead", "duplicates"):
            total[name] += window[name]
    return total


def alerts_of(folder: Path) -> list[dict[str, Any]]:
    """Return the data of the alerts."""
    lines = (folder / "alerts.jsonl").read_bytes().splitlines()
    return [orjson.loads(line)["data"] for line in lines]


def holds_together(live: Live, traffic: Recording) -> None:
    """Hold the outputs against a replay, and every event against its one place."""
    exported, replayed = live.export(), live.replay()
    assert_same(exported, replayed)
    total = counted(exported)
    assert total.total() == traffic.events, total
    dead = live.dead_letters()
    assert len(dead) == total["dead"]
    lines = (replayed / "deadletters.jsonl").read_bytes().splitlines()
    assert len(lines) == len(dead)
