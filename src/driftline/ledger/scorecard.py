"""The scorecard of a classifier: joined pairs in whole numbers that merge bit for bit.

All a scorecard holds are sums of integers: weights in thousandths by predicted class and label
class, and by probability in fixed point. Every metric is worked out from them; a corrected label
subtracts the earlier pair, and leaves what would be there had that pair never been.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.ledger.classes import class_order
from driftline.ledger.counts import NO_COUNTS, Counts, summed

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.ledger.pairs import Floats, Integers, Pairs

    Marks = npt.NDArray[np.bool_]

__all__ = [
    "ANOTHER",
    "MOST_CLASSES",
    "OTHER",
    "SCORE_STEPS",
    "WEIGHT_STEPS",
    "ScoreTable",
    "Scorecard",
    "score_codes",
    "weight_steps",
]

MOST_CLASSES = 32
"""Classes told apart: the first in `class_order` of all that occur."""
OTHER = "…"
"""All further classes, predicted or as label."""
ANOTHER = "…≠"
"""As label beside the prediction `OTHER`: a further class, but not the one predicted."""
SCORE_BITS = 20
SCORE_STEPS = 2**SCORE_BITS
"""Steps of a probability from 0 to 1."""
WEIGHT_STEPS = 1000
"""Steps in a weight of 1."""
MOST_WEIGHT = 1e6
"""Larger weights count as this: sums of a billion of them stay inside int64."""


class ScoreTable(NamedTuple):
    """How probable one class was said to be, where it turned out to be it and where not.

    Attributes
    ----------
    codes
        Probabilities in steps of 1 / `SCORE_STEPS`, ascending, int64 of shape (k,).
    absent, present
        Weight in thousandths of the pairs whose label is another class, and this one, (k,).
    """

    codes: Integers
    absent: Integers
    present: Integers

    @property
    def probability(self) -> Floats:
        """The codes as probabilities, in [0, 1]."""
        return np.asarray(self.codes / SCORE_STEPS)


@dataclass(slots=True)
class Scorecard:
    """Sums over pairs of a classification task, binary or of many classes.

    Of more than `MOST_CLASSES` classes the further ones stand under `OTHER`: accuracy and log loss
    stay exact, no probabilities are kept of them.

    Attributes
    ----------
    rows
        Pairs, those taken back subtracted.
    confusion
        Weight in thousandths by (predicted class, label class); never 0.
    scores
        Scores of the positive class, whichever that is, by label class.
    absent, present
        Probabilities of a class out of predictions that were objects of classes, where the label is
        another class, and where it is this one.
    """

    rows: int = 0
    confusion: dict[tuple[str, str], int] = field(default_factory=dict)
    scores: dict[str, Counts] = field(default_factory=dict)
    absent: dict[str, Counts] = field(default_factory=dict)
    present: dict[str, Counts] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Scorecard:
        """Return the scorecard of no pairs."""
        return cls()

    @classmethod
    def of(cls, pairs: Pairs) -> Scorecard:
        """Sum pairs whose classes are text.

        Of a binary task with scores 0.2 µs a pair in batches of thousands; 65 µs for 50 pairs, 90
        with shares of two classes, 150 with shares of ten. (A core of a shared machine.)
        """
        if isinstance(pairs.predicted, np.ndarray) or isinstance(pairs.label, np.ndarray):
            msg = "pairs: expected classes as text, got numbers (see driftline.ledger.residuals)"
            raise TypeError(msg)
        card = cls(rows=int(pairs.sign.sum(dtype=np.int64)))
        weights = weight_steps(pairs.weight) * pairs.sign
        seen, predicted = _numbered(pairs.predicted)
        labels, label = _numbered(pairs.label)
        cells, sums = summed(predicted * len(labels) + label, weights)
        for cell, weight in zip(cells.tolist(), sums.tolist(), strict=True):
            row, column = divmod(cell, len(labels))
            card.confusion[seen[row], labels[column]] = weight
        absent, present, told = _shares(pairs, labels, label, weights)
        scored = np.flatnonzero(~(np.isnan(pairs.score) | told))
        scores = _Entries(labels, label[scored], pairs.score[scored], weights[scored])
        card.scores, card.absent, card.present = _tables([scores, absent, present])
        card._fold()
        return card

    def merge(self, other: Scorecard) -> None:
        """Add the pairs of another scorecard; associative and commutative, bit for bit."""
        self.rows += other.rows
        for cell, weight in other.confusion.items():
            self._count(cell, weight)
        for mine, theirs in (
            (self.scores, other.scores),
            (self.absent, other.absent),
            (self.present, other.present),
        ):
            for name, counts in theirs.items():
                mine[name] = mine.get(name, NO_COUNTS) + counts
        self._fold()

    def _count(self, cell: tuple[str, str], weight: int) -> None:
        found = self.confusion.get(cell, 0) + weight
        if found:
            self.confusion[cell] = found
        else:
            self.confusion.pop(cell, None)

    def _fold(self) -> None:
        """Drop what fell to nothing, and put the classes beyond `MOST_CLASSES` together."""
        for tables in (self.scores, self.absent, self.present):
            for name in [name for name, counts in tables.items() if not counts.codes.size]:
                del tables[name]
        further = frozenset(self.classes[MOST_CLASSES:])
        if not further:
            return
        for (predicted, label), weight in list(self.confusion.items()):
            if predicted not in further and label not in further:
                continue
            del self.confusion[predicted, label]
            seen = OTHER if predicted in further else predicted
            came = OTHER if label in further else label
            if (seen, came) == (OTHER, OTHER) and predicted != label:
                came = ANOTHER
            self._count((seen, came), weight)
        for name in further:
            self.absent.pop(name, None)
        for tables in (self.scores, self.present):
            parts = [tables.pop(name) for name in sorted(further & tables.keys())]
            if parts:
                tables[OTHER] = Counts.union([*parts, tables.get(OTHER, NO_COUNTS)])

    @property
    def classes(self) -> list[str]:
        """Classes told apart, in `class_order`; at most `MOST_CLASSES`."""
        names = {name for cell in self.confusion for name in cell}
        names.update(self.scores, self.absent, self.present)
        return sorted(names - {OTHER, ANOTHER}, key=class_order)

    @property
    def weight(self) -> int:
        """Weight of all pairs, in thousandths."""
        return sum(self.confusion.values())

    @property
    def other_classes(self) -> int:
        """Weight in thousandths of the pairs with a class beyond `MOST_CLASSES`; 0 if no such."""
        aside = {OTHER, ANOTHER}
        return sum(weight for cell, weight in self.confusion.items() if aside.intersection(cell))

    def table(self, name: str, *, scored: bool = False) -> ScoreTable:
        """Return how probable a class was said to be, by whether it was it.

        Parameters
        ----------
        scored
            Whether it is the positive class of a binary task, of which `scores` tell.
        """
        absent = [self.absent.get(name, NO_COUNTS)]
        present = [self.present.get(name, NO_COUNTS)]
        if scored:
            for label, counts in sorted(self.scores.items()):
                (present if label == name else absent).append(counts)
        sides = [Counts.union(absent), Counts.union(present)]
        if any(side.coarse for side in sides):
            sides = [side.rounded() for side in sides]
        # Not numpy.union1d, which takes ten times as long: these are sorted already.
        codes = np.sort(np.concatenate([side.codes for side in sides]), kind="stable")
        codes = codes[np.diff(codes, prepend=-1) > 0]
        weights = np.zeros((2, codes.size), dtype=np.int64)
        for row, side in zip(weights, sides, strict=True):
            row[np.searchsorted(codes, side.codes)] = side.weights
        return ScoreTable(codes, weights[0], weights[1])

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal scorecards give equal bytes."""
        return {
            "is": "scorecard",
            "rows": self.rows,
            "confusion": [[*cell, weight] for cell, weight in sorted(self.confusion.items())],
            **{
                kind: {name: counts.to_values() for name, counts in sorted(tables.items())}
                for kind, tables in (
                    ("scores", self.scores),
                    ("absent", self.absent),
                    ("present", self.present),
                )
            },
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Scorecard:
        """Return what `to_values` wrote."""
        return cls(
            int(values["rows"]),
            {(predicted, label): weight for predicted, label, weight in values["confusion"]},
            *(
                {name: Counts.from_values(each) for name, each in values[kind].items()}
                for kind in ("scores", "absent", "present")
            ),
        )


def score_codes(probability: Floats) -> Integers:
    """Return probabilities in fixed point: steps of 1 / `SCORE_STEPS`, those outside [0, 1] cut."""
    return np.rint(np.clip(probability, 0.0, 1.0) * SCORE_STEPS).astype(np.int64)


def weight_steps(weight: Floats) -> Integers:
    """Return weights in thousandths, at most those of `MOST_WEIGHT`."""
    return np.rint(np.clip(weight, 0.0, MOST_WEIGHT) * WEIGHT_STEPS).astype(np.int64)


def _numbered(values: list[str]) -> tuple[list[str], Integers]:
    """Return the different values, and for each value which one it is, int64 of shape (n,)."""
    names = list(dict.fromkeys(values))
    place = {name: at for at, name in enumerate(names)}
    return names, np.fromiter(map(place.__getitem__, values), dtype=np.int64, count=len(values))


class _Entries(NamedTuple):
    """Probabilities for one kind of table: of which name each is, and its weight; all (n,)."""

    names: list[str]
    name: Integers
    probability: Floats
    weight: Integers


def _shares(
    pairs: Pairs, labels: list[str], label: Integers, weights: Integers
) -> tuple[_Entries, _Entries, Marks]:
    """Return the shares of classes that did not come, of those that did, and which rows have any.

    The class of a row's label has a probability even where the prediction did not name it: 0.
    """
    if not pairs.shares:
        nothing = _Entries([], _NO_ROWS, np.empty(0), _NO_ROWS)
        return nothing, nothing, np.zeros(len(pairs), dtype=np.bool_)
    names = list(pairs.shares)
    shares = np.array(list(pairs.shares.values()))
    there = ~np.isnan(shares)
    told = there.any(axis=0)
    place = {name: at for at, name in enumerate(names)}
    own = np.array([place.get(name, -1) for name in labels], dtype=np.int64)[label]
    rows = np.flatnonzero(told)
    truth = np.where(own[rows] >= 0, shares[own[rows], rows], 0.0)
    truth[np.isnan(truth)] = 0.0
    named = np.flatnonzero(own >= 0)
    there[own[named], named] = False
    name, row = np.nonzero(there)
    return (
        _Entries(names, name, shares[name, row], weights[row]),
        _Entries(labels, label[rows], truth, weights[rows]),
        told,
    )


def _tables(kinds: list[_Entries]) -> list[dict[str, Counts]]:
    """Return the tables of each kind, by name: all are sorted at once, which 50 rows feel."""
    names = [name for kind in kinds for name in kind.names]
    firsts = np.cumsum([0, *(len(kind.names) for kind in kinds)])
    groups = [kind.name + first for kind, first in zip(kinds, firsts[:-1].tolist(), strict=True)]
    codes = score_codes(np.concatenate([kind.probability for kind in kinds]))
    weights = np.concatenate([kind.weight for kind in kinds])
    width = SCORE_BITS + 1
    keys, sums = summed((np.concatenate(groups) << width) | codes, weights)
    codes, owner = keys & ((1 << width) - 1), keys >> width
    cuts = np.searchsorted(owner, np.arange(len(names) + 1)).tolist()
    found = [Counts(codes[start:end], sums[start:end]).bounded() for start, end in pairwise(cuts)]
    return [
        dict(zip(kind.names, found[first:], strict=False))
        for kind, first in zip(kinds, firsts[:-1].tolist(), strict=True)
    ]


_NO_ROWS = np.empty(0, dtype=np.int64)
