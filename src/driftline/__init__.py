"""driftline watches deployed models from the event bus.

It says when the data moved, when the system around a model broke, and when nobody acts on the
predictions any more; and it proves that its own alarms work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driftline.bus.alerts import Alerts, AsyncAlerts
    from driftline.bus.incidents import open_incidents
    from driftline.publish import AsyncPublisher, Publisher

__all__ = [
    "Alerts",
    "AsyncAlerts",
    "AsyncPublisher",
    "Publisher",
    "__version__",
    "open_incidents",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what programs use when they first ask for it: a client of Kafka is a lot to load."""
    if name in {"Alerts", "AsyncAlerts"}:
        from driftline.bus import alerts

        return getattr(alerts, name)
    if name == "open_incidents":
        from driftline.bus import incidents

        return incidents.open_incidents
    if name in {"AsyncPublisher", "Publisher"}:
        from driftline import publish

        return getattr(publish, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
