"""The changes that are planted, and the least events that any detector needs to see them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import integrate, stats

from driftline.bench.detectors.dependence import Pairs
from driftline.bench.detectors.law import EVENTS, Law, Season
from driftline.bench.detectors.laws import ROWS
from driftline.bench.detectors.marginals import Levels, normal, two_humps
from driftline.contract import MINUTE, PlantedShift

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.bench.detectors.marginals import Marginal

__all__ = ["BEFORE", "CHANGES", "Change", "Placed", "floor_events"]

COMPLETE, GAPPY, LEVELS = 60, 20, 20
"""Columns of the traffic before a change, by kind; independent of one another."""
HUMPS = 0.87
"""At 0.8 the shape differs by 0.0997 sd (Wasserstein): less than the default tolerance, no page."""
DAY_SLOTS = 24 * 60
MIX = (0.4, 0.3, 0.15, 0.1, 0.05)
GAPS, MORE_GAPS = 0.01, 0.05
NEW = 0.01

BEFORE = Law(
    "before",
    f"{COMPLETE} standard normal columns, {GAPPY} with 1 % missing, {LEVELS} of five levels",
    (normal(),) * COMPLETE + (normal().with_missing(GAPS),) * GAPPY + (Levels.of(MIX),) * LEVELS,
    MINUTE,
    ROWS,
)
_ALL_NORMAL = replace(BEFORE, name="all normal", marginals=(normal(),) * 100)


@dataclass(frozen=True)
class Change:
    """One kind of change.

    Attributes
    ----------
    about
        What it is, for people.
    columns
        The columns of `before` that it may befall: from, to.
    after
        The law of a column after it, where that is what changes.
    kl
        Kullback-Leibler divergence of after from before, nats an event and changed column (a pair
        of columns where their correlation changes); of a ramp at its end.
    about_kl
        Its formula.
    ramp
        Slots over which a shift of one sd grows; 0 for a sudden change.
    correlation
        Correlation between pairs of changed columns.
    factor
        What the median delay may be over the floor, in the issue that set the target.
    planted
        The same change as a drill plants it, and `reference check` foretells it; None where these
        know no such change.
    """

    name: str
    about: str
    columns: tuple[int, int]
    kl: float
    about_kl: str
    factor: float
    after: Marginal | None = None
    ramp: int = 0
    correlation: float = 0.0
    before: Law = BEFORE
    planted: PlantedShift | None = None

    @property
    def horizon(self) -> int:
        """Slots after which an unseen change counts as missed: 30 floors, two days for a ramp."""
        if self.ramp:
            return 2 * self.ramp
        return 20 + math.ceil(30 * floor_events(self, 43_200.0) / EVENTS)

    def place(self, rng: np.random.Generator, many: int, first: int) -> Placed:
        """Choose columns at random and return the law that holds from slot `first` on.

        Parameters
        ----------
        many
            How many columns change; of correlations one stands for a pair, ten for five pairs.
        """
        most = max(2, many) if self.correlation else many
        at = rng.choice(np.arange(*self.columns), most, replace=False).tolist()
        law = self.before
        if self.correlation:
            pairs = list(zip(at[::2], at[1::2], strict=True))
            law = replace(law, dependence=Pairs(pairs, self.correlation))
        elif self.ramp:
            shifts = np.zeros((self.horizon, len(law.marginals)))
            grown = np.minimum(1.0, np.arange(self.horizon) / self.ramp)
            shifts[:, at] = grown[:, None]
            law = replace(law, season=Season(np.roll(shifts, first, axis=0)))
        else:
            assert self.after is not None
            marginals = list(law.marginals)
            for i in at:
                marginals[i] = self.after
            law = replace(law, marginals=tuple(marginals))
        return Placed(law, frozenset(law.names[i] for i in at))


@dataclass(frozen=True)
class Placed:
    """A change that befell some columns."""

    law: Law
    names: frozenset[str]


def floor_events(change: Change, arl: float) -> float:
    """Return ``ln(features · ARL) / KL``, in events (Lorden 1971, as ARL grows).

    What one column needs that is watched beside `features` - 1 others for one false alarm in `arl`
    slots. Where ten columns change it is the same: all of them together carry more, but only
    somebody who watches just these ten together could use it. The KL of a ramp grows with the
    square of its height: the events in which it adds up to the logarithm.
    """
    needed = math.log(len(change.before.marginals) * arl)
    if not change.ramp:
        return needed / change.kl
    return float((3 * needed / change.kl) ** (1 / 3) * (change.ramp * EVENTS) ** (2 / 3))


def _spread(ratio: float) -> float:
    return (ratio - 1 - math.log(ratio)) / 2


def _discrete(after: Sequence[float], before: Sequence[float]) -> float:
    return sum(q * math.log(q / p) for q, p in zip(after, before, strict=True) if q)


def _humps() -> float:
    sd = (1 - HUMPS**2) ** 0.5

    def integrand(x: float) -> float:
        q = (stats.norm.pdf(x, HUMPS, sd) + stats.norm.pdf(x, -HUMPS, sd)) / 2
        return float(q * np.log(q / stats.norm.pdf(x)))

    return float(integrate.quad(integrand, -8, 8)[0])


_OTHER_MIX = (MIX[0] - 0.1, MIX[1] + 0.1, *MIX[2:])
_WITH_NEW = Levels((*Levels.of(MIX).names, "new"), (*(p * (1 - NEW) for p in MIX), NEW))
_ANY, _SOME, _OF_LEVELS = (0, COMPLETE), (COMPLETE, COMPLETE + GAPPY), (COMPLETE + GAPPY, 100)

_MEANS = tuple(
    Change(
        f"mean{by:g}",
        f"mean + {by:g} sd",
        _ANY,
        by**2 / 2,
        "δ²/2",
        1.5,
        normal(by),
        planted=PlantedShift(what="mean", size=by),
    )
    for by in (0.25, 0.5, 1.0, 2.0)
)
_SPREADS = tuple(
    Change(
        f"variance{by:g}",
        f"variance × {by:g}",
        _ANY,
        _spread(by),
        "(v - 1 - ln v)/2",
        1.5,
        normal(sd=by**0.5),
        planted=PlantedShift(what="spread", size=by**0.5),
    )
    for by in (1.5, 2.0)
)

CHANGES: Mapping[str, Change] = {
    change.name: change
    for change in (
        *_MEANS,
        *_SPREADS,
        Change(
            "shape",
            "shape alone",
            _ANY,
            _humps(),
            f"∫ q ln(q/p), q of two humps at ±{HUMPS:g}, mean 0, variance 1",
            3.0,
            two_humps(HUMPS),
        ),
        Change(
            "mix",
            "category mix by .1",
            _OF_LEVELS,
            _discrete(_OTHER_MIX, MIX),
            "Σ q ln(q/p), a tenth of the rows from the first level to the second",
            3.0,
            Levels.of(_OTHER_MIX),
        ),
        Change(
            "level",
            "new category, 1 %",
            _OF_LEVELS,
            _discrete((1 - NEW, NEW), (1 - 1 / ROWS, 1 / ROWS)),
            "Bernoulli, against 1 in the rows of the reference, which held none",
            3.0,
            _WITH_NEW,
            planted=PlantedShift(what="new", size=NEW),
        ),
        Change(
            "missing",
            "missing 1 → 5 %",
            _SOME,
            _discrete((MORE_GAPS, 1 - MORE_GAPS), (GAPS, 1 - GAPS)),
            "Bernoulli",
            3.0,
            normal().with_missing(MORE_GAPS),
            planted=PlantedShift(what="missing", size=MORE_GAPS - GAPS),
        ),
        Change(
            "correlation",
            "correlation 0 → .5",
            (0, 100),
            -math.log(1 - 0.5**2) / 2,
            "-ln(1 - ρ²)/2",
            3.0,
            correlation=0.5,
            before=_ALL_NORMAL,
        ),
        Change(
            "ramp",
            "ramp, 1 sd over a day",
            _ANY,
            0.5,
            "δ²/2, summed as δ grows",
            3.0,
            ramp=DAY_SLOTS,
        ),
    )
}
"""In 1 or 10 of 100 columns, at one page in 30 days, slots of 60 s with 100 events."""
