"""The outcome of a drill as a feedback event: `drill_rang` or `drill_failed`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.time import format_ts
from driftline.incidents.asking import feedback_message
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.detect import Outcome

__all__ = ["drill_message"]


def drill_message(outcome: Outcome, contract: Contract) -> tuple[bytes, bytes]:
    """Write an outcome as a message for the `feedback` topic.

    Returns
    -------
    (key, value)
        The event's id, a hash of model, feature, shift and time, and a CloudEvent as JSON.
    """
    model, feature = outcome.model, outcome.feature
    name = hash_of("drill", model, feature, outcome.shift, outcome.planted_at)
    told: dict[str, Any] = {
        "text": outcome.words,
        "incident": None,
        "feature": feature,
        "shift": outcome.shift,
        "planted_at": format_ts(outcome.planted_at),
        "ended_at": format_ts(outcome.ended_at),
        "seconds": (outcome.ended_at - outcome.planted_at) / 1e6,
        "slots": outcome.slots,
        "events": outcome.events,
        "within_slots": outcome.within,
        "detector": outcome.detector,
    }
    kind = "drill_rang" if outcome.rang else "drill_failed"
    return feedback_message(contract, kind, name, outcome.ended_at, told, feature=feature)
