"""Maturity: which share of its labels a window of some age has, and whether they are like the rest.

Labels that came are a sample of all only when their delay has nothing to do with what they say: a
default is known months after it, a repaid loan at once. Until a window is mature its quality may
be told, but not compared; `early_bias` says where it must not even be told without a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from driftline.ledger.classes import class_order
from driftline.ledger.counts import Counts
from driftline.ledger.delays import BINS, EDGES, PER_DOUBLING, delay_codes
from driftline.ledger.sequences import rates

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.ledger.delays import Delays
    from driftline.ledger.pairs import Floats, Integers

ENOUGH = 0.95
"""Part of the labels that will ever come with which a window is mature."""
LEAST_FOLLOWED = 30
"""Predictions that must have been followed to an age before it tells whether labels still come."""
CUTS = np.arange(2 * PER_DOUBLING, BINS, 2 * PER_DOUBLING)
"""Bins at which early and late labels are compared: 3 s, 15 s, 1 min, 4 min, … each four times the
last."""


@dataclass(frozen=True, slots=True, eq=False)
class Maturity:
    """Kaplan-Meier's estimate of the share of predictions labelled by age.

    Attributes
    ----------
    share
        Share labelled by the age ``EDGES[k]``, float64 of shape (BINS + 1,).
    labelled, waiting
        Predictions that it stands on.
    horizon
        Age after which nothing is waited for, microseconds.
    followed
        Age to which `LEAST_FOLLOWED` predictions or more were followed, microseconds; 0: none.
    levelled
        Whether labels have ceased to come by then: the second half of that age brought less than a
        twentieth of them, or it is the horizon. Else most may be still to come.
    final
        Share that will ever be labelled; 1, the most it can be, until that has `levelled`.
    """

    share: Floats
    labelled: int
    waiting: int
    horizon: int
    followed: int
    levelled: bool
    final: float

    @classmethod
    def of(cls, delays: Delays, horizon: int) -> Maturity:
        """Estimate from all delays and waiting predictions together.

        Parameters
        ----------
        horizon
            Age at which predictions cease to be followed, microseconds: labels that come later
            count as never come.

        References
        ----------
        Kaplan and Meier (1958), Nonparametric estimation from incomplete observations.
        """
        last = int(delay_codes(np.array([horizon]))[0])
        came = _binned(Counts.union(delays.by_predicted.values()))
        waits = _binned(Counts.union(delays.waiting.values()))
        beyond = came[last + 1 :].sum() + waits[last + 1 :].sum()
        came[last + 1 :] = waits[last + 1 :] = 0
        waits[last] += beyond
        # At risk is who was seen to reach the bin without a label. That a wait ends inside a bin
        # counts as having seen the whole of it: too little is said to have come, by part of a bin.
        at_risk = np.cumsum((came + waits)[::-1])[::-1]
        share = np.ones(BINS + 1)
        share[1:] = np.cumprod(1 - came / np.maximum(at_risk, 1))
        share = 1 - share
        reached = np.flatnonzero(at_risk >= LEAST_FOLLOWED)
        end = int(reached[-1]) if reached.size else -1
        followed = min(int(EDGES[end + 1]), horizon) if end >= 0 else 0
        by_then = float(share[end + 1])
        half = float(np.interp(followed / 2, EDGES, share))
        levelled = end == last or by_then - half < (1 - ENOUGH) * by_then
        return cls(
            share=share,
            labelled=int(came.sum()),
            waiting=int(waits.sum()),
            horizon=horizon,
            followed=followed,
            levelled=levelled,
            final=by_then if levelled else 1.0,
        )

    def labelled_by(self, age: npt.ArrayLike) -> Floats:
        """Return the share of predictions labelled by an age (microseconds), of its shape."""
        return np.interp(np.minimum(age, self.horizon), EDGES, self.share)

    def coverage(self, age: npt.ArrayLike) -> Floats:
        """Return which part of the labels that will ever come has come by an age, in [0, 1].

        Until the share has `levelled` this is a lower bound.
        """
        return np.minimum(self.labelled_by(age) / max(self.final, 1e-12), 1.0)

    def mature(self, age: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return whether predictions of an age have `ENOUGH` of their labels, or will get no more.

        For a window, the age of its end: that of its youngest prediction.
        """
        return np.asarray((self.coverage(age) >= ENOUGH) | (np.asarray(age) >= self.horizon))

    def delay(self, level: float) -> float | None:
        """Return the age by which a part of the labels that will ever come has come.

        Returns
        -------
        Microseconds; None where it cannot be told yet.
        """
        goal = level * self.final
        at = int(np.searchsorted(self.share, goal))
        if not self.labelled or at > BINS:
            return None
        low, high = self.share[at - 1], self.share[at]
        return float(EDGES[at - 1] + (EDGES[at] - EDGES[at - 1]) * (goal - low) / (high - low))

    @property
    def never(self) -> float | None:
        """Share of predictions that get no label; None where it cannot be told yet."""
        return 1 - self.final if self.levelled else None


