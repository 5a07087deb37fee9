"""Silence: no events for longer than the contract allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from driftline.detect.protocol import Finding
from driftline.events.time import format_ts

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = 2**62
_SECOND = 1_000_000


class Silence:
    """Raised at the last event's slot end plus `allowed`, cleared at the next event's slot start.

    Parameters
    ----------
    allowed
        Microseconds; longer: fewer alarms about quiet nights, and later ones. It may change between
        slots.
    """

    def __init__(self, model: str, allowed: int) -> None:
        self._model = model
        self.allowed = allowed
        self._last_end: int | None = None
        self._open = False

    @property
    def deadline(self) -> int:
        """Event time (microseconds) at which silence begins if no event comes."""
        if self._last_end is None or self._open:
            return NEVER
        return self._last_end + self.allowed

    def passed(self, moment: int) -> Iterator[Finding]:
        """Tell that no slot before `moment`, beside those shown, held an event."""
        deadline = self.deadline
        if moment >= deadline and self._last_end is not None:
            self._open = True
            yield self._finding("raised", self._last_end, deadline)

    def on_events(self, start: int, end: int) -> Iterator[Finding]:
        """Take a slot with events; `passed(start)` must have been asked before."""
        if self._open:
            self._open = False
            yield self._finding("cleared", start, start)
        self._last_end = end

    def _finding(self, state: Literal["raised", "cleared"], since: int, at: int) -> Finding:
        last = self._last_end if self._last_end is not None else since
        lasted = (at - last) / _SECOND
        text = f"no events for {lasted:g} s, since {format_ts(last)}"
        if state == "cleared":
            text = f"events again after {lasted:g} s without any"
        return Finding(
            state=state,
            model=self._model,
            feature=None,
            kind="silence",
            detector="silence",
            severity="page",
            change_point=since,
            detected_at=at,
            effect=lasted,
            effect_unit="seconds without events",
            text=text,
            evidence={"last_event_before": format_ts(last)},
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"last_end": self._last_end, "open": self._open, "allowed": self.allowed}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._last_end, self._open = state["last_end"], bool(state["open"])
        self.allowed = int(state["allowed"])
