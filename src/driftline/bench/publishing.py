"""Predictions a second from one process beside plain clients; what a call takes in an outage."""

from __future__ import annotations

import sys
import uuid
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from driftline.bench.cores import choose as choose_cores
from driftline.bench.cores import on_cores
from driftline.bench.entrants import LAUNCH, PEERS
from driftline.bench.environments import Unavailable, interpreter
from driftline.bench.errors import BenchError
from driftline.bench.machine import describe
from driftline.bench.outage import arrived, run_outage
from driftline.bench.process import measure
from driftline.bench.results import Round, Spread
from driftline.bench.traffic import Bus
from driftline.broker import open_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from driftline.bench.outage import Arrived, Outage

__all__ = ["Publishing", "run"]

TITLES = {
    "sdk": "driftline.Publisher, envelopes",
    "aiokafka": "aiokafka, a message an event",
    "confluent": "confluent-kafka, a message an event",
}
PROGRAMS = {"aiokafka": "aiokafka_send", "confluent": "confluent_send"}
CONFLUENT = "confluent-kafka==2.12.2"
PARTITIONS = 4
RUN_S = 300.0


@dataclass(frozen=True)
class Publishing:
    """Everything a run found.

    Attributes
    ----------
    arrived
        What each program's topic holds after its last round.
    """

    machine: str
    events: int
    rounds: Mapping[str, list[Round]]
    arrived: Mapping[str, Arrived]
    skipped: Mapping[str, str]
    outage: Outage | None

    def per_s(self, key: str) -> Spread:
        """Predictions a second, from the first call to the last acknowledgement."""
        return Spread.of(done.per_s for done in self.rounds[key])

    def per_cpu_s(self, key: str) -> Spread:
        """Predictions a CPU second of the process, all its threads."""
        return Spread.of(done.per_cpu_s for done in self.rounds[key])

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "bench": "publish",
            "machine": self.machine,
            "events": self.events,
            "programs": [
                {
                    "program": key,
                    "title": TITLES[key],
                    "events_per_second": self.per_s(key)._asdict(),
                    "events_per_cpu_second": self.per_cpu_s(key)._asdict(),
                    "arrived": asdict(self.arrived[key]),
                    "rounds": [asdict(each) for each in done],
                }
                for key, done in self.rounds.items()
            ],
            "skipped": dict(self.skipped),
            "outage": None if self.outage is None else self.outage.as_json(),
        }


def run(
    events: int, rounds: int, calls: int, rate: float, notify: Callable[[str], None]
) -> Publishing:
    """Let each program send the same events in turns, on one core; then stop the broker.

    Parameters
    ----------
    events
        Predictions of 20 features that each program sends.
    calls, rate
        Calls while the broker is away, and how many a second; 0 calls leaves that out.

    Raises
    ------
    BenchError
        A program failed, or not all that it sent is there.
    """
    cores = choose_cores()
    found: dict[str, list[Round]] = {}
    there: dict[str, Arrived] = {}
    skipped: dict[str, str] = {}
    broker = open_broker(notify=notify)
    with on_cores(cores.others):
        broker.start()
    with broker:
        pythons = _pythons(skipped, notify)
        for number in range(rounds):
            turn = list(pythons)
            turn = turn[number % len(turn) :] + turn[: number % len(turn)]
            for key in turn:
                bus = Bus(broker.bootstrap, f"publish-{uuid.uuid4().hex[:8]}", PARTITIONS)
                bus.create_input({})
                said = measure(
                    _command(key, pythons[key], bus, events), timeout_s=RUN_S, cores=cores.measured
                )
                done = Round.of(said)
                found.setdefault(key, []).append(done)
                there[key] = arrived(bus.broker, bus.topic)
                if (there[key].events, there[key].dead) != (events, 0):
                    msg = f"{TITLES[key]}: expected {events} events to arrive, got {there[key]}"
                    raise BenchError(msg)
                notify(f"round {number + 1}, {TITLES[key]}: {done.per_s:,.0f} a second")
    outage = run_outage(calls, rate, notify) if calls else None
    return Publishing(describe(cores), events, found, there, skipped, outage)


def _pythons(skipped: dict[str, str], notify: Callable[[str], None]) -> dict[str, str]:
    """Return the interpreter of each program that can be had."""
    pythons = {"sdk": sys.executable, "aiokafka": sys.executable}
    needs = (CONFLUENT, f"orjson=={version('orjson')}")
    try:
        pythons["confluent"] = str(interpreter("confluent", needs, notify))
    except Unavailable as reason:
        skipped["confluent"] = str(reason)
        notify(f"{TITLES['confluent']} is left out: {reason}")
    return pythons


def _command(key: str, python: str, bus: Bus, events: int) -> list[str]:
    if key == "sdk":
        module = [python, "-m", "driftline.bench.published", "--prefix", f"{bus.name}."]
        return [*module, "--bootstrap", bus.bootstrap, "--events", str(events)]
    given = {
        "bootstrap": bus.bootstrap,
        "topic": bus.topic,
        "group": bus.name,
        "folder": ".",
        "events": events,
        "partitions": PARTITIONS,
    }
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return [python, "-E", "-s", str(LAUNCH), str(PEERS / f"{PROGRAMS[key]}.py"), *options]
