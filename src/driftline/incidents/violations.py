"""What breaks a contract: what it lacks, what is overdue, what was promised and is not so."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from driftline.contract import gaps
from driftline.contract.types import DAY
from driftline.events.record import UNATTRIBUTED
from driftline.incidents.asking import feedback_message
from driftline.incidents.history import ANNOUNCING
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.contract import Contract
    from driftline.incidents.history import History
    from driftline.incidents.incident import Change

__all__ = ["Violations"]

Messages = list[tuple[bytes, bytes]]
EPOCH = dt.date(1970, 1, 1)
SLA_OF = {"silence": "sla.silence", "volume": "sla.min_rate"}


class Violations:
    """Says once of each thing that is lacking or overdue, and of each promise that is broken.

    Looked at once a day of event time, as what is overdue changes at midnight; versions that nobody
    announced, and predictions of a model that is out of use, are told with the slot they come in.
    """

    def __init__(self, contract: Contract, history: History) -> None:
        self._contract = contract
        self._fingerprint = contract.fingerprint
        self._history = history
        self._told: dict[str, str] = {}
        self._day: int | None = None

    def on_change(self, change: Change) -> Messages:
        """Take a change of an incident; return messages for the `feedback` topic."""
        kind = change.finding.kind if change.finding is not None else change.incident.kind
        if change.state not in {"opened", "reopened"} or kind not in SLA_OF:
            return []
        promise = SLA_OF[kind]
        again = () if change.state == "opened" else (change.number,)
        name = hash_of("sla", self._contract.model, promise, change.incident.id, *again)
        return [
            self._message(name, promise, change.at, f"$.{promise}", change.text, change.incident.id)
        ]

    def on_slot(self, now: int, new: list[str], *, predictions: bool) -> Messages:
        """Take the end of a closed slot.

        Parameters
        ----------
        now
            Event time, microseconds.
        new
            Versions that predictions came from for the first time.
        predictions
            Whether there were any.
        """
        if self._contract.model.startswith(UNATTRIBUTED):
            return []  # a topic's unreadable elements are no model that anyone could own
        out: Messages = []
        if now // DAY != self._day:
            self._day = now // DAY
            for code, path, text, since in (*self._lacks(now), *self._overdue(now)):
                out += self._once(now, code, path, text, since)
        for version in new:
            if self._is_stranger(version):
                text = f"predictions come from version {version}, which nobody has announced"
                out += self._once(now, "unannounced_version", "$.model", text, version)
        if predictions:
            out += self._served_too_long(now)
        return out

    def _lacks(self, now: int) -> Iterator[tuple[str, str, str, Any]]:
        today = EPOCH + dt.timedelta(days=now // DAY)
        for gap in gaps(self._contract, today):
            if gap.code != "deprecation_overdue":  # that is told where predictions come
                yield gap.code, gap.path, gap.text, self._fingerprint

    def _overdue(self, now: int) -> Iterator[tuple[str, str, str, Any]]:
        contract, last = self._contract, self._history
        decision, fallback, owner = contract.decision, contract.fallback, contract.owner
        retrain = contract.retrain
        checks = (
            (
                "owner_unconfirmed",
                "$.owner.confirm_every",
                None if owner is None else owner.confirm_every,
                ("owner_confirmed",),
                "nobody has confirmed that they own it",
            ),
            (
                "fallback_untested",
                "$.fallback.test_every",
                None if fallback is None else fallback.test_every,
                ("fallback_tested",),
                f"nobody has tried the fallback {'' if fallback is None else fallback.to}",
            ),
            (
                "threshold_review_overdue",
                "$.decision.threshold_review_every",
                None if decision is None else decision.threshold_review_every,
                ("threshold_reviewed",),
                "nobody has reviewed its threshold",
            ),
            (
                "retraining_overdue",
                "$.retrain.max_age",
                None if retrain.max_age is None else retrain.max_age + retrain.at_most_every,
                ANNOUNCING,
                "asked for because of its age, and nobody has retrained it",
            ),
        )
        for code, path, every, kinds, text in checks:
            since = last.since(*kinds)
            if every is not None and since is not None and now - since > every:
                days = f"{(now - since) / DAY:.3g} days"
                yield code, path, f"{text} for {days} (at most {every / DAY:.3g})", since

    def _is_stranger(self, version: str) -> bool:
        """Return whether a version is none of those that a model that announces its own has had."""
        fallback = self._contract.fallback
        known = self._history.announced
        return bool(known) and version not in known and (fallback is None or version != fallback.to)

    def _served_too_long(self, now: int) -> Messages:
        told = self._history.last.get("deprecated")
        date = self._contract.deprecate_after
        if told is not None and now > told.at + DAY:
            text = "predictions are still being made, a day after it was called deprecated"
            return self._once(now, "served_after_deprecation", "$.deprecate_after", text, told.at)
        if date is not None and EPOCH + dt.timedelta(days=now // DAY) > date:
            text = f"predictions are still being made after {date}"
            return self._once(now, "served_after_deprecation", "$.deprecate_after", text, str(date))
        return []

    def _once(self, now: int, code: str, path: str, text: str, about: Any) -> Messages:
        name = hash_of("gap", self._contract.model, code, about)
        if self._told.get(code) == name:
            return []
        self._told[code] = name
        return [self._message(name, code, now, path, text, None)]

    def _message(
        self, name: str, code: str, at: int, path: str, text: str, incident: str | None
    ) -> tuple[bytes, bytes]:
        told = {"violation": code, "path": path, "text": text, "incident": incident}
        return feedback_message(self._contract, "contract_violated", name, at, told)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {"told": dict(self._told), "day": self._day, "contract": self._fingerprint}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        same = state["contract"] == self._fingerprint
        # Another contract has gaps of its own, and is looked at with the next slot.
        self._told = dict(state["told"]) if same else {}
        self._day = state["day"] if same else None
