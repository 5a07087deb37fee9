"""Retraining: asked for, answered, withdrawn, or never answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.contract.quantities import format_duration
from driftline.contract.types import DAY, MINUTE
from driftline.events.time import format_ts
from driftline.incidents.asking import feedback_message
from driftline.incidents.history import ANNOUNCING
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.incidents.history import History, Told
    from driftline.incidents.incident import Change

__all__ = ["Retraining"]

Messages = list[tuple[bytes, bytes]]


class Retraining:
    """Asks for a retraining of one model, once for all that is wrong, and follows what comes of it.

    It is asked for when an incident of a kind that the contract names is a page, or when the model
    is older than the contract's ``max_age``; at most once every ``at_most_every`` of event time.
    What comes sooner waits, and is asked for then if the incident is still open.

    A request is closed by a newer version of the model, or withdrawn when all that asked for it is
    over. One that is not answered within ``at_most_every`` is escalated, and again as long as
    something is wrong, each time after twice as long as before: at a week, after 1, 3, 7 and 15
    weeks, so that a request that nobody will ever answer is told five times in its first year.
    """

    def __init__(self, contract: Contract, history: History) -> None:
        self._contract = contract
        self._history = history
        self._asked: int | None = None
        self._waiting: dict[str, dict[str, Any]] = {}
        self._open: dict[str, Any] | None = None

    def on_change(self, change: Change) -> Messages:
        """Take a change of an incident; return messages for the `feedback` topic."""
        incident = change.incident
        if change.state == "resolved":
            self._waiting.pop(incident.id, None)
            return self._withdraw(change.at)
        kind = change.finding.kind if change.finding is not None else incident.kind
        wanted = kind in self._contract.retrain.on and incident.severity == "page"
        # An update may be what made a page of it, or what brought in a kind that asks for it.
        if not wanted or incident.id in self._waiting:
            return []
        self._waiting[incident.id] = {
            "why": kind,
            "incident": incident.id,
            "feature": incident.feature,
            "since": format_ts(incident.change_point),
            "text": change.text,
            "asked": False,
        }
        return self._ask(change.at)

    def on_time(self, now: int) -> Messages:
        """Take the end of a closed slot, microseconds; return messages for `feedback`."""
        return self._ask(now)

    def on_replaced(self, told: Told) -> Messages:
        """Take word that the model was retrained, or another deployed: its age counts anew."""
        request = self._open
        if request is None or told.version in request["served"]:
            return []  # deployed once more: nothing is new about it
        # What is still wrong with the new version is asked for again, in time.
        self._asked = told.at
        for waiting in self._waiting.values():
            waiting["asked"] = False
        text = f"answered by {told.version or 'a new version'}"
        if told.why:
            text += f": {told.why}"
        return self._close(told.at, text, version=told.version, by=told.by)

    def _withdraw(self, at: int) -> Messages:
        request = self._open
        if request is None or request["why"] == "age" or self._waiting:
            return []
        return self._close(at, "withdrawn: all that asked for it is over", version=None, by=None)

    def _close(self, at: int, text: str, *, version: str | None, by: str | None) -> Messages:
        request, self._open = self._open, None
        assert request is not None
        told = {
            "incident": request["incident"],
            "why": request["why"],
            "request": request["name"],
            "version": version,
            "by": by,
            "seconds": (at - request["at"]) / 1e6,
            "text": text,
        }
        name = hash_of("retrain closed", request["name"])
        return [self._message("retrain_closed", name, at, told, request["name"])]

    def _ask(self, now: int) -> Messages:
        plan = self._contract.retrain
        if self._asked is not None and now - self._asked < self._gap:
            return []
        due = next((w for w in self._waiting.values() if not w["asked"]), None)
        if due is None and self._open is not None:
            due = next(iter(self._waiting.values()), None)
        since = self._history.since(*ANNOUNCING)
        if due is None and plan.max_age is not None and since is not None:
            age = now - since
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
        if self._open is not None:
            return [self._escalate(now, told)]
        name = hash_of("retrain", self._contract.model, now, due["why"], due["incident"])
        self._open = {
            "name": name,
            "at": now,
            "why": due["why"],
            "incident": due["incident"],
            "number": 0,
            "served": sorted(self._history.served),
        }
        return [self._message("retrain_requested", name, now, told, name)]

    @property
    def _gap(self) -> int:
        """Shortest time from what was told last to what is told next, microseconds."""
        often = 0 if self._open is None else self._open["number"]
        return self._contract.retrain.at_most_every << often

    def _escalate(self, now: int, told: dict[str, Any]) -> tuple[bytes, bytes]:
        request = self._open
        assert request is not None
        request["number"] += 1
        owner = self._contract.owner
        whom = None if owner is None else owner.escalation or owner.contact or owner.team
        waited = format_duration(max(MINUTE, (now - request["at"]) // MINUTE * MINUTE))
        told |= {
            "request": request["name"],
            "number": request["number"],
            "escalation": whom,
            "seconds": (now - request["at"]) / 1e6,
            "text": f"asked for {waited} ago, and nobody has: {told['text']} (reminder "
            f"{request['number']}, the next one in {format_duration(self._gap)})",
        }
        name = hash_of("retrain escalated", request["name"], request["number"])
        return self._message("retrain_escalated", name, now, told, request["name"])

    def _message(
        self, kind: str, name: str, at: int, told: dict[str, Any], key: str
    ) -> tuple[bytes, bytes]:
        return feedback_message(self._contract, kind, name, at, told, key=key)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "asked": self._asked,
            "waiting": {name: dict(waiting) for name, waiting in self._waiting.items()},
            "open": None if self._open is None else dict(self._open),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._asked = state["asked"]
        self._waiting = {name: dict(waiting) for name, waiting in state["waiting"].items()}
        self._open = None if state["open"] is None else dict(state["open"])
