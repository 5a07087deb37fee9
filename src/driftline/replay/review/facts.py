"""What driftline's outputs say of one model, gathered for its review."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from driftline.errors import DriftlineError
from driftline.events.time import read_ts
from driftline.replay.parts import beside, segment_of
from driftline.replay.summary import drills_of, incidents_of

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.replay.summary import Drilled, Found

__all__ = ["Facts", "read_facts"]

MOST_WINDOWS = 400
"""Windows of each kind that are looked at, the latest."""
MOST_EVENTS = 10_000
"""Feedback events that are looked at, the latest."""
MOST_PART_WINDOWS = 100
"""Windows of each kind and segment that are looked at, the latest."""
KINDS = ("quality", "decisions", "uplift", "skew", "lifecycle", "alarms")


@dataclass
class Facts:
    """What is known of one model.

    Attributes
    ----------
    as_of
        Event time of the latest thing that was said of it, microseconds; None where nothing was.
    windows
        Messages of the topic `windows` by kind (see `KINDS`), each window as last told, ascending:
        those of the model as a whole.
    parts
        Those of its segments by kind and segment, likewise.
    feedback
        Feedback events, ascending.
    incidents, drills
        As the report has them.
    predictions
        By time: start, end and count, of the plain windows.
    readers
        Consumer groups that read the alerts, and how many alerts each has not read; None where that
        cannot be told (files have no readers).
    """

    contract: Contract
    as_of: int | None = None
    windows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    parts: dict[str, dict[Segment, list[dict[str, Any]]]] = field(default_factory=dict)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    incidents: list[Found] = field(default_factory=list)
    drills: list[Drilled] = field(default_factory=list)
    predictions: list[tuple[int, int, int]] = field(default_factory=list)
    readers: dict[str, int] | None = None

    def last(self, kind: str) -> dict[str, Any] | None:
        """Return the latest window of a kind."""
        held = self.windows.get(kind)
        return held[-1] if held else None

    def beside(self, kind: str, whole: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the segments that were told with a window of a kind, in order of name."""
        told = (window for part in self.parts.get(kind, {}).values() for window in part)
        return beside(whole, told)

    def told(self, what: str) -> dict[str, Any] | None:
        """Return the last lifecycle event of a kind."""
        history = self.last("lifecycle")
        found: dict[str, Any] | None = None if history is None else history["last"].get(what)
        return found

    def fed(self, kind: str, violation: str | None = None) -> list[dict[str, Any]]:
        """Return the feedback events of a type, ascending."""
        return [
            event
            for event in self.feedback
            if event["type"] == f"driftline.feedback.{kind}"
            and (violation is None or event["data"].get("violation") == violation)
        ]

    def open(self, *kinds: str) -> list[Found]:
        """Return the incidents of some kinds that are not resolved."""
        return [i for i in self.incidents if i.resolved_at is None and i.kind in kinds]


def read_facts(folder: Path, contract: Contract) -> Facts:
    """Read a replay's outputs, or what `driftline export` wrote of the live ones.

    Raises
    ------
    DriftlineError
        The folder has no outputs, or says nothing of the model.
    """
    model = contract.model
    for name in ("windows", "alerts", "feedback"):
        if not (folder / f"{name}.jsonl").is_file():
            msg = f"{folder}: expected a replay's outputs, got no {name}.jsonl"
            raise DriftlineError(msg)
    facts = Facts(contract)
    _windows(folder / "windows.jsonl", facts)
    with (folder / "feedback.jsonl").open("rb") as file:
        events = (orjson.loads(line) for line in file)
        facts.feedback = [e for e in events if e["data"]["model"] == model][-MOST_EVENTS:]
    facts.incidents = [i for i in incidents_of(folder / "alerts.jsonl") if i.model == model]
    facts.drills = [d for d in drills_of(folder / "feedback.jsonl") if d.model == model]
    times = [read_ts(event["time"]) for event in facts.feedback]
    times += [read_ts(i.detected_at) for i in facts.incidents]
    times += [facts.as_of] if facts.as_of is not None else []
    facts.as_of = max(times, default=None)
    if facts.as_of is None:
        msg = f"{folder}: expected something about {model}, got nothing"
        raise DriftlineError(msg)
    return facts


def _windows(path: Path, facts: Facts) -> None:
    """Read the windows of a model; what was told later stands later."""
    held: dict[tuple[str, Segment], dict[str, dict[str, Any]]] = {(k, ()): {} for k in KINDS}
    plain: dict[tuple[int, int], int] = {}
    length = math.inf
    about = orjson.dumps({"model": facts.contract.model})[1:-1]
    with path.open("rb") as file:
        for line in file:
            if about not in line:
                continue
            window = orjson.loads(line)
            if window["model"] != facts.contract.model:
                continue
            kind = window.get("kind")
            ends = read_ts(window.get("as_of") or window["end"])
            facts.as_of = max(ends, facts.as_of or ends)
            if kind in KINDS:
                segment = segment_of(window)
                mine = held.setdefault((kind, segment), {})
                # Of what is told once for all time, the latest is all there is.
                place = window.get("start", "")
                if window.get("number", 0) >= mine.get(place, {}).get("number", 0):
                    mine[place] = window
                if len(mine) > (MOST_PART_WINDOWS if segment else MOST_WINDOWS):
                    del mine[min(mine)]
            elif kind is None and not window["segment"] and window["length_s"] == window["hop_s"]:
                if window["length_s"] < length:
                    # Of windows of several lengths the shortest ones hold every event once.
                    length = window["length_s"]
                    plain.clear()
                if window["length_s"] > length:
                    continue
                span = read_ts(window["start"]), read_ts(window["end"])
                plain[span] = window["events"].get("prediction", 0)
                if len(plain) > MOST_WINDOWS:
                    del plain[min(plain)]
    for (kind, segment), mine in sorted(held.items()):
        told = [w for _, w in sorted(mine.items())]
        if segment:
            facts.parts.setdefault(kind, {})[segment] = told
        else:
            facts.windows[kind] = told
    facts.predictions = [(*span, count) for span, count in sorted(plain.items())]
