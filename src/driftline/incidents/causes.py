"""Incidents of many models that came together are one cause.

One upstream feed that breaks ten models is ten incidents and one cause: people want to hear of it
once. These are the rules; they look at alerts alone, so that whoever reads the topic can apply
them.

- Two incidents belong together where they have a *subject* in common and their changes are near.
- A subject is a feature by its name, where it drifted, is missing, broke its schema or differs
  from training: models that read the same feed call its columns by the same names. Where a whole
  model is silent, has too few events or breaks its schema, it is the topic that the events come
  from. The prediction and its parts are no subject: every model has them, and they move because
  something else did. So two models that drift at the same time in features of different names stay
  apart.
- A change may have begun within a *span* around its change point: half its detection delay to
  either side, at least 15 seconds (one and a half default slots), at most half an hour. What took
  ten minutes to see is not dated to the second; but what took a day must not gather all that
  happened that day. Of a thousand models with one false alarm a month each and twenty names that
  all of them use, a slow alarm meets another by chance in one case of eight, one that was seen
  within half a minute in one of nine hundred. A silence or a fallen volume may have begun at any
  time until it was noticed. Changes are near where their spans meet.
- The members of an incident have spans of their own, so that what joined it an hour later is
  compared with what happened then.
- Severities may differ: what pages in one model is a notice in another that gives the feature less
  importance. The cause has the worst of its open incidents.
- An incident also belongs to one of the same model that was resolved at most a day before it
  opened and held the same column, kind and segment: it has come back.
- What belongs together is one cause, through others too. Where an alert shows that two causes are
  one (an incident grows while it is open), the one founded first stays and the other is *merged*
  into it. So the order in which the alerts of different models come does not decide what belongs
  together, only which incident has given the cause its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from driftline.contract.types import DAY
from driftline.events.outputs import Alert
from driftline.events.time import read_ts
from driftline.incidents.cause import Cause, CauseChange, is_open
from driftline.incidents.incident import hash_of
from driftline.incidents.last_word import LastWord
from driftline.incidents.subjects import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.incidents.cause import CauseState
    from driftline.incidents.subjects import Column, Spans, Subject

__all__ = ["Causes"]

FORMAT = 1
MOST_NAMES = 200_000
"""Subjects and columns of all incidents that are remembered (110 MB); when there are more, the
incidents that have said nothing for longest are forgotten, resolved ones first."""
FORGOTTEN_US = DAY


class _Group:
    """The incidents of one cause, in the order in which they joined."""

    def __init__(self, name: str, founded: int, opened_at: int) -> None:
        self.id = name
        self.founded = founded
        """Number of the alert that founded it."""
        self.opened_at = self.since = opened_at
        self.incidents: dict[str, None] = {}


class Causes:
    """Sees which incidents have one cause, and says when a cause changes.

    Pure: the same alerts in the same order give the same changes, ids included. An alert that comes
    again, or after a later one of its incident, changes nothing.

    Bounded: of each model, incidents resolved more than a day before its last alert are forgotten;
    in all at most `MOST_NAMES` columns and subjects are held, and of each incident the 200 members
    that an alert lists. An incident that was forgotten and speaks again founds the cause it would
    have founded, under the same id.

    Complexity: time O(members of the alert × incidents with the same subject), and O(members of the
    cause) for the picture of it.
    """

    def __init__(self) -> None:
        self._incidents: dict[str, LastWord] = {}
        """By id, the one that spoke last at the end."""
        self._groups: dict[str, _Group] = {}
        """By id, in the order in which they were founded."""
        self._group_of: dict[str, str] = {}
        self._by_subject: dict[Subject, dict[str, Spans]] = {}
        self._by_column: dict[Column, dict[str, None]] = {}
        self._by_model: dict[str, dict[str, None]] = {}
        self._size = 0
        self._count = 0
        """Alerts that changed anything."""

    @property
    def all(self) -> list[Cause]:
        """All causes that are remembered, in the order in which they were founded."""
        return [self._picture(group) for group in self._groups.values()]

    @property
    def open_count(self) -> int:
        """Causes of which an incident is open."""
        return sum(any(map(self._is_open, group.incidents)) for group in self._groups.values())

    @property
    def count(self) -> int:
        """Alerts that changed anything."""
        return self._count

    def __contains__(self, cause: str) -> bool:
        return cause in self._groups

    def get(self, cause: str) -> Cause | None:
        """Return a cause, or None where there is none of that id."""
        return self._picture(self._groups[cause]) if cause in self._groups else None

    def of(self, incident: str) -> Cause | None:
        """Return the cause of an incident, or None where it is not known."""
        name = self._group_of.get(incident)
        return None if name is None else self._picture(self._groups[name])

    def on_alert(self, alert: Alert) -> list[CauseChange]:
        """Take an alert into account.

        Returns
        -------
        list of CauseChange
            What became of the incident's cause, after those that were merged into it. Empty where
            the alert is known already, or tells of an incident that was over before anything was
            known of it.
        """
        name = alert.data.incident
        known = self._incidents.get(name)
        if known is not None and known.alert.data.number >= alert.data.number:
            return []
        self._forget(alert.data.model, read_ts(alert.time))
        self._drop_words(name)
        self._count += 1
        self._hold(LastWord(alert, self._count, known))
        together = {self._group_of[other] for other in self._linked(name)}
        pictures = {each: self._picture(self._groups[each]) for each in together}
        if name in self._group_of:
            together.add(self._group_of[name])
            group = self._groups[self._group_of[name]]
            pictures[group.id] = self._picture(group, instead=known)
        if not together:
            return self._found(alert)
        first, *others = sorted(together, key=lambda each: self._groups[each].founded)
        changes = [self._merge(pictures[other], first, alert) for other in others]
        group = self._groups[first]
        joined = name not in group.incidents
        group.incidents[name] = None
        self._group_of[name] = first
        return [*changes, *self._told(pictures[first], group, alert, joined=joined)]

    def _found(self, alert: Alert) -> list[CauseChange]:
        incident = self._incidents[alert.data.incident]
        group = _Group(hash_of("cause", alert.data.incident), self._count, incident.opened_at)
        group.incidents[alert.data.incident] = None
        self._groups[group.id] = group
        self._group_of[alert.data.incident] = group.id
        if not is_open(alert):
            return []
        return [CauseChange("opened", alert.data.reason, self._picture(group), alert)]

    def _merge(self, other: Cause, into: str, alert: Alert) -> CauseChange:
        group, gone = self._groups[into], self._groups.pop(other.id)
        for name in gone.incidents:
            group.incidents[name] = None
            self._group_of[name] = into
        group.opened_at = min(group.opened_at, gone.opened_at)
        return CauseChange("merged", "they have one cause", other, alert, into)

    def _told(
        self, before: Cause, group: _Group, alert: Alert, *, joined: bool
    ) -> Iterator[CauseChange]:
        """Say what became of a cause."""
        after = self._picture(group)
        if not before.open and after.open:
            group.since = max(group.since, read_ts(alert.time))
            after = self._picture(group)
        if not before.open and not after.open:
            return
        state: CauseState = "updated"
        if not after.open:
            state = "resolved"
        elif not before.open:
            state = "reopened"
        elif before.severity == "notice" and after.severity == "page":
            state = "escalated"
        elif after.acknowledged and not before.acknowledged:
            state = "acknowledged"
        elif after.silenced and not before.silenced:
            state = "silenced"
        model, reason = alert.data.model, alert.data.reason
        yield CauseChange(
            state, f"{model} joined" if joined else f"{model}: {reason}", after, alert
        )

    def _linked(self, name: str) -> set[str]:
        """Return the incidents of other causes that one belongs to, by the rules above."""
        own, mine, group_of = self._incidents[name], self._group_of.get(name), self._group_of
        found = {
            other
            for subject, spans in own.subjects.items()
            for other, theirs in self._by_subject[subject].items()
            if other != name
            and group_of[other] != mine
            and any(one.meets(each) for one in spans for each in theirs)
        }
        for column in own.columns:
            for other in self._by_column[column]:
                its = self._incidents[other]
                if other != name and (own.back_after(its) or its.back_after(own)):
                    found.add(other)
        return found

    def _picture(self, group: _Group, instead: LastWord | None = None) -> Cause:
        """Return a cause as it stands, or as it stood with another word on an incident."""
        words = {name: self._incidents[name].alert for name in group.incidents}
        if instead is not None:
            words[instead.alert.data.incident] = instead.alert
        return Cause(group.id, tuple(words.values()), group.opened_at, group.since)

    def _hold(self, incident: LastWord) -> None:
        name, model = incident.alert.data.incident, incident.alert.data.model
        self._incidents[name] = incident
        self._by_model.setdefault(model, {})[name] = None
        for subject, spans in incident.subjects.items():
            self._by_subject.setdefault(subject, {})[name] = spans
        for column in incident.columns:
            self._by_column.setdefault(column, {})[name] = None
        self._size += incident.size
        while self._size > MOST_NAMES and len(self._incidents) > 1:
            others = (other for other in self._incidents if other != name)
            closed = (o for o in self._incidents if o != name and not self._is_open(o))
            self._let_go(next(closed, None) or next(others))

    def _is_open(self, name: str) -> bool:
        return self._incidents[name].resolved_at is None

    def _forget(self, model: str, now: int) -> None:
        for name in list(self._by_model.get(model, ())):
            resolved_at = self._incidents[name].resolved_at
            if resolved_at is not None and now - resolved_at > FORGOTTEN_US:
                self._let_go(name)

    def _let_go(self, name: str) -> None:
        self._drop_words(name)
        group = self._groups[self._group_of.pop(name)]
        del group.incidents[name]
        if not group.incidents:
            del self._groups[group.id]

    def _drop_words(self, name: str) -> None:
        incident = self._incidents.pop(name, None)
        if incident is None:
            return
        self._size -= incident.size
        _drop(self._by_model, incident.alert.data.model, name)
        for subject in incident.subjects:
            _drop(self._by_subject, subject, name)
        for column in incident.columns:
            _drop(self._by_column, column, name)

    def part(self, cause: str) -> dict[str, Any] | None:
        """Return what is known of one cause as JSON values; None where there is none of that id."""
        group = self._groups.get(cause)
        if group is None:
            return None
        return {
            "id": group.id,
            "founded": group.founded,
            "opened_at": group.opened_at,
            "since": group.since,
            "incidents": [
                {
                    "alert": msgspec.to_builtins(incident.alert),
                    "spoke": incident.spoke,
                    "subjects": [
                        [*subject, list(map(list, spans))]
                        for subject, spans in incident.subjects.items()
                    ],
                    "columns": list(incident.columns),
                }
                for incident in (self._incidents[name] for name in group.incidents)
            ],
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values: the parts of all causes, in order of founding."""
        parts = [self.part(name) for name in self._groups]
        return {"format": FORMAT, "count": self._count, "causes": parts}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave, or was made of parts, in any order.

        Raises
        ------
        ValueError, KeyError, TypeError
            For anything else.
        """
        if state["format"] != FORMAT:
            msg = f"causes: expected state of format {FORMAT}, got {state['format']!r}"
            raise ValueError(msg)
        self.__init__()  # type: ignore[misc]  # what was known before does not hold
        self._count = state["count"]
        held: list[LastWord] = []
        for part in sorted(state["causes"], key=lambda part: part["founded"]):
            group = _Group(part["id"], part["founded"], part["opened_at"])
            group.since = part["since"]
            for each in part["incidents"]:
                incident = LastWord(msgspec.convert(each["alert"], Alert), each["spoke"], None)
                incident.subjects = {
                    (kind, subject): tuple(Span(*span) for span in spans)
                    for kind, subject, spans in each["subjects"]
                }
                incident.columns = {
                    (model, feature, kind, tuple(map(tuple, segment))): None
                    for model, feature, kind, segment in each["columns"]
                }
                name = incident.alert.data.incident
                if name in self._group_of:
                    continue  # parts of two moments, before and after a merge: the older keeps it
                held.append(incident)
                group.incidents[name] = None
                self._group_of[name] = group.id
            if group.incidents:
                self._groups[group.id] = group
        for incident in sorted(held, key=lambda incident: incident.spoke):
            self._hold(incident)


def _drop(index: dict[Any, dict[str, Any]], key: object, name: str) -> None:
    held = index[key]
    held.pop(name, None)
    if not held:
        del index[key]
