"""What detect has to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftline.incidents import Step

__all__ = ["Output"]


@dataclass(slots=True)
class Output:
    """What a step of detect publishes: (key, value) by topic.

    Attributes
    ----------
    closed
        Ends of the slots that were closed, event time in microseconds; nobody publishes them.
    """

    windows: list[tuple[bytes, bytes]] = field(default_factory=list)
    alerts: list[tuple[bytes, bytes]] = field(default_factory=list)
    feedback: list[tuple[bytes, bytes]] = field(default_factory=list)
    references: list[tuple[bytes, bytes]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Take what a step of the incidents publishes."""
        self.alerts.extend(step.alerts)
        self.feedback.extend(step.feedback)
        self.windows.extend(step.windows)

    def __bool__(self) -> bool:
        """Return whether there is anything to publish."""
        return bool(self.windows or self.alerts or self.feedback or self.references)
