"""A feedback event: what all of them say, whatever they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.incidents.cloudevent import cloud_event

if TYPE_CHECKING:
    from driftline.contract import Contract

__all__ = ["feedback_message"]


def feedback_message(
    contract: Contract,
    kind: str,
    name: str,
    at: int,
    told: dict[str, Any],
    *,
    key: str | None = None,
    feature: str | None = None,
) -> tuple[bytes, bytes]:
    """Write a message for the `feedback` topic.

    Parameters
    ----------
    kind
        Its type below ``driftline.feedback.``.
    name
        Its id, a hash of what it is about: the same event has the same id in every run.
    at
        Event time, microseconds.
    told
        What it says, JSON values: ``text`` and ``incident`` (None where there is none) at least.
    key
        By which the topic is compacted, where what was asked for before is over with it; `name`
        otherwise.
    feature
        The one it is about; None where it is about the model.

    Returns
    -------
    (key, value)
        The value is a CloudEvent as JSON.
    """
    data = {
        "model": contract.model,
        "contract": contract.fingerprint,
        "team": contract.owner.team if contract.owner is not None else None,
        **told,
    }
    subject = contract.model if feature is None else f"{contract.model}/{feature}"
    return (key or name).encode(), cloud_event(name, f"feedback.{kind}", subject, at, data)
