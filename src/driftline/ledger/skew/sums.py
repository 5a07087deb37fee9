"""What pairs of feature rows add up to: whole numbers and samples that merge bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.ledger.skew.hashing import text_hashes
from driftline.ledger.skew.history import History, candidates, most_rows
from driftline.ledger.skew.prints import number_prints, prints
from driftline.ledger.skew.rows import scalars
from driftline.ledger.skew.sample import Mismatch, chosen_alike, kept, most_kept, write
from driftline.ledger.skew.verdicts import DIFFER, LOST, number_verdicts, verdicts

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers
    from driftline.ledger.skew.hashing import Hashes
    from driftline.ledger.skew.rows import Scalar, SkewRows
    from driftline.ledger.skew.tolerance import Tolerances
    from driftline.ledger.skew.verdicts import Verdicts

__all__ = ["MOST_FEATURES", "Skew", "Tally"]

MOST_FEATURES = 512
"""Features that are compared: the first in sorted order of all that occur."""


class Tally(NamedTuple):
    """Pairs of one feature by what they amount to; pairs without a value on either side are none.

    Attributes
    ----------
    same, differ
        Both sides have a value.
    filled
        Serving has a value and training has none.
    lost
        Training has a value and serving has none.
    """

    same: int = 0
    differ: int = 0
    filled: int = 0
    lost: int = 0

    @property
    def compared(self) -> int:
        """Pairs with a value on one side at least."""
        return sum(self)

    @property
    def mismatched(self) -> int:
        """Pairs that are not the same."""
        return self.differ + self.filled + self.lost

    def plus(self, other: Tally) -> Tally:
        """Return the sum of two."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(slots=True)
class Skew:
    """Sums over pairs that were joined in one slot; less than about 200 kB in JSON.

    Attributes
    ----------
    rows
        Pairs, those taken back subtracted; what a `Tally` lacks of it had no value on either side.
    tallies
        By feature; one that came to nothing is kept, as its name has a part in what is sampled.
    sample
        Entries by feature, each with its count: see `driftline.ledger.skew.sample`.
    history
        Prints of training rows, by entity.
    """

    rows: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    sample: dict[str, dict[str, int]] = field(default_factory=dict)
    history: History = field(default_factory=History.empty)

    @classmethod
    def empty(cls) -> Skew:
        """Return the sums of nothing."""
        return cls()

    @classmethod
    def of(cls, rows: SkewRows, tolerances: Tolerances) -> Skew:
        """Sum pairs of 20 features: 5 µs each in batches of a thousand, 1 ms for 50 of them.

        Parameters
        ----------
        tolerances
            The same for all sums that are ever merged.
        """
        order, entity = _hashes(rows)
        out = cls(rows=int(rows.sign.sum(dtype=np.int64)))
        found = _verdicts(rows, tolerances)
        # Null and absent are one thing: a column of nothing leaves no trace.
        told = sorted(name for name, each in found.items() if each.any())[:MOST_FEATURES]
        wrong: dict[str, Integers] = {}
        for name in told:
            counts = np.bincount(found[name], weights=rows.sign, minlength=LOST + 1)[1:]
            out.tallies[name] = Tally(*(int(count) for count in counts.tolist()))
            bad = np.flatnonzero(found[name] >= DIFFER)
            if bad.size:
                wrong[name] = bad
        if wrong:
            most = _most_kept(len(wrong), len(told))
            trained = _Trained(rows, tolerances)
            for name, bad in wrong.items():
                picked = bad[_picked(order[bad], entity[bad], most)]
                out.sample[name] = kept(trained.entries(name, picked, order, entity), most)
        out.history = _history(rows, entity, order, list(out.tallies), tolerances)
        return out

    def __bool__(self) -> bool:
        """Return whether anything in it counts."""
        return (
            self.rows != 0
            or any(any(tally) for tally in self.tallies.values())
            or any(any(entries.values()) for entries in self.sample.values())
            or bool(self.history.count.any())
        )

    def merge(self, other: Skew) -> None:
        """Add the sums of others; associative and commutative, bit for bit. 1 ms."""
        self.rows += other.rows
        for name, tally in other.tallies.items():
            self.tallies[name] = self.tallies.get(name, Tally()).plus(tally)
        history, theirs = self.history, other.history
        for name in sorted(self.tallies)[MOST_FEATURES:]:
            del self.tallies[name]
        names = frozenset(self.tallies)
        mismatched = (self.sample.keys() | other.sample.keys()) & names
        most = _most_kept(len(mismatched), len(names))
        sample: dict[str, dict[str, int]] = {}
        for name in mismatched:
            entries = dict(self.sample.get(name, {}))
            for key, count in other.sample.get(name, {}).items():
                entries[key] = entries.get(key, 0) + count
            sample[name] = kept(entries, most)
        self.sample = sample
        self.history = history.only(names).merged(theirs.only(names), most_rows(len(names)))

    def settle(self) -> None:
        """Forget what came and was taken back again, once all that belongs together has come.

        Whether it ever came may depend on the order in which partitions were read.
        """
        self.tallies = {name: tally for name, tally in self.tallies.items() if any(tally)}
        sample = {
            name: {key: count for key, count in entries.items() if count}
            for name, entries in self.sample.items()
        }
        self.sample = {name: entries for name, entries in sample.items() if entries}
        self.history = self.history.settled()

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal sums give equal bytes."""
        return {
            "is": "skew",
            "rows": self.rows,
            "tallies": {name: list(tally) for name, tally in sorted(self.tallies.items())},
            "sample": {
                name: [[key, entries[key]] for key in sorted(entries)]
                for name, entries in sorted(self.sample.items())
            },
            "history": self.history.to_values(),
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Skew:
        """Return what `to_values` wrote."""
        return cls(
            int(values["rows"]),
            {name: Tally(*tally) for name, tally in values["tallies"].items()},
            {name: dict(map(tuple, entries)) for name, entries in values["sample"].items()},
            History.from_values(values["history"]),
        )


def _most_kept(mismatched: int, features: int) -> int:
    """Return how many entries of each mismatched feature are kept.

    With so many features that some are dropped, mismatched ones perhaps, as few as there can be: it
    must not become more when a further feature comes.
    """
    return most_kept(MOST_FEATURES if features >= MOST_FEATURES else mismatched)


def _hashes(rows: SkewRows) -> tuple[Hashes, Hashes]:
    """Return the hash of each prediction's id, and of whom it is about."""
    order = text_hashes(rows.ids)
    entity = order.copy()
    told = [row for row, about in enumerate(rows.entities) if about is not None]
    if told:
        entity[told] = text_hashes([rows.entities[row] or "" for row in told])
    return order, entity


