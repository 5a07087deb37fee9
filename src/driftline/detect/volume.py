"""Volume: fewer events than the contract's ``sla.min_rate`` promises."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.contract import Rate

NEVER = 2**62
LEAST_SLOTS = 5


class Volume:
    """Judges whole windows of event time, aligned to the epoch.

    A window is the rate's own period, rounded up to whole slots, and `LEAST_SLOTS` slots at least;
    the count asked for grows with it. The window in which the model's first event falls is judged
    only if that event lies in its first slot. Raised by the first window below the rate, at its
    end; cleared by the first one that keeps it.
    """

    def __init__(self, model: str, slot: int, rate: Rate | None) -> None:
        self._model = model
        self._length = 0
        self._wanted = 0.0
        if rate is not None and rate.count > 0:
            self._length = slot * max(LEAST_SLOTS, math.ceil(rate.per / slot))
            self._wanted = rate.count * self._length / rate.per
        self._start: int | None = None
        self._events = 0
        self._open = False

    @property
    def deadline(self) -> int:
        """Event time at which a window ends that would raise if no more events came."""
        if self._start is None or self._open or self._events >= self._wanted:
            return NEVER
        return self._start + self._length

    def on_events(self, start: int, events: int) -> None:
        """Count a slot's events; `passed(start)` must have been asked before."""
        if not self._wanted:
            return
        if self._start is None:
            first = start // self._length * self._length
            self._start = first if start == first else first + self._length
        if start >= self._start:
            self._events += events

    def passed(self, moment: int) -> Iterator[Finding]:
        """Judge the windows that end at `moment` or before; they hold no more than was counted."""
        while self._start is not None and self._start + self._length <= moment:
            yield from self._judge(self._start + self._length)
            self._events = 0
            self._start += self._length
            if self._open and self._start + self._length <= moment:
                # Empty windows after one that raised tell nothing new: a long gap is one step.
                self._start += (moment - self._start) // self._length * self._length

    def _judge(self, end: int) -> Iterator[Finding]:
        low = self._events < self._wanted
        if low != self._open:
            self._open = low
            yield self._finding("raised" if low else "cleared", end)

    def _finding(self, state: Literal["raised", "cleared"], end: int) -> Finding:
        assert self._start is not None
        window = self._length / 1_000_000
        return Finding(
            state=state,
            model=self._model,
            feature=None,
            kind="volume",
            detector="volume",
            severity="page",
            change_point=self._start,
            detected_at=end,
            effect=plain(self._events / self._wanted) if self._wanted else 1.0,
            effect_unit="of the promised rate",
            text=f"{self._events} events in {window:g} s; the contract promises {self._wanted:g}",
            evidence={"events": self._events, "promised": plain(self._wanted), "window_s": window},
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"start": self._start, "events": self._events, "open": self._open}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._start, self._events = state["start"], state["events"]
        self._open = bool(state["open"])
