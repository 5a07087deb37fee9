"""The desk: which route has to be told what, and when. Pure; time is an argument.

Nothing is queued. The desk compares what each route has been told with what is so now: whatever
happened in between becomes one message, nothing grows while a receiver is away, and a desk that was
restored knows what is left to tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from driftline.incidents import Cause, Causes, causes
from driftline.incidents.incident import hash_of
from driftline.notify.message import Message
from driftline.notify.told import Plan, Told, about_to, labels_of, plan, told_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from driftline.events.outputs import Alert
    from driftline.incidents import CauseChange
    from driftline.notify.routes import Route

__all__ = ["OPENING", "Desk"]

FORMAT = 1
OPENING = frozenset({"opened", "reopened"})
"""States of messages after which a receiver holds something for open that it did not before."""


@dataclass(slots=True)
class _Pending:
    """Something to tell a route about a cause.

    Attributes
    ----------
    first
        Number of the first alert that is in it.
    changed
        When that came, wall time in microseconds.
    """

    plan: Plan
    first: int
    changed: int


@dataclass(slots=True)
class _Flight:
    """A message that is being sent.

    Attributes
    ----------
    first
        Number of the first alert that is not told before it arrives; None where it only repeats.
    made
        Number of the last alert that is in it.
    due
        When it was to be sent, wall time in microseconds.
    """

    message: Message
    first: int | None
    made: int
    due: int


class Desk:
    """Takes alerts, gives messages.

    Call order: `restore` first where there is something to take up; then `on_alert` as alerts come,
    `next` for each route when it can send, and `done` when a message has arrived or was given up.
    `records` are to be made durable before a message of `OPENING` state is sent, and before the
    alerts up to `settled` are acknowledged.

    Bounded by what `driftline.incidents.Causes` holds, for each route.

    Parameters
    ----------
    routes
        In the order of the file.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = {route.name: route for route in routes}
        self.causes = Causes()
        self._told: dict[str, dict[str, Told]] = {}
        """By cause, by route."""
        self._gone: dict[str, tuple[Cause, str]] = {}
        """Causes that were merged and have still to be told as such, and into which."""
        self._pending: dict[str, dict[str, _Pending]] = {name: {} for name in self._routes}
        """By route, by cause."""
        self._flights: dict[tuple[str, str], _Flight] = {}
        """By route and cause."""
        self._changed: dict[str, None] = {}
        """Causes whose record is not what `records` last gave."""
        self._stale: dict[str, tuple[int, int]] = {}
        """Causes to be looked at: since which alert, and when that came. Hundreds of alerts on one
        cause come at once; they are looked at once."""
        self._count = 0
        """Alerts taken."""

    @property
    def settled(self) -> int:
        """Number of the last alert up to which all that alerts say has been told."""
        self._look()
        waiting = [
            pending.first
            for of_route in self._pending.values()
            for pending in of_route.values()
            if pending.plan.state != "repeated"
        ]
        waiting += [f.first for f in self._flights.values() if f.first is not None]
        return min(waiting, default=self._count + 1) - 1

    @property
    def idle(self) -> bool:
        """Whether there is nothing to tell but what has been told already."""
        return self.settled == self._count

    def waiting(self, name: str, now: int) -> list[int]:
        """Return since when what is due and says something new has waited, for each message."""
        self._look()
        since = [p.plan.due for p in self._pending[name].values() if p.plan.state != "repeated"]
        since += [
            flight.due
            for (of, _), flight in self._flights.items()
            if of == name and flight.first is not None
        ]
        return [at for at in since if at <= now]

    def on_alert(self, alert: Alert, now: int) -> int:
        """Take an alert; return its number, from 1.

        Parameters
        ----------
        now
            Wall time, microseconds.
        """
        self._count += 1
        for change in self.causes.on_alert(alert):
            if change.into is not None:
                self._merge(change, now)
            self._consider(change.cause.id, now)
        return self._count

    def _merge(self, change: CauseChange, now: int) -> None:
        """Carry over what routes know of a cause that has become part of another."""
        gone, into = change.cause.id, str(change.into)
        for other, (cause, target) in self._gone.items():
            if target == gone:
                self._gone[other] = (cause, into)
        self._gone[gone] = (change.cause, into)
        for name in self._routes:
            self._pending[name].pop(gone, None)
            if (name, gone) not in self._flights:
                self._carry(name, gone)
        self._tidy(gone)
        self._consider(into, now)

    def _carry(self, name: str, gone: str) -> None:
        told, into = self._told.get(gone, {}), self._gone[gone][1]
        known, other = told.get(name), self._told.get(into, {}).get(name)
        if known is None or (known.open and other is not None and other.open):
            return  # nothing to carry; or both are known, and one of them has to be closed
        del told[name]
        if known.open:
            # This route knows the cause by its other name, and goes on under it.
            self._told.setdefault(into, {})[name] = known

    def _tidy(self, gone: str) -> None:
        """Let go of a merged cause that nobody has to hear of any more."""
        if self._told.get(gone) or any((name, gone) in self._flights for name in self._routes):
            return
        self._told.pop(gone, None)
        self._gone.pop(gone, None)
        self._changed[gone] = None

    def _consider(self, cause: str, now: int) -> None:
        self._changed[cause] = None
        self._stale.setdefault(cause, (self._count, now))

    def _look(self) -> None:
        """See what is to be told, by all routes, about the causes that alerts have changed."""
        stale, self._stale = self._stale, {}
        for cause, (first, now) in stale.items():
            for name in self._routes:
                self._plan(name, cause, now, first)

    def _plan(self, name: str, cause: str, now: int, first: int) -> None:
        flight = self._flights.get((name, cause))
        if flight is not None:
            flight.first = flight.first or first
            return  # looked at again when it has arrived
        pending = self._pending[name].get(cause)
        new = pending is None or pending.plan.state == "repeated"
        changed = now if new or pending is None else pending.changed
        found = self._found(name, cause, changed)
        if found is None:
            self._pending[name].pop(cause, None)
        elif new or pending is None:
            self._pending[name][cause] = _Pending(found, first, changed)
        else:
            pending.plan = found

    def _found(self, name: str, cause: str, changed: int) -> Plan | None:
        route, told = self._routes[name], self._told.get(cause, {}).get(name)
        if cause in self._gone:
            return None if told is None else Plan("merged", changed + route.wait)
        if cause not in self.causes:
            return None
        found = plan(route, self._view(name, cause), told, changed)
        if found is not None and route.states and found.state not in route.states:
            return self._pass_over(name, cause, found, changed)
        return found

    def _pass_over(self, name: str, cause: str, found: Plan, changed: int) -> Plan | None:
        """Let a message that the route does not want count as told; return what is left to tell."""
        view, told = self._view(name, cause), self._told.get(cause, {}).get(name)
        if found.state == "repeated" or view is None:
            return None
        key = cause if told is None else told.key
        labels = {} if told is None else told.labels
        self._told.setdefault(cause, {})[name] = told_by(
            found.state, view, told, key, labels, changed
        )
        return self._found(name, cause, changed)

    def _view(self, name: str, cause: str) -> Cause | None:
        if cause in self._gone:
            return self._gone[cause][0]
        whole = self.causes.get(cause)
        return None if whole is None else self._routes[name].match.view(whole)

    def wakes(self, name: str) -> int | None:
        """Return when there is next something to tell a route, wall time; None: nothing yet."""
        self._look()
        return min((p.plan.due for p in self._pending[name].values()), default=None)

    def next(self, name: str, now: int, *, early: bool = False) -> Message | None:
        """Return the message that is due for a route, pages first; it counts as being sent.

        Parameters
        ----------
        early
            Whether to wait for nothing.
        """
        self._look()
        ready = [
            (cause, pending)
            for cause, pending in self._pending[name].items()
            if early or pending.plan.due <= now
        ]
        if not ready:
            return None
        cause, pending = min(ready, key=lambda each: self._rank(name, *each))
        del self._pending[name][cause]
        message = self._message(name, cause, pending.plan, now)
        if message.state in OPENING:
            of_cause = self._told.setdefault(cause, {})
            of_cause[name] = about_to(message.cause, of_cause.get(name), message)
            self._changed[cause] = None
        first = None if pending.plan.state == "repeated" else pending.first
        self._flights[name, cause] = _Flight(message, first, self._count, pending.plan.due)
        return message

    def _rank(self, name: str, cause: str, pending: _Pending) -> tuple[bool, bool, int]:
        view = self._view(name, cause)
        notice = view is None or view.severity != "page"
        return pending.plan.state == "repeated", notice, pending.plan.due

    def _message(self, name: str, cause: str, found: Plan, now: int) -> Message:
        view = self._view(name, cause)
        whole = self.causes.get(cause)
        told = self._told.get(cause, {}).get(name)
        if view is None:
            assert whole is not None
            view = whole
        number = 1 if told is None else told.count + 1
        labels = labels_of(view, told, found.state)
        into = self.causes.get(self._gone[cause][1]) if cause in self._gone else None
        beyond = len(set(whole.models) - set(view.models)) if whole is not None else 0
        return Message(
            # A repeat is a message of its own; any other is the same however often it is made.
            id=hash_of(
                "message",
                name,
                cause,
                found.state,
                number,
                found.due if found.state == "repeated" else _said(view),
            ),
            route=name,
            state=found.state,
            key=cause if told is None else told.key,
            number=number,
            cause=view,
            at=now,
            beyond=beyond,
            into=into.title if into is not None else None,
            labels=labels,
            before=told.labels if told is not None and told.labels != labels else None,
        )

    def done(self, message: Message, now: int) -> None:
        """Note that a message has arrived, or was given up and kept elsewhere."""
        self._look()
        name = message.route
        cause = next(c for (_, c), flight in self._flights.items() if flight.message is message)
        flight = self._flights.pop((name, cause))
        of_cause = self._told.setdefault(cause, {})
        if message.state == "merged":
            of_cause.pop(name, None)
        else:
            of_cause[name] = told_by(
                message.state, message.cause, of_cause.get(name), message.key, message.labels, now
            )
        if message.state != "repeated":
            self._changed[cause] = None
        if cause in self._gone:
            if message.state != "merged":
                self._carry(name, cause)
                self._changed[self._gone[cause][1]] = None
                self._plan(name, self._gone[cause][1], now, flight.made + 1)
            self._tidy(cause)
        self._plan(name, cause, now, flight.made + 1)

    def records(self) -> list[tuple[str, dict[str, Any] | None]]:
        """Return what has changed since last asked, by cause; None where there is nothing left."""
        for cause in [c for c in self._told if c not in self.causes and c not in self._gone]:
            # Forgotten there, so it was over long ago, or is one too many.
            if not any((name, cause) in self._flights for name in self._routes):
                del self._told[cause]
                self._changed[cause] = None
        changed, self._changed = self._changed, {}
        return [(cause, self._record(cause)) for cause in changed]

    def unkept(self, names: Iterable[str]) -> None:
        """Let `records` give what it gave once more: it has not become durable."""
        self._changed |= dict.fromkeys(names)

    def _record(self, cause: str) -> dict[str, Any] | None:
        gone = self._gone.get(cause)
        part = self.causes.part(cause)
        if part is None and gone is None:
            return None
        return {
            "format": FORMAT,
            "count": self.causes.count,
            "cause": part,
            "gone": None if gone is None else [msgspec.to_builtins(gone[0]), gone[1]],
            "told": msgspec.to_builtins(self._told.get(cause, {})),
        }

    def restore(self, records: Mapping[str, dict[str, Any]], now: int) -> None:
        """Take up what `records` gave: the last of each cause.

        What is left to tell is told; until then no alert is settled.

        Raises
        ------
        ValueError, KeyError, TypeError
            For anything else.
        """
        for record in records.values():
            if record["format"] != FORMAT:
                msg = f"notify: expected a record of format {FORMAT}, got {record['format']!r}"
                raise ValueError(msg)
        parts = [record["cause"] for record in records.values() if record["cause"] is not None]
        count = max((record["count"] for record in records.values()), default=0)
        self.causes.restore({"format": causes.FORMAT, "count": count, "causes": parts})
        for cause, record in records.items():
            if record["gone"] is not None and cause not in self.causes:
                gone, into = record["gone"]
                self._gone[cause] = (msgspec.convert(gone, Cause), into)
            told = msgspec.convert(record["told"], dict[str, Told])
            # Of a route that is no more nobody needs to know what it was told.
            self._told[cause] = {name: each for name, each in told.items() if name in self._routes}
        for cause in records:
            for name in self._routes:
                self._plan(name, cause, now, 0)


def _said(view: Cause) -> list[tuple[str, int]]:
    return [(member.data.incident, member.data.number) for member in view.members]
