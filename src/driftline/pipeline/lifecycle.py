"""Lifecycle events on their way from observe to detect: what was done to a model, by whom, and why.

They travel in the kind of the pane that counts them: ``lifecycle/retrained/VERSION/BY/WHY``, each
part percent-encoded. Some change what is normal; all are part of a model's history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from driftline.incidents import ANNOUNCING

if TYPE_CHECKING:
    from driftline.events.frame import Frame

__all__ = [
    "DRIFT_ACCEPTED",
    "LIFECYCLE",
    "PRACTICE_ACCEPTED",
    "Accepted",
    "Note",
    "accepted",
    "kind_of",
    "note_of",
]

LIFECYCLE = "lifecycle"
DRIFT_ACCEPTED = "drift_accepted"
PRACTICE_ACCEPTED = "practice_accepted"
"""What people do about the predictions is meant to be as it is now."""
LONGEST = 256
"""Characters of a name or a reason that are kept; a name that is longer names nothing."""
_PARTS = 5


class Note(NamedTuple):
    """What was told of a model.

    Attributes
    ----------
    what
        The event's kind: ``deployed``, ``owner_confirmed``, …
    about
        The feature of ``drift_accepted``, the version of any other; None where it names none.
    by, why
        As the event says, None where it does not.
    """

    what: str
    about: str | None
    by: str | None
    why: str | None


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
    names = (what, _of(frame, row, "feature" if what == DRIFT_ACCEPTED else "version"))
    told = (_of(frame, row, name) for name in ("by", "why"))
    return "/".join((LIFECYCLE, *(quote(text, safe="") for text in (*names, *told))))


def _of(frame: Frame, row: int, name: str) -> str:
    told = frame.values[name][row] if name in frame.values else None
    return "" if told is None else str(told)[:LONGEST]


def note_of(kind: str) -> Note | None:
    """Read a pane's kind; None where it is of no lifecycle event, or of too many."""
    parts = kind.split("/")
    if parts[0] != LIFECYCLE or len(parts) != _PARTS:
        return None
    what, *told = (unquote(part) for part in parts[1:])
    return Note(what, *(text or None for text in told))


def accepted(note: Note) -> Accepted | None:
    """Return which change a note makes normal; None where it makes none so."""
    if note.what == DRIFT_ACCEPTED:
        return Accepted(note.what, note.about, None)
    return Accepted(note.what, None, note.about) if note.what in ANNOUNCING else None
