"""Feedback: what the systems around the model are asked to do."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from driftline.contract import gaps
from driftline.contract.types import DAY
from driftline.events.record import UNATTRIBUTED
from driftline.events.time import format_ts
from driftline.incidents.cloudevent import cloud_event
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.incidents.incident import Change

__all__ = ["Feedback"]

EPOCH = dt.date(1970, 1, 1)
SLA_OF = {"silence": "sla.silence", "volume": "sla.min_rate"}


class Feedback:
    """Feedback events of one model: retraining asked for, contract violated.

    A retraining is asked for when an incident of a kind that the contract names is a page, or when
    the model is older than the contract's ``max_age`` (since it was first seen, or last retrained
    or deployed); at most once every ``at_most_every`` of event time. What comes sooner waits, and
    is asked for then if the incident is still open.

    A contract is violated by each thing that it lacks, told once, and by each silence or shortfall
    that breaks its SLA, told when the incident opens.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._fingerprint = contract.fingerprint
        self._started: int | None = None
        self._asked: int | None = None
        self._waiting: dict[str, dict[str, Any]] = {}
        self._told: set[str] = set()
        self._day: int | None = None

    def on_change(self, change: Change) -> list[tuple[bytes, bytes]]:
        """Take a change of an incident; return messages for the `feedback` topic."""
        incident = change.incident
        if change.state == "resolved":
            self._waiting.pop(incident.id, None)
            return []
        out = []
        kind = change.finding.kind if change.finding is not None else incident.kind
        if change.state == "opened" and kind in SLA_OF:
            out.append(self._broken(change, SLA_OF[kind]))
        wanted = kind in self._contract.retrain.on and incident.severity == "page"
        # An update may be what made a page of it, or what brought in a kind that asks for it.
        if wanted and incident.id not in self._waiting:
            self._waiting[incident.id] = {
                "why": kind,
                "incident": incident.id,
                "feature": incident.feature,
                "since": format_ts(incident.change_point),
                "text": change.finding.text if change.finding is not None else "",
                "asked": False,
            }
            out += self._ask(change.at)
        return out

    def on_time(self, now: int) -> list[tuple[bytes, bytes]]:
        """Take the end of a closed slot, microseconds; return messages for `feedback`."""
        if self._started is None:
            self._started = now
        out = []
        if now // DAY != self._day:
            # Gaps change with the date only: a review falls overdue at midnight.
            self._day = now // DAY
            out += self._lacks(now)
        return out + self._ask(now)

    def replaced(self, at: int) -> None:
        """Count a model's age from `at` (microseconds): it was retrained, or another deployed."""
        self._started = at

    def _ask(self, now: int) -> list[tuple[bytes, bytes]]:
        plan = self._contract.retrain
        if self._asked is not None and now - self._asked < plan.at_most_every:
            return []
        due = next((w for w in self._waiting.values() if not w["asked"]), None)
        if due is None and plan.max_age is not None and self._started is not None:
            age = now - self._started
            if age >= plan.max_age:
                due = {"why": "age", "incident": None, "feature": None, "since": None,
                       "text": f"watched for {age // DAY} days without a retraining"}  # fmt: skip
        if due is None:
            return []
        for waiting in self._waiting.values():
            # One retraining answers all that is wrong now.
            waiting["asked"] = True
        self._asked = now
        told = {key: value for key, value in due.items() if key != "asked"}
        name = hash_of("retrain", self._contract.model, now, due["why"], due["incident"])
        return [self._message(name, "retrain_requested", now, told)]

    def _lacks(self, now: int) -> list[tuple[bytes, bytes]]:
        if self._contract.model.startswith(UNATTRIBUTED):
            return []  # a topic's unreadable elements are no model that anyone could own
        today = EPOCH + dt.timedelta(days=now // DAY)
        out = []
        for gap in gaps(self._contract, today):
            name = hash_of("gap", self._contract.model, gap.code, self._fingerprint)
            if name in self._told:
                continue
            self._told.add(name)
            told = {"violation": gap.code, "path": gap.path, "text": gap.text, "incident": None}
            out.append(self._message(name, "contract_violated", now, told))
        return out

    def _broken(self, change: Change, promise: str) -> tuple[bytes, bytes]:
        name = hash_of("sla", self._contract.model, promise, change.incident.id)
        told = {
            "violation": promise,
            "path": f"$.{promise}",
            "text": change.finding.text if change.finding is not None else "",
            "incident": change.incident.id,
        }
        return self._message(name, "contract_violated", change.at, told)

    def _message(self, name: str, kind: str, at: int, told: dict[str, Any]) -> tuple[bytes, bytes]:
        contract = self._contract
        data = {
            "model": contract.model,
            "contract": self._fingerprint,
            "team": contract.owner.team if contract.owner is not None else None,
            **told,
        }
        return name.encode(), cloud_event(name, f"feedback.{kind}", contract.model, at, data)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "started": self._started,
            "asked": self._asked,
            "waiting": {name: dict(waiting) for name, waiting in self._waiting.items()},
            "told": sorted(self._told),
            "day": self._day,
            "contract": self._fingerprint,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._started = state["started"]
        self._asked = state["asked"]
        self._waiting = {name: dict(waiting) for name, waiting in state["waiting"].items()}
        same = state["contract"] == self._fingerprint
        # Another contract has gaps of its own, and is looked at with the next slot.
        self._told = set(state["told"]) if same else set()
        self._day = state["day"] if same else None
