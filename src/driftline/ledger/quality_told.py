"""Messages of quality: a window as a whole, and each of its segments beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.detect.plain import plain
from driftline.events.time import format_ts
from driftline.events.window_event import window_event
from driftline.ledger.segments import about
from driftline.ledger.telling import Calm, Classes, tell

if TYPE_CHECKING:
    from driftline.contract import Quality as Plan
    from driftline.ledger.cell import Cell
    from driftline.ledger.maturity import Maturity

__all__ = ["Telling"]

NO_ALARM = "what is promised is promised of all segments together"


@dataclass(frozen=True, slots=True)
class Telling:
    """What all windows have in common that are told at a time.

    Attributes
    ----------
    now
        That time, microseconds.
    maturity, biased
        How far labels have come, and why early ones are no fair sample: of all segments together.
    no_alarm
        Why a broken promise would wake nobody; None where it would.
    reviewed
        The last review of the threshold.
    """

    model: str
    plan: Plan
    classes: Classes
    calm: Calm | None
    now: int
    maturity: Maturity
    biased: str | None
    no_alarm: str | None
    reviewed: dict[str, Any] | None

    def messages(self, window: int, cell: Cell, *, final: bool) -> list[tuple[bytes, bytes]]:
        """Return a window's message, and one for each segment that has anything in it."""
        end = window + self.plan.span
        age = self.now - end
        never, delay = self.maturity.never, self.maturity.delay(0.5)
        window_of = {
            "start": format_ts(window),
            "end": format_ts(end),
            "as_of": format_ts(self.now),
            "final": final,
            "metric": self.plan.metric,
            "at_least": self.plan.at_least,
            "at_most": self.plan.at_most,
        }
        labels = {
            "maturity": plain(float(self.maturity.coverage(max(age, 0)))),
            "mature": final or bool(age >= 0 and self.maturity.mature(age)),
            "never_labelled": None if never is None else plain(never),
            "label_delay_s": None if delay is None else plain(delay / 1e6),
            "early_labels": self.biased,
        }
        parts = [(segment, part) for segment, part in sorted(cell.segments.items()) if part]
        out = []
        for segment, each in [((), cell), *parts]:
            own = self._of_segment(each) if segment else self._of_whole(each)
            body = {"kind": "quality", "model": self.model, "segment": dict(segment)}
            name = about(f"{self.model}|quality|{window}", segment)
            out.append(window_event(name, body | window_of | own | labels, at=self.now))
        return out

    def _of_whole(self, cell: Cell) -> dict[str, Any]:
        return {
            "no_alarm": self.no_alarm,
            "counts": dict(sorted(cell.counts.items())),
            **tell(cell, self.plan, self.classes, self.calm),
            "threshold": self.reviewed,
        }

    def _of_segment(self, cell: Cell) -> dict[str, Any]:
        # There may be hundreds of them, and of each estimate all scores have to be looked at. How
        # good predictions were in calm windows, and what thresholds brought, is of the whole alone.
        told = tell(cell, self.plan, self.classes, self.calm, [self.plan.metric])
        return {
            "no_alarm": NO_ALARM,
            "counts": dict(sorted(cell.counts.items())),
            **told,
            "concept": None,
            "threshold": None,
        }
