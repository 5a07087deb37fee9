"""How long predictions without a label have waited, where only their window is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.ledger.delays import BINS, EDGES, Delays
from driftline.ledger.maturity import Maturity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.ledger.pairs import Floats, Integers

ROUNDS = 12
"""Times that ages are worked out anew, at most."""
SETTLED = 1e-4
"""Change of the share that is never labelled below which another round tells nothing."""


class Waiting(NamedTuple):
    """Predictions of one window and class that have no label: ages in microseconds."""

    name: str
    youngest: int
    oldest: int
    rows: int


def follow(delays: Delays, waiting: Sequence[Waiting], horizon: int) -> tuple[Maturity, Delays]:
    """Return the maturity of labels, and the delays that it was read from.

    A window's predictions were made evenly over it, and those still without a label are mostly its
    youngest: at each age as many as labels leave over then. How many these are is what is asked, so
    ages and shares are worked out in turns, from ages spread evenly (Turnbull 1976, the
    self-consistent estimate). That half a window's age were the age of all would take young
    predictions for such as never get a label.
    """
    found: Maturity | None = None
    whole = delays
    for _ in range(ROUNDS if waiting else 1):
        left = np.ones(BINS) if found is None else 1 - (found.share[1:] + found.share[:-1]) / 2
        ages: dict[str, tuple[list[int], list[int]]] = {}
        for one in waiting:
            at, rows = _spread(one, left)
            held = ages.setdefault(one.name, ([], []))
            held[0].extend(EDGES[at].tolist())
            held[1].extend(rows[at].tolist())
        whole = Delays()
        whole.merge(delays)
        whole.merge(Delays.still({n: (np.array(a), np.array(c)) for n, (a, c) in ages.items()}))
        before, found = found, Maturity.of(whole, horizon)
        if before is not None and abs(found.share[-1] - before.share[-1]) < SETTLED:
            break
    assert found is not None
    return found, whole


def _spread(one: Waiting, left: Floats) -> tuple[Integers, Integers]:
    """Return bins of age that hold rows of a window, and the rows of all bins, whole numbers."""
    low, high = np.maximum(EDGES[:-1], one.youngest), np.minimum(EDGES[1:], one.oldest)
    mass = np.cumsum(np.maximum(high - low, 0) * np.maximum(left, 1e-9))
    if mass[-1] <= 0:
        last = int(np.searchsorted(EDGES, one.oldest, side="right")) - 1
        mass[min(max(last, 0), BINS - 1) :] = 1.0
    rows = np.diff(np.rint(mass / mass[-1] * one.rows), prepend=0.0).astype(np.int64)
    return np.flatnonzero(rows), rows
