"""Everything that is known of an incident and of the time around it, as it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from driftline.contract.types import HOUR, MINUTE
from driftline.events.time import format_ts, read_ts
from driftline.replay.explain.reel import Around
from driftline.replay.explain.rows import Rows
from driftline.replay.summary import OF_FINDINGS

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.replay.summary import Drilled, Found

__all__ = ["Case", "Dead", "apart_of", "clock"]

LEAD_SLOTS = 60
LEAST_LEAD = 10 * MINUTE
DELAYS = 3


@dataclass(frozen=True, slots=True)
class Dead:
    """Dead letters of one input with the same fault; ``at`` is the time of the first of them."""

    topic: str
    message: str
    at: int
    count: int


@dataclass
class Case:
    """What an explanation is made of.

    Attributes
    ----------
    alerts
        The incident's own alerts (CloudEvents), as far as they are still kept, ascending.
    found
        It as its last alert left it.
    others
        All other incidents of any model.
    windows
        Messages of the topic `windows` of this model as a whole, without a kind, near the change.
    told
        Those of a kind ("quality", "lifecycle"), ascending.
    feedback
        Feedback events of this model, ascending.
    dead
        Dead letters near the change.
    contract
        None where none was given: what is promised is not known then.
    rows
        Events from around the change.
    """

    alerts: list[dict[str, Any]]
    found: Found
    others: list[Found] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    drills: list[Drilled] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    contract: Contract | None = None
    rows: Rows = field(default_factory=lambda: Rows.none("no source of events was given"))

    @property
    def last(self) -> dict[str, Any]:
        """What the latest alert says."""
        data: dict[str, Any] = self.alerts[-1]["data"]
        return data

    @property
    def change(self) -> int:
        """When it began, event time in microseconds."""
        return read_ts(self.found.change_point)

    @property
    def feature(self) -> str | None:
        """The column that is drawn: the one that opened it, or the first that is told of."""
        told = [name for name in self.found.features if self.told_alert(name) is not None]
        return self.found.feature or next(iter(told), None)

    @property
    def segment(self) -> Segment:
        """Whose rows it is about."""
        return tuple(sorted(self.found.segment.items()))

    @property
    def lead(self) -> int:
        """How far before and after the change one looks, microseconds."""
        delay = max(0, read_ts(self.found.detected_at) - self.change)
        slot = min(delay, HOUR) if self.contract is None else self.contract.slot
        return max(LEAD_SLOTS * slot, DELAYS * delay, LEAST_LEAD)

    @property
    def around(self) -> Around:
        """The event time to look at."""
        return Around(self.change - self.lead, self.change, self.change + self.lead)

    @property
    def ended(self) -> int:
        """Until when its values are what the incident is about, microseconds."""
        resolved = self.found.resolved_at
        last = self.around.last
        return last if resolved is None else min(last, read_ts(resolved))

    def told_alert(self, feature: str | None) -> dict[str, Any] | None:
        """Return the latest alert about a column that was not of its end, if one is kept."""
        mine = [
            alert["data"]
            for alert in self.alerts
            if alert["data"]["feature"] == feature
            and alert["data"].get("segment", {}) == self.found.segment
        ]
        live = [data for data in mine if data["state"] in OF_FINDINGS]
        return (live or mine or [None])[-1]

    def after(self, at: int | str) -> str:
        """Return a time as the distance from the change: "12 s before", "3 min after"."""
        moment = read_ts(at) if isinstance(at, str) else at
        apart = (moment - self.change) / 1e6
        if abs(apart) < 1:
            return "at the change"
        return f"{apart_of(abs(apart))} {'after' if apart > 0 else 'before'}"


def apart_of(seconds: float) -> str:
    """Return a length of time in two units at most: "1 h 20 min"."""
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for place, (size, unit) in enumerate(units):
        if seconds >= size or unit == "s":
            whole, rest = divmod(round(seconds), size)
            text = f"{whole:,} {unit}"
            if place + 1 < len(units) and whole < 10 and rest >= units[place + 1][0]:
                text += f" {rest // units[place + 1][0]} {units[place + 1][1]}"
            return text
    raise AssertionError


def clock(at: int) -> str:
    """Return a moment to the second, as `short_ts` does."""
    return format_ts(at)[:19].replace("T", " ")
