"""What an incident is compared with others by: what it is about, and when that began."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from driftline.contract.types import MINUTE, SECOND
from driftline.events.time import read_ts
from driftline.incidents.grouping import FLOW, family_of
from driftline.stats import is_prediction_column

if TYPE_CHECKING:
    from driftline.events.outputs import AlertData, MemberNote

__all__ = ["Column", "Span", "Spans", "Subject", "columns_of", "subjects_of"]

LEAST_US, MOST_US = 15 * SECOND, 30 * MINUTE
OF_FEATURES = frozenset({"drift", "missing", "schema", "skew"})
OF_SOURCES = frozenset({"silence", "volume", "schema"})
TOPIC = re.compile(r'"kafka://\$KAFKA/([A-Za-z0-9._-]+)"')
"""How a replay command names the topics that the model's events come from."""

Subject = tuple[str, str]
"""("feature" or "topic", its name)."""
Column = tuple[str, str | None, str, tuple[tuple[str, str], ...]]
"""Model, column, kind and segment."""


class Span(NamedTuple):
    """Between which moments a change may have begun, microseconds."""

    first: int
    last: int

    def meets(self, other: Span) -> bool:
        """Whether both may have begun at once."""
        return self.first <= other.last and other.first <= self.last


Spans = tuple[Span, ...]


def columns_of(data: AlertData) -> list[Column]:
    """Return what tells the incident's members apart from all others."""
    return [
        (
            data.model,
            member.feature,
            member.kind,
            tuple(sorted(member.segment.items())) if member.segment else (),
        )
        for member in data.members
    ]


def subjects_of(data: AlertData) -> dict[Subject, Spans]:
    """Return what an incident may have in common with those of other models, and since when."""
    topics = dict.fromkeys(TOPIC.findall(data.replay))
    found: dict[Subject, Spans] = {}
    for member in data.members:
        names: list[Subject] = []
        if member.feature is None and member.kind in OF_SOURCES:
            names = [("topic", topic) for topic in topics]
        elif member.feature is not None and member.kind in OF_FEATURES:
            names = [("feature", member.feature)]
        for subject in names:
            if not is_prediction_column(member.feature or ""):
                found[subject] = (*found.get(subject, ()), _span(member))
    return found


def _span(member: MemberNote) -> Span:
    began, seen = read_ts(member.change_point), read_ts(member.detected_at)
    margin = min(max(LEAST_US, (seen - began) // 2), MOST_US)
    last = seen if family_of(member.kind) == FLOW else began
    return Span(began - margin, max(began, last) + margin)
