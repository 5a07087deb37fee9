"""Which bets are placed on each column: the fixed ones, laid out as one table."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, ndtr

from driftline.detect.betting import Floats, inside_margin
from driftline.stats.resample import (
    LEVELS,
    MISSING_DOWN,
    MISSING_UP,
    ODDS,
    SHIFTS,
    SLOPES,
    SPREADS,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from driftline.detect.law import Laws
    from driftline.stats import Column

Aspect = Literal["missing", "unseen", "values"]

HUMPS = 0.85
"""A shape bet: two normal laws, this far to either side, in place of one of the same spread."""
SKEW = 4.0
"""Two shape bets: a gamma law of this shape parameter, and its mirror image."""

_INTERIOR = len(SHIFTS) + len(SPREADS) + 4
LEARNT = 3
"""Bets learnt from earlier slots; they stand last and have no row in the table."""

MISSING = slice(0, len(MISSING_UP) + len(MISSING_DOWN))
UNSEEN = slice(MISSING.stop, MISSING.stop + len(MISSING_UP))
FIXED = slice(UNSEEN.stop, UNSEEN.stop + _INTERIOR)
LEARN = slice(FIXED.stop, FIXED.stop + LEARNT)
TABLE = FIXED.stop
BETS = LEARN.stop

WIDER = slice(len(SHIFTS), len(SHIFTS) + 3)
WIDER_STAKE = 3.0
"""Times their gain's stake, of bets on a greater spread: on such a change hardly another bet wins,
where a change of location is won by the bets on either side of the nearest as well."""

LEAST_WON = 0.01
"""Nats a row: a bet that wins less is no better staked than one that wins this."""
SHARE = {"missing": 0.12, "unseen": 0.08, "fixed": 0.6, "learnt": 0.2}
"""How a column's stake is split over groups of bets; what a column cannot use goes to the rest."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Table:
    """The bets of all columns.

    Attributes
    ----------
    pays
        log(q / p*) of each cell, float64 of shape (columns, TABLE, width).
    active
        Which bets are made, bool of shape (columns, BETS).
    log_weight
        Logarithm of each bet's share of its column's stake, float64 of shape (columns, BETS).
    """

    pays: Floats
    active: npt.NDArray[np.bool_]
    log_weight: Floats


def place_bets(laws: Laws, aspects: Collection[Aspect]) -> Table:
    """Return the bets for a reference, restricted to some aspects of it."""
    columns, width = laws.interior.shape[0], laws.interior.shape[1] + 2
    pays = np.zeros((columns, TABLE, width))
    active = np.zeros((columns, BETS), dtype=np.bool_)
    weight = np.zeros((columns, BETS))
    for i, column in enumerate(laws.columns):
        slowness = np.ones(_INTERIOR)
        if "missing" in aspects:
            _missing(laws, i, pays[i, MISSING], active[i, MISSING])
        if "unseen" in aspects and laws.judges_unseen[i]:
            for k, share in enumerate(MISSING_UP, UNSEEN.start):
                q = laws.unseen_up[i] + (1 - laws.unseen_up[i]) * share
                pays[i, k, :-2] = np.log((1 - q) / (1 - laws.unseen_up[i]))
                pays[i, k, -2] = np.log(q / laws.unseen_up[i])
                active[i, k] = laws.unseen_up[i] < 0.5
        if "values" in aspects and column.bins > 1:
            slowness = _interior(laws, i, pays[i, FIXED], active[i, FIXED])
            active[i, LEARN] = True
        for name, group in (
            ("missing", MISSING),
            ("unseen", UNSEEN),
            ("fixed", FIXED),
            ("learnt", LEARN),
        ):
            part = active[i, group].astype(np.float64)
            if name == "fixed":
                part *= slowness
            if part.any():
                weight[i, group] = SHARE[name] * part / part.sum()
        total = weight[i].sum()
        weight[i] /= total if total else 1.0
    pays[~active[:, :TABLE]] = 0.0
    with np.errstate(divide="ignore"):
        return Table(pays, active, np.log(weight))


