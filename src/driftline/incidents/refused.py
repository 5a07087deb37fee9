"""An act that could not be done, as a feedback event: `act_refused`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.incidents.asking import feedback_message
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.events.errors import Fault
    from driftline.incidents.acts import Act

__all__ = ["refused_message"]


def refused_message(contract: Contract, act: Act, fault: Fault) -> tuple[bytes, bytes]:
    """Write a message for the `feedback` topic that says why.

    Returns
    -------
    (key, value)
        The event's id, a hash of the act, and a CloudEvent as JSON.
    """
    told = {
        "act": act.kind,
        "incident": act.incident,
        "by": act.by,
        "path": fault.path,
        "expected": fault.expected,
        "got": fault.got,
        "text": f"{act.kind} by {act.by or 'somebody'} was not done: {fault}",
    }
    name = hash_of("refused", contract.model, list(act))
    return feedback_message(contract, "act_refused", name, act.at, told)
