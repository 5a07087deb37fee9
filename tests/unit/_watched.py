"""A model's incidents and what they publish, made by the objects that a worker makes them with."""

from __future__ import annotations

from typing import Any

import msgspec

from driftline.contract import Contract
from driftline.contract.types import SECOND
from driftline.detect.protocol import Finding
from driftline.events.outputs import Alert
from driftline.incidents import Context, Incidents

START = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z
TOPIC = "feeds.predictions"


class Watched:
    """A model's incidents, as a worker makes them of findings, and their alerts."""

    def __init__(self, model: str, topic: str = TOPIC, **contract: Any) -> None:
        self.model, self.topic = model, topic
        self.messages: list[tuple[bytes, bytes]] = []
        """All that was published, as it stands on the topic: key and value."""
        self.incidents = Incidents(Contract(model=model, **contract))

    def says(
        self, feature: str | None, at: int, *, delay: int = 20 * SECOND, **more: Any
    ) -> list[Alert]:
        """Return the alerts after a finding at `at`, of a change so long before."""
        given = {
            "state": "raised", "model": self.model, "feature": feature, "kind": "drift",
            "detector": "evidence", "severity": "page", "change_point": START + at - delay,
            "detected_at": START + at, "effect": 0.8, "effect_unit": "reference sd",
            "text": "median 41 → 52", "log_e": 12.5, "evidence": {},
        }  # fmt: skip
        context = Context(now=START + at, topics=(self.topic,))
        step = self.incidents.step([Finding(**{**given, **more})], context)
        self.messages += step.alerts
        return [msgspec.json.decode(value, type=Alert) for _, value in step.alerts]

    def clears(self, feature: str | None, at: int, **more: Any) -> list[Alert]:
        return self.says(feature, at, state="cleared", **more)

    def does(self, kind: str, at: int, **told: Any) -> list[Alert]:
        """Return the alerts after somebody has done something about its only incident."""
        (incident,) = self.incidents.open
        told = {"incident": incident.id, "by": "ana", "why": "seen", **told}
        context = Context(now=START + at, topics=(self.topic,))
        step = self.incidents.on_act(kind, START + at, told, context)
        self.messages += step.alerts
        return [msgspec.json.decode(value, type=Alert) for _, value in step.alerts]

    def passes(self, at: int) -> list[Alert]:
        """Return the alerts that time alone makes."""
        step = self.incidents.on_time(Context(now=START + at, topics=(self.topic,)))
        self.messages += step.alerts
        return [msgspec.json.decode(value, type=Alert) for _, value in step.alerts]