def _missing(laws: Laws, i: int, pays: Floats, active: npt.NDArray[np.bool_]) -> None:
    up, down = laws.missing_up[i], laws.missing_down[i]
    for k, share in enumerate(MISSING_UP):
        q = up + (1 - up) * share
        pays[k, :-1] = np.log((1 - q) / (1 - up))
        pays[k, -1] = np.log(q / up)
        active[k] = up < 0.98
    for k, factor in enumerate(MISSING_DOWN, len(MISSING_UP)):
        if down > 0.005:
            q = down * factor
            pays[k, :-1] = np.log((1 - q) / (1 - down))
            pays[k, -1] = np.log(q / down)
            active[k] = True


def _interior(laws: Laws, i: int, pays: Floats, active: npt.NDArray[np.bool_]) -> Floats:
    """Lay out the bets on a column's values; return their stakes, of shape (bets,).

    A bet of stake w has won after ``(log(threshold) - log(w)) / KL`` rows, KL being what it wins a
    row where it is right: the sum of these delays is least where stakes go with 1 / KL. A bet on a
    great change needs none, as it has won in a slot in any case.
    """
    stake = np.zeros(_INTERIOR)
    column = laws.columns[i]
    p = laws.interior[i, : column.bins]
    tilts = _ordered(laws, i) if column.kind == "numeric" else _levels(column, p)
    q = np.array([tilt for tilt, _ in tilts])
    margin = np.full(len(tilts), laws.margin_fixed[i])
    ratio, made = inside_margin(np.broadcast_to(p, q.shape), q, margin)
    count = len(tilts)
    pays[:count, : column.bins] = ratio
    active[:count] = made
    stake[:count] = 1 / np.maximum((q * ratio).sum(axis=1), LEAST_WON)
    if column.kind != "numeric":
        return stake
    stake[WIDER] *= WIDER_STAKE
    up = laws.unseen_up[i]
    for k, (_, beyond) in enumerate(tilts):
        # A shift carries values over the reference's edge too; a bet on it says so for both.
        if made[k] and beyond > 1.5 * up:
            pays[k, : column.bins] += np.log((1 - beyond) / (1 - up))
            pays[k, -2] += np.log(beyond / up)
    return stake


def _ordered(laws: Laws, i: int) -> list[tuple[Floats, float]]:
    """Laws of a feature shifted, stretched or bent, exact where its normal scores are normal."""
    bins = laws.columns[i].bins
    cuts = laws.score_edges[i, : bins + 1]
    far = laws.farthest[i]
    out = []
    for shift in SHIFTS:
        cdf = np.array([_NORMAL.cdf(float(c) - shift) for c in cuts])
        out.append((np.diff(cdf), _NORMAL.cdf(shift - far) + _NORMAL.cdf(-shift - far)))
    for factor in SPREADS:
        cdf = np.array([_NORMAL.cdf(float(c) / factor) for c in cuts])
        out.append((np.diff(cdf), 2 * _NORMAL.cdf(-far / factor)))
    for law in (_humps, _peaked, _skewed, lambda z: 1 - _skewed(-z)):
        beyond = float(1 - law(np.array(far)) + law(np.array(-far)))
        out.append((np.diff(law(cuts)), beyond))
    return out


def _humps(z: Floats) -> Floats:
    """Distribution function of two normal laws side by side; of mean 0 and variance 1, as below."""
    narrow = (1 - HUMPS**2) ** 0.5
    return np.asarray((ndtr((z - HUMPS) / narrow) + ndtr((z + HUMPS) / narrow)) / 2)


def _peaked(z: Floats) -> Floats:
    """Laplace's law: a peak and heavy tails."""
    tail = np.exp(-(2**0.5) * np.abs(z)) / 2
    return np.asarray(np.where(z < 0, tail, 1 - tail))


def _skewed(z: Floats) -> Floats:
    """A gamma law."""
    return np.asarray(gammainc(SKEW, np.maximum(SKEW + z * SKEW**0.5, 0.0)))


def _levels(column: Column, p: Floats) -> list[tuple[Floats, float]]:
    order = np.argsort(-p, kind="stable")
    out = []
    for level in order[: min(LEVELS, column.bins - 1)]:
        for odds in ODDS:
            q = p.copy()
            q[level] *= odds
            out.append((q / q.sum(), 0.0))
    # Towards the frequent levels, and towards the rare ones.
    rank = (np.argsort(np.argsort(-p, kind="stable"), kind="stable") + 0.5) / p.size - 0.5
    for slope in SLOPES:
        q = p * np.exp(slope * rank)
        out.append((q / q.sum(), 0.0))
    return out
