"""What cannot be read: more dead letters than the contract allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.detect.state import check
from driftline.events.record import UNATTRIBUTED
from driftline.stats.wording import percent

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.stats import Pane

FORMAT = 1
MEMORY_ELEMENTS = 400.0
"""Elements over which the share is taken, unless the limit needs more to be told from luck."""
LEAST_BAD = 5
"""Bad ones before a share of them means anything."""
LEAST_UNATTRIBUTED = 20
"""Dead letters of no model in one slot: with nothing to divide by, their number must say it."""
SURE = 3.0
"""Standard errors by which a share must exceed its limit, so that luck alone seldom does."""


class Unread:
    """Share of a model's elements that became dead letters; it needs no reference.

    Raised when the share exceeds the contract's limit, cleared below half of it. Certain, so it
    draws on no budget.
    """

    name = "schema"

    def __init__(self, contract: Contract) -> None:
        self._model = contract.model
        self._limit = contract.deadletter_share
        # Long enough to hold some twenty bad elements at the limit, else the share is all luck.
        self._memory = max(MEMORY_ELEMENTS, 20 / max(self._limit, 1e-6))
        self._dead = 0.0
        self._all = 0.0
        self._since = 0
        self._open = False

    def on_slot(self, start: int, end: int, pane: Pane) -> list[Finding]:
        """Take a closed slot into account; return what was raised or cleared by it."""
        dead, rows = pane.dead, pane.rows
        if not (dead or self._dead):
            return []
        if self._dead < 1 and dead:
            self._since = start
        kept = math.exp(-(dead + rows) / self._memory)
        self._dead, self._all = self._dead * kept + dead, self._all * kept + dead + rows
        if self._dead < 1e-3:
            self._dead = 0.0
        share = self._dead / max(self._all, 1.0)
        if self._model.startswith(UNATTRIBUTED):
            above, below = dead >= LEAST_UNATTRIBUTED, dead < LEAST_UNATTRIBUTED
        else:
            above = bool(exceeds(self._dead, self._all, self._limit))
            below = share < self._limit / 2
        turned = below if self._open else above
        if not turned:
            return []
        self._open = not self._open
        text = (
            f"{dead} elements in one slot cannot be read, of no model that could be told"
            if self._model.startswith(UNATTRIBUTED)
            else f"{percent(share)} of recent elements cannot be read; "
            f"the contract allows {percent(self._limit)}"
        )
        return [
            Finding(
                state="raised" if self._open else "cleared",
                model=self._model,
                feature=None,
                kind="schema",
                detector=self.name,
                severity="page",
                change_point=self._since if self._open else start,
                detected_at=end,
                effect=plain(share),
                effect_unit="rate",
                text=text,
                evidence={"aspect": "unread"},
            )
        ]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "format": FORMAT,
            "detector": "unread",
            "dead": self._dead,
            "all": self._all,
            "since": self._since,
            "open": self._open,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else."""
        check(state, format=FORMAT, detector="unread")
        self._dead, self._all = float(state["dead"]), float(state["all"])
        self._since, self._open = int(state["since"]), bool(state["open"])


def exceeds(bad: Any, total: Any, limit: float) -> Any:
    """Return where bad ones are more than `limit` of the total, and more than luck makes likely."""
    expected = limit * np.asarray(total)
    return (np.asarray(bad) >= LEAST_BAD) & (bad > expected + SURE * expected**0.5)