@dataclass(frozen=True, slots=True)
class EarlyBias:
    """A class that is more, or less, frequent among early labels than among later ones.

    Attributes
    ----------
    by
        Whether it is the label's class, or the predicted one.
    name
        The class.
    age
        Labels up to this age are the early ones, microseconds.
    early, late
        Share of the class among the early ones, and among the later ones (of predicted classes,
        with those that still wait at that age).
    early_bounds, late_bounds
        Where these shares lie, with certainty.
    """

    by: Literal["label", "predicted"]
    name: str
    age: int
    early: float
    late: float
    early_bounds: tuple[float, float]
    late_bounds: tuple[float, float]


def early_bias(
    delays: Delays, by: Literal["label", "predicted"], *, alpha: float = 0.05
) -> EarlyBias | None:
    """Return how early labels are a biased sample; None while chance could be all there is.

    If the delay has nothing to do with the class, then a class has the same share among labels of
    every delay, however many recent predictions there are whose slow labels are still out. So the
    shares are compared, not the delays. Both have confidence sequences (`sequences.rates`), and the
    `alpha` is divided over classes and `CUTS`: in at most that share of all models something is
    ever told where nothing is, however often one looks. That asks of the predictions that their
    mix of classes did not change in time.

    Returns
    -------
    Of all classes and cuts whose intervals lie apart, the one where they lie farthest apart.
    """
    came = delays.by_label if by == "label" else delays.by_predicted
    waits = {} if by == "label" else delays.waiting
    names = sorted(came.keys() | waits.keys(), key=class_order)
    if len(names) < 2:
        return None
    labelled = np.cumsum([_binned(came.get(name)) for name in names], axis=1)
    waiting = np.cumsum([_binned(waits.get(name)) for name in names], axis=1)
    early = labelled[:, CUTS - 1]
    late = labelled[:, -1:] - early + waiting[:, -1:] - waiting[:, CUTS - 1]
    # Of two classes the one says what the other does.
    told = slice(1, None) if len(names) == 2 else slice(None)
    ones = np.stack([early, late])
    rows = np.broadcast_to(ones.sum(axis=1, keepdims=True), ones.shape)[:, told]
    ones = ones[:, told]
    low, high = rates(ones, rows, alpha=alpha / (2 * ones[0].size))
    apart = np.maximum(low[0] - high[1], low[1] - high[0])
    which, cut = np.unravel_index(int(apart.argmax()), apart.shape)
    if apart[which, cut] <= 0:
        return None
    share = ones[:, which, cut] / rows[:, which, cut]
    return EarlyBias(
        by=by,
        name=names[told][which],
        age=int(EDGES[CUTS[cut]]),
        early=float(share[0]),
        late=float(share[1]),
        early_bounds=(float(low[0, which, cut]), float(high[0, which, cut])),
        late_bounds=(float(low[1, which, cut]), float(high[1, which, cut])),
    )


def _binned(counts: Counts | None) -> Integers:
    out = np.zeros(BINS, dtype=np.int64)
    if counts is not None:
        # Below 0 where a label is taken back before it came.
        out[counts.codes] = np.maximum(counts.weights, 0)
    return out
