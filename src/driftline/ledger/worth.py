"""What acting on a model is worth, told window by window: the verdict as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.time import format_ts
from driftline.events.window_event import window_event
from driftline.ledger.trials import Trials
from driftline.ledger.uplift import Uplift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Contract

__all__ = ["Worth"]

_DONE = 2**62


class Worth:
    """Adds up outcomes as they come, and tells the verdict on them at the end of each window.

    Windows are those of `Contract.span`. The verdict is of all outcomes so far; where none has come
    since it was last told, it stands.
    """

    def __init__(self, contract: Contract) -> None:
        self._model = contract.model
        self._span = contract.span
        self._uplift = Uplift(contract)
        self._due = _DONE

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        return self._due

    def step(self, start: int, end: int, came: Sequence[Trials]) -> None:
        """Take the outcomes that were joined in a slot."""
        whole = Trials.empty()
        for trials in came:
            whole.merge(trials)
        if whole:
            self._uplift.add(start, end, whole)
            self._due = min(self._due, (start // self._span + 1) * self._span)

    def tell(self, until: int, *, passed: bool) -> list[tuple[bytes, bytes]]:  # noqa: ARG002
        """Return messages for the `windows` topic: what is due by a time (microseconds)."""
        if self._due > until or self._due == _DONE:
            return []
        now, self._due = self._due, _DONE
        told = self._uplift.verdict().to_json()
        body = {
            "kind": "uplift",
            "as_of": format_ts(now),
            "model_arm": told.pop("model"),
            **told,
            "model": self._model,
        }
        return [window_event(f"{self._model}|uplift", body, at=now)]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {"due": self._due, "span": self._span, "uplift": self._uplift.snapshot()}

    def can_restore(self, state: dict[str, Any] | None) -> bool:
        """Return whether a state is of a comparison like this one; contracts change."""
        return (
            state is not None
            and state["span"] == self._span
            and self._uplift.can_restore(state["uplift"])
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._due = state["due"]
        self._uplift.restore(state["uplift"])
