"""Lineage: labels whose decision followed the prediction, and whether they agree with it more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.detect.plain import plain
from driftline.ledger.counts import Counts
from driftline.ledger.loops.contrast import RUN, Contrast
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.sequences import rates

if TYPE_CHECKING:
    from driftline.ledger.cell import Card
    from driftline.ledger.loops.window import LoopWindow

__all__ = ["LEAST_USAGE", "STRONG", "Lineage", "without"]

LEAST_USAGE = 0.1
"""Share of labels with a decision that followed the prediction below which there is no loop to
speak of: labels of the rest outweigh them in any training."""
STRONG = 0.7
"""Adherence that is told without anything else. A person who overrides what looks wrong makes the
other errors smaller, too: where the worst fifth of normal errors is overridden, by 0.68 if all
picks are right, and by 0.47 if half of them are."""


class Lineage:
    """Counts how many labels come from decisions that followed the prediction.

    They are counts, no test of cause: following a forecast need not change what is forecast. So
    usage makes a loop suspect only together with

    - labels that lie nearer where the prediction was followed, for certain, and by `STRONG` or more
      (or by anything, once errors drew together as copied labels make them: `loops.collapse`); or
    - where sums are not kept apart by decision, labels that drew together with errors as far as one
      can see (`loops.spread`).

    Parameters
    ----------
    alpha
        Probability of being certain of what is not so, for one run of `contrast.RUN` windows.
    """

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha / 2
        self._contrast = Contrast(alpha / 2)
        self._followed = self._labelled = self._known = 0
        self._windows = 0
        self._parted = False

    def add(self, window: LoopWindow) -> None:
        """Take a window."""
        if self._windows >= RUN:
            self._followed = self._labelled = self._known = self._windows = 0
        self._windows += 1
        self._followed += max(window.followed_rows, 0)
        self._known += max(window.followed_rows, 0) + max(window.overrode_rows, 0)
        self._labelled += max(window.card.rows, window.followed_rows, 0)
        if window.followed is not None:
            self._parted = True
            self._contrast.add(window.followed, without(window.card, window.followed))

    @property
    def usage(self) -> float | None:
        """Share of labels whose decision followed the prediction; None where no decision came."""
        return self._followed / self._labelled if self._known and self._labelled else None

    @property
    def used(self) -> bool:
        """Whether usage is at least `LEAST_USAGE`, for certain."""
        if not self._known or not self._labelled:
            return False
        return bool(rates(self._followed, self._labelled, alpha=self._alpha)[0] >= LEAST_USAGE)

    @property
    def adherence(self) -> float | None:
        """As `Contrast.adherence`, of rows that followed and the rest; None where not known."""
        return self._contrast.adherence if self._parted else None

    def suspects(self, *, collapsed: bool, drawn: bool) -> bool:
        """Return whether it makes a loop suspect.

        Parameters
        ----------
        collapsed
            Whether errors drew together as copied labels make them do.
        drawn
            Whether labels seem to have drawn together with them.
        """
        if not self.used:
            return False
        if not self._parted:
            return drawn
        return self._contrast.certain and (collapsed or (self.adherence or 0.0) >= STRONG)

    def tell(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        usage, adherence = self.usage, self.adherence
        if usage is None:
            return {"state": "unknown", "why": "no decision is known of any label"}
        return {
            "state": "told",
            "usage": plain(usage),
            "labels": self._labelled,
            "decisions_known": self._known,
            "adherence": None if adherence is None else plain(adherence),
            "nearer_for_certain": self._contrast.certain if self._parted else None,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        counts = [self._followed, self._labelled, self._known, self._windows, self._parted]
        return {"counts": counts, "contrast": self._contrast.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._followed, self._labelled, self._known, self._windows, self._parted = state["counts"]
        self._contrast.restore(state["contrast"])


def without(card: Card, part: Card) -> Card:
    """Return a card less some of its rows; exact, as sums are whole numbers.

    Of a `Scorecard` only the confusion is kept: its losses need no more.
    """
    if isinstance(card, Residuals) and isinstance(part, Residuals):
        errors = Counts(part.errors.codes, -part.errors.weights, part.errors.coarse)
        return Residuals(
            rows=card.rows - part.rows,
            weight=card.weight - part.weight,
            relative_weight=card.relative_weight - part.relative_weight,
            error=card.error - part.error,
            absolute=card.absolute - part.absolute,
            squared=card.squared - part.squared,
            relative=card.relative - part.relative,
            label=card.label - part.label,
            label_squared=card.label_squared - part.label_squared,
            errors=card.errors + errors,
        )
    if isinstance(card, Scorecard) and isinstance(part, Scorecard):
        confusion = dict(card.confusion)
        for cell, weight in part.confusion.items():
            confusion[cell] = confusion.get(cell, 0) - weight
        return Scorecard(card.rows - part.rows, confusion)
    msg = f"loops: expected sums of one kind, got {type(card).__name__}, {type(part).__name__}"
    raise TypeError(msg)
