"""What follows from what the ledger has joined of a model: how good it is, and who acts on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from driftline.detect.budget import run_of_decisions, run_of_quality, run_of_skew
from driftline.incidents import loop_message, threshold_message
from driftline.ledger.advice import judging_span
from driftline.ledger.decisions import Decisions
from driftline.ledger.exposure import Exposure
from driftline.ledger.loops.watch import Loops
from driftline.ledger.loops.window import LoopWindow
from driftline.ledger.quality import Quality
from driftline.ledger.segments import Sums, gather, most_segments
from driftline.ledger.skew import Plan, Skew, SkewWatch, Tolerance, Tolerances
from driftline.ledger.task import Task
from driftline.ledger.trials import Trials
from driftline.ledger.worth import Worth
from driftline.pipeline.joined import decode_joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from driftline.contract import Contract
    from driftline.detect import Finding
    from driftline.events.frame import Segment
    from driftline.ledger.acts import Acts
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
        self._task = Task.of(contract) if contract.joins else None
        self._quality: Quality | None = None
        self._loops: Loops | None = None
        self._decisions: Decisions | None = None
        self._worth: Worth | None = None
        self._skew: SkewWatch | None = None
        if contract.quality is not None:
            self._quality = Quality(contract, run_of_quality(contract))
            self._loops = Loops(contract)
        if contract.decision is not None:
            arl = run_of_decisions(contract, judging_span(contract))
            self._decisions, self._worth = Decisions(contract, arl), Worth(contract)
        if contract.skew is not None:
            self._skew = SkewWatch(_skew_plan(contract), run_of_skew(contract))
        self._joined_to: dict[str, int] = {}

    @property
    def _parts(self) -> dict[str, Any]:
        """The parts that there are, by name."""
        parts = {
            "quality": self._quality,
            "loops": self._loops,
            "decisions": self._decisions,
            "worth": self._worth,
            "skew": self._skew,
        }
        return {name: each for name, each in parts.items() if each is not None}

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        parts = (self._quality, self._decisions, self._worth, self._skew)
        return min([DONE, *(each.due for each in parts if each is not None)])

    def read(self, body: dict[str, Any]) -> Joined | None:
        """Read a decoded message of joined cells.

        Returns
        -------
        None where it was sent before (a partition closes its slots in ascending order), or was
        summed for what the contract asks for no more.
        """
        if self._task is None:
            return None
        joined = decode_joined(body, self._task, self._contract.span)
        if joined is None:
            return None
        source = str(joined.source)
        if joined.start <= self._joined_to.get(source, NEVER):
            return None
        self._joined_to[source] = joined.start
        return joined

    def step(self, start: int, end: int, cells: Mapping[int, Cell]) -> list[Finding]:
        """Take what was joined in a slot; return what was raised or cleared by it.

        Parameters
        ----------
        cells
            By start of the predictions' window, microseconds.
        """
        findings: list[Finding] = []
        if self._quality is not None:
            findings += map(self._doubted, self._quality.step(start, end, cells))
        if self._decisions is not None:
            acts = {window: _acts(cell) for window, cell in cells.items()}
            findings += self._decisions.step(start, end, {w: a for w, a in acts.items() if a})
        inside = [cell for _, cell in sorted(cells.items())]
        if self._worth is not None and inside:
            trials = self._by_segment(inside, lambda part: part.trials, Trials.empty)
            whole = [cell.trials for cell in inside]
            findings += self._worth.step(start, end, whole, trials)
        if self._skew is not None and inside:
            pairs = Skew.empty()
            for cell in inside:
                pairs.merge(cell.skew)
            by_segment = self._by_segment(inside, lambda part: part.skew, Skew.empty)
            findings += self._skew.step(start, end, pairs, by_segment)
        return findings

    def _by_segment(
        self, cells: Sequence[Cell], of: Callable[[Cell], Sums], nothing: Callable[[], Sums]
    ) -> dict[Segment, Sums]:
        """Return sums over the windows of a slot, by segment."""
        out: dict[Segment, Sums] = {}
        for cell in cells:
            parts = {segment: of(part) for segment, part in cell.segments.items()}
            gather(out, parts, most_segments(self._contract), nothing)
        return out

    def _doubted(self, finding: Finding) -> Finding:
        """Say of quality that is good again where it may be the model's own echo."""
        loops = self._loops
        if finding.state == "raised" or loops is None or not loops.improvement_is_suspect():
            return finding
        return replace(finding, text=f"{finding.text}; but labels seem to follow predictions")

    def tell(self, until: int, out: Output, *, passed: bool, drifted: bool) -> None:
        """Add what is due by a time, microseconds; see `driftline.ledger.quality.Quality.tell`.

        Parameters
        ----------
        drifted
            Whether an incident of drifting inputs is open.
        """
        for each in (self._quality, self._decisions, self._worth):
            if each is not None:
                out.windows.extend(each.tell(until, passed=passed))
        if self._skew is not None:
            out.windows.extend(self._skew.tell(until))
        if self._quality is None or self._loops is None:
            return
        reviews, self._quality.due_reviews = self._quality.due_reviews, []
        out.feedback.extend(threshold_message(each, self._contract) for each in reviews)
        ripe, self._quality.ripe = self._quality.ripe, []
        for window, cell in ripe:
            loop = self._loops.add_window(self._window(window, cell, drifted=drifted))
            if loop is not None:
                out.feedback.append(loop_message(loop, self._contract))

    def _window(self, window: int, cell: Cell, *, drifted: bool) -> LoopWindow:
        counts = cell.counts
        exposed = cell.exposure.by_class() if isinstance(cell.exposure, Exposure) else {}
        return LoopWindow.of(
            window,
            window + self._contract.span,
            cell,
            followed=cell.followed,
            hidden=cell.hidden,
            followed_rows=counts.get("labels that followed", 0),
            overrode_rows=counts.get("labels that did not", 0),
            drifted=drifted,
            exposed=exposed,
        )

    def on_replaced(self, kind: str, at: int) -> None:
        """Take word that the model was retrained, or another deployed; microseconds."""
        if self._loops is None:
            return
        if kind == "retrained":
            self._loops.on_retrained(at)
        else:
            self._loops.on_replaced()

    def on_practice_accepted(self, at: int) -> list[Finding]:
        """Take word that people decide as they should; return what is over with it."""
        return [] if self._decisions is None else self._decisions.renew(at)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "joined_to": self._joined_to,
            "of": self._of,
            "parts": {name: each.snapshot() for name, each in self._parts.items()},
        }

    @property
    def _of(self) -> list[Any]:
        """What cells are of: they cannot be taken up where it is another."""
        return [self._contract.span, self._task is not None and self._task.regression]

    def task_of(self, state: dict[str, Any]) -> Task | None:
        """Return how cells of a snapshot are to be read; None where they are of no use any more."""
        return self._task if state["of"] == self._of else None

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave, part by part: contracts change."""
        self._joined_to = dict(state["joined_to"])
        for name, each in self._parts.items():
            held = state["parts"].get(name)
            if each.can_restore(held):
                each.restore(held)


def _acts(cell: Cell) -> Acts:
    parts = {segment: part.acts for segment, part in cell.segments.items() if part.acts}
    return replace(cell.acts, segments=parts) if parts else cell.acts


def _skew_plan(contract: Contract) -> Plan:
    skew = contract.skew
    assert skew is not None
    return Plan(
        contract.model,
        rate=skew.allowed,
        page_share=skew.page_from,
        span=contract.span,
        tolerances=Tolerances(Tolerance(skew.tolerance)),
        features=frozenset(contract.features or {}),
        segments=most_segments(contract),
    )
