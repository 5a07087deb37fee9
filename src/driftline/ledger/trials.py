"""What came of decisions with and without the model: exact sums that merge bit for bit.

A trial is a prediction of which it was drawn by lot whether the model is acted on, with a known
probability. From the sums kept here the total and the sum of squares of the doubly robust (AIPW)
values of a whole batch can be had for any expectation of outcomes by arm and score band, so that
what is expected may be learnt elsewhere, and later: see `driftline.ledger.contrast`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from driftline.ledger.exact import UNIT_BITS, exact_sums_by, read_sum, two_product, write_sum
from driftline.ledger.residuals import LARGEST
from driftline.ledger.trialrows import BASELINE, MODEL, NO_ARM

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.ledger.pairs import Floats, Integers
    from driftline.ledger.trialrows import TrialRows

    Marks = npt.NDArray[np.bool_]

__all__ = ["BANDS", "UNIT", "Plain", "Stratum", "Tails", "Trials", "score_bands"]

BANDS = 10
"""Bands of the score from 0 to 1, each a tenth; a further one holds rows without such a score."""
UNIT = (0.0, 1.0)
"""Bounds of an outcome that either came or did not."""
FOR_CERTAIN = 7.0
"""Rows of an arm to be expected, none of which came: by chance that is so in one case of 1,000."""
LEAST_PROPENSITY, MOST_PROPENSITY = 0.001, 0.999
"""Rows outside are not used: one of them would count for a thousand others."""
_SMALLEST = 2.0**-100
"""Smaller outcomes count as none."""
_ONE = 1 << UNIT_BITS

NO_OUTCOME = "outcome: expected a number"
TOO_LARGE = f"outcome: expected a number within ±{LARGEST:.1e}"
NO_ARM_SAID = "arm: expected that of the model or of the baseline"
NO_PROPENSITY = "propensity: expected one, or decision.baseline.share in the contract"
BAD_PROPENSITY = f"propensity: expected above {LEAST_PROPENSITY}, at most {MOST_PROPENSITY}"

_PARTS = [(2, 2.25, 2.5, 3, 3.5, 4, 5, 6, 7, 8), (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)]
WEIGHTS = np.array([*_PARTS[0], *_PARTS[1], 100, 125, 150, 200, 250, 300, 400, 500, 700, 1000.0])
"""Upper ends of the bins in which the weights that a row might have got are counted."""


class Stratum(NamedTuple):
    """Sums over the rows of one arm and score band; w is the inverse of a row's propensity.

    Whole numbers: `rows`, of which with outcome 0 and 1; and in units of 2**-`exact.UNIT_BITS` the
    sums of w, w², w·y, w²·y and w²·y². The rounded square of w counts as w² in all three.
    """

    rows: int = 0
    zeros: int = 0
    ones: int = 0
    w: int = 0
    ww: int = 0
    wy: int = 0
    wwy: int = 0
    wwyy: int = 0

    @property
    def others(self) -> float:
        """Rows to be expected in the other arm, where these came of this one."""
        return self.rows - self.rows * (self.rows * _ONE / self.w) if self.w > 0 else 0.0


class Plain(NamedTuple):
    """Rows of one arm whatever their propensity, with the exact sums of y and y²."""

    rows: int = 0
    y: int = 0
    yy: int = 0


class Tails(NamedTuple):
    """Sums over one arm of w⁴ times the powers of y from 0 to 4, of terms rounded row by row."""

    w4: int = 0
    w4y: int = 0
    w4y2: int = 0
    w4y3: int = 0
    w4y4: int = 0


Sums = TypeVar("Sums", Stratum, Plain, Tails)


@dataclass(slots=True)
class Trials:
    """Sums over trials; at most 22 strata, 3 to 5 kB of JSON.

    Attributes
    ----------
    strata
        By arm (`trialrows.MODEL`, `trialrows.BASELINE`) and score band; none that is all 0.
    plain, tails
        By arm.
    weights
        Rows by the larger of the two weights that they might have got: which it was is chance, what
        it could be was known before. By bin of `WEIGHTS`.
    outside
        Rows whose outcome lies outside of the bounds given to `of`.
    refused
        Rows that are not used, by reason. Those with an arm and an outcome are in `plain`.
    """

    strata: dict[tuple[int, int], Stratum] = field(default_factory=dict)
    plain: tuple[Plain, Plain] = (Plain(), Plain())
    tails: tuple[Tails, Tails] = (Tails(), Tails())
    weights: dict[int, int] = field(default_factory=dict)
    outside: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Trials:
        """Return the sums of no trials."""
        return cls()

    @classmethod
    def of(cls, rows: TrialRows, bounds: tuple[float, float] = UNIT) -> Trials:
        """Sum rows: 1 to 2 µs a row in batches of thousands, 0.5 ms for 50.

        Parameters
        ----------
        bounds
            Where outcomes are known to lie, for whoever wants to be told that one does not.
        """
        refused: dict[str, int] = {}
        known, propensity = np.ones(len(rows), dtype=np.bool_), rows.propensity
        with np.errstate(invalid="ignore"):
            inside = (propensity > LEAST_PROPENSITY) & (propensity <= MOST_PROPENSITY)
            reasons = (
                (NO_OUTCOME, ~np.isfinite(rows.value)),
                (TOO_LARGE, np.abs(rows.value) > LARGEST),
                (NO_ARM_SAID, rows.arm == NO_ARM),
                (NO_PROPENSITY, np.isnan(propensity)),
                (BAD_PROPENSITY, ~inside),
            )
        used = known.copy()
        for reason, bad in reasons:
            count = int(rows.sign[used & bad].sum(dtype=np.int64))
            if count:
                refused[reason] = count
            used &= ~bad
            if reason == NO_ARM_SAID:
                known = used.copy()
        made = cls(refused=refused)
        if known.any():
            made._sum(rows, np.flatnonzero(known), used, bounds)
        return made

    def _sum(
        self, rows: TrialRows, known: Integers, used: Marks, bounds: tuple[float, float]
    ) -> None:
        used, sign, arm = used[known], rows.sign[known], rows.arm[known].astype(np.int64)
        y = rows.value[known]
        y = np.where(np.abs(y) < _SMALLEST, 0.0, y)
        chance = np.where(used, rows.propensity[known], 0.5)
        w = 1 / chance
        terms = _terms(w, y) * sign
        strata = (BANDS + 1) * 2
        owner = np.where(used, arm * (BANDS + 1) + score_bands(rows.score[known]), strata + arm)
        counted = np.stack([sign, sign * (y == 0), sign * (y == 1)]).astype(np.float64)
        counts = [np.bincount(owner, each, strata + 2).astype(int).tolist() for each in counted]
        for place, found in enumerate(exact_sums_by(terms, owner, strata + 2)):
            tally = [each[place] for each in counts]
            side, band = divmod(place, BANDS + 1) if place < strata else (place - strata, -1)
            self._add_plain(side, Plain(tally[0], found[0], found[1] + found[2]))
            if band < 0:
                continue
            w1, w2, wy, wyl, wwy, wwyl, *wwyy = found[3:13]
            sums = (w1, w2, wy + wyl, wwy + wwyl, sum(wwyy))
            self._add_stratum((side, band), Stratum(tally[0], tally[1], tally[2], *sums))
            self._add_tails(side, Tails(*found[13:]))
        self.outside = int(sign[used & ((y < bounds[0]) | (y > bounds[1]))].sum(dtype=np.int64))
        # The inverse of a rounded share is not quite the whole number that it should be.
        most = np.maximum(w, 1 / (1 - chance))[used] * (1 - 1e-9)
        bins = np.bincount(np.searchsorted(WEIGHTS, most), sign[used]).astype(int).tolist()
        self.weights = {bin_: count for bin_, count in enumerate(bins) if count}

    def merge(self, other: Trials) -> None:
        """Add the rows of others; associative and commutative, bit for bit."""
        for key, sums in other.strata.items():
            self._add_stratum(key, sums)
        for arm in (BASELINE, MODEL):
            self._add_plain(arm, other.plain[arm])
            self._add_tails(arm, other.tails[arm])
        self.weights = _counted(self.weights, other.weights)
        self.refused = _counted(self.refused, other.refused)
        self.outside += other.outside

    def _add_stratum(self, key: tuple[int, int], sums: Stratum) -> None:
        found = _plus(self.strata[key], sums) if key in self.strata else sums
        if any(found):
            self.strata[key] = found
        else:
            self.strata.pop(key, None)

    def _add_plain(self, arm: int, sums: Plain) -> None:
        found = list(self.plain)
        found[arm] = _plus(found[arm], sums)
        self.plain = (found[0], found[1])

    def _add_tails(self, arm: int, sums: Tails) -> None:
        found = list(self.tails)
        found[arm] = _plus(found[arm], sums)
        self.tails = (found[0], found[1])

    def __bool__(self) -> bool:
        """Return whether it differs from the sums of nothing."""
        return self != Trials()

    def arm(self, arm: int) -> Stratum:
        """Return the sums of one arm over all score bands."""
        whole = Stratum()
        for (side, _), sums in self.strata.items():
            if side == arm:
                whole = _plus(whole, sums)
        return whole

    @property
    def rows(self) -> int:
        """Rows that are used, those taken back subtracted."""
        return sum(sums.rows for sums in self.strata.values())

    @property
    def reach(self) -> float:
        """The largest weight that any row might have got, or a little more; 0 of no rows."""
        return float(WEIGHTS[max(self.weights)]) if self.weights else 0.0

    def effective(self, arm: int) -> float:
        """Return how many rows of equal weight the rows of an arm are worth: (Σ w)² / Σ w²."""
        sums = self.arm(arm)
        return (sums.w / _ONE) ** 2 / (sums.ww / _ONE) if sums.ww > 0 else 0.0

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal sums give equal bytes."""
        return {
            "is": "trials",
            "strata": [
                [*key, *sums[:3], *map(write_sum, sums[3:])]
                for key, sums in sorted(self.strata.items())
            ],
            "plain": [[each.rows, write_sum(each.y), write_sum(each.yy)] for each in self.plain],
            "tails": [[write_sum(each) for each in sums] for sums in self.tails],
            "weights": [[bin_, count] for bin_, count in sorted(self.weights.items())],
            "outside": self.outside,
            "refused": dict(sorted(self.refused.items())),
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Trials:
        """Return what `to_values` wrote."""
        baseline, model = (Plain(n, read_sum(y), read_sum(yy)) for n, y, yy in values["plain"])
        tails = [Tails(*map(read_sum, sums)) for sums in values["tails"]]
        return cls(
            strata={
                (arm, band): Stratum(*sums[:3], *map(read_sum, sums[3:]))
                for arm, band, *sums in values["strata"]
            },
            plain=(baseline, model),
            tails=(tails[BASELINE], tails[MODEL]),
            weights=dict(values["weights"]),
            outside=values["outside"],
            refused=dict(values["refused"]),
        )


def score_bands(score: Floats) -> Integers:
    """Return the tenth that each score lies in, `BANDS` where it is none from 0 to 1."""
    with np.errstate(invalid="ignore"):
        inside = (score >= 0) & (score <= 1)
    band = np.minimum(np.where(inside, score, 0.0) * BANDS, BANDS - 1).astype(np.int64)
    return np.where(inside, band, BANDS)


def _terms(w: Floats, y: Floats) -> Floats:
    """Return what is summed of each row, shape (18, n): products whole, in two parts."""
    ww = w * w
    w4 = ww * ww
    yy, yy_rest = two_product(y, y)
    return np.stack(
        [
            y,
            yy,
            yy_rest,
            w,
            ww,
            *two_product(w, y),
            *two_product(ww, y),
            *two_product(ww, yy),
            *two_product(ww, yy_rest),
            w4,
            w4 * y,
            w4 * yy,
            w4 * yy * y,
            w4 * yy * yy,
        ]
    )


def _plus(mine: Sums, theirs: Sums) -> Sums:
    return type(mine)(*map(add, mine, theirs))


Key = TypeVar("Key", str, int)


def _counted(mine: dict[Key, int], theirs: dict[Key, int]) -> dict[Key, int]:
    """Return the sum of two tables of counts, without those that come to nothing."""
    whole = {key: mine.get(key, 0) + theirs.get(key, 0) for key in mine.keys() | theirs.keys()}
    return {key: count for key, count in whole.items() if count}
