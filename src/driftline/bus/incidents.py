"""What is known of incidents now: the last word on each, read from the `alerts` topic."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from driftline.bus.alerts import Wanted, decoded, reached
from driftline.bus.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.bus.config import BrokerConfig
    from driftline.events.outputs import Alert

__all__ = ["known_incidents", "open_incidents"]

log = logging.getLogger(__name__)

MOST_INCIDENTS = 100_000
"""Incidents that are held, open ones and resolved ones each; of more the oldest are left out."""


def open_incidents(
    broker: str | BrokerConfig = "127.0.0.1:9092",
    *,
    prefix: str = "driftline.",
    models: Iterable[str] = (),
    kinds: Iterable[str] = (),
    severity: str = "notice",
) -> list[Alert]:
    """Return the last word on each incident that is open now, the oldest first.

    That may be any state: an incident that is acknowledged or silenced is open, and so is one that
    was judged before it was resolved.

    For the parameters see `Alerts`. At most 100,000 are held, which is logged where there are more.
    """
    known = known_incidents(broker, prefix=prefix, models=models, kinds=kinds, severity=severity)
    return [alert for alert in known if alert.data.resolved_at is None]


def known_incidents(
    broker: str | BrokerConfig = "127.0.0.1:9092",
    *,
    prefix: str = "driftline.",
    models: Iterable[str] = (),
    kinds: Iterable[str] = (),
    severity: str = "notice",
) -> list[Alert]:
    """Return the last word on each incident that the topic still holds, the oldest first.

    For the parameters see `Alerts`.
    """
    wanted = Wanted(models, kinds, (), severity)
    standing: dict[str, Alert] = {}
    ended: dict[str, Alert] = {}
    for source, records in read(reached(broker), f"{prefix}alerts"):
        for record in records:
            if record.value is None:
                continue
            alert = decoded(record.value, f"{source} offset {record.offset}")
            if alert is None:
                continue
            name = alert.data.incident
            held = standing.get(name) or ended.get(name)
            if held is not None and held.data.number > alert.data.number:
                continue  # a worker that was killed says its last words once more
            standing.pop(name, None)
            ended.pop(name, None)
            place = standing if alert.data.resolved_at is None else ended
            place[name] = alert
            if len(place) > MOST_INCIDENTS:
                oldest = next(iter(place))
                log.warning("more than %d incidents: %s left out", MOST_INCIDENTS, oldest)
                del place[oldest]
    kept = [alert for alert in (*standing.values(), *ended.values()) if wanted(alert)]
    return sorted(kept, key=lambda alert: (alert.data.opened_at, alert.data.incident))
