"""What an incident is compared with others by: what it is about, and when that began."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from driftline.contract.types import MINUTE, SECOND
from driftline.events.time import read_ts
from driftline.incidents.grouping import FLOW, family_of
from driftline.stats import is_prediction_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.events.outputs import AlertData, MemberNote

__all__ = ["Column", "Span", "Spans", "Subject", "columns_of", "subjects_of"]

LEAST_US, MOST_US = 15 * SECOND, 30 * MINUTE
MOST_SPANS = 16
"""Of one subject in one incident; older ones are forgotten."""
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


def subjects_of(data: AlertData, known: Mapping[Subject, Spans]) -> dict[Subject, Spans]:
    """Return what an incident may have in common with those of other models, and since when.

    Parameters
    ----------
    known
        What its earlier alerts have told: a change that came back is told with the same members,
        and with a change point of its own.
    """
    topics = dict.fromkeys(TOPIC.findall(data.replay))
    found: dict[Subject, dict[Span, None]] = {s: dict.fromkeys(known[s]) for s in known}
    parts: tuple[MemberNote | AlertData, ...] = (*data.members, data)
    for told in parts:
        feature, kind = told.feature, told.kind
        names: list[Subject] = []
        if feature is None and kind in OF_SOURCES:
            names = [("topic", topic) for topic in topics]
        elif feature is not None and kind in OF_FEATURES and not is_prediction_column(feature):
            names = [("feature", feature)]
        for subject in names:
            found.setdefault(subject, {})[_span(told)] = None
    return {subject: tuple(spans)[-MOST_SPANS:] for subject, spans in found.items()}


def _span(told: MemberNote | AlertData) -> Span:
    began, seen = read_ts(told.change_point), read_ts(told.detected_at)
    margin = min(max(LEAST_US, (seen - began) // 2), MOST_US)
    last = seen if family_of(told.kind) == FLOW else began
    return Span(began - margin, max(began, last) + margin)
