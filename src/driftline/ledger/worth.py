"""What acting on a model is worth, told window by window: the verdict as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.events.frame import segment_of
from driftline.events.time import format_ts
from driftline.events.window_event import window_event
from driftline.ledger.segments import about, most_segments
from driftline.ledger.trials import Trials
from driftline.ledger.uplift import Uplift
from driftline.stats.segments import OTHER_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.contract import Contract
    from driftline.events.frame import Segment

__all__ = ["Worth"]

_DONE = 2**62
_NO_PARTS: Mapping[Segment, Trials] = {}


class Worth:
    """Adds up outcomes as they come, and tells the verdict on them at the end of each window.

    Windows are those of `Contract.span`. The verdict is of all outcomes so far; where none has come
    since it was last told, it stands. ``worse`` is a finding while it is the verdict: nobody has to
    get up for it, but somebody should hear of it.

    Each segment has a verdict of its own beside the whole's, of the outcomes in that segment. The
    verdicts of all segments have one chance of a wrong claim between them, as large as the whole's
    (`driftline.ledger.uplift.ALPHA`), and each the same part of it, however many there are: that
    acting is better in one segment may be believed though twenty were looked at. Of more segments
    the first to come have verdicts, and all others one together: to begin more of them would be to
    claim more. What a slot has put together with others already (`Cell`) counts there.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._model = contract.model
        self._span = contract.span
        self._uplift = Uplift(contract)
        self._most = most_segments(contract)
        self._segments: dict[Segment, Uplift] = {}
        self._news: set[Segment] = set()
        self._due = self._judged_at = _DONE
        self._worse = False

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        return self._due

    def step(
        self,
        start: int,
        end: int,
        came: Sequence[Trials],
        parts: Mapping[Segment, Trials] = _NO_PARTS,
    ) -> list[Finding]:
        """Take the outcomes that were joined in a slot; return what follows from those before.

        Parameters
        ----------
        parts
            The same by segment.
        """
        findings = self._judge(end) if start >= self._judged_at else []
        whole = Trials.empty()
        for trials in came:
            whole.merge(trials)
        if whole:
            self._uplift.add(start, end, whole)
        own: dict[Segment, Trials] = {}
        for segment, trials in sorted(parts.items()):
            if trials:
                own.setdefault(self._told_as(segment), Trials.empty()).merge(trials)
        for segment, trials in own.items():
            self._segments[segment].add(start, end, trials)
        self._news |= own.keys()
        if whole or own:
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

    def _told_as(self, segment: Segment) -> Segment:
        """Return the segment that outcomes of a segment are told of."""
        apart = len(self._segments.keys() - {OTHER_SEGMENT})
        if segment not in self._segments and apart >= self._most:
            segment = OTHER_SEGMENT
        if segment not in self._segments:
            self._segments[segment] = self._new()
        return segment

    def _new(self) -> Uplift:
        return Uplift(self._contract, part=1 / (self._most + 1))

    def tell(self, until: int, *, passed: bool) -> list[tuple[bytes, bytes]]:  # noqa: ARG002
        """Return messages for the `windows` topic: what is due by a time (microseconds)."""
        if self._due > until or self._due == _DONE:
            return []
        now, self._due = self._due, _DONE
        out = [self._message((), self._uplift, now)]
        out += [self._message(each, self._segments[each], now) for each in sorted(self._news)]
        self._news.clear()
        return out

    def _message(self, segment: Segment, uplift: Uplift, now: int) -> tuple[bytes, bytes]:
        told = uplift.verdict().to_json()
        body = {
            "kind": "uplift",
            "segment": dict(segment),
            "as_of": format_ts(now),
            "model_arm": told.pop("model"),
            **told,
            "model": self._model,
        }
        return window_event(about(f"{self._model}|uplift", segment), body, at=now)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "due": self._due,
            "judged_at": self._judged_at,
            "worse": self._worse,
            "span": self._span,
            "uplift": self._uplift.snapshot(),
            "segments": [[name, each.snapshot()] for name, each in self._segments.items()],
            "news": sorted(self._news),
            "most": self._most,
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
        """Take up what `snapshot` gave.

        Segments begin afresh where the contract tells another number of them apart: a verdict's
        chance of a wrong claim is fixed when it begins.
        """
        self._due, self._judged_at = state["due"], state["judged_at"]
        self._worse = state["worse"]
        self._uplift.restore(state["uplift"])
        if state.get("most") != self._most:
            return  # also a state of before there were segments
        for name, held in state["segments"]:
            uplift = self._segments[segment_of(name)] = self._new()
            uplift.restore(held)
        self._news = {segment_of(each) for each in state["news"]}
