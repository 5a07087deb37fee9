"""Recommendations that go to ever fewer items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.detect.plain import plain
from driftline.ledger.loops.fallen import fallen, inertia

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.ledger.loops.window import LoopWindow

__all__ = ["Exposed", "Narrowing", "exposed"]

CALM_WINDOWS = 20
"""Windows that later ones are compared with."""
MOST_WINDOWS = 60
"""Later windows that are remembered, and may be where it began."""
LEAST_EXPOSED = 100
"""Recommendations below which a window says nothing of how they spread."""
LEAST_FALL = 0.1
"""Part of the items in effect that must be lost: a catalogue is never quite the same."""


class Exposed(NamedTuple):
    """How recommendations spread over items.

    Attributes
    ----------
    effective
        Items in effect: as many equally frequent ones would have the same entropy.
    gini
        From 0, all alike, to 1, all to one of many.
    items
        Different items.
    """

    effective: float
    gini: float
    items: int


def exposed(counts: Mapping[str, int]) -> Exposed | None:
    """Return how recommendations spread; None of fewer than `LEAST_EXPOSED`.

    The entropy is freed of what few rows take off it, by Miller (1955), Note on the bias of
    information estimates: roughly, where most items come several times.
    """
    rows = np.sort(np.array([count for count in counts.values() if count > 0], dtype=np.float64))
    total = float(rows.sum())
    if total < LEAST_EXPOSED:
        return None
    share = rows / total
    entropy = -float(share @ np.log(share)) + (rows.size - 1) / (2 * total)
    place = np.arange(1, rows.size + 1)
    gini = float((2 * place - rows.size - 1) @ share) / rows.size
    return Exposed(float(np.exp(entropy)), gini, int(rows.size))


class Narrowing:
    """Tells when fewer items in effect are recommended than in the first windows.

    An e-detector: the sum over all windows that it may have begun with of the evidence that the
    items in effect have fallen since (`fallen`, freed of the memory that calm windows show). It is
    a hint: catalogues shrink and fashions come without any loop. What is told beside it are the
    Gini coefficient and the number of items.

    Parameters
    ----------
    arl
        Mean number of windows to a false alarm, at least, where windows are normal about a level.
    """

    def __init__(self, arl: float) -> None:
        self._goal = float(np.log(arl))
        self.replaced()

    def replaced(self) -> None:
        """Learn what is usual anew."""
        self._calm: list[Exposed] = []
        self._later: list[Exposed] = []
        self.evidence = -np.inf

    def add(self, window: LoopWindow) -> None:
        """Take a window; one of few recommendations is left out."""
        found = exposed(window.exposed)
        if found is None:
            return
        if len(self._calm) < CALM_WINDOWS:
            self._calm.append(found)
            return
        self._later = [*self._later, found][-MOST_WINDOWS:]
        before, later = (
            np.log([each.effective for each in side]) for side in (self._calm, self._later)
        )
        stiff = inertia(before)
        starts = [fallen(before, later[at:], stiff=stiff) for at in range(later.size)]
        self.evidence = float(np.logaddexp.reduce(starts)) - self._goal

    @property
    def hints(self) -> bool:
        """Whether fewer items are recommended for certain, and by more than a little."""
        if self.evidence < 0 or not self._later:
            return False
        lost = self._lost
        return lost is not None and lost >= LEAST_FALL

    @property
    def _lost(self) -> float | None:
        """Part of the items in effect that the last windows lost."""
        if not self._later:
            return None
        before = np.mean([each.effective for each in self._calm])
        now = np.mean([each.effective for each in self._later[-5:]])
        return float(1 - now / before)

    def tell(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        lost = self._lost
        if lost is None:
            return {"state": "unknown", "why": "too few windows with recommended items"}
        first, last = self._calm[0], self._later[-1]
        return {
            "state": "told",
            "effective_items_lost": plain(lost),
            "gini": [plain(first.gini), plain(last.gini)],
            "items": [first.items, last.items],
            "log_e": plain(self.evidence) if np.isfinite(self.evidence) else None,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "calm": [list(each) for each in self._calm],
            "later": [list(each) for each in self._later],
            "evidence": self.evidence if np.isfinite(self.evidence) else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._calm = [Exposed(*each) for each in state["calm"]]
        self._later = [Exposed(*each) for each in state["later"]]
        self.evidence = -np.inf if state["evidence"] is None else state["evidence"]
