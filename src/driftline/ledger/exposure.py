"""What a classifier said, labels or none: whole-number counts of scores by predicted class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.ledger.pairs import Pairs
from driftline.ledger.scorecard import SCORE_STEPS, WEIGHT_STEPS, Scorecard

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats

__all__ = ["Exposure", "ExposureTable"]


class ExposureTable(NamedTuple):
    """How probable one class was said to be, where it was the prediction and where it was not.

    Attributes
    ----------
    score
        Probabilities, ascending, shape (k,).
    other, own
        Rows that were predicted to be of another class, and of this one, shape (k,). Weighted rows
        count by their weight, in units of the mean weight.
    """

    score: Floats
    other: Floats
    own: Floats


@dataclass(slots=True)
class Exposure:
    """Sums over predictions of a classification task; they merge bit for bit, as scorecards do.

    Kept as a `Scorecard` in which each prediction stands in for its own label, with that one's
    bounds: "label" there reads "predicted class" here.
    """

    card: Scorecard

    @classmethod
    def empty(cls) -> Exposure:
        """Return the exposure of no predictions."""
        return cls(Scorecard.empty())

    @classmethod
    def of(cls, predicted: list[str], score: Floats, shares: dict[str, Floats]) -> Exposure:
        """Sum predictions, labelled or not; the columns are those of `Pairs`, of n rows."""
        ones = np.ones(len(predicted))
        return cls.of_pairs(
            Pairs(predicted, score, shares, predicted, ones, ones.astype(np.int8)),
        )

    @classmethod
    def of_pairs(cls, pairs: Pairs) -> Exposure:
        """Sum the predictions of joined pairs, with their labels' weights and signs."""
        return cls(Scorecard.of(replace(pairs, label=pairs.predicted)))

    def merge(self, other: Exposure) -> None:
        """Add the predictions of another exposure; associative and commutative, bit for bit."""
        self.card.merge(other.card)

    @property
    def rows(self) -> int:
        """Predictions, those taken back subtracted."""
        return self.card.rows

    def by_class(self) -> dict[str, int]:
        """Return the predictions of each class, whole rows."""
        return {
            name: round(weight / WEIGHT_STEPS) for (name, _), weight in self.card.confusion.items()
        }

    def table(self, name: str, *, scored: bool = False) -> ExposureTable:
        """Return how probable a class was said to be, by whether it was predicted.

        Parameters
        ----------
        scored
            Whether it is the positive class of a binary task, of which scores tell.
        """
        codes, other, own = self.card.table(name, scored=scored)
        unit = mean_weight(self.card)
        # Rows that were taken back before they came stand below 0 until they do.
        other, own = np.maximum(other, 0), np.maximum(own, 0)
        there = (other + own) > 0
        return ExposureTable(codes[there] / SCORE_STEPS, other[there] / unit, own[there] / unit)

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal exposures give equal bytes."""
        return self.card.to_values() | {"is": "exposure"}

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Exposure:
        """Return what `to_values` wrote."""
        return cls(Scorecard.from_values(values))


def mean_weight(card: Scorecard) -> float:
    """Return the mean weight of a scorecard's pairs in thousandths: its tables' unit of a row."""
    return card.weight / card.rows if card.weight > 0 < card.rows else float(WEIGHT_STEPS)
