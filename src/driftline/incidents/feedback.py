"""Feedback: what the systems around the model are asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.incidents.fallback import Fallbacks
from driftline.incidents.history import ANNOUNCING, History
from driftline.incidents.retraining import Retraining
from driftline.incidents.violations import Violations

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.incidents.context import Served
    from driftline.incidents.history import Told
    from driftline.incidents.incident import Change

__all__ = ["Feedback"]

Messages = list[tuple[bytes, bytes]]


class Feedback:
    """Feedback events of one model: retraining, fallback, and what violates its contract."""

    def __init__(self, contract: Contract) -> None:
        self._model = contract.model
        self.history = History()
        self._retraining = Retraining(contract, self.history)
        self._fallback = Fallbacks(contract)
        self._violations = Violations(contract, self.history)

    def on_change(self, change: Change) -> Messages:
        """Take a change of an incident; return messages for the `feedback` topic."""
        return [
            *self._violations.on_change(change),
            *self._retraining.on_change(change),
            *self._fallback.on_change(change),
        ]

    def on_slot(self, now: int, served: Served) -> Messages:
        """Take the end of a closed slot (microseconds) and whose predictions it had."""
        new = self.history.on_slot(served.versions, now)
        return [
            *self._violations.on_slot(now, new, predictions=served.predictions > 0),
            *self._retraining.on_time(now),
            *self._fallback.on_slot(now, served),
        ]

    def on_lifecycle(self, kind: str, told: Told) -> Messages:
        """Take a lifecycle event."""
        self.history.on_event(kind, told)
        return self._retraining.on_replaced(told) if kind in ANNOUNCING else []

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "history": self.history.snapshot(),
            "retraining": self._retraining.snapshot(),
            "fallback": self._fallback.snapshot(),
            "violations": self._violations.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self.history.restore(state["history"])
        self._retraining.restore(state["retraining"])
        self._fallback.restore(state["fallback"])
        self._violations.restore(state["violations"])
