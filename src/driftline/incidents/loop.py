"""A suspected feedback loop, as a feedback event: `loop_suspected`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.incidents.asking import feedback_message
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.ledger.loops.suspected import LoopSuspected

__all__ = ["loop_message"]


def loop_message(loop: LoopSuspected, contract: Contract) -> tuple[bytes, bytes]:
    """Write a suspected loop as a message for the `feedback` topic.

    Returns
    -------
    (key, value)
        The event's id, a hash of model and time, and a CloudEvent as JSON.
    """
    name = hash_of("loop", contract.model, loop.at)
    told = loop.to_json()
    body = {"incident": None, "since": told.pop("since"), "text": told.pop("text"), "loop": told}
    return feedback_message(contract, "loop_suspected", name, loop.at, body)
