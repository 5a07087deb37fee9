"""Incidents drawn closely: their columns from well before the change until well after it was seen.

The plots of a whole replay squeeze an incident of hours into a pixel. Here each has an axis of its
own, wide enough to see that what came before is as the reference was, and what came after is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.events.time import read_ts
from driftline.replay.history import View
from driftline.replay.summary import told_of

if TYPE_CHECKING:
    from driftline.events.frame import Segment
    from driftline.replay.history import History
    from driftline.replay.summary import Found

__all__ = ["Plot", "closeups"]

MAX_INCIDENTS = 20
"""Incidents of one model that are drawn closely; the rest are in the table and the long plots."""
MAX_COLUMNS = 4
MIN_WINDOWS = 14
"""So many windows are drawn before the change and after the detection, if the replay has them."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One column of an incident.

    Attributes
    ----------
    mark
        What is marked: ``change`` and ``detected``, epoch seconds, and ``interval`` of the change,
        two of them, where it is known.
    """

    view: View
    mark: dict[str, Any]


def closeups(history: History, found: list[Found]) -> dict[str, list[Plot]]:
    """Choose what to draw of each incident: the columns that opened it, and how much of time.

    Incidents about no column, or about none that `history` has, are left out, as are those from
    before its reference. The others stand in the order of `found`, by id.
    """
    made: dict[str, list[Plot]] = {}
    for each in found:
        marks = _marks(history, each)
        if not marks:
            continue
        begun = min(
            time for mark in marks.values() for time in (mark["change"], *mark.get("interval", ()))
        )
        seen = max(mark["detected"] for mark in marks.values())
        first, last = round(begun * 1e6), round(seen * 1e6)
        if last < history.first or first > history.last:
            continue
        room = max(last - first, MIN_WINDOWS * history.length)
        since = read_ts(each.change_point)
        made[each.incident] = [
            Plot(View([name], first - room, last + room, since, segment), mark)
            for (name, segment), mark in marks.items()
        ]
        if len(made) == MAX_INCIDENTS:
            break
    return made


def _marks(history: History, found: Found) -> dict[tuple[str, Segment], dict[str, Any]]:
    marks: dict[tuple[str, Segment], dict[str, Any]] = {}
    for member in found.members:
        mark = {
            "change": read_ts(member["change_point"]) / 1e6,
            "detected": read_ts(member["detected_at"]) / 1e6,
            "kind": member["kind"],
        }
        told = told_of(found.told, member)
        if "interval" in told:
            mark["interval"] = [read_ts(end) / 1e6 for end in told["interval"]]
        segment = tuple(sorted(member.get("segment", {}).items()))
        # A correlation is of two columns: both are drawn, though neither may have moved alone.
        for name in (member["feature"], *told.get("with", ())):
            if name in history.reference.index:
                marks.setdefault((name, segment), mark)
    return dict(list(marks.items())[:MAX_COLUMNS])
