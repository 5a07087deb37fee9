"""Whether a model still speaks: silence, and the promised rate. Gaps count, so time does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.contract.types import HOUR
from driftline.detect.silence import Silence
from driftline.detect.state import check
from driftline.detect.volume import Volume

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.detect.protocol import Finding
    from driftline.stats import Pane

FORMAT = 1
USUAL_GAP = 1.5
"""A silence this many times as long as the reference's longest is still taken for usual."""
NEVER = 2**62


class Liveness:
    """Silence and volume of one model, told alike whether time or the next event shows them.

    Call order: `on_slot` for every closed slot that held anything, ascending; between two slots
    `on_time` any number of times, with any low marks, or never. The findings are the same, each
    once; only when they are told differs. Events are predictions once there were any; before that,
    whatever comes.
    """

    def __init__(self, contract: Contract) -> None:
        # A slot that begins before t has been closed once the low mark is this far past t.
        self._behind = contract.lateness + contract.slot
        self._predicts = False
        self._stated = contract.sla.silence
        self._least = max(HOUR, contract.slot)
        self._silence = Silence(contract.model, self._stated or self._least)
        self._volume = Volume(contract.model, contract.slot, contract.sla.min_rate)

    @property
    def allowed_silence(self) -> int:
        """How long the model may be silent, microseconds."""
        return self._silence.allowed

    @property
    def deadline(self) -> int:
        """Low mark (microseconds) at which `on_time` has something to tell if no event comes."""
        next_one = min(self._silence.deadline, self._volume.deadline)
        return next_one + self._behind if next_one < NEVER else NEVER

    def on_slot(self, start: int, end: int, pane: Pane) -> list[Finding]:
        """Take a slot into account; return what it shows of the time before and in it."""
        self._predicts = self._predicts or pane.events.get("prediction", 0) > 0
        events = pane.events.get("prediction", 0) if self._predicts else pane.rows
        findings = self._passed(start)
        if events:
            findings += self._silence.on_events(start, end)
            self._volume.on_events(start, events)
        findings += self._passed(end)
        if self._stated is None and pane.reference is not None:
            # What the reference went through is usual, and promised is nothing.
            usual = int(pane.reference.gap * USUAL_GAP)
            self._silence.allowed = max(self._least, usual)
        return _ordered(findings)

    def on_time(self, low_mark: int) -> list[Finding]:
        """Return what the passing of event time shows: every source has passed `low_mark`."""
        return _ordered(self._passed(low_mark - self._behind))

    def _passed(self, moment: int) -> list[Finding]:
        return [*self._silence.passed(moment), *self._volume.passed(moment)]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "format": FORMAT,
            "detector": "liveness",
            "predicts": self._predicts,
            "silence": self._silence.snapshot(),
            "volume": self._volume.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else."""
        check(state, format=FORMAT, detector="liveness")
        self._predicts = bool(state["predicts"])
        self._silence.restore(state["silence"])
        self._volume.restore(state["volume"])


def _ordered(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: (f.detected_at, f.kind, f.state != "raised"))
