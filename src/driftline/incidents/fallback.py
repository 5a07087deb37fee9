"""The fallback: engaged while the model cannot be trusted, and looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.contract.types import MINUTE
from driftline.events.time import format_ts
from driftline.incidents.asking import feedback_message
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Contract
    from driftline.incidents.context import Served
    from driftline.incidents.incident import Change

__all__ = ["Fallbacks"]

Messages = list[tuple[bytes, bytes]]
SWITCH_US = 5 * MINUTE
"""How long serving may take to switch before somebody is told."""
SWITCH_SLOTS = 10
SWITCHED = 0.9
"""Share of a slot's predictions that have to come from where they are to come from: some that were
under way when serving switched arrive later."""
ARM = "fallback"
"""What the fallback's predictions may name as their arm, instead of its name as their version."""


class Fallbacks:
    """Engages and releases one model's fallback, and looks whether serving really switched.

    It is engaged when an incident of a kind in the contract's ``on`` is a page, and released when
    all such have been over for ``release_after``: what comes back meanwhile keeps it engaged.
    Whether serving switched is read off the predictions: those of the fallback name it as their
    ``version``, or ``fallback`` (or its name) as their ``arm``.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._plan = contract.fallback
        self._grace = max(SWITCH_US, SWITCH_SLOTS * contract.slot)
        self._causes: list[str] = []
        self._engaged: int | None = None
        self._calm: int | None = None
        self._asked: int | None = None
        """When serving was asked to switch and has not been seen to; None where it has."""
        self._told = False

    def on_change(self, change: Change) -> Messages:
        """Take a change of an incident; return messages for the `feedback` topic."""
        plan, incident = self._plan, change.incident
        if plan is None:
            return []
        if change.state == "resolved":
            if incident.id in self._causes:
                self._causes.remove(incident.id)
                self._calm = None if self._causes else change.at
            return []
        kinds = {member.kind for member in incident.members}
        if incident.severity != "page" or not kinds & set(plan.on) or incident.id in self._causes:
            return []
        self._causes.append(incident.id)
        self._calm = None
        if self._engaged is not None:
            return []
        self._engaged = self._asked = change.at
        self._told = False
        text = f"switch to {plan.to}: {change.text}"
        told = {
            "incident": incident.id,
            "why": incident.kind,
            "feature": incident.feature,
            "since": format_ts(incident.change_point),
            "to": plan.to,
            "text": text,
        }
        return [self._message("fallback_engaged", change.at, told)]

    def on_slot(self, now: int, served: Served) -> Messages:
        """Take the end of a closed slot (microseconds) and whose predictions it had."""
        if self._plan is None:
            return []
        return self._release(now) + self._verify(now, *served)

    def _release(self, now: int) -> Messages:
        plan = self._plan
        assert plan is not None
        if self._engaged is None or self._calm is None or now - self._calm < plan.release_after:
            return []
        told = {
            "incident": None,
            "to": plan.to,
            "seconds": (now - self._engaged) / 1e6,
            "text": f"switch back from {plan.to}: nothing has been wrong since "
            f"{format_ts(self._calm)}",
        }
        out = [self._message("fallback_released", now, told)]
        self._engaged = self._calm = None
        self._asked, self._told = now, False
        return out

    def _verify(
        self, now: int, predictions: int, versions: Mapping[str, int], arms: Mapping[str, int]
    ) -> Messages:
        if self._asked is None or not predictions:
            return []
        plan, wanted, named = self._plan, self._engaged is not None, bool(versions or arms)
        assert plan is not None
        fallen = max(versions.get(plan.to, 0), arms.get(plan.to, 0) + arms.get(ARM, 0))
        there = fallen if wanted else predictions - fallen
        seconds = (now - self._asked) / 1e6
        if named and there >= SWITCHED * predictions:
            self._asked = None
            where = plan.to if wanted else "the model"
            text = f"predictions come from {where}, {seconds:g} s after it was asked for"
            told = {"incident": None, "to": plan.to, "seconds": seconds, "text": text}
            return [self._message("fallback_verified", now, told, of=where)]
        if self._told or now - self._asked < self._grace:
            return []
        self._told = True
        if not named:
            code = "fallback_unverified"
            text = (
                f"whether serving switched cannot be told ({plan.to} was "
                f"{'engaged' if wanted else 'released'}): predictions name neither version nor arm"
            )
        elif wanted:
            code = "fallback_not_switched"
            text = (
                f"{plan.to} was asked for {seconds:g} s ago, and {predictions - fallen:,} of "
                f"{predictions:,} predictions still do not come from it"
            )
        else:
            code = "fallback_not_released"
            text = (
                f"{plan.to} was released {seconds:g} s ago, and {fallen:,} of {predictions:,} "
                "predictions still come from it"
            )
        told = {"violation": code, "path": "$.fallback.to", "incident": None, "text": text}
        name = hash_of("fallback", self._contract.model, code, self._asked)
        return [feedback_message(self._contract, "contract_violated", name, now, told)]

    def _message(
        self, kind: str, at: int, told: dict[str, Any], of: str = ""
    ) -> tuple[bytes, bytes]:
        name = hash_of("fallback", self._contract.model, kind, of, at)
        # One key: the topic, compacted, says whether it is engaged.
        key = None if of else hash_of("fallback", self._contract.model)
        return feedback_message(self._contract, kind, name, at, told, key=key)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "causes": list(self._causes),
            "engaged": self._engaged,
            "calm": self._calm,
            "asked": self._asked,
            "told": self._told,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._causes = list(state["causes"])
        self._engaged, self._calm = state["engaged"], state["calm"]
        self._asked, self._told = state["asked"], state["told"]
