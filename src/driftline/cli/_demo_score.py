"""Alerts held against what was planted: found, how late, and by its right name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.contract.quantities import format_instant, parse_instant
from driftline.contract.types import MINUTE

if TYPE_CHECKING:
    from driftline.cli._demo_story import Story
    from driftline.simulate import Fault

__all__ = ["Outcome", "Score"]

ECHO_US = 3 * MINUTE
"""How long after its end a fault may still be what an alert is about."""


@dataclass
class Outcome:
    """One planted fault, and the first alert about it.

    Attributes
    ----------
    planted, over
        Event time of its start and end, microseconds.
    alert
        ``data`` of the alert; None until it comes.
    delay
        From its start to the detection, microseconds of event time.
    events
        Events of its model in between.
    """

    fault: Fault
    planted: int
    over: int
    alert: dict[str, Any] | None = None
    delay: int = 0
    events: int = 0

    @property
    def right(self) -> bool:
        """Whether the alert names the planted feature and a kind that fits."""
        return self.alert is not None and self.named_by(self.alert)

    def named_by(self, data: dict[str, Any]) -> bool:
        """Tell whether an alert names this fault."""
        fault = self.fault
        return data["feature"] == fault.feature and data["kind"] in fault.plan.shows_as

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        alert = self.alert
        return {
            "fault": str(self.fault),
            "model": self.fault.model,
            "feature": self.fault.feature,
            "planted_at": format_instant(self.planted),
            "found": alert is not None,
            "alert_at": None if alert is None else alert["detected_at"],
            "delay_s": None if alert is None else self.delay / 1e6,
            "delay_events": None if alert is None else self.events,
            "alert_feature": None if alert is None else alert["feature"],
            "kind": None if alert is None else alert["kind"],
            "severity": None if alert is None else alert["severity"],
            "text": None if alert is None else alert["text"],
            "right_feature": self.right,
        }


class Score:
    """Takes alerts as they come and knows which fault each one is about."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.early: list[dict[str, Any]] = []
        """Opened before any fault."""
        self.stray: list[dict[str, Any]] = []
        """Opened later, while nothing was wrong with the model."""
        self._stories: list[Story] = []
        self._incidents: dict[str, Outcome] = {}

    def expect(self, story: Story) -> None:
        """Take up the faults of one more part."""
        self._stories.append(story)
        for fault in story.faults:
            assert fault.end is not None
            planted, over = story.start + fault.start, story.start + fault.end
            self.outcomes.append(Outcome(fault, planted, over))

    def count_with(self, story: Story) -> None:
        """Count the events of a part whose faults are expected already."""
        self._stories.append(story)

    def take(self, data: dict[str, Any]) -> Outcome | None:
        """Return the fault that an alert is about; None where there is none.

        Parameters
        ----------
        data
            ``data`` of the alert's CloudEvent.
        """
        incident = data["incident"]
        at = parse_instant(data["detected_at"])
        if data["state"] == "resolved":
            return self._incidents.get(incident)
        possible = [
            each
            for each in self.outcomes
            if each.fault.model == data["model"] and each.planted < at <= each.over + ECHO_US
        ]
        named = [each for each in possible if each.named_by(data)]
        known = self._incidents.get(incident)
        # By name, else as part of what is known already, else what was planted last.
        found = next(iter(named), None) or known or next(iter(reversed(possible)), None)
        if found is None:
            first = min((each.planted for each in self.outcomes), default=at)
            (self.early if at <= first else self.stray).append(data)
            return None
        self._incidents.setdefault(incident, found)
        if found.alert is None:
            found.alert = data
            found.delay = at - found.planted
            found.events = sum(
                story.count(data["model"], found.planted, at) for story in self._stories
            )
        return found

    @property
    def good(self) -> bool:
        """Whether every fault was found by its name, and nothing else was."""
        return all(each.right for each in self.outcomes) and not self.early + self.stray
