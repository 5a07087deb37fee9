"""A cause as one sees it: incidents that came together, and what they have in common."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from driftline.events.outputs import Alert
from driftline.events.time import read_ts
from driftline.stats import is_prediction_column

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cause", "CauseChange", "CauseState", "is_open"]

CauseState = Literal[
    "opened", "updated", "escalated", "acknowledged", "silenced", "reopened", "resolved", "merged"
]
NAMED = 3
"""Features and models that a title names; of more it says how many."""
SAID = {
    "drift": "moved",
    "missing": "is missing",
    "schema": "broke the schema",
    "skew": "differs from training",
    "volume": "has too few events",
    "silence": "is silent",
    "quality": "lost quality",
    "decision": "needs a look at its decisions",
    "loop": "looks like a feedback loop",
    "contract": "broke its contract",
    "drill": "failed a drill",
}
"""What happened, by kind: said of a feature, or of a whole model."""
PLURAL = {"is": "are", "has": "have", "needs": "need", "looks": "look", "differs": "differ"}


class Cause(msgspec.Struct, frozen=True):
    """One cause at one moment.

    Attributes
    ----------
    id
        Hash of the incident that founded it; it stays whatever joins later.
    members
        The last alert of each incident, in the order in which they joined, told of the finding that
        the incident began with, and without the parts that only its own page needs (`evidence`,
        `members`, `reference`, `window`).
    opened_at
        When its first incident was detected, event time in microseconds.
    since
        When it was last opened or reopened, event time in microseconds.
    """

    id: str
    members: tuple[Alert, ...]
    opened_at: int
    since: int

    @property
    def open(self) -> bool:
        """Whether any of its incidents is."""
        return any(is_open(member) for member in self.members)

    @property
    def current(self) -> tuple[Alert, ...]:
        """What it consists of now: the open incidents; once it is over, those of its last time."""
        found = tuple(member for member in self.members if is_open(member))
        return found or tuple(
            member
            for member in self.members
            if member.data.resolved_at is None or read_ts(member.data.resolved_at) >= self.since
        )

    @property
    def lead(self) -> Alert:
        """The incident to show first: pages, then of the kind of most, then the first to change."""
        kind = self.kind
        return min(
            self.current or self.members,
            key=lambda m: (
                m.data.severity != "page",
                m.data.kind != kind,
                m.data.change_point,
                m.data.incident,
            ),
        )

    @property
    def severity(self) -> Literal["page", "notice"]:
        """The worst of what it consists of now."""
        return self.lead.data.severity

    @property
    def change_point(self) -> str:
        """When the first of it changed, event time, RFC 3339."""
        return min(member.data.change_point for member in self.current or self.members)

    @property
    def resolved_at(self) -> str | None:
        """When the last of it was resolved, RFC 3339; None while it is open."""
        if self.open:
            return None
        return max((m.data.resolved_at or "" for m in self.members), default="") or None

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it consists of now, sorted."""
        return tuple(sorted({member.data.model for member in self.current}))

    @property
    def features(self) -> tuple[str, ...]:
        """What most of the models have in common, the most widespread first.

        Of one model: in the order in which they changed. Of several: those that at least half as
        many models have as the most widespread one. What is the prediction's own is named only
        where there is nothing else.
        """
        by_model: dict[str, dict[str, None]] = {}
        for member in sorted(self.current, key=lambda m: (m.data.change_point, m.data.incident)):
            names = by_model.setdefault(member.data.model, {})
            names |= dict.fromkeys(name for name in member.data.features if name is not None)
        count = Counter(name for names in by_model.values() for name in names)
        if any(not is_prediction_column(name) for name in count):
            count = Counter({n: c for n, c in count.items() if not is_prediction_column(n)})
        if len(by_model) == 1:
            return tuple(count)
        most = max(count.values(), default=0)
        shared = [name for name, times in count.items() if 2 * times >= most]
        return tuple(sorted(shared, key=lambda name: (-count[name], name)))

    @property
    def kind(self) -> str:
        """What most of its incidents are."""
        count = Counter(member.data.kind for member in self.current or self.members)
        return min(count, key=lambda kind: (-count[kind], kind))

    @property
    def title(self) -> str:
        """What its members have in common, one line: "`income` moved in 10 models"."""
        verb, features, models = SAID.get(self.kind, self.kind), self.features, self.models
        where = models[0] if len(models) == 1 else f"{len(models)} models"
        if not features:
            return f"{where} {verb if len(models) == 1 else _plural(verb)}"
        if len(features) == 1:
            return f"`{features[0]}` {verb} in {where}"
        return f"{_several(features)} {_plural(verb)} in {where}"

    @property
    def acknowledged(self) -> bool:
        """Whether somebody is on it: has acknowledged any of its open incidents."""
        return any(m.data.acknowledged for m in self.members if is_open(m))

    @property
    def silenced(self) -> bool:
        """Whether nobody wants to hear of it: all of its open incidents are silenced."""
        found = [m.data.silenced for m in self.members if is_open(m)]
        return bool(found) and all(found)


@dataclass(frozen=True, slots=True)
class CauseChange:
    """One change of a cause.

    Attributes
    ----------
    state
        What became of it. `merged`: it turned out to be part of another, and is no more.
    reason
        Why, in a few words.
    cause
        As it stands now; of one that was merged, as it stood before.
    alert
        The alert that made the change, whole.
    into
        Id of the cause that a merged one has become part of.
    """

    state: CauseState
    reason: str
    cause: Cause
    alert: Alert
    into: str | None = None


def is_open(alert: Alert) -> bool:
    """Whether the incident that an alert tells of goes on."""
    return alert.data.resolved_at is None


def _several(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _plural(verb: str) -> str:
    first, _, rest = verb.partition(" ")
    return f"{PLURAL.get(first, first)} {rest}".strip().replace("its", "their")
