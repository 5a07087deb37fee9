"""Betting against the reference: the mathematics, on arrays over features × bets.

A bet is a law q for the counts of a slot. It pays the likelihood ratio of q against p*, the law on
the segment from the reference p to q that lies just inside the margin, so a departure smaller than
the margin wins nothing: sum over bins of p · q / p* is at most 1 for p, and to second order for all
laws inside the margin. Shiryaev-Roberts accumulation of such ratios, ``M <- (M + 1) · ratio``, has
mean at most t after t slots while nothing has changed, so ``M >= A`` comes after A slots or more in
the mean; a mean over bets and features keeps that (Shin, Ramdas, Rinaldo 2022, e-detectors).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def inside_margin(
    p: Floats, q: Floats, margin: Floats, most: float = 0.8
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return log(q / p*) and which bets lie far enough outside the margin to be worth making.

    Parameters
    ----------
    p, q
        Laws, last axis the bins; every bin of p that is not padding is above 0.
    margin
        Chi distance sqrt(Σ (q-p)²/p) that counts as no change, shape of p without the last axis.
    most
        A bet whose margin takes up more than this share of its own distance is not made: it would
        wait for a change that the margin forbids to see.
    """
    safe = np.where(p > 0, p, 1.0)
    r = np.where(p > 0, q / safe - 1, 0.0)
    chi = np.sqrt((safe * r * r).sum(axis=-1))
    share = margin / np.maximum(chi, 1e-300)
    active = share < most
    t = np.minimum(share, 1.0)[..., None]
    with np.errstate(divide="ignore"):
        ratio = np.log1p(np.maximum(r, -1 + 1e-12)) - np.log1p(t * np.maximum(r, -1 + 1e-12))
    return np.where(active[..., None], ratio, 0.0), active


def accumulate(
    wealth: Floats, log_ratio: Floats, betting: npt.NDArray[np.bool_], keep: Floats
) -> Floats:
    """Return the Shiryaev-Roberts statistics after one more slot.

    A bet that is not made this slot takes no new start either (starting and waiting would add one
    for each slot, whatever the data say); of what it had it keeps the factor `keep`, shape (bets,).
    """
    # No bet needs more than e**80 in one slot, and its ceiling lies far below.
    ratio = np.exp(np.minimum(log_ratio, 80.0))
    return np.asarray(np.where(betting, (wealth + 1.0) * ratio, wealth * keep))


def learnt_ratio(
    memory: Floats, mass: Floats, p: Floats, noise: Floats, margin: Floats, counts: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Bet on what earlier slots looked like, as far as that was more than noise.

    Parameters
    ----------
    memory
        Decayed counts of earlier slots, shape (features, rates, bins).
    mass
        Their sums, shape (features, rates).
    p
        Reference law over the interior bins, shape (features, bins), padding 0.
    noise
        Squared chi distance that `memory` shows by chance alone, shape (features, rates).
    margin
        Shape (features,).
    counts
        This slot's interior counts, shape (features, bins).

    Returns
    -------
    Log-likelihood ratios and which bets were made, shape (features, rates).
    """
    # Σ (q - p)² / p = Σ q² / p - 1, as both laws add up to 1 and what p rules out is never counted.
    over = 1 / np.where(p > 0, p, np.inf)
    total = np.maximum(mass, 1e-12)
    squared = np.einsum("fjb,fjb,fb->fj", memory, memory, over) / total**2 - 1
    # Shrinkage in the manner of James and Stein: an excess within the noise is no change to bet on.
    squared = np.maximum(squared, 1e-30)
    shrink = np.clip(1 - noise / squared, 0.0, 0.95)
    chi = shrink * np.sqrt(squared)
    made = chi * 0.8 > margin[:, None]
    out = np.zeros_like(mass)
    f, j = np.nonzero(made)
    if f.size:
        r = memory[f, j] / total[f, j, None] * over[f] - (p[f] > 0)
        tilt = r * shrink[f, j, None]
        t = (margin[f] / chi[f, j])[:, None]
        pays = np.log1p(tilt) - np.log1p(t * tilt)
        out[f, j] = np.einsum("kb,kb->k", pays, counts[f])
    return out, made
