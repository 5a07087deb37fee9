"""What `driftline notify` measures of itself: the table, and the registry that holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from driftline import __version__
from driftline.bus.instruments import counter, gauge, instruments, new_registry
from driftline.events.time import SECOND
from driftline.notify.routes import State

if TYPE_CHECKING:
    from collections.abc import Collection

    from driftline.bus.instruments import Measure
    from driftline.notify.desk import Desk

__all__ = ["LABELS", "MEASURES", "Metrics"]

STATES: tuple[str, ...] = get_args(State)

LABELS: dict[str, str] = {
    "route": "name of a route in the file of routes",
    "state": f"what the message says: {', '.join(STATES)}",
    "version": "driftline's version",
}
"""What each label may hold."""

MEASURES: tuple[Measure, ...] = (
    gauge("notify_build_info", "Always 1; its version is a label", "version"),
    gauge("notify_at_work", "1 while this process tells people, 0 while it stands by for another"),
    gauge("notify_causes_open", "Causes that are open now"),
    gauge("notify_waiting", "Messages that are due and not told yet", "route"),
    gauge("notify_waiting_seconds", "How long the oldest of these has been due", "route"),
    counter("notify_delivered_total", "Messages that were taken", "route", "state"),
    counter("notify_failed_total", "Attempts that failed; most are made again", "route"),
    counter("notify_buried_total", "Messages given up, kept on `notify-deadletter`", "route"),
)


class Metrics:
    """One process's registry.

    Parameters
    ----------
    routes
        By name; of each there is a series from the start, so that its first failure is an increase.
    """

    def __init__(self, routes: Collection[str]) -> None:
        self.registry = new_registry()
        self._of = instruments(self.registry, MEASURES)
        self._routes = routes
        self._of["notify_build_info"].labels(__version__).set(1)
        for name in routes:
            self._of["notify_failed_total"].labels(name)
            self._of["notify_buried_total"].labels(name)
            for state in STATES:
                self._of["notify_delivered_total"].labels(name, state)

    def on_delivered(self, route: str, state: State) -> None:
        """Count a message that was taken."""
        self._of["notify_delivered_total"].labels(route, state).inc()

    def on_failed(self, route: str) -> None:
        """Count an attempt that failed."""
        self._of["notify_failed_total"].labels(route).inc()

    def on_buried(self, route: str) -> None:
        """Count a message that was given up."""
        self._of["notify_buried_total"].labels(route).inc()

    def refresh(self, desk: Desk | None, now: int) -> None:
        """Bring what is a state, and no count, up to now.

        Parameters
        ----------
        desk
            None while another process is at work.
        now
            Wall time, microseconds.
        """
        self._of["notify_at_work"].set(desk is not None)
        self._of["notify_causes_open"].set(0 if desk is None else desk.causes.open_count)
        for name in self._routes:
            since = [] if desk is None else desk.waiting(name, now)
            self._of["notify_waiting"].labels(name).set(len(since))
            oldest = (now - min(since, default=now)) / SECOND
            self._of["notify_waiting_seconds"].labels(name).set(oldest)
