"""Incidents drawn closely: their columns from well before the change until well after it was seen.

The plots of a whole replay squeeze an incident of hours into a pixel. Here each has an axis of its
own, wide enough to see that what came before is as the reference was, and what came after is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.events.time import read_ts
from driftline.replay.history import View

if TYPE_CHECKING:
    from driftline.replay.history import History
    from driftline.replay.summary import Found

__all__ = ["Closeup", "closeups"]

MAX_INCIDENTS = 20
"""Incidents of one model that are drawn closely; the rest are in the table and the long plots."""
MAX_COLUMNS = 4
MIN_WINDOWS = 14
"""So many windows are drawn before the change and after the detection, if the replay has them."""


@dataclass(frozen=True, slots=True)
class Closeup:
    """One incident to be drawn.

    Attributes
    ----------
    marks
        By column of the view what its plot marks: ``change`` and ``detected``, epoch seconds, and
        ``interval`` of the change, two of them, where it is known.
    """

    found: Found
    view: View
    marks: dict[str, dict[str, Any]]


def closeups(history: History, found: list[Found]) -> list[Closeup]:
    """Choose for each incident what to draw: the columns that opened it, and how much of time.

    Incidents about no column, or about none that `history` has, are left out, as are those from
    before its reference.
    """
    made = []
    for each in found:
        marks = _marks(history, each)
        if not marks:
            continue
        begun = min(mark.get("interval", [mark["change"]])[0] for mark in marks.values())
        begun = round(1e6 * min(begun, *(mark["change"] for mark in marks.values())))
        seen = round(1e6 * max(mark["detected"] for mark in marks.values()))
        if seen < history.first or begun > history.last:
            continue
        room = max(seen - begun, MIN_WINDOWS * history.length)
        since = read_ts(each.change_point)
        view = View(list(marks), begun - room, seen + room, since)
        made.append(Closeup(each, view, marks))
        if len(made) == MAX_INCIDENTS:
            break
    return made


def _marks(history: History, found: Found) -> dict[str, dict[str, Any]]:
    marks: dict[str, dict[str, Any]] = {}
    for member in found.members:
        name = member["feature"]
        if name is None:
            continue
        mark = {
            "change": read_ts(member["change_point"]) / 1e6,
            "detected": read_ts(member["detected_at"]) / 1e6,
            "kind": member["kind"],
        }
        told = found.told.get(name, {})
        if "interval" in told:
            mark["interval"] = [read_ts(end) / 1e6 for end in told["interval"]]
        # A correlation is of two columns: both are drawn, though neither may have moved alone.
        for each in (name, *told.get("with", ())):
            if each in history.reference.index:
                marks.setdefault(each, mark)
    return dict(list(marks.items())[:MAX_COLUMNS])
