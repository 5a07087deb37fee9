"""What a publisher raises: for settings that make no sense, and in strict mode for an event."""

from __future__ import annotations

from driftline.errors import DriftlineError, UsageError

__all__ = ["EventRefused", "SettingsError"]


class SettingsError(UsageError):
    """A publisher's settings make no sense; the text lists every fault."""


class EventRefused(DriftlineError):  # noqa: N818 - what happened to the event
    """In strict mode: an event that would have been dropped.

    Attributes
    ----------
    reason
        What it would have been counted under in `driftline.publish.Counts.dropped`.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
