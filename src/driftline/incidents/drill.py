"""The outcome of a drill as a feedback event: `drill_rang` or `drill_failed`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.time import format_ts
from driftline.incidents.cloudevent import cloud_event
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
    data: dict[str, Any] = {
        "model": model,
        "contract": contract.fingerprint,
        "team": contract.owner.team if contract.owner is not None else None,
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
    value = cloud_event(name, f"feedback.{kind}", f"{model}/{feature}", outcome.ended_at, data)
    return name.encode(), value
