"""The scorecard of a regression: errors and labels in exact sums that merge bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.ledger.counts import NO_COUNTS, Counts
from driftline.ledger.exact import exact_sums, read_sum, two_product, write_sum
from driftline.ledger.scorecard import weight_steps

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers, Pairs

__all__ = ["LARGEST", "Residuals", "error_codes", "error_values"]

LARGEST = 2.0**100
"""Larger predictions and labels count as this (1.3e30)."""
_STEP_BITS = 7
"""Codes divide each power of two into 2**7 equal steps: a step is 1/128 of the error or less."""
_SHIFT = 52 - _STEP_BITS
_OCTAVES = 100
_FIRST = (1023 - _OCTAVES) << _STEP_BITS
"""Code of 2**-100, as the leading bits of a float64; smaller errors count as 0."""
_LAST = 2 * _OCTAVES << _STEP_BITS
"""51,201 codes in all: fewer than `Counts` keeps, so that they are never rounded."""

_SUMS = ("error", "absolute", "squared", "relative", "label", "label_squared")


@dataclass(slots=True)
class Residuals:
    """Sums over pairs of a regression; an error is prediction minus label.

    The sums are weighted in thousandths and exact, in units of `exact.UNIT_BITS`. Squares of labels
    are summed without rounding, as a variance is a difference of two large numbers where labels lie
    far from 0.

    Attributes
    ----------
    rows
        Pairs, those taken back subtracted.
    weight
        Their weight, in thousandths.
    relative_weight
        That of the pairs whose label is not 0; the others have no relative error.
    error, absolute, squared, relative
        Sums of error, |error|, error² and |error / label|.
    label, label_squared
        Sums of label and label².
    errors
        Weight by `error_codes`.
    """

    rows: int = 0
    weight: int = 0
    relative_weight: int = 0
    error: int = 0
    absolute: int = 0
    squared: int = 0
    relative: int = 0
    label: int = 0
    label_squared: int = 0
    errors: Counts = NO_COUNTS

    @classmethod
    def empty(cls) -> Residuals:
        """Return the residuals of no pairs."""
        return cls()

    @classmethod
    def of(cls, pairs: Pairs) -> Residuals:
        """Sum pairs of numbers: 0.5 µs a pair in batches of thousands, 100 µs for 50."""
        if not (isinstance(pairs.predicted, np.ndarray) and isinstance(pairs.label, np.ndarray)):
            msg = "pairs: expected numbers, got classes as text (see driftline.ledger.scorecard)"
            raise TypeError(msg)
        predicted = np.clip(pairs.predicted, -LARGEST, LARGEST)
        label = np.clip(pairs.label, -LARGEST, LARGEST)
        error = predicted - label
        steps = weight_steps(pairs.weight)
        signed = steps * pairs.sign
        # Weights are below 2**30; the sign is put on last, so that taking back is exact.
        weight = steps.astype(np.float64)
        weighted = weight * error
        there = label != 0
        relative = np.zeros_like(error)
        with np.errstate(over="ignore"):
            np.divide(np.abs(error), np.abs(label), out=relative, where=there)
        np.minimum(relative, LARGEST, out=relative)
        square, square_rest = two_product(label, label)
        terms = np.stack(
            [
                weighted,
                np.abs(weighted),
                weighted * error,
                weight * relative,
                *two_product(weight, label),
                *two_product(weight, square),
                *two_product(weight, square_rest),
            ]
        )
        terms *= pairs.sign
        errors, absolute, squared, of_label, *parts = exact_sums(terms)
        return cls(
            rows=int(pairs.sign.sum(dtype=np.int64)),
            weight=int(signed.sum()),
            relative_weight=int(signed[there].sum()),
            error=errors,
            absolute=absolute,
            squared=squared,
            relative=of_label,
            label=sum(parts[:2]),
            label_squared=sum(parts[2:]),
            errors=Counts.of(error_codes(error), signed),
        )

    def merge(self, other: Residuals) -> None:
        """Add the pairs of others; associative and commutative, bit for bit."""
        self.rows += other.rows
        self.weight += other.weight
        self.relative_weight += other.relative_weight
        self.error += other.error
        self.absolute += other.absolute
        self.squared += other.squared
        self.relative += other.relative
        self.label += other.label
        self.label_squared += other.label_squared
        self.errors = self.errors + other.errors

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal residuals give equal bytes."""
        return {
            "is": "residuals",
            "rows": self.rows,
            "weight": self.weight,
            "relative_weight": self.relative_weight,
            **{name: write_sum(getattr(self, name)) for name in _SUMS},
            "errors": self.errors.to_values(),
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Residuals:
        """Return what `to_values` wrote."""
        return cls(
            rows=int(values["rows"]),
            weight=int(values["weight"]),
            relative_weight=int(values["relative_weight"]),
            **{name: read_sum(values[name]) for name in _SUMS},
            errors=Counts.from_values(values["errors"]),
        )


def error_codes(error: Floats) -> Integers:
    """Return logarithmic codes, ascending with the error, 0 for none, int64 of the same shape.

    Errors below 2**-100 count as none, those beyond 2**100 as that.
    """
    bits = np.abs(error).view(np.int64) >> _SHIFT
    size = np.clip(bits - (_FIRST - 1), 0, _LAST)
    return np.where(error < 0, -size, size)


def error_values(codes: Integers) -> Floats:
    """Return the middle of what each code stands for: at most 1/256 from any error it has."""
    bits = np.abs(codes) + (_FIRST - 1)
    low, high = (bits << _SHIFT).view(np.float64), ((bits + 1) << _SHIFT).view(np.float64)
    return np.where(codes == 0, 0.0, np.sign(codes) * (low + high) / 2)
