"""Lifecycle events that change what is normal, on their way from observe to detect.

They travel in the kind of the pane that counts them: ``lifecycle/retrained/VERSION``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from driftline.events.frame import Frame

__all__ = ["Accepted", "accepted", "kind_of"]

LIFECYCLE = "lifecycle"
REPLACED = ("deployed", "retrained")
DRIFT_ACCEPTED = "drift_accepted"
LONGEST = 256
"""Characters of a feature's or a version's name; longer ones are cut, and then name nothing."""


class Accepted(NamedTuple):
    """A change that is normal from now on.

    Attributes
    ----------
    what
        ``deployed``, ``retrained`` or ``drift_accepted``.
    feature
        The one feature whose change was accepted; None where everything about the model is new.
    version
        Of the model, where the event names one.
    """

    what: str
    feature: str | None
    version: str | None


def kind_of(frame: Frame, row: int) -> str:
    """Return the kind of pane that a lifecycle event is counted in."""
    what = frame.values["kind"][row]
    detail = {DRIFT_ACCEPTED: "feature", **dict.fromkeys(REPLACED, "version")}.get(what)
    if detail is None:
        return LIFECYCLE
    told = frame.values[detail][row] if detail in frame.values else None
    return f"{LIFECYCLE}/{what}/{'' if told is None else str(told)[:LONGEST]}"


def accepted(kind: str) -> Accepted | None:
    """Read a pane's kind; None where it tells of no change."""
    parts = kind.split("/", 2)
    if parts[0] != LIFECYCLE or len(parts) != 3:
        return None
    what, name = parts[1], parts[2] or None
    if what == DRIFT_ACCEPTED:
        return Accepted(what, name, None)
    return Accepted(what, None, name)
