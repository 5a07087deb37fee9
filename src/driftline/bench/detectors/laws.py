"""The stationary laws on which the promise is watched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from driftline.bench.detectors.dependence import Autoregression, Factor
from driftline.bench.detectors.law import EVENTS, Law, Season
from driftline.bench.detectors.marginals import (
    Levels,
    atoms,
    contaminated,
    lognormal,
    normal,
    poisson,
    student,
    zero_inflated,
)
from driftline.contract import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from driftline.bench.detectors.marginals import Marginal

__all__ = ["FEATURES", "LAWS", "MONTHS", "mixed"]

FEATURES = 100
ROWS = 20_000
"""Rows of a reference where a law says nothing else: 200 slots."""
DAY_SLOTS = 24 * 60 // 10
"""Slots of 10 minutes in a day."""


def _iid(
    name: str, about: str, *kinds: Marginal, rows: int = ROWS, features: int = FEATURES
) -> Law:
    """Take the kinds in turns until there are enough columns."""
    marginals = tuple(kinds[i % len(kinds)] for i in range(features))
    return Law(name, about, marginals, 10 * SECOND, rows)


def _rare() -> tuple[Levels, ...]:
    """Few levels with most of the rows, and a long tail: 12, 45 and 200 levels."""
    tails = ((12, 2.0), (45, 1.5), (200, 1.2))
    return tuple(Levels.of([1 / (k + 1) ** power for k in range(many)]) for many, power in tails)


def mixed() -> tuple[Marginal, ...]:
    """Return columns of all kinds, some with missing values, in an order that repeats."""
    return (
        normal(),
        lognormal(),
        normal().with_missing(0.01),
        Levels.of((0.4, 0.3, 0.15, 0.1, 0.05)),
        poisson(1.0),
        zero_inflated(0.6).with_missing(0.2),
        Levels.of((0.97, 0.03)),
        student(2.5),
        Levels.of([1 / (k + 1) ** 1.5 for k in range(45)]),
        atoms((0.0, 1.0), (0.9, 0.1)),
    )


def _phases(*about: int) -> npt.NDArray[np.float64]:
    """Each column has its own hour, the same in every stream."""
    return np.random.default_rng(about).uniform(0, 2 * np.pi, FEATURES)


def _daily() -> Season:
    hour = 2 * np.pi * np.arange(DAY_SLOTS) / DAY_SLOTS
    return Season(0.5 * np.sin(hour[:, None] + _phases(1)))


def _weekly() -> Season:
    """A daily wave that is half as high at weekends, when the level moves as well."""
    slots = np.arange(7 * DAY_SLOTS)
    hour = 2 * np.pi * (slots % DAY_SLOTS) / DAY_SLOTS
    weekend = slots[:, None] >= 5 * DAY_SLOTS
    wave = np.where(weekend, 0.25, 0.5) * np.sin(hour[:, None] + _phases(2))
    level = 0.4 * np.cos(_phases(3))
    return Season(wave + np.where(weekend, level, 0.0))


def _seasonal(name: str, about: str, season: Season, days: int) -> Law:
    law = _iid(name, about, normal(), rows=days * DAY_SLOTS * EVENTS)
    return replace(law, slot=10 * MINUTE, season=season)


def _named(*laws: Law) -> Mapping[str, Law]:
    return {law.name: law for law in laws}


_NORMAL = _iid("normal", "independent standard normal", normal())

LAWS: Mapping[str, Law] = _named(
    _NORMAL,
    _iid("lognormal", "independent lognormal, sd of the logarithm 1", lognormal()),
    _iid("t2.5", "independent Student t, 2.5 degrees of freedom", student(2.5)),
    _iid("outliers", "normal, 0.1 % of the values times 100", contaminated(0.001, 100.0)),
    _iid("ties", "Poisson of mean 1; 60 % zeros, else lognormal", poisson(1.0), zero_inflated(0.6)),
    _iid("rare", "categories with long tails: 12, 45 and 200 levels", *_rare()),
    replace(_NORMAL, name="ar.5", about="AR(.5) over events", dependence=Autoregression(0.5)),
    replace(_NORMAL, name="ar.9", about="AR(.9) over events", dependence=Autoregression(0.9)),
    replace(
        _NORMAL,
        name="correlated",
        about="80 of 100 columns with one factor, correlation .8",
        dependence=Factor(80, 0.8),
    ),
    _seasonal("daily", "a sine of .5 sd a day, reference of two weeks", _daily(), 14),
    _seasonal("weekly", "hours and weekends, reference of five weeks", _weekly(), 35),
    replace(_NORMAL, name="rows500", about="normal, reference of 500 rows", rows=500),
    replace(_NORMAL, name="rows5000", about="normal, reference of 5,000 rows", rows=5_000),
    replace(_NORMAL, name="rows100000", about="normal, reference of 100,000 rows", rows=100_000),
)
"""Watched at one page in 4,000 slots; slots of 10 s, of 10 minutes where there is a season."""

_MIXED = _iid("mixed", "all kinds of columns, some with missing values", *mixed())

_HOURLY = replace(
    _iid("hourly@30d", "ten normal columns, slots of an hour", normal(), features=10), slot=HOUR
)

MONTHS: Mapping[str, Law] = _named(
    *(replace(law, name=f"{law.name}@30d", slot=MINUTE) for law in (_NORMAL, _MIXED, LAWS["ar.5"])),
    _HOURLY,
)
"""Watched at the contract's default, one page in 30 days, with slots of 60 s; or of an hour, where
detectors that take every value can be watched for a hundred months."""
