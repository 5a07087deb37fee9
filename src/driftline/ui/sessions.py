"""Who is there: sessions by a random name in a cookie, and how often somebody may try to log in."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass

__all__ = ["Attempts", "Session", "Sessions"]

LIFE_S = 12 * 3_600.0
"""A shift; then one has to log in again."""
MOST_SESSIONS = 10_000
MOST_PEERS = 1_024
MOST_NAME = 100
EACH_WAITS_S = 60.0
EACH_MAY = 5
ALL_MAY = 60


@dataclass(frozen=True, slots=True)
class Session:
    """One browser.

    Attributes
    ----------
    by
        The person's name; None where nobody has logged in.
    csrf
        What a form has to bring back, to show that it was ours.
    ends
        Seconds of the clock that `Sessions` is given.
    """

    by: str | None
    csrf: str
    ends: float


class Sessions:
    """Sessions in memory, at most `MOST_SESSIONS` of people and as many of those not logged in.

    The oldest are forgotten first; however many strangers come, nobody is logged out by it.
    """

    def __init__(self) -> None:
        self._people: OrderedDict[str, Session] = OrderedDict()
        self._strangers: OrderedDict[str, Session] = OrderedDict()

    def open(self, by: str | None, now: float) -> tuple[str, Session]:
        """Begin one; return the cookie's value beside it."""
        name = secrets.token_urlsafe(32)
        session = Session(by, secrets.token_urlsafe(32), now + LIFE_S)
        held = self._strangers if by is None else self._people
        held[name] = session
        while len(held) > MOST_SESSIONS:
            held.popitem(last=False)
        return name, session

    def find(self, name: str | None, now: float) -> Session | None:
        """Return the session of a cookie, if it is one of ours and has not ended."""
        session = self._people.get(name or "") or self._strangers.get(name or "")
        return None if session is None or session.ends <= now else session

    def end(self, name: str | None) -> None:
        """Forget one."""
        self._people.pop(name or "", None)
        self._strangers.pop(name or "", None)


class Attempts:
    """Refuses who has failed too often: five times a minute each, sixty times all together."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=ALL_MAY)

    def wait_s(self, peer: str, now: float) -> float:
        """Return how long somebody has to wait before trying again; 0 for not at all."""
        waits = [0.0]
        for times, most in ((self._failed.get(peer), EACH_MAY), (self._all, ALL_MAY)):
            recent = [at for at in times or () if at > now - EACH_WAITS_S]
            if len(recent) >= most:
                waits.append(recent[-most] + EACH_WAITS_S - now)
        return max(waits)

    def failed(self, peer: str, now: float) -> None:
        """Count one that was wrong."""
        held = self._failed.setdefault(peer, deque(maxlen=EACH_MAY))
        held.append(now)
        self._all.append(now)
        self._failed.move_to_end(peer)
        while len(self._failed) > MOST_PEERS:
            self._failed.popitem(last=False)
