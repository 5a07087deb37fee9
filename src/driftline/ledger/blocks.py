"""Gains of metrics that single rows do not have: AUC, and averages over many classes.

The metric of a block of rows is an unbiased estimate of the metric itself, and lies in [0, 1]: AUC
as a U-statistic of the positives and negatives in it (Hoeffding 1948), precision and recall because
the rows of each class, however many, are each right with that class's own probability. So a block
is one row that gains ``bound - metric``. Pairs are kept until they make up a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.ledger.gains import Stake, Unlearning, ratio

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers
    from driftline.ledger.reading import Reading
    from driftline.ledger.scorecard import ScoreTable

RARER = 8
"""Positives, and negatives, of a block. Fewer waste what ranks tell; more, and a single bet could
not win what a large loss of AUC has to give."""
MOST_BLOCKS = 64
"""Blocks that one step is cut into at most."""
EACH_CLASS = 5
"""Rows of each class in a block of a macro average."""


class Areas:
    """AUC of the positive class, or the average over classes of each one against the rest.

    Rows of a step come in no order, so they are dealt out at random to as many blocks as they fill.
    Of many classes the tables do not tell which probabilities stood in one row: all is one block.
    A row that is taken back after its block was told cannot be unsaid; it is left out.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self.least = bound - 1
        self.slow = 0.8
        self._steps = 0

    def read(self, of: Reading, scale: float) -> Stake | None:
        """Return what some pairs say; None until they fill a block."""
        tables = [of.table] if of.binary else list(of.tables.values())
        sides = [_both_sides(table, scale) for table in tables]
        rarer = min((side.sum() for both in sides for side in both), default=0.0)
        blocks = min(int(round(rarer, 6) / RARER), MOST_BLOCKS if of.binary else 1)
        if not blocks:
            return None
        rng = np.random.default_rng(self._steps)
        self._steps += 1
        areas = np.mean(
            [
                _areas(table.codes, *both, blocks, rng)
                for table, both in zip(tables, sides, strict=True)
            ],
            axis=0,
        )
        weight = rarer / blocks
        return Stake(
            self._bound - areas, np.ones(blocks), float(areas.sum() * weight), blocks * weight
        )

    def snapshot(self) -> dict[str, Any]:
        """Return how often rows were dealt: the seed of the next deal."""
        return {"steps": self._steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._steps = int(state["steps"])


def _both_sides(table: ScoreTable, scale: float) -> tuple[Floats, Floats]:
    return np.maximum(table.absent, 0) * scale, np.maximum(table.present, 0) * scale


def _areas(
    codes: Integers, absent: Floats, present: Floats, blocks: int, rng: np.random.Generator
) -> Floats:
    """Return the AUC of each block, shape (blocks,)."""
    out = np.empty(blocks)
    low, low_weight = _dealt(codes, absent, rng)
    high, high_weight = _dealt(codes, present, rng)
    for block in range(blocks):
        lower = low[block::blocks]
        order = np.argsort(lower, kind="stable")
        below = np.concatenate([[0.0], np.cumsum(low_weight[block::blocks][order])])
        higher, weight = high[block::blocks], high_weight[block::blocks]
        lower = lower[order]
        wins = (
            below[np.searchsorted(lower, higher)] + below[np.searchsorted(lower, higher, "right")]
        )
        out[block] = (wins * weight).sum() / (2 * below[-1] * weight.sum())
    return out


def _dealt(codes: Integers, rows: Floats, rng: np.random.Generator) -> tuple[Integers, Floats]:
    """Return single rows, shuffled, with their weights: 1, or what is left to a fraction."""
    # Rows of one weight come as whole numbers, up to rounding.
    whole = np.ceil(np.round(rows, 6)).astype(np.int64)
    order = rng.permutation(int(whole.sum()))
    weight = np.repeat(rows / np.maximum(whole, 1), whole)
    return np.repeat(codes, whole)[order], weight[order]


class Averages(Unlearning):
    """Precision or recall, averaged over many classes.

    A class that is never predicted has no precision, and one that never comes no recall: while
    there is such a one the average says nothing, and its rows stay `Promised.waiting`.
    """

    def __init__(self, metric: str, bound: float) -> None:
        self._metric, self._bound = metric, bound
        self.least = bound - 1
        self.slow = 0.1 / bound

    def read(self, of: Reading, scale: float) -> Stake | None:
        """Return what some pairs say; None until each class has its rows."""
        each = [ratio(self._metric, sums) for sums in of.sums.values()]
        rows = min((whole for _, whole in each), default=0) * scale
        if rows < EACH_CLASS:
            return None
        value = float(np.mean([right / whole for right, whole in each]))
        value = min(max(value, 0.0), 1.0)
        return Stake(np.array([self._bound - value]), np.ones(1), value * rows, rows)
