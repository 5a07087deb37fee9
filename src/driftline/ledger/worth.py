"""What acting on a model is worth, told window by window: the verdict as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
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
    since it was last told, it stands. ``worse`` is a finding while it is the verdict: nobody has to
    get up for it, but somebody should hear of it.
    """

    def __init__(self, contract: Contract) -> None:
        self._model = contract.model
        self._span = contract.span
        self._uplift = Uplift(contract)
        self._due = self._judged_at = _DONE
        self._worse = False

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        return self._due

    def step(self, start: int, end: int, came: Sequence[Trials]) -> list[Finding]:
        """Take the outcomes that were joined in a slot; return what follows from those before."""
        findings = self._judge(end) if start >= self._judged_at else []
        whole = Trials.empty()
        for trials in came:
            whole.merge(trials)
        if whole:
            self._uplift.add(start, end, whole)
            ends = (start // self._span + 1) * self._span
            self._due, self._judged_at = min(self._due, ends), min(self._judged_at, ends)
        return findings

    def _judge(self, end: int) -> list[Finding]:
        """Raise or clear at the first outcomes after the end of a window."""
        self._judged_at = _DONE
        verdict = self._uplift.verdict()
        worse = verdict.answer == "worse"
        if worse == self._worse:
            return []
        self._worse = worse
        return [
            Finding(
                state="raised" if worse else "cleared",
                model=self._model,
                feature=None,
                kind="decision",
                detector="uplift",
                severity="notice",
                change_point=self._uplift.since,
                detected_at=end,
                effect=plain(verdict.effect or 0.0) if worse else 0.0,
                effect_unit="outcome per decision",
                text=verdict.text,
                log_e=None,
                evidence={"verdict": verdict.to_json()},
            )
        ]

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
        return {
            "due": self._due,
            "judged_at": self._judged_at,
            "worse": self._worse,
            "span": self._span,
            "uplift": self._uplift.snapshot(),
        }

    def can_restore(self, state: dict[str, Any] | None) -> bool:
        """Return whether a state is of a comparison like this one; contracts change."""
        return (
            state is not None
            and state["span"] == self._span
            and "judged_at" in state
            and self._uplift.can_restore(state["uplift"])
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._due, self._judged_at = state["due"], state["judged_at"]
        self._worse = state["worse"]
        self._uplift.restore(state["uplift"])
