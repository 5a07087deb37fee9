"""Metrics of classes: what was predicted beside what came.

Of many classes they are plain averages over those predicted or labelled, in which an undefined one
counts as 0, as scikit-learn's ``average="macro"`` has it. Classes beyond the limit of a scorecard
count as one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.ledger.reading import ClassSums, Reading

__all__ = ["accuracy", "f1", "precision", "recall"]


def accuracy(reading: Reading) -> float | None:
    """Share of the weight whose predicted class came."""
    return _ratio(sum(each.hits for each in reading.sums.values()), reading.card.weight)


def precision(reading: Reading) -> float | None:
    """Of what was predicted to be of the class, the share that was."""
    return _by_class(reading, lambda sums: (sums.hits, sums.predicted))


def recall(reading: Reading) -> float | None:
    """Of what was of the class, the share that was predicted to be."""
    return _by_class(reading, lambda sums: (sums.hits, sums.labelled))


def f1(reading: Reading) -> float | None:
    """Harmonic mean of precision and recall."""
    return _by_class(reading, lambda sums: (2 * sums.hits, sums.predicted + sums.labelled))


def _by_class(reading: Reading, parts: Callable[[ClassSums], tuple[int, int]]) -> float | None:
    if reading.binary:
        sums = reading.sums.get(reading.positive)
        return None if sums is None else _ratio(*parts(sums))
    each = [_ratio(*parts(sums)) or 0.0 for sums in reading.sums.values()]
    return sum(each) / len(each) if each else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None
