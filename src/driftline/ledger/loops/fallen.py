"""Whether a figure of windows has fallen: evidence that may be looked at after each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats

__all__ = ["fallen", "inertia"]

EFFECTS = (1.0, 10.0)
"""Variances of the falls that are expected, in units of the figure's own from window to window:
small windows scatter a good deal beside any fall, large ones hardly."""
STIFFEST = 0.98
BY_CHANCE = 2.0
"""Standard deviations that a correlation has to stand out by."""


def inertia(*stretches: Floats) -> float:
    """Return the correlation of a figure's neighbours beyond that of chance, from 0 to below 1.

    Parameters
    ----------
    stretches
        Figures of windows in order, each stretch about a level of its own; of at least four in all.
    """
    products = squares = 0.0
    n = 0
    for stretch in stretches:
        if stretch.size > 1:
            centred = stretch - stretch.mean()
            # Its own mean pulls neighbours apart: their product by some 1/n of a square.
            square = float(centred @ centred)
            products += float(centred[1:] @ centred[:-1]) + square / stretch.size
            squares += square
            n += stretch.size
    if n < 4 or squares <= 0:
        return 0.0
    found = products / squares
    return min(found, STIFFEST) if found > BY_CHANCE / n**0.5 else 0.0


def fallen(before: Floats, after: Floats, *, stiff: float = 0.0) -> float:
    """Return the logarithm of the evidence that a figure lies lower in later windows.

    An e-value of two normal samples of one unknown mean and variance against a lower mean in the
    second: the ratio of the likelihoods of their t statistic, the fall over the standard deviation
    being half normal. For a fixed first sample and a fixed start of the second it may be looked at
    after every window: it exceeds 1 / alpha at any time with a probability of alpha or less where
    nothing fell.

    Parameters
    ----------
    before, after
        Figures of windows (take logarithms of variances), shapes (n,) and (m,).
    stiff
        Correlation of neighbours. Windows then tell as much as ``(1 - stiff) / (1 + stiff)`` as
        many independent ones: a random walk, which always has moved somewhere, next to nothing.

    Returns
    -------
    -inf where either has no window, or both together fewer than three. About 20 µs.

    References
    ----------
    Gönen, Johnson, Lu, Westfall (2005), The Bayesian two-sample t test. Hendriksen, de Heide,
    Grünwald (2021), Optional stopping with Bayes factors: with the right Haar prior such ratios are
    martingales where the null is true, whatever mean and variance.
    """
    n, m = before.size, after.size
    worth = (1 - stiff) / (1 + stiff)
    if not n or not m or n + m < 3:
        return -np.inf
    inside = float(((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum())
    freedom = (n + m) * worth - 2
    if inside <= 0 or freedom <= 0.5:
        return -np.inf
    inside *= worth
    size = worth * n * m / (n + m)
    fall = float(before.mean() - after.mean())
    found = []
    for effect in EFFECTS:
        wide = 1 + size * effect
        rest = inside + size * fall**2 / wide
        both = (freedom + 1) / 2 * np.log((inside + size * fall**2) / rest) - np.log(wide) / 2
        t = fall * size * (effect / wide * (freedom + 1) / rest) ** 0.5
        # Both directions weigh alike in `both`: this one has twice its share of the posterior.
        down = 2 * stdtr(freedom + 1, t)
        found.append(both + (np.log(down) if down > 0 else -np.inf))
    return float(np.logaddexp(*found) - np.log(len(EFFECTS)))
