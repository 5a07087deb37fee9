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

__all__ = ["RATE", "Bus", "Load", "closing", "promise_quality", "scenario", "write_contract"]

MODEL = "bench"
RATE = 1_000.0
"""Events a second of event time: a slot of the default 10 s holds about ten thousand."""
MINUTE_US = 60_000_000
DELAY = 10_000_000
"""Microseconds from a prediction to its label, in the mean."""
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
    labels
        Whether each prediction has a label, on a topic of their own.
    """

    bootstrap: str
    name: str
    partitions: int
    labels: bool = False

    @property
    def topic(self) -> str:
        """The topic with the predictions; its suffix says what they are."""
        return f"{self.name}.predictions"

    @property
    def inputs(self) -> dict[str, str]:
        """All topics with events, by type of event."""
        more = {"label": f"{self.name}.labels"} if self.labels else {}
        return {"prediction": self.topic, **more}

    @property
    def broker(self) -> BrokerConfig:
        """How driftline's own clients reach it."""
        return BrokerConfig(bootstrap=self.bootstrap)

    def create_input(self, configs: Mapping[str, str]) -> None:
        """Make the topics for the events."""
        forever = {"retention.ms": "-1", **configs}
        specs = [TopicSpec(name, self.partitions, 1, forever) for name in self.inputs.values()]
        asyncio.run(topics.apply(self.broker, specs))

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
        made = scenario(events, labels=self.labels)
        self.send(made, progress)
        last = self.partitions * len(self.inputs)
        self.send(closing(events, last, labels=self.labels))
        block = next(made.blocks(1_000))
        return Load(events, last, sum(map(len, block.values)) / block.size)

    def write_config(self, folder: Path, prefix: str, contract: Path) -> Path:
        """Write the ``driftline.yaml`` of one worker."""
        path = folder / f"{prefix}yaml"
        config = {
            "broker": {"bootstrap": self.bootstrap},
            "group": f"{prefix}group",
            "prefix": prefix,
            "inputs": [{"topic": name, "type": kind} for kind, name in self.inputs.items()],
            "contracts": [str(contract)],
            "datadir": str(folder / prefix.rstrip(".")),
        }
        # JSON is YAML.
        path.write_bytes(msgspec.json.format(msgspec.json.encode(config)))
        return path


def scenario(
    events: int, *, start: int = FIRST_US, seed: int = 1, labels: bool = False, delay: int = DELAY
) -> Scenario:
    """Events of the bench model without faults, from `start` (microseconds) on.

    Parameters
    ----------
    labels
        Whether labels follow predictions, after `delay` (microseconds) in the mean.
    """
    return Scenario(
        models=(traffic(MODEL),),
        start=start,
        rate=RATE,
        seed=seed,
        duration=None,
        events=events,
        following=frozenset({"label"}) if labels else frozenset(),
        label_delay=delay,
    )


def closing(events: int, last: int, *, start: int = FIRST_US, labels: bool = False) -> Scenario:
    """So many events, a minute after the last of `events`; labels follow at once."""
    after = start + round(events / RATE * 1e6 * 1.02) + MINUTE_US
    return scenario(last, start=after, seed=9, labels=labels, delay=1)


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


def promise_quality(contract: Path) -> Path:
    """Write another contract beside one, that promises quality as well."""
    path = contract.with_name("quality.yaml")
    promise = "quality: {metric: mae, at_most: 2, label_horizon: 1h, window: 1h}\n"
    path.write_text(contract.read_text(encoding="utf-8") + promise, encoding="utf-8")
    return path


def _contract(reference: str) -> str:
    return f"model: {MODEL}\nreference: {{from: file, path: {reference}}}\n"
