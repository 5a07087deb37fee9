"""The holdout slice: where nobody saw the prediction, labels owe it nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.detect.plain import plain
from driftline.ledger.loops.contrast import Contrast
from driftline.ledger.loops.lineage import without

if TYPE_CHECKING:
    from driftline.ledger.loops.window import LoopWindow

__all__ = ["Holdout"]


class Holdout:
    """Compares the loss where the prediction was hidden with that where it was shown.

    Who is held out is drawn at random, so a smaller loss where predictions are shown has no cause
    but that they were: ``D = E[loss | hidden] - E[loss | shown]`` above 0 for certain is a loop,
    whatever else is known, and the true quality is that of the hidden rows.

    Parameters
    ----------
    alpha
        Probability of being certain of what is not so, for one run of `contrast.RUN` windows.
    """

    def __init__(self, alpha: float) -> None:
        self._contrast = Contrast(alpha)
        self._there = False

    def add(self, window: LoopWindow) -> None:
        """Take a window; one without a holdout tells nothing."""
        if window.hidden is None or window.hidden.rows <= 0:
            return
        self._there = True
        self._contrast.add(without(window.card, window.hidden), window.hidden)

    @property
    def suspects(self) -> bool:
        """Whether it makes a loop suspect."""
        return self._contrast.certain

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the hidden rows' loss over its mean."""
        return self._contrast.deviation

    def tell(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        gap, surely = self._contrast.gap, self._contrast.gap_at_least
        if not self._there or gap is None:
            return {"state": "unknown", "why": "no label of a holdout whose prediction was hidden"}
        shown, hidden = self._contrast.rows
        return {
            "state": "told",
            "gap": plain(gap),
            "gap_at_least": None if surely is None else plain(surely),
            "adherence": plain(self._contrast.adherence or 0.0),
            "shown": shown,
            "hidden": hidden,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"there": self._there, "contrast": self._contrast.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._there = state["there"]
        self._contrast.restore(state["contrast"])
