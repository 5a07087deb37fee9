"""Whether labels lie nearer to predictions in one group of rows than in another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.residuals import Residuals
from driftline.ledger.sequences import asymptotic, rates

if TYPE_CHECKING:
    from driftline.ledger.cell import Card

__all__ = ["RUN", "Contrast"]

RUN = 30
"""Windows over which groups are compared; then a comparison begins afresh, so that a loop which
begins late is not thinned out by all that was before it."""
LEAST_RULER = 50
"""Labelled rows of both groups that choose what a small error is, before any are counted by it."""


@dataclass(slots=True)
class _Group:
    """Sums over the rows of one group: their loss, and how many errors are small."""

    rows: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    small: float = 0.0
    measured: float = 0.0

    def add(self, card: Card, ruler: int | None) -> None:
        rows = float(card.rows)
        if rows <= 0 or card.weight <= 0:
            return
        self.rows += rows
        if not isinstance(card, Residuals):
            right = sum(w for (said, label), w in card.confusion.items() if said == label)
            wrong = min(max(1 - right / card.weight, 0.0), 1.0) * rows
            self.total += wrong
            self.squares += wrong
            return
        one = card.weight << UNIT_BITS
        self.total += max(card.absolute / one, 0.0) * rows
        self.squares += max(card.squared / one, 0.0) * rows
        if ruler is not None:
            under = card.errors.weights[np.abs(card.errors.codes) <= ruler].sum()
            self.small += min(max(float(under) / card.weight, 0.0), 1.0) * rows
            self.measured += rows

    @property
    def mean(self) -> float | None:
        """Mean loss; None of no rows."""
        return self.total / self.rows if self.rows > 0 else None


class Contrast:
    """Compares the loss of rows near a prediction (shown, followed) with that of rows far from it.

    The loss is 1 for a wrong class, and the absolute error of a number. Two confidence sequences
    share `alpha`: on the means (`driftline.ledger.sequences`), which needs a hundred rows of each
    group where errors have no bound; and, for numbers, on the share of small errors, which needs
    no moments and tells of a copied label after a few. What is small is the median of the first
    rows, which are not counted themselves.

    Parameters
    ----------
    alpha
        Probability that groups of equal loss are ever told apart, for one run of `RUN` windows.

    Notes
    -----
    Rows count as independent. Holds twenty numbers; a window costs about 1 ms.
    """

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._near, self._far = _Group(), _Group()
        self._numbers = False
        self._ruler: int | None = None
        self._windows = 0
        self._last = False

    def add(self, near: Card, far: Card) -> None:
        """Take the rows of a window, of both groups."""
        if self._windows >= RUN:
            self._last = self.holds
            self._near, self._far, self._windows = _Group(), _Group(), 0
        self._windows += 1
        self._near.add(near, self._ruler)
        self._far.add(far, self._ruler)
        if isinstance(near, Residuals) and isinstance(far, Residuals):
            self._numbers = True
            if self._ruler is None:
                self._ruler = _median(near, far)

    @property
    def gap(self) -> float | None:
        """Mean loss far from the prediction less that near it; None before both have rows."""
        near, far = self._near.mean, self._far.mean
        return None if near is None or far is None else far - near

    @property
    def gap_at_least(self) -> float | None:
        """What is certain of the gap; None before anything is."""
        near, far = self._near, self._far
        if near.rows <= 0 or far.rows <= 0:
            return None
        # Two intervals, and of numbers two tests, share what may go wrong.
        if self._numbers:
            alpha = self._alpha / 4
            high = float(asymptotic(near.rows, near.total, near.squares, alpha=alpha)[1])
            low = float(asymptotic(far.rows, far.total, far.squares, alpha=alpha)[0])
        else:
            alpha = self._alpha / 2
            high = float(rates(near.total, near.rows, alpha=alpha)[1])
            low = float(rates(far.total, far.rows, alpha=alpha)[0])
        return low - high if np.isfinite(low - high) else None

    @property
    def adherence(self) -> float | None:
        """By which part the loss near the prediction is smaller: 1 where labels are copies."""
        near, far = self._near.mean, self._far.mean
        return 1 - near / far if near is not None and far else None

    @property
    def holds(self) -> bool:
        """Whether the loss is smaller near the prediction, for certain, in this run."""
        gap = self.gap
        if gap is None or gap <= 0:
            return False
        surely = self.gap_at_least
        return (surely is not None and surely > 0) or self._small()

    def _small(self) -> bool:
        """Return whether small errors are more frequent near the prediction, for certain."""
        near, far = self._near, self._far
        if near.measured <= 0 or far.measured <= 0:
            return False
        if near.small / near.measured <= far.small / far.measured:
            return False
        total, rows = np.array([near.small, far.small]), np.array([near.measured, far.measured])
        low, high = rates(total, rows, alpha=self._alpha / 4)
        return bool(low[0] > high[1])

    @property
    def certain(self) -> bool:
        """The same of this run or of the one before: it ends with a run that does not say so."""
        return self._last or self.holds

    @property
    def rows(self) -> tuple[int, int]:
        """Rows of this run near the prediction, and far from it."""
        return round(self._near.rows), round(self._far.rows)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the loss over its mean, far from the prediction."""
        far, mean = self._far, self._far.mean
        if not mean:
            return None
        return float(max(far.squares / far.rows - mean**2, 0.0) ** 0.5 / mean)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "near": asdict(self._near),
            "far": asdict(self._far),
            "numbers": self._numbers,
            "ruler": self._ruler,
            "windows": self._windows,
            "last": self._last,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._near, self._far = _Group(**state["near"]), _Group(**state["far"])
        self._numbers, self._ruler = state["numbers"], state["ruler"]
        self._windows, self._last = state["windows"], state["last"]


def _median(near: Residuals, far: Residuals) -> int | None:
    if near.rows + far.rows < LEAST_RULER:
        return None
    both = near.errors + far.errors
    sizes = np.abs(both.codes)
    order = np.argsort(sizes, kind="stable")
    below = np.cumsum(both.weights[order])
    if not below.size or below[-1] <= 0:
        return None
    return int(sizes[order][np.searchsorted(below, below[-1] / 2)])
