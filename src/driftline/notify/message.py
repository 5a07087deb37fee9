"""A message: what one route is told about one cause, whole, so that it can be sent at any time."""

from __future__ import annotations

import msgspec

from driftline.events.outputs import Alert, AlertData, MemberNote, Owner
from driftline.events.time import format_ts
from driftline.incidents import Cause
from driftline.notify.routes import State

__all__ = ["Message", "trial"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said, not yet how.

    Attributes
    ----------
    id
        Hash of what it says: said again after a crash, it has the same id.
    key
        What the receiver knows the cause by, as long as it lives.
    number
        1 for the first message about the cause on this route, and so on.
    cause
        The part of the cause that the route tells of, as it stood.
    beyond
        Models of the cause that the route does not tell of.
    into
        Title of what a merged cause has become part of.
    labels, before
        What Alertmanager knows it by, and what it knew it by until now where that has changed.
    at
        Wall time at which it was made, microseconds.
    trial
        Whether nothing has happened and somebody tries the route.
    late
        Whether it could not be delivered when it was made, and is sent now all the same.
    """

    id: str
    route: str
    state: State
    key: str
    number: int
    cause: Cause
    at: int
    beyond: int = 0
    into: str | None = None
    labels: dict[str, str] = {}
    before: dict[str, str] | None = None
    trial: bool = False
    late: bool = False

    @property
    def open(self) -> bool:
        """Whether what it tells of goes on."""
        return self.state not in {"resolved", "merged"}


def trial(route: str, at: int, state: State = "opened") -> Message:
    """Return a message that says that nothing has happened.

    Parameters
    ----------
    at
        Wall time, microseconds.
    """
    then = format_ts(at)
    data = AlertData(
        model="driftline-test",
        feature=None,
        features=[],
        features_total=0,
        kind="drill",
        detector="test",
        detectors=["test"],
        severity="notice",
        change_point=then,
        detected_at=then,
        effect=None,
        effect_unit="",
        text="a test message: nothing has happened",
        log_e=None,
        evidence={},
        incident="test",
        state="opened" if state == "opened" else "resolved",
        number=1,
        reason="somebody tries this route",
        members=[
            MemberNote(
                feature=None, kind="drill", change_point=then, detected_at=then, detectors=["test"]
            )
        ],
        opened_at=then,
        resolved_at=None if state == "opened" else then,
        reference=None,
        window=None,
        runbook=None,
        owner=Owner(team="driftline"),
        replay="",
    )
    alert = Alert(
        id="test", subject="driftline-test", time=then, type="driftline.alert.opened", data=data
    )
    name = f"test-{route}-{at}"
    return Message(
        id=f"{name}-{state}",
        route=route,
        state=state,
        key=name,
        number=1 if state == "opened" else 2,
        cause=Cause("test", (alert,), at, at),
        at=at,
        labels={"alertname": "driftline-test", "cause": name, "severity": "notice"},
        trial=True,
    )
