"""What the reference allows: laws, their uncertainty, and tolerances, as arrays over columns."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.detect.betting import Floats
    from driftline.stats import Column, Reference

NUMERIC_TOLERANCE = 0.1
CATEGORICAL_TOLERANCE = 0.05
MISSING_TOLERANCE = 0.02
UNSEEN_TOLERANCE = 0.005

SLACK = 0.1
"""Share of the tolerance that counts as no change at all in the bets. The whole of it is asked for
again before a page, so this only keeps bets off what would never be one; at 1 the delays double."""
CERTAINTY = 2.5
"""Standard errors of the reference that a bet grants it."""

_NORMAL = NormalDist()
_FAR = 8.0


@dataclass(frozen=True)
class Tolerances:
    """Changes below these are not worth a page.

    Attributes
    ----------
    numeric
        Reference standard deviations, on the scale of normal scores.
    categorical
        Total variation.
    missing, unseen
        Differences of rates.
    """

    numeric: float = NUMERIC_TOLERANCE
    categorical: float = CATEGORICAL_TOLERANCE
    missing: float = MISSING_TOLERANCE
    unseen: float = UNSEEN_TOLERANCE


@dataclass(frozen=True)
class Laws:
    """The reference as a better sees it; all arrays have one row or entry for each column.

    Attributes
    ----------
    interior
        Probabilities of the interior bins among seen values, padding 0.
    score, score_edges
        Normal score of each bin (mean over the bin) and of its edges; categoricals by mid-rank.
    tolerance
        Of values: reference sd or total variation; shape (columns,).
    margin_fixed, margin_learnt
        Chi distance from the reference that its own size and the slack explain.
    missing, missing_up, missing_down, unseen, unseen_up
        Rates in the reference and the ends of what is taken as no change.
    judges_unseen
        False where a value cannot be unseen (booleans, open categoricals).
    farthest
        Normal score of the reference's extremes.
    rows
        Seen values in the reference, as independent ones.
    """

    columns: tuple[Column, ...]
    interior: Floats
    score: Floats
    score_edges: Floats
    tolerance: Floats
    margin_fixed: Floats
    margin_learnt: Floats
    missing: Floats
    missing_up: Floats
    missing_down: Floats
    unseen: Floats
    unseen_up: Floats
    judges_unseen: npt.NDArray[np.bool_]
    farthest: Floats
    rows: Floats


def read_laws(reference: Reference, contract: Contract, tolerances: Tolerances) -> Laws:
    """Work out what a reference allows, column by column."""
    columns = reference.columns
    count, bins = len(columns), max(c.bins for c in columns)
    interior, score = np.zeros((count, bins)), np.zeros((count, bins))
    edges = np.full((count, bins + 1), _FAR)
    tolerance, fixed, learnt = np.empty(count), np.empty(count), np.empty(count)
    missing, up, down = np.empty(count), np.empty(count), np.empty(count)
    unseen, unseen_up, rows = np.zeros(count), np.ones(count), np.empty(count)
    judges = np.zeros(count, dtype=np.bool_)
    farthest = np.empty(count)
    a_slot = reference.events / reference.slots if reference.slots else 1.0
    for i, column in enumerate(columns):
        inside = column.counts[: column.bins].astype(np.float64)
        present, absent = float(inside.sum()), float(column.counts[-1])
        # Rows that depend on one another tell less: as many independent ones as carry as much.
        worth = 1 / ((1 + max(0.0, a_slot - 1) * reference.rho[i]) * reference.tau[i])
        seen, rows_all = max(1.0, present * worth), max(1.0, (present + absent) * worth)
        p = (inside + 0.5) / (present + 0.5 * column.bins)
        interior[i, : column.bins] = p
        score[i, : column.bins], edges[i, : column.bins + 1] = normal_scores(p)
        rows[i] = seen
        # The law of one hour is known from that hour's rows alone.
        told = max(1.0, seen * reference.season.part(i))

        stated = contract.feature(column.name).tolerance
        default = tolerances.numeric if column.numeric else tolerances.categorical
        tolerance[i] = default if stated is None else stated
        # Moving a share t between two levels is a chi distance of 2t at least.
        slack = SLACK * tolerance[i] * (1 if column.numeric else 2)
        fixed[i] = np.hypot(slack, CERTAINTY / told**0.5)
        freedom = max(1, column.bins - 1)
        learnt[i] = np.hypot(slack, ((freedom + CERTAINTY * (2 * freedom) ** 0.5) / told) ** 0.5)

        missing[i] = absent / max(1.0, present + absent)
        low, high = wilson(missing[i], rows_all * reference.season.part(i))
        grant = SLACK * tolerances.missing
        up[i] = min(0.999, missing[i] + np.hypot(high - missing[i], grant))
        down[i] = max(0.0, missing[i] - np.hypot(missing[i] - low, grant))

        farthest[i] = -_NORMAL.inv_cdf(1 / (seen + 2))
        judges[i] = not column.open and column.kind != "boolean"
        if judges[i]:
            # A value beyond both extremes of n has probability 2 / (n + 1); for levels, Good and
            # Turing: the mass of those not met is about that of those met once.
            single = 2.0 if column.numeric else float((inside == 1).sum())
            unseen[i] = single / (seen + 1)
            high = (single + CERTAINTY * (single + 1) ** 0.5 + CERTAINTY) / seen
            grant = SLACK * tolerances.unseen
            unseen_up[i] = min(0.999, unseen[i] + np.hypot(high - unseen[i], grant))
    return Laws(
        columns,
        interior,
        score,
        edges,
        tolerance,
        fixed,
        learnt,
        missing,
        up,
        down,
        unseen,
        unseen_up,
        judges,
        farthest,
        rows,
    )


def normal_scores(p: Floats) -> tuple[Floats, Floats]:
    """Return mean normal score of each bin and the scores of the edges, given probabilities."""
    inner = np.clip(np.cumsum(p)[:-1], 1e-12, 1 - 1e-12)
    cuts = np.array([-_FAR, *(_NORMAL.inv_cdf(float(c)) for c in inner), _FAR])
    density = np.array([_NORMAL.pdf(c) for c in cuts])
    return (density[:-1] - density[1:]) / p, cuts


def wilson(rate: float, rows: float) -> tuple[float, float]:
    """Return the ends of Wilson's interval for a rate, `CERTAINTY` standard errors wide."""
    z2 = CERTAINTY**2
    middle = (rate + z2 / (2 * rows)) / (1 + z2 / rows)
    half = CERTAINTY / (1 + z2 / rows) * (rate * (1 - rate) / rows + z2 / (4 * rows * rows)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
