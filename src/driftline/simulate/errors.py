"""Faults of what was asked to be simulated."""

from __future__ import annotations

from driftline.errors import UsageError

__all__ = ["ScenarioError"]


class ScenarioError(UsageError):
    """A scenario that makes no sense: an unknown model, a fault that cannot be planted there.

    Operator action: ``driftline simulate --list`` shows the models, their features and the faults.
    """
