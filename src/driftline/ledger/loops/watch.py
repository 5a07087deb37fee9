"""Whether a model learns from its own echo: the signals of a loop, weighed window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.contract import DAY
from driftline.detect.budget import run_of_loops
from driftline.detect.state import check
from driftline.events.time import format_ts
from driftline.ledger.loops.contrast import RUN
from driftline.ledger.loops.foretell import Foretell
from driftline.ledger.loops.holdout import Holdout
from driftline.ledger.loops.lineage import Lineage
from driftline.ledger.loops.narrowing import Narrowing
from driftline.ledger.loops.spread import Spread
from driftline.ledger.loops.suspected import LoopSuspected, advise, holdout_share

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.ledger.loops.window import LoopWindow

__all__ = ["PERIOD", "Loops"]

FORMAT = 1
PERIOD = 30 * DAY
"""Least time from one telling of a loop to the next."""
WAYS = 4
"""Ways in which a loop can become suspect; they share the budget alike."""
MOST_RETRAINS = 200
"""Retrainings that are remembered."""


class Loops:
    """Watches one model for feedback loops.

    A loop is suspected where one of these holds; the budget (`detect.budget.run_of_loops`) is
    shared by all:

    ``holdout``
        Errors are smaller where the prediction was shown, for certain.
    ``lineage``
        For certain a tenth of the labels or more come from decisions that followed the prediction,
        and these lie nearer to it, for certain: by `lineage.STRONG`, or by less where errors drew
        together as copies make them. Where decisions are but counted: if labels seem to draw
        together with errors.
    ``spread``
        Errors drew together as copies make them, labels lost that variance too, for certain, and
        inputs did not drift. No lineage is needed, but a calm stretch before it.
    ``exposure``
        Recommendations go to fewer items for certain, *and* predictions foretell the inputs of
        later windows. Each by itself is a hint: it is told beside the others, and raises nothing.

    Call order: `on_retrained` and `on_replaced` as they come, `add_window` for each window once
    when its labels are mature, in ascending order of start.

    Parameters
    ----------
    contract
        One that promises quality: its windows are what is looked at.

    Notes
    -----
    What is said of a window depends on the windows before it alone. Bounded: about 300 kB at most,
    2 MB of laws in memory. A window costs 1 to 3 ms, one that teaches what is calm 10 ms.

    References
    ----------
    Khritankov (2021), Hidden feedback loops in machine learning systems: a simulation model and
    preliminary results. Sculley et al. (2015), Hidden technical debt in machine learning systems.
    """

    def __init__(self, contract: Contract) -> None:
        quality = contract.quality
        assert quality is not None
        self._model = contract.model
        self._span = quality.span
        arl = WAYS * run_of_loops(contract)
        alpha = min(RUN / arl, 0.05)
        self._holdout = Holdout(alpha)
        self._lineage = Lineage(alpha)
        self._spread = Spread(arl)
        self._narrowing = Narrowing(arl)
        self._foretell = Foretell()
        self._retrains: list[int] = []
        self._version: str | None = None
        self._to = -(2**62)
        self._since: int | None = None
        self._told: int | None = None
        self._rows: list[int] = []

    def on_retrained(self, at: int, version: str | None = None) -> None:
        """Take note that the model was trained again, on what came meanwhile.

        What is calm stays: a loop goes on over retrainings, which is what makes it one.

        Parameters
        ----------
        at
            Event time, microseconds.
        version
            Of the model from now on, where it is known.
        """
        self._version = version
        self._retrains = [*self._retrains, at][-MOST_RETRAINS:]

    def on_replaced(self) -> None:
        """Begin afresh: another model was deployed, or a drift of inputs has been accepted.

        What was told remains told.
        """
        self._spread.replaced()
        self._narrowing.replaced()

    def add_window(self, window: LoopWindow) -> LoopSuspected | None:
        """Take a window whose labels are mature; return what somebody should hear of.

        A window that is no later than the last one is left out.
        """
        if window.start <= self._to:
            return None
        self._to = window.start
        self._rows = [*self._rows, max(window.card.rows, 0)][-RUN:]
        for signal in (
            self._holdout,
            self._lineage,
            self._spread,
            self._narrowing,
            self._foretell,
        ):
            signal.add(window)
        by = self.by
        if not by:
            self._since = None
            return None
        if self._since is None:
            began = self._spread.began
            self._since = window.start if began is None else began
        if self._told is not None and window.end - self._told < PERIOD:
            return None
        self._told = window.end
        return self._suspected(window, by)

    @property
    def by(self) -> tuple[str, ...]:
        """What makes a loop suspect now, the strongest first; empty where nothing does."""
        ways = {
            "holdout": self._holdout.suspects,
            "lineage": self._lineage.suspects(
                collapsed=self._spread.collapsed, drawn=self._spread.drawn
            ),
            "spread": self._spread.suspects,
            "exposure": self._narrowing.hints and self._foretell.hints,
        }
        return tuple(name for name, holds in ways.items() if holds)

    def improvement_is_suspect(self) -> bool:
        """Return whether a rise of quality must not be told as an improvement.

        So where a loop is suspected; and already where errors drew together as copies make them:
        for `spread.DOUBT` windows in any case, then for as long as labels seem to do so, too. An
        improvement of that kind is told so many windows late.
        """
        return bool(self.by) or self._spread.doubtful

    def signals(self) -> dict[str, Any]:
        """Return what each signal says, as JSON values."""
        return {
            "lineage": self._lineage.tell(),
            "holdout": self._holdout.tell(),
            "spread": self._spread.tell(),
            "foretell": self._foretell.tell(),
            "narrowing": self._narrowing.tell(),
        }

    def _suspected(self, window: LoopWindow, by: tuple[str, ...]) -> LoopSuspected:
        rows = sum(self._rows) / len(self._rows) * PERIOD / self._span
        share = holdout_share(rows, self._holdout.deviation)
        signals = self.signals()
        held_out = signals["holdout"]["state"] == "told"
        assert self._since is not None
        retrains = sum(at > self._since for at in self._retrains)
        return LoopSuspected(
            model=self._model,
            at=window.end,
            since=self._since,
            by=by,
            retrains=retrains,
            version=self._version,
            signals=signals,
            text=_words(by, signals, self._since, retrains),
            advice=advise(by, share, held_out=held_out),
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "span": self._span,
            "holdout": self._holdout.snapshot(),
            "lineage": self._lineage.snapshot(),
            "spread": self._spread.snapshot(),
            "narrowing": self._narrowing.snapshot(),
            "foretell": self._foretell.snapshot(),
            "retrains": self._retrains,
            "version": self._version,
            "to": self._to,
            "since": self._since,
            "told": self._told,
            "rows": self._rows,
        }

    def can_restore(self, state: dict[str, Any] | None) -> bool:
        """Return whether a state is of windows like these; contracts change."""
        return state is not None and state["span"] == self._span

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else."""
        check(state, format=FORMAT, span=self._span)
        self._holdout.restore(state["holdout"])
        self._lineage.restore(state["lineage"])
        self._spread.restore(state["spread"])
        self._narrowing.restore(state["narrowing"])
        self._foretell.restore(state["foretell"])
        self._retrains, self._rows = list(state["retrains"]), list(state["rows"])
        self._version = state["version"]
        self._to, self._since, self._told = state["to"], state["since"], state["told"]


def _words(by: tuple[str, ...], signals: dict[str, Any], since: int, retrains: int) -> str:
    """Say in one line what speaks for a loop."""
    said = []
    if "holdout" in by:
        gap = signals["holdout"]["gap"]
        said.append(f"the mean loss is {gap:.4g} larger where predictions are hidden")
    if "lineage" in by:
        lineage = signals["lineage"]
        line = f"{lineage['usage']:.0%} of the labels followed the prediction"
        if lineage["adherence"] is not None:
            line += f" and lie {lineage['adherence']:.0%} nearer to it"
        said.append(line)
    spread = signals["spread"]
    if spread.get("errors_drew_together"):
        part = spread["label_variance_lost"] / spread["label_variance_before"]
        said.append(f"errors drew together, and labels lost {part:.0%} of their variance")
    if "exposure" in by:
        lost = signals["narrowing"]["effective_items_lost"]
        said.append(f"{lost:.0%} fewer items in effect are recommended, and inputs follow suit")
    often = f", over {retrains} retrainings" if retrains else ""
    return f"labels seem to follow predictions since {format_ts(since)}{often}: " + "; ".join(said)
