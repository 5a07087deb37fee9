"""A threshold that should be looked at again, as a feedback event: `threshold_review_due`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.events.time import format_ts
from driftline.incidents.asking import feedback_message
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.ledger.review import Review

__all__ = ["threshold_message"]


def threshold_message(review: Review, contract: Contract) -> tuple[bytes, bytes]:
    """Write a review as a message for the `feedback` topic.

    Returns
    -------
    (key, value)
        The event's id, a hash of model and period, and a CloudEvent as JSON.
    """
    name = hash_of("threshold", contract.model, review.since, review.at)
    told = {
        "incident": None,
        "since": format_ts(review.since),
        "threshold": {key: value for key, value in review.to_json().items() if key != "text"},
        "text": review.text,
    }
    return feedback_message(contract, "threshold_review_due", name, review.at, told)
