"""What a replay cannot read."""

from __future__ import annotations

from driftline.errors import DriftlineError, UsageError

__all__ = ["SourceError", "UnreadableError"]


class SourceError(UsageError):
    """A SOURCE argument names nothing that can be replayed."""


class UnreadableError(DriftlineError):
    """A file is there but is not what its suffix says. Operator action: see the message."""
