"""The demo's second act: faults that stay until somebody acts on them, and systems that do.

Two small services listen to the feedback topic, as a company's own would: a trainer that trains a
model anew when it is asked to and says so with a `lifecycle` event, and a router that lets the
fallback serve as long as it is engaged. All they know is what the topic says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.cli._demo_story import TAIL, Story
from driftline.contract.quantities import format_instant, parse_instant
from driftline.contract.types import MINUTE
from driftline.simulate import Block, parse_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RECOVERY", "Services", "second_act"]

RECOVERY = 18 * MINUTE
FAULTS = (
    "mean:credit-risk:age:+1sd@2m..19m",
    "schema:demand-forecast:temperature:vanish@4m..8m",
)
TRAINING = 2 * MINUTE
"""Event time that the trainer takes."""
EXPECTED = {
    "credit-risk": ("retrain_requested", "retrained", "retrain_closed", "resolved"),
    "demand-forecast": (
        "fallback_engaged",
        "fallback_verified",
        "fallback_released",
        "fallback_verified",
    ),
}
"""What has to happen to each model in the second act, in this order."""


@dataclass
class Services:
    """The trainer and the router, and what has happened since they began to listen.

    Attributes
    ----------
    start
        Event time from which on they listen, microseconds.
    versions
        What serves in the place of a model's first version.
    """

    start: int
    versions: dict[str, str] = field(default_factory=dict)
    _orders: dict[str, tuple[int, str]] = field(default_factory=dict)
    _happened: dict[str, list[str]] = field(default_factory=dict)
    _watched: set[str] = field(default_factory=set)

    def hear(self, event: dict[str, Any]) -> None:
        """Take a feedback event."""
        at, data = parse_instant(event["time"]), event["data"]
        if at < self.start:
            return
        model, kind = data["model"], event["type"].rpartition(".")[2]
        self._note(model, kind)
        match kind:
            case "retrain_requested" | "retrain_escalated":
                self._orders[model] = at + TRAINING, f"{data['why']} of {data['feature']}"
            case "fallback_engaged":
                self.versions[model] = data["to"]
            case "fallback_released":
                del self.versions[model]

    def alert(self, data: dict[str, Any]) -> None:
        """Take an alert: the demo looks whether incidents are resolved in the end."""
        if data["state"] != "resolved":
            # What went wrong before may come back now: it is the same incident then.
            if parse_instant(data["detected_at"]) >= self.start:
                self._watched.add(data["incident"])
        elif data["incident"] in self._watched:
            self._note(data["model"], "resolved")

    def _note(self, model: str, what: str) -> None:
        self._happened.setdefault(model, []).append(what)

    def trained(self, now: int) -> list[bytes]:
        """Return the lifecycle events of trainings that are done by a time, microseconds."""
        done = [model for model, (at, _) in self._orders.items() if at <= now]
        out = []
        for model in done:
            _, why = self._orders.pop(model)
            self.versions[model] = "trained-2"
            self._note(model, "retrained")
            told = {"type": "lifecycle", "model": model, "ts": format_instant(now)}
            told |= {"kind": "retrained", "version": "trained-2", "by": "demo trainer", "why": why}
            out.append(orjson.dumps(told))
        return out

    @property
    def missing(self) -> list[str]:
        """What has not happened, or not in its order: "model: event"."""
        lacking = []
        for model, expected in EXPECTED.items():
            left = list(expected)
            for what in self._happened.get(model, []):
                if left and what == left[0]:
                    del left[0]
            lacking += [f"{model}: {what}" for what in left]
        return lacking


@dataclass(frozen=True)
class Minute(Story):
    """A minute of the second act, as it is served at that time."""

    notes: tuple[bytes, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    def blocks(self, size: int = 5_000) -> Iterator[Block]:
        """Make the events in order of event time, what services have to say first."""
        if self.notes:
            count = len(self.notes)
            ts = np.full(count, self.start, dtype=np.int64)
            yield Block(["prediction"] * count, [b"services"] * count, ts, list(self.notes))
        for block in super().blocks(size):
            yield block._replace(values=[self._served(value) for value in block.values])

    def _served(self, value: bytes) -> bytes:
        event = orjson.loads(value)
        version = self.versions.get(event["model"])
        return value if version is None else orjson.dumps({**event, "version": version})


def second_act(before: Story) -> tuple[Story, list[Minute]]:
    """Return the second act as a whole, to be scored, and minute by minute, to be played."""
    assert before.end is not None
    faults = tuple(parse_fault(text) for text in FAULTS)
    whole = replace(before, faults=faults, start=before.end, duration=RECOVERY + TAIL, seen={})
    minutes = []
    for number, begin in enumerate(range(0, RECOVERY + TAIL, MINUTE)):
        held = tuple(
            replace(fault, start=0, end=MINUTE)
            for fault in faults
            if fault.end is not None and fault.start <= begin < fault.end
        )
        minutes.append(
            Minute(
                models=before.models,
                faults=held,
                start=before.end + begin,
                rate=before.rate,
                seed=before.seed + 100 + number,
                duration=min(MINUTE, RECOVERY + TAIL - begin),
            )
        )
    return whole, minutes
