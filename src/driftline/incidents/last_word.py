"""The last word on one incident, and the finding that it is shown by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from driftline.contract.types import DAY
from driftline.events.time import read_ts
from driftline.incidents.subjects import columns_of, subjects_of
from driftline.stats import is_prediction_column

if TYPE_CHECKING:
    from driftline.events.outputs import Alert, AlertData
    from driftline.incidents.subjects import Column, Spans, Subject

__all__ = ["LastWord"]

BACK_US = DAY
"""How long after it was resolved an incident of the same columns is its return."""


class LastWord:
    """What the last alert of an incident says, as far as it is of use beside other incidents'.

    Parameters
    ----------
    spoke
        Number of the alert, of all that changed anything.
    known
        The word before; None where it is the first that is known.

    Attributes
    ----------
    alert
        Told of the finding that the incident began with, without what only its own page needs.
    subjects, columns
        By which it is compared with others, see `driftline.incidents.subjects`.
    """

    def __init__(self, alert: Alert, spoke: int, known: LastWord | None) -> None:
        data = alert.data
        self.spoke = spoke
        self.opened_at = read_ts(data.opened_at)
        self.resolved_at = None if data.resolved_at is None else read_ts(data.resolved_at)
        before: dict[Subject, Spans] = {} if known is None else known.subjects
        self.subjects: dict[Subject, Spans] = subjects_of(data, before)
        self.columns: dict[Column, None] = dict.fromkeys(columns_of(data))
        shown = {} if known is None else _shown(known, data)
        self.alert = msgspec.structs.replace(
            alert, data=msgspec.structs.replace(data, **_LEFT_OUT, **shown)
        )

    @property
    def size(self) -> int:
        """How much it takes to remember it, in names."""
        return 1 + len(self.subjects) + len(self.columns)

    def back_after(self, other: LastWord) -> bool:
        """Whether it is another's return, where they have a column in common."""
        return other.resolved_at is not None and 0 <= self.opened_at - other.resolved_at <= BACK_US


_LEFT_OUT: dict[str, Any] = {"evidence": {}, "members": [], "reference": None, "window": None}


_OF_A_FINDING = (
    *("feature", "kind", "detector", "change_point", "detected_at", "segment"),
    *("effect", "effect_unit", "text", "log_e"),
)


def _shown(known: LastWord, data: AlertData) -> dict[str, Any]:
    """Return the finding that an incident goes on being shown by; nothing where it is the new one.

    An alert tells of the finding that made it, in the end of whatever joined last. An incident is
    shown by the finding that it began with, in the words in which that was last told; one about the
    prediction gives way to one about a feature.
    """
    before = known.alert.data
    back = known.resolved_at is not None and data.resolved_at is None
    same = (before.feature, before.kind) == (data.feature, data.kind)
    if data.resolved_at is None:
        better = is_prediction_column(before.feature or "") and data.feature is not None
        if back or same or (better and not is_prediction_column(data.feature or "")):
            return {}
    return {name: getattr(before, name) for name in _OF_A_FINDING}
