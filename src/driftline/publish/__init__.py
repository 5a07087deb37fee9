"""The producers' SDK: events to Kafka without holding up or breaking whoever serves predictions.

`Publisher` and `AsyncPublisher` are also offered as `driftline.Publisher` and
`driftline.AsyncPublisher`.
"""

from __future__ import annotations

from driftline.publish.asynchronous import AsyncPublisher
from driftline.publish.counters import REASONS, Counts
from driftline.publish.errors import EventRefused, SettingsError
from driftline.publish.publisher import Publisher
from driftline.publish.settings import Settings

__all__ = [
    "REASONS",
    "AsyncPublisher",
    "Counts",
    "EventRefused",
    "Publisher",
    "Settings",
    "SettingsError",
]
