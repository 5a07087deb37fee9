"""How long labels took, and how long unlabelled predictions have waited: whole numbers that merge.

Delays and ages are counted in bins of equal ratio, eight to a doubling, from a second to a century.
A bin is 9 % wide, the resolution of everything that `driftline.ledger.maturity` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract import SECOND
from driftline.ledger.classes import class_order
from driftline.ledger.counts import NO_COUNTS, Counts
from driftline.ledger.scorecard import MOST_CLASSES, OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from driftline.ledger.pairs import Integers

PER_DOUBLING = 8
BINS = 32 * PER_DOUBLING
EDGES = np.rint(SECOND * (2.0 ** (np.arange(BINS + 1) / PER_DOUBLING) - 1)).astype(np.int64)
"""Bin k holds delays from ``EDGES[k]`` to below ``EDGES[k + 1]``, microseconds."""


def delay_codes(delay: Integers) -> Integers:
    """Return the bin of each delay (microseconds): a label before its prediction took none."""
    found = np.searchsorted(EDGES, np.asarray(delay, dtype=np.int64), side="right") - 1
    return np.clip(found, 0, BINS - 1).astype(np.int64)


@dataclass(slots=True)
class Delays:
    """Delays of first labels, and ages of the predictions that have none.

    A prediction counts once: the delay is that of its first label, and a correction changes
    nothing. Waiting predictions grow older, so whoever knows them counts them anew (`still`) and
    merges that into a copy of the delays; only the delays are kept.

    Attributes
    ----------
    by_label, by_predicted
        Labelled predictions by bin of delay, for each class of the label and of the prediction.
        The same predictions twice; where there are no classes, all stand under one name.
    waiting
        Unlabelled predictions by bin of age, for each predicted class.
    """

    by_label: dict[str, Counts] = field(default_factory=dict)
    by_predicted: dict[str, Counts] = field(default_factory=dict)
    waiting: dict[str, Counts] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        predicted: Sequence[str],
        label: Sequence[str],
        delay: Integers,
        sign: npt.NDArray[np.int8] | None = None,
    ) -> Delays:
        """Count labelled predictions: classes, and delays in microseconds; n of each.

        With a `sign` of -1 one is taken back: an earlier label has turned up.
        """
        codes = delay_codes(delay)
        count = np.ones(codes.size, dtype=np.int64) if sign is None else sign.astype(np.int64)
        made = cls(_by_class(label, codes, count), _by_class(predicted, codes, count))
        made._fold()
        return made

    @classmethod
    def still(cls, ages: Mapping[str, tuple[Integers, Integers]]) -> Delays:
        """Count waiting predictions.

        Parameters
        ----------
        ages
            By predicted class: ages in microseconds, and how many are of each; both of shape (k,).
        """
        made = cls(
            waiting={
                name: Counts.of(delay_codes(age), np.asarray(count, dtype=np.int64))
                for name, (age, count) in ages.items()
            }
        )
        made._fold()
        return made

    def merge(self, other: Delays) -> None:
        """Add another count; associative and commutative, bit for bit."""
        for mine, theirs in zip(self._tables, other._tables, strict=True):
            for name, counts in theirs.items():
                mine[name] = mine.get(name, NO_COUNTS) + counts
        self._fold()

    @property
    def _tables(self) -> tuple[dict[str, Counts], ...]:
        return self.by_label, self.by_predicted, self.waiting

    def _fold(self) -> None:
        """Put the classes beyond `MOST_CLASSES` together: the first in order of all stay."""
        for table in self._tables:
            for name in [name for name, counts in table.items() if not counts.codes.size]:
                del table[name]
        for group in ((self.by_label,), (self.by_predicted, self.waiting)):
            names = {name for table in group for name in table} - {OTHER}
            further = sorted(names, key=class_order)[MOST_CLASSES:]
            for table in group:
                for name in further:
                    if name in table:
                        table[OTHER] = table.get(OTHER, NO_COUNTS) + table.pop(name)

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal counts give equal bytes."""
        return {
            name: {cls: counts.to_values() for cls, counts in sorted(table.items())}
            for name, table in zip(_TABLES, self._tables, strict=True)
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Delays:
        """Return what `to_values` wrote."""
        return cls(
            *(
                {name: Counts.from_values(raw) for name, raw in values[table].items()}
                for table in _TABLES
            )
        )


_TABLES = ("by_label", "by_predicted", "waiting")


def _by_class(names: Sequence[str], codes: Integers, count: Integers) -> dict[str, Counts]:
    if len(set(names)) == 1:
        return {names[0]: Counts.of(codes, count)}
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        groups.setdefault(name, []).append(row)
    return {name: Counts.of(codes[rows], count[rows]) for name, rows in groups.items()}
