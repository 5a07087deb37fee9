"""What the bench reads: the same 20-feature events for every program, once on the broker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from driftline.bus import topics
from driftline.bus.config import BrokerConfig, Config
from driftline.bus.topics import TopicSpec
from driftline.contract import parse
from driftline.pipeline.references import reference_from_file
from driftline.simulate import START_US, Delivery, Scenario, to_files, to_kafka, traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["RATE", "Bus", "Load", "closing", "scenario", "write_contract"]

MODEL = "bench"
RATE = 1_000.0
"""Events a second of event time: a slot of the default 10 s holds about ten thousand."""
MINUTE_US = 60_000_000
FIRST_US = START_US + 57 * MINUTE_US
"""Three minutes before a full hour, so that a default window closes within the run."""
REFERENCE_ROWS = 50_000
REFERENCE_SEED = 2


@dataclass(frozen=True)
class Load:
    """What was put on the topic.

    Attributes
    ----------
    events
        Events in the measured stretch; `closing` ones come after them.
    closing
        One event in each partition, a minute later than all others: event time has to pass for
        the last slots to close, and their cost belongs to the measurement.
    bytes_each
        Mean size of an event's value.
    """

    events: int
    closing: int
    bytes_each: float

    @property
    def all(self) -> int:
        """Records on the topic."""
        return self.events + self.closing


@dataclass(frozen=True)
class Bus:
    """The broker, as the bench uses it: each round of each program has topics of its own.

    Attributes
    ----------
    name
        Distinguishes this run's topics from those of others on a shared broker.
    """

    bootstrap: str
    name: str
    partitions: int

    @property
    def topic(self) -> str:
        """The topic with the events; its suffix says what they are."""
        return f"{self.name}.predictions"

    @property
    def broker(self) -> BrokerConfig:
        """How driftline's own clients reach it."""
        return BrokerConfig(bootstrap=self.bootstrap)

    def create_input(self, configs: Mapping[str, str]) -> None:
        """Make the topic for the events."""
        spec = TopicSpec(self.topic, self.partitions, 1, {"retention.ms": "-1", **configs})
        asyncio.run(topics.apply(self.broker, [spec]))

    def create_outputs(self, prefix: str) -> int:
        """Make a worker's topics; return how many partitions `panes` has."""
        config = Config(broker=self.broker, prefix=prefix)
        asyncio.run(topics.apply(self.broker, topics.outputs(config)))
        return config.outputs.partitions

    def send(self, events: Scenario, progress: Callable[[int], None] | None = None) -> None:
        """Put a scenario's events on the topic, one a message, spread over its partitions."""
        delivery = Delivery(f"{self.name}.", keyed=False)
        asyncio.run(to_kafka(events, self.bootstrap, delivery, progress))

    def load(self, events: int, progress: Callable[[int], None] | None = None) -> Load:
        """Put the events of a throughput run on the topic."""
        made = scenario(events)
        self.send(made, progress)
        self.send(closing(events, self.partitions))
        block = next(made.blocks(1_000))
        return Load(events, self.partitions, sum(map(len, block.values)) / block.size)

    def write_config(self, folder: Path, prefix: str, contract: Path) -> Path:
        """Write the ``driftline.yaml`` of one worker."""
        path = folder / f"{prefix}yaml"
        config = {
            "broker": {"bootstrap": self.bootstrap},
            "group": f"{prefix}group",
            "prefix": prefix,
            "inputs": [{"topic": self.topic, "type": "prediction"}],
            "contracts": [str(contract)],
            "datadir": str(folder / prefix.rstrip(".")),
        }
        # JSON is YAML.
        path.write_bytes(msgspec.json.format(msgspec.json.encode(config)))
        return path


def scenario(events: int, *, start: int = FIRST_US, seed: int = 1) -> Scenario:
    """Events of the bench model without faults, from `start` (microseconds) on."""
    return Scenario(
        models=(traffic(MODEL),), start=start, rate=RATE, seed=seed, duration=None, events=events
    )


def closing(events: int, partitions: int, *, start: int = FIRST_US) -> Scenario:
    """One event for each partition, a minute after the last of `events`."""
    after = start + round(events / RATE * 1e6 * 1.02) + MINUTE_US
    return scenario(partitions, start=after, seed=9)


def write_contract(folder: Path) -> Path:
    """Write a contract of defaults with a reference built beforehand, so that no run warms up."""
    rows = Scenario(
        models=(traffic(MODEL),),
        start=START_US,
        rate=RATE,
        seed=REFERENCE_SEED,
        duration=None,
        events=REFERENCE_ROWS,
    )
    to_files(rows, folder / "reference", "parquet")
    path = folder / "contract.yaml"
    from_rows = parse(_contract(f"reference/{MODEL}.predictions.parquet"), str(path))
    (folder / "reference.json").write_bytes(reference_from_file(from_rows).to_json())
    path.write_text(_contract("reference.json"), encoding="utf-8")
    return path


def _contract(reference: str) -> str:
    return f"model: {MODEL}\nreference: {{from: file, path: {reference}}}\n"
