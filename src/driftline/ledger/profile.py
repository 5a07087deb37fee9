"""How large a regression's errors are by what was predicted: whole numbers that merge bit for bit.

A prediction is coded by its sign, exponent and first ten bits, so that a code's predictions differ
by a thousandth of their size. Predictions that all lie within a thousandth of their distance from
0 are one code, and errors are then the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.ledger.binned import binned, binned_sums
from driftline.ledger.counts import NO_COUNTS, Counts
from driftline.ledger.residuals import LARGEST
from driftline.ledger.scorecard import WEIGHT_STEPS, weight_steps

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers, Pairs

__all__ = ["ErrorProfile", "ProfileTable"]

_SHIFT = 42
"""Bits of a float64 that a code leaves out."""
_MIDDLE = 1 << (_SHIFT - 1)


class ProfileTable(NamedTuple):
    """Sums by prediction, in rows: weighted ones count by their weight over the mean weight.

    Attributes
    ----------
    predicted
        Ascending, each once, shape (k,).
    rows, absolute, squared, fourth
        Rows, and sums of |error|, error² and error⁴, each of shape (k,).
    """

    predicted: Floats
    rows: Floats
    absolute: Floats
    squared: Floats
    fourth: Floats


@dataclass(slots=True)
class ErrorProfile:
    """Sums over pairs of a regression, or over predictions alone, by what was predicted.

    Attributes
    ----------
    rows
        Pairs (or predictions), those taken back subtracted.
    weights
        Weight in thousandths by prediction.
    powers
        Weighted sums of |error|, error² and error⁴ by prediction: see `driftline.ledger.binned`.
    """

    rows: int = 0
    weights: Counts = NO_COUNTS
    powers: tuple[Counts, Counts, Counts] = (NO_COUNTS, NO_COUNTS, NO_COUNTS)

    @classmethod
    def empty(cls) -> ErrorProfile:
        """Return the profile of nothing."""
        return cls()

    @classmethod
    def of(cls, pairs: Pairs) -> ErrorProfile:
        """Sum joined pairs of numbers; 0.3 µs a row, and 70 µs."""
        if not (isinstance(pairs.predicted, np.ndarray) and isinstance(pairs.label, np.ndarray)):
            msg = "pairs: expected numbers, got classes as text (see driftline.ledger.exposure)"
            raise TypeError(msg)
        codes = _codes(pairs.predicted)
        weight = weight_steps(pairs.weight) * pairs.sign
        error = np.abs(np.clip(pairs.predicted, -LARGEST, LARGEST) - pairs.label)
        error = np.minimum(error, LARGEST)
        first, second, fourth = (binned(codes, error**p, weight) for p in (1, 2, 4))
        rows = int(pairs.sign.sum(dtype=np.int64))
        return cls(rows, Counts.of(codes, weight), (first, second, fourth))

    @classmethod
    def of_predictions(cls, predicted: Floats) -> ErrorProfile:
        """Sum predictions whose labels have not come: of no error, as nobody knows of any."""
        ones = np.full(predicted.size, WEIGHT_STEPS, dtype=np.int64)
        return cls(predicted.size, Counts.of(_codes(predicted), ones))

    def merge(self, other: ErrorProfile) -> None:
        """Add another profile; associative and commutative, bit for bit."""
        self.rows += other.rows
        self.weights = self.weights + other.weights
        first, second, fourth = (
            mine + theirs for mine, theirs in zip(self.powers, other.powers, strict=True)
        )
        self.powers = (first, second, fourth)

    def table(self) -> ProfileTable:
        """Return the sums by prediction."""
        weights, powers = self.weights, list(self.powers)
        if any(each.coarse for each in (weights, *powers)):
            weights, powers = weights.rounded(), [each.rounded() for each in powers]
        there = weights.weights > 0
        codes = weights.codes[there]
        unit = weights.total / self.rows if weights.total > 0 < self.rows else float(WEIGHT_STEPS)
        sums = [binned_sums(each, codes) / unit for each in powers]
        return ProfileTable(_values(codes), weights.weights[there] / unit, *sums)

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal profiles give equal bytes."""
        return {
            "is": "errors",
            "rows": self.rows,
            "weights": self.weights.to_values(),
            "powers": [each.to_values() for each in self.powers],
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> ErrorProfile:
        """Return what `to_values` wrote."""
        first, second, fourth = (Counts.from_values(each) for each in values["powers"])
        weights = Counts.from_values(values["weights"])
        return cls(int(values["rows"]), weights, (first, second, fourth))


def _codes(values: Floats) -> Integers:
    """Return codes that ascend with the values, int64 of the same shape."""
    size = np.abs(np.clip(values, -LARGEST, LARGEST)).view(np.int64) >> _SHIFT
    return np.where(values < 0, -size, size)


def _values(codes: Integers) -> Floats:
    middle = ((np.abs(codes) << _SHIFT) + _MIDDLE).view(np.float64)
    return np.where(codes == 0, 0.0, np.sign(codes) * middle)