def _verdicts(rows: SkewRows, tolerances: Tolerances) -> dict[str, Verdicts]:
    """Compare all features, those of numbers at once: most of the cost is by column otherwise."""
    out: dict[str, Verdicts] = {}
    numeric: dict[str, tuple[Floats, Floats]] = {}
    for name in rows.names:
        served, trained = rows.pair(name)
        if isinstance(served, np.ndarray) and isinstance(trained, np.ndarray):
            numeric[name] = served, trained
        else:
            out[name] = verdicts(scalars(served), scalars(trained), tolerances.of(name))
    if numeric:
        served, trained = (np.stack(side) for side in zip(*numeric.values(), strict=True))
        both = number_verdicts(served, trained, *tolerances.stacked(list(numeric)))
        out.update(zip(numeric, both, strict=True))
    return out


def _picked(order: Hashes, entity: Hashes, most: int) -> Integers:
    """Return rows among which are all that `sample.kept` will keep."""
    half = max(most // 2, 1)
    by_id = np.unique(order)
    if by_id.size <= half:
        return np.arange(order.size)
    last = by_id[half - 1]
    # Of each prediction once: what is said of it twice, or taken back, may be one entry.
    _, first = np.unique(order, return_index=True)
    by_entity = first[np.lexsort((order[first], entity[first]))[half - 1]]
    before = (entity < entity[by_entity]) | (
        (entity == entity[by_entity]) & (order <= order[by_entity])
    )
    return np.flatnonzero((order <= last) | before)


def _history(
    rows: SkewRows, entity: Hashes, order: Hashes, names: list[str], tolerances: Tolerances
) -> History:
    most = most_rows(len(names))
    few = candidates(entity, order, most)
    out = np.zeros((len(names), few.size), dtype=np.uint16)
    columns = [rows.pair(name)[1] for name in names]
    numeric = [at for at, column in enumerate(columns) if isinstance(column, np.ndarray)]
    if numeric:
        stack = np.stack([column[few] for column in columns if isinstance(column, np.ndarray)])
        out[numeric] = number_prints(stack, *tolerances.stacked([names[at] for at in numeric]))
    picked = few.tolist()
    for at, column in enumerate(columns):
        if not isinstance(column, np.ndarray):
            out[at] = prints([column[row] for row in picked], tolerances.of(names[at]))
    sign = rows.sign[few].astype(np.int64)
    found = History(tuple(names), entity[few], order[few], rows.ts[few], sign, out.T)
    return found.bounded(most)


class _Trained:
    """The training values of some pairs by row, to see what else was served in a value's place."""

    def __init__(self, rows: SkewRows, tolerances: Tolerances) -> None:
        self._rows, self._tolerances = rows, tolerances
        # Of all features: which of them are compared is seen when all pairs have come.
        self._columns = {name: scalars(column) for name, column in rows.trained.items()}

    def entries(self, name: str, picked: Integers, order: Hashes, entity: Hashes) -> dict[str, int]:
        """Return the entries of one feature's mismatches, with their counts."""
        served, trained = (scalars(side) for side in self._rows.pair(name))
        out: dict[str, int] = {}
        for row in picked.tolist():
            place = int(order[row])
            found = Mismatch(
                self._rows.ids[row],
                int(entity[row]),
                int(self._rows.ts[row]),
                served[row],
                trained[row],
                chosen_alike(place, self._alike(name, row, served[row])),
            )
            key = write(place, found)
            out[key] = out.get(key, 0) + int(self._rows.sign[row])
        return out

    def _alike(self, name: str, row: int, served: Scalar) -> list[str]:
        if served is None:
            return []
        return [
            other
            for other, column in self._columns.items()
            if other != name and self._tolerances.of(other).same(served, column[row])
        ]
