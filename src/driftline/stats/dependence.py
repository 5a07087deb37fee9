"""How a reference's columns hang together, pair by pair and in principal components.

Everything is a *share of variance*: of two standardised columns, the share along their diagonal,
(1 + r) / 2; of all of them, the share inside the first k principal components, 1 less the
reconstruction error. Half the logit of a share is its *level*; for a pair that is Fisher's z, and
for all shares it is nearly normal, with a variance that does not depend on the share. What a row
adds to a level (its influence) has a law that the reference's rows know, ties and tails and all.
From it come the prices of bets: the mean of exp(λ · influence).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.stats.comoments import (
    STEPS,
    Comoments,
    Floats,
    Integers,
    Marginals,
    Scoring,
    correlations,
    covariances,
)

if TYPE_CHECKING:
    import numpy.typing as npt

BLOCK_ROWS = 128
"""Rows in which correlations are looked at together, at least; slots with fewer are joined."""
MAX_BLOCKS = 4_000
MAX_PRICED_ROWS = 10_000
"""Rows from which prices are worked out; more would be slow and tell little more."""
MAX_COMPONENTS = 8
FITTED = 3
"""One block of so many is there to fit the components on."""
SLOPES = 0.1125 * np.array([1.0, 2.0, 4.0, -1.0, -2.0, -4.0])
"""The bets, by standard deviations of the influence: best for changes by 0.11, 0.24 and 0.56."""
CERTAINTY = 2.5
"""Standard errors of the reference that a price grants it."""
EXTREME = 0.01
"""Shares are kept this far from 0 and 1, where a level would be infinite (a column twice)."""
STEP = 1e-4
"""What is kept are multiples of this: finer digits differ between builds of numeric libraries."""
MOST = 3.2
"""No number here is larger: they fit 16 bits. A bet at such a price never wins."""

_MIN_BLOCKS = 20
_SCALES = (1, 4, 16)


@dataclass(frozen=True)
class Dependence:
    """Shares of variance in a reference: those of all pairs first, then those of the components.

    Attributes
    ----------
    level
        Half the logit of each share, within slots: float64 of shape (pairs + k,).
    spread
        Standard deviation of a row's influence on it, same shape: near 1 for normal scores.
    rho
        Overdispersion: the variance of the level of m rows is ``(1 + (m - 1) * rho) / m`` times
        the squared spread; correlation of slots in time is part of it. Same shape.
    price
        Logarithm of the mean of ``exp(slope * influence / spread)``, and the reference's own
        uncertainty added: float64 of shape (pairs + k, slopes).
    components
        The first k principal components of the correlations, float64 of shape (d, k).
    variance
        Of each column's normal scores within slots, float64 of shape (d,).
    """

    level: Floats
    spread: Floats
    rho: Floats
    price: Floats
    components: Floats
    variance: Floats

    def to_json(self) -> dict[str, str]:
        """Return it as JSON values: base64 of 16-bit multiples of `STEP`, row after row."""
        return {
            name: base64.b64encode(
                np.rint(getattr(self, name) / STEP).astype("<i2").tobytes()
            ).decode()
            for name in self.__dataclass_fields__
        }

    @classmethod
    def from_json(cls, raw: dict[str, str], scoring: Scoring) -> Dependence:
        """Read what `to_json` gave; raise ValueError where it is of other columns."""
        own = {
            name: np.frombuffer(base64.b64decode(raw[name]), dtype="<i2") * STEP
            for name in cls.__dataclass_fields__
        }
        d, size = scoring.columns.size, own["level"].size
        own["price"] = own["price"].reshape(size, SLOPES.size)
        own["components"] = own["components"].reshape(d, size - scoring.pairs)
        if (
            any(own[name].shape != (size,) for name in ("spread", "rho"))
            or own["variance"].size != d
        ):
            msg = f"expected the dependence of {d} columns"
            raise ValueError(msg)
        return cls(**own)


def pair_shares(r: Floats) -> Floats:
    """Return the share of each pair's variance along its diagonal; shape of `r`."""
    return np.asarray((1 + r) / 2)


class ComponentShares:
    """The share of all variance inside the first 1, 2, … components, from correlations."""

    def __init__(self, components: Floats, scoring: Scoring) -> None:
        both = components[scoring.first] * components[scoring.second]
        self._weight = np.cumsum(2 * both, axis=1) / components.shape[0]
        self._own = np.cumsum((components**2).sum(axis=0)) / components.shape[0]

    def __call__(self, r: Floats) -> Floats:
        """Return the shares, shape (..., k), of correlations of shape (..., pairs)."""
        # Not a product of BLAS, which would wake its threads for this.
        return np.asarray(self._own + np.einsum("...p,pk->...k", r, self._weight))


def levels(share: Floats) -> Floats:
    """Return half the logit of shares."""
    kept = np.clip(share, EXTREME, 1 - EXTREME)
    return np.asarray(0.5 * np.log(kept / (1 - kept)))


