"""What follows from what the ledger has joined of one model: how good its predictions are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.detect.budget import run_of_quality
from driftline.incidents import threshold_message
from driftline.ledger.quality import Quality
from driftline.ledger.task import Task
from driftline.pipeline.joined import decode_joined

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.detect import Finding
    from driftline.ledger.cell import Cell
    from driftline.pipeline.joined import Joined
    from driftline.pipeline.output import Output

__all__ = ["FollowUp"]

NEVER = -(2**62)
DONE = 2**62


class FollowUp:
    """Takes joined cells slot by slot. A contract that asks for no join makes one that is idle."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._task = None if contract.quality is None else Task.of(contract)
        self._quality: Quality | None = None
        if contract.quality is not None:
            self._quality = Quality(contract, run_of_quality(contract))
        self._joined_to: dict[str, int] = {}

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        return DONE if self._quality is None else self._quality.due

    def read(self, body: dict[str, Any]) -> Joined | None:
        """Read a decoded message of joined cells.

        Returns
        -------
        None where it was sent before (a partition closes its slots in ascending order), or was
        summed for what the contract asks for no more.
        """
        quality = self._contract.quality
        if self._task is None or quality is None:
            return None
        joined = decode_joined(body, self._task, quality.span)
        if joined is None:
            return None
        source = str(joined.source)
        if joined.start <= self._joined_to.get(source, NEVER):
            return None
        self._joined_to[source] = joined.start
        return joined

    def step(self, start: int, end: int, cells: dict[int, Cell]) -> list[Finding]:
        """Take what was joined in a slot; return what was raised or cleared by it."""
        return [] if self._quality is None else self._quality.step(start, end, cells)

    def tell(self, until: int, out: Output, *, passed: bool) -> None:
        """Add what is due by a time, microseconds; see `driftline.ledger.quality.Quality.tell`."""
        if self._quality is None:
            return
        out.windows.extend(self._quality.tell(until, passed=passed))
        reviews, self._quality.due_reviews = self._quality.due_reviews, []
        out.feedback.extend(threshold_message(each, self._contract) for each in reviews)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "joined_to": self._joined_to,
            "quality": None if self._quality is None else self._quality.snapshot(),
        }

    def task_of(self, state: dict[str, Any]) -> Task | None:
        """Return how cells of a snapshot are to be read; None where they are of no use any more."""
        same = self._quality is not None and self._quality.can_restore(state["quality"])
        return self._task if same else None

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._joined_to = dict(state["joined_to"])
        if self._quality is not None and self._quality.can_restore(state["quality"]):
            self._quality.restore(state["quality"])
