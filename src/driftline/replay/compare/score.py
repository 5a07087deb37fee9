"""What one contract would have paged, held against what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from scipy.stats import chi2

from driftline.contract import DAY
from driftline.events.time import format_ts, read_ts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from driftline.replay.compare.known import Known, KnownAll

__all__ = ["Alarm", "Finding", "Rate", "Score", "read_alarms", "score"]

MONTH = 30 * DAY
CONFIDENCE = 0.95
ECHO = 3
"""Slots after the end of what is known in which an alarm may still be about it."""


@dataclass
class Alarm:
    """One incident as people would have heard of it.

    Attributes
    ----------
    at
        When it first told anybody, event time, microseconds.
    paged_at
        When it first paged; None where it stayed a notice.
    verdict
        "true", "false", "expected", or None where nobody can know.
    """

    incident: str
    model: str
    change: int
    at: int
    text: str
    about: set[tuple[str | None, str]] = field(default_factory=set)
    features: list[str] = field(default_factory=list)
    kind: str = ""
    paged_at: int | None = None
    resolved: int | None = None
    verdict: str | None = None

    @property
    def named(self) -> str:
        """Its columns in words."""
        names = [name for name in self.features if name] or ["the whole model"]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(names[:3]) + more

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "incident": self.incident,
            "model": self.model,
            "features": self.features,
            "kind": self.kind,
            "severity": "notice" if self.paged_at is None else "page",
            "change_point": format_ts(self.change),
            "told_at": format_ts(self.at),
            "paged_at": None if self.paged_at is None else format_ts(self.paged_at),
            "resolved_at": None if self.resolved is None else format_ts(self.resolved),
            "verdict": self.verdict,
            "text": self.text,
        }


@dataclass(frozen=True)
class Finding:
    """How a contract did on one thing that is known to have happened.

    Attributes
    ----------
    alarm
        The first page about it; None where there was none.
    delay
        From its beginning to that page, microseconds of event time.
    events
        Events of its model in between; None where they were not counted.
    noticed
        Whether a notice told of it, page or not.
    """

    known: Known
    alarm: Alarm | None
    delay: int | None
    events: int | None
    noticed: bool


@dataclass(frozen=True)
class Rate:
    """A count over a time, as events per 30 days with an exact Poisson interval (Garwood 1936)."""

    count: int
    months: float

    @property
    def per_month(self) -> float:
        """The rate; infinite over no time at all."""
        return self.count / self.months if self.months > 0 else float("inf")

    @property
    def interval(self) -> tuple[float, float]:
        """What it may be in truth, with 95 % confidence."""
        if self.months <= 0:
            return 0.0, float("inf")
        tail = (1 - CONFIDENCE) / 2
        low = float(chi2.ppf(tail, 2 * self.count)) / 2 if self.count else 0.0
        return low / self.months, float(chi2.ppf(1 - tail, 2 * self.count + 2)) / 2 / self.months


@dataclass(frozen=True)
class Score:
    """What a contract's pages were worth.

    Attributes
    ----------
    months
        Observed, of 30 days, summed over the models.
    complete
        Whether all that happened is known, so that every other page is false.
    """

    alarms: list[Alarm]
    findings: list[Finding]
    months: float
    complete: bool

    @property
    def pages(self) -> list[Alarm]:
        """What would have woken somebody."""
        return [alarm for alarm in self.alarms if alarm.paged_at is not None]

    @property
    def notices(self) -> list[Alarm]:
        """What would have been told and no more."""
        return [alarm for alarm in self.alarms if alarm.paged_at is None]

    def judged(self, verdict: str | None) -> int:
        """Return how many pages have a verdict."""
        return sum(page.verdict == verdict for page in self.pages)

    @property
    def precision(self) -> float | None:
        """Share of true pages among those of which that is known; None where there are none."""
        known = self.judged("true") + self.judged("false")
        return self.judged("true") / known if known else None

    @property
    def found(self) -> int:
        """Things known to have happened that were paged."""
        return sum(finding.alarm is not None for finding in self.findings)

    @property
    def recall(self) -> float | None:
        """Share of what happened that was paged; None where nothing is known to have."""
        return self.found / len(self.findings) if self.findings else None

    @property
    def false(self) -> Rate:
        """False pages."""
        return Rate(self.judged("false"), self.months)

    @property
    def delay(self) -> float | None:
        """Median delay of what was found, microseconds."""
        delays = [each.delay for each in self.findings if each.delay is not None]
        return float(np.median(delays)) if delays else None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; rates per 30 days, delays in seconds."""
        low, high = self.false.interval
        return {
            "pages": len(self.pages),
            "notices": len(self.notices),
            "true": self.judged("true"),
            "false": self.judged("false") if self.complete or self.judged("false") else None,
            "expected": self.judged("expected"),
            "unknown": self.judged(None),
            "precision": self.precision,
            "recall": self.recall,
            "months": round(self.months, 6),
            "false_pages_per_month": self.false.per_month if self.complete else None,
            "false_pages_interval": [low, high] if self.complete else None,
            "median_delay_s": None if self.delay is None else self.delay / 1e6,
            "known": [
                {
                    **finding.known.to_json(),
                    "found": finding.alarm is not None,
                    "noticed": finding.noticed,
                    "incident": None if finding.alarm is None else finding.alarm.incident,
                    "delay_s": None if finding.delay is None else finding.delay / 1e6,
                    "delay_events": finding.events,
                }
                for finding in self.findings
            ],
            "alarms": [alarm.to_json() for alarm in self.alarms],
        }


