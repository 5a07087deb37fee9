"""What detect has to say."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Output"]


@dataclass(slots=True)
class Output:
    """What a step of detect publishes: (key, value) by topic."""

    windows: list[tuple[bytes, bytes]] = field(default_factory=list)
    alerts: list[tuple[bytes, bytes]] = field(default_factory=list)
    feedback: list[tuple[bytes, bytes]] = field(default_factory=list)
    references: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there is anything to publish."""
        return bool(self.windows or self.alerts or self.feedback or self.references)