def shares_at(level: Floats) -> Floats:
    """Return the shares of levels, the inverse of `levels`."""
    return np.asarray((1 + np.tanh(level)) / 2)


def measure_dependence(scoring: Scoring, scored: Floats, slot: Integers | None) -> Dependence:
    """Measure how the reference's columns hang together.

    Parameters
    ----------
    scored
        Scores of all rows, float64 of shape (d, n), NaN where there is none.
    slot
        Slot number of each row; None where the rows have no time. Correlations are those within
        slots, so that a season that columns share is none.

    Notes
    -----
    The components are those of every third block, and their shares are measured on the others: on
    the rows that they were fitted to they would explain more than they ever will again.

    Cost: O(n · pairs); measured for 5,000 rows: 0.1 s of 20 columns, 1 s of 60, 4 s of 100.
    """
    order, starts = _blocks(scored.shape[1], slot)
    blocks = _measure(scoring, scored[:, order], starts)
    fitted = np.arange(starts.size) % FITTED == 0
    r, within = blocks.pooled(scoring)
    components = _components(blocks.pooled(scoring, fitted)[0], scoring)
    inside = ComponentShares(components, scoring)
    apart = inside(blocks.pooled(scoring, ~fitted)[0])
    share = np.clip(np.concatenate([pair_shares(r), apart]), EXTREME, 1 - EXTREME)
    level = levels(share)
    x = blocks.centred[:, :: -(-scored.shape[1] // MAX_PRICED_ROWS)]
    x = x / np.sqrt(np.maximum(within, 1e-12))[:, None]
    spread, price, error = _prices(x, r, share, components, scoring)
    block_r = correlations(blocks.covariance, blocks.variance, scoring)
    block_share = np.concatenate([pair_shares(block_r), inside(block_r)], axis=1)
    all_rows = np.repeat(blocks.rows.mean(axis=1, keepdims=True), components.shape[1], axis=1)
    rows = np.concatenate([blocks.rows, all_rows], axis=1)
    rho = _overdispersion((levels(block_share) - level) / spread, rows)
    # The price is known as well as so many independent rows tell it.
    told = np.minimum(rows.sum(axis=0), x.shape[1])
    told[scoring.pairs :] *= 1 - 1 / FITTED
    told /= 1 + (np.maximum(rows.mean(axis=0), 1.0) - 1) * rho
    price = np.log(price + CERTAINTY * error / np.sqrt(np.maximum(told, 1.0))[:, None])
    found = (level, spread, rho, price, components, within / STEPS**2)
    return Dependence(*(np.rint(np.clip(a, -MOST, MOST) / STEP) * STEP for a in found))


class _Measured(NamedTuple):
    """Moments by block, each of shape (blocks, …), and all rows centred by their block's means."""

    covariance: Floats
    rows: Floats
    variance: Floats
    present: Floats
    centred: Floats

    def pooled(
        self, scoring: Scoring, part: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Floats, Floats]:
        """Return correlations and variances within the blocks, over some of them or all."""
        which = slice(None) if part is None else part
        rows, present = self.rows[which], self.present[which]
        variance = (self.variance[which] * present).sum(axis=0)
        covariance = (self.covariance[which] * rows).sum(axis=0)
        variance /= np.maximum(present.sum(axis=0), 1.0)
        covariance /= np.maximum(rows.sum(axis=0), 1.0)
        return correlations(covariance, variance, scoring), variance


def _measure(scoring: Scoring, scored: Floats, starts: Integers) -> _Measured:
    d, n = scored.shape
    covariance, in_pairs = np.empty((2, starts.size, scoring.pairs))
    variance, in_columns = np.empty((2, starts.size, d))
    found = _Measured(covariance, in_pairs, variance, in_columns, np.empty((d, n)))
    for b, (low, high) in enumerate(zip(starts, np.append(starts[1:], n), strict=True)):
        own = scored[:, low:high]
        moments = Comoments.empty(scoring)
        moments.add(own.astype(np.float32), scoring)
        filled = np.nan_to_num(own)
        present = np.count_nonzero(~np.isnan(own), axis=1).astype(np.float64)
        marginals = Marginals.of_sums(present, filled.sum(axis=1), (filled**2).sum(axis=1))
        found.covariance[b] = covariances(moments, marginals, scoring)
        found.rows[b] = moments.rows
        found.variance[b], found.present[b] = marginals.variance, present
        found.centred[:, low:high] = own - marginals.mean[:, None]
    return found


def _blocks(rows: int, slot: Integers | None) -> tuple[Integers, Integers]:
    """Return rows in order, and where each block of whole slots begins in it."""
    if slot is None:
        # No time, no slots: one part to fit components on, and one to measure their shares on.
        fitted = np.arange(rows) % FITTED == 0
        order = np.argsort(~fitted, kind="stable")
        return order, np.unique([0, min(int(fitted.sum()), rows - 1)])
    order = np.argsort(slot, kind="stable")
    begins = np.flatnonzero(np.diff(slot[order], prepend=slot[order[0]] - 1))
    least = max(BLOCK_ROWS, -(-rows // MAX_BLOCKS))
    starts = [0]
    for begin in begins.tolist():
        if begin - starts[-1] >= least:
            starts.append(begin)
    if len(starts) > 1 and rows - starts[-1] < least:
        starts.pop()
    return order, np.array(starts, dtype=np.int64)


def _components(r: Floats, scoring: Scoring) -> Floats:
    d = scoring.columns.size
    matrix = np.eye(d)
    matrix[scoring.first, scoring.second] = matrix[scoring.second, scoring.first] = r
    _, vectors = np.linalg.eigh(matrix)
    first = vectors[:, ::-1][:, : min(MAX_COMPONENTS, d // 2)]
    # A component's sign means nothing: take the one that makes its largest entry positive.
    largest = np.take_along_axis(first, np.abs(first).argmax(axis=0)[None], axis=0)
    return np.asarray(np.rint(first * np.sign(largest) / STEP) * STEP)


def _prices(
    x: Floats, r: Floats, share: Floats, components: Floats, scoring: Scoring
) -> tuple[Floats, Floats, Floats]:
    """Return the spread of the influences, and mean and standard deviation of what bets pay.

    Parameters
    ----------
    x
        Standardised rows, shape (d, n), NaN where missing.
    """
    d, n = x.shape
    slope = 2 * share * (1 - share)
    there = ~np.isnan(x)
    filled = np.where(there, x, 0.0)
    squares = filled**2
    spread, count = np.empty((2, share.size))
    paid = np.empty((2, SLOPES.size, share.size))
    at = 0
    for i in range(d - 1):
        # The pairs of one column with those after it stand side by side.
        own = slice(at, at + d - 1 - i)
        at = own.stop
        both = there[i] & there[i + 1 :]
        h = r[own, None] / -2 * (squares[i] + squares[i + 1 :])
        h += filled[i] * filled[i + 1 :]
        h *= both / (2 * slope[own, None])
        count[own] = np.count_nonzero(both, axis=1)
        spread[own] = _pay(h, count[own], paid[..., own])
    full = np.eye(d)
    full[scoring.first, scoring.second] = full[scoring.second, scoring.first] = r
    weight = components * (full @ components)
    h = np.cumsum((components.T @ filled) ** 2 - weight.T @ squares, axis=0)
    h /= d * slope[at:, None]
    count[at:] = n
    spread[at:] = _pay(h, count[at:], paid[..., at:])
    mean, square = paid[0].T, paid[1].T
    return spread, mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def _pay(h: Floats, count: Floats, out: Floats) -> Floats:
    """Work out what bets pay on some contrasts, and return the spread of the influences.

    Parameters
    ----------
    h
        Influences of the rows, shape (contrasts, n), 0 where there is none; is overwritten.
    count
        Rows that have one, shape (contrasts,).
    out
        Takes the means of the payments and of their squares, shape (2, slopes, contrasts).
    """
    told = np.maximum(count, 1.0)
    # A column that stands there twice has no influence left: any departure of it is a large one.
    spread = np.maximum(np.sqrt(np.einsum("ij,ij->i", h, h) / told), 0.25)
    h *= (SLOPES[0] / spread)[:, None]
    np.exp(np.clip(h, -50.0, 50.0, out=h), out=h)
    # The slopes are one, doubled twice, and all turned round: squares are all that is needed.
    # Rows without an influence pay 1, in all of them.
    half, none = SLOPES.size // 2, h.shape[1] - count
    sums = np.empty((2, half + 1, count.size))
    for way, each in enumerate((h, 1 / h)):
        for k in range(half + 1):
            sums[way, k] = each.sum(axis=1)
            np.multiply(each, each, out=each)
    sums = (sums - none) / told
    for k in (0, 1):
        out[k] = sums[:, k : k + half].reshape(SLOPES.size, -1)
    return spread


def _overdispersion(deviation: Floats, count: Floats) -> Floats:
    """Return by how much levels of blocks differ more than independent rows let them.

    Parameters
    ----------
    deviation
        In spreads of one row, shape (blocks, contrasts).
    count
        Rows of each block and contrast.
    """
    found = np.zeros(deviation.shape[1])
    scaled = deviation * np.sqrt(np.maximum(count - 3, 0.0))
    for size in _SCALES:
        # Sums over neighbours show what correlation in time adds.
        groups = scaled.shape[0] // size
        if groups < _MIN_BLOCKS:
            break
        sums = scaled[: groups * size].reshape(groups, size, -1).sum(axis=1) / size**0.5
        excess = (sums**2).mean(axis=0) - 1
        found = np.maximum(found, np.where(excess > 2 * (2 / groups) ** 0.5, excess, 0.0))
    spare = np.maximum(count.mean(axis=0) - 1, 1.0)
    return np.clip(found / spare, 0.0, 0.95)