def read_alarms(alerts: Path) -> list[Alarm]:
    """Read alerts in canonical order, and return each incident once, in the order of telling."""
    found: dict[str, Alarm] = {}
    with alerts.open("rb") as file:
        for line in file:
            data = orjson.loads(line)["data"]
            if data["kind"] == "drill":
                continue
            alarm = found.get(data["incident"])
            at = read_ts(data["detected_at"])
            if alarm is None:
                alarm = found[data["incident"]] = Alarm(
                    data["incident"],
                    data["model"],
                    read_ts(data["change_point"]),
                    at,
                    data["text"],
                    kind=data["kind"],
                )
            alarm.features = data["features"]
            alarm.about |= {(each["feature"], each["kind"]) for each in data["members"]}
            if data["resolved_at"] is not None:
                alarm.resolved = read_ts(data["resolved_at"])
            else:
                alarm.resolved = None
            if data["severity"] == "page" and data["state"] != "resolved":
                # An update tells of a column of its own: it may have been found first.
                alarm.paged_at = at if alarm.paged_at is None else alarm.paged_at
    return sorted(found.values(), key=lambda alarm: (alarm.at, alarm.model, alarm.incident))


def score(
    alarms: Sequence[Alarm],
    known: KnownAll,
    counts: Mapping[str, Mapping[int, int]],
    slots: Mapping[str, int],
) -> Score:
    """Hold alarms against what is known; each alarm gets its verdict.

    An alarm is about something where the model is its model, it came between the beginning and the
    end of it (and `ECHO` slots), and one of its columns and kinds is the one that is known.

    Parameters
    ----------
    counts
        Events by model and slot.
    slots
        Length of a slot by model, microseconds.
    """
    for alarm in alarms:
        about = [each for each in known.all if _is_about(alarm, each, slots)]
        verdicts = {each.verdict for each in about}
        told = next((each for each in ("true", "expected", "false") if each in verdicts), None)
        alarm.verdict = told or ("false" if known.complete else None)
    findings = []
    for each in known.happened:
        mine = [alarm for alarm in alarms if _is_about(alarm, each, slots)]
        paged = [alarm for alarm in mine if alarm.paged_at is not None]
        first = min(paged, key=lambda alarm: alarm.paged_at or 0, default=None)
        delay = events = None
        if first is not None and first.paged_at is not None:
            delay = first.paged_at - each.since
            events = _between(counts.get(each.model, {}), each.since, first.paged_at)
        findings.append(Finding(each, first, delay, events, bool(mine)))
    span = sum(max(held) - min(held) + slots[model] for model, held in counts.items() if held)
    return Score(list(alarms), findings, span / MONTH, known.complete)


def _is_about(alarm: Alarm, known: Known, slots: Mapping[str, int]) -> bool:
    if alarm.model != known.model:
        return False
    at = alarm.at if alarm.paged_at is None else alarm.paged_at
    echo = ECHO * slots.get(alarm.model, 0)
    if at <= known.since or (known.until is not None and at > known.until + echo):
        return False
    return any(
        (not known.features or feature in known.features)
        and (not known.kinds or kind in known.kinds)
        for feature, kind in alarm.about
    )


def _between(counts: Mapping[int, int], since: int, until: int) -> int:
    return sum(count for start, count in counts.items() if since <= start < until)
