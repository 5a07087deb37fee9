"""What people and services have told of a model: who retrained it when, who still owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.events.time import format_ts
from driftline.events.window_event import window_event

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANNOUNCING", "History", "Told"]

ANNOUNCING = ("deployed", "retrained")
"""Kinds of lifecycle event that announce a version."""
MOST = 50
"""Kinds of event, and versions, that are remembered; of more the oldest are forgotten."""


class Told(NamedTuple):
    """The last lifecycle event of a kind; ``at`` is the end of the slot it came in, event time."""

    at: int
    version: str | None
    by: str | None
    why: str | None


class History:
    """The last event of each kind, the versions announced, and those that predictions came from."""

    def __init__(self) -> None:
        self.started: int | None = None
        """End of the first slot, microseconds."""
        self.last: dict[str, Told] = {}
        self.announced: dict[str, int] = {}
        self.served: dict[str, int] = {}
        """By version: end of the last slot with predictions of it."""
        self._changed = True

    def on_event(self, kind: str, told: Told) -> None:
        """Take a lifecycle event."""
        self.last.pop(kind, None)
        self.last[kind] = told
        if kind in ANNOUNCING and told.version is not None:
            self.announced.pop(told.version, None)
            self.announced[told.version] = told.at
        self._changed = True
        _bound(self.last)
        _bound(self.announced)

    def on_slot(self, versions: Mapping[str, int], end: int) -> list[str]:
        """Take what predictions a slot had, by version; return versions that are new."""
        if self.started is None:
            self.started = end
        new = [version for version in sorted(versions) if version not in self.served]
        for version in sorted(versions):
            self.served.pop(version, None)
            self.served[version] = end
        _bound(self.served)
        self._changed |= bool(new)
        return new

    def since(self, *kinds: str) -> int | None:
        """Return when an event of one of some kinds last came, or the model was first seen."""
        at = [self.last[kind].at for kind in kinds if kind in self.last]
        return max(at, default=self.started)

    def message(self, model: str, now: int) -> list[tuple[bytes, bytes]]:
        """Return what has changed since last asked as a message for the `windows` topic, if any."""
        if not self._changed:
            return []
        self._changed = False
        body = {
            "kind": "lifecycle",
            "model": model,
            "as_of": format_ts(now),
            "since": None if self.started is None else format_ts(self.started),
            "last": {
                kind: {**told._asdict(), "at": format_ts(told.at)}
                for kind, told in sorted(self.last.items())
            },
            "announced": _instants(self.announced),
            "served": _instants(self.served),
        }
        return [window_event(f"{model}|lifecycle", body, at=now)]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "started": self.started,
            "last": [[kind, list(told)] for kind, told in self.last.items()],
            "announced": list(self.announced.items()),
            "served": list(self.served.items()),
            "changed": self._changed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self.started = state["started"]
        self.last = {kind: Told(*told) for kind, told in state["last"]}
        self.announced = dict(map(tuple, state["announced"]))
        self.served = dict(map(tuple, state["served"]))
        self._changed = state["changed"]


def _bound(held: dict[str, Any]) -> None:
    while len(held) > MOST:
        del held[next(iter(held))]


def _instants(times: Mapping[str, int]) -> dict[str, str]:
    return {name: format_ts(at) for name, at in sorted(times.items())}
