"""The pane: the mergeable summary of one slot, one model and segment, one source partition.

Everything in it is an integer, a minimum, a maximum or a bottom-k sample, so that merging is
associative and commutative bit for bit, however a partition was cut into batches.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.stats.comoments import Comoments
from driftline.stats.fixedpoint import SUMS
from driftline.stats.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.frame import Segment
    from driftline.stats.raw import RawRows
    from driftline.stats.reference import Reference

MAX_EXTRA = 100
"""Names of unexpected features, of versions or of arms that one pane keeps; beyond that they are
counted under `OTHERS`."""
OTHERS = "…"


class PaneKey(NamedTuple):
    """What a pane is about. ``start`` is the slot's start, microseconds since the epoch."""

    model: str
    segment: Segment
    kind: str
    start: int


@dataclass(slots=True)
class Pane:
    """One slot's summary; of one source partition at first, merged over many later.

    Attributes
    ----------
    events
        Events counted, by kind.
    featured
        Rows that carried features.
    late, dead, duplicates
        Events that came too late, elements that could not be read, predictions seen twice: counted
        in the slot in which they arrived, and in nothing else.
    unknown_fields
        Top-level fields that are no part of the event type.
    extra
        Features that the reference does not hold, with the rows that carried them.
    versions, arms
        Predictions by the version of the model that made them, and by arm, where they name one.
    invalid
        Values of the wrong type, int64 of shape (columns,); they count as missing too.
    counts
        Flat counts of all columns, int64; column i's are ``counts[starts[i]:starts[i + 1]]``.
    sums
        Fixed-point sums of the numeric columns, int64 of shape (5, numeric columns).
    minimum, maximum
        float64 of shape (numeric columns,); +inf and -inf where there is no value.
    comoments
        How the columns move together; None where there are not two to compare, or nobody will ask.
    raw
        Rows as they came, while the model has no reference; the statistics above are then empty.
    """

    reference: Reference | None
    events: dict[str, int]
    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]
    minimum: npt.NDArray[np.float64]
    maximum: npt.NDArray[np.float64]
    invalid: npt.NDArray[np.int64]
    sample: Sample
    comoments: Comoments | None = None
    featured: int = 0
    late: int = 0
    dead: int = 0
    duplicates: int = 0
    unknown_fields: int = 0
    extra: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    arms: dict[str, int] = field(default_factory=dict)
    raw: list[RawRows] = field(default_factory=list)

    @classmethod
    def empty(cls, reference: Reference | None, sample: int) -> Pane:
        """Return a pane that has seen nothing; `sample` is the most rows its sample keeps."""
        bins = int(reference.starts[-1]) if reference else 0
        numbers = reference.numeric.size if reference else 0
        columns = len(reference.columns) if reference else 0
        scoring = reference.scoring if reference else None
        return cls(
            reference=reference,
            events={},
            counts=np.zeros(bins, dtype=np.int64),
            sums=np.zeros((SUMS, numbers), dtype=np.int64),
            minimum=np.full(numbers, np.inf),
            maximum=np.full(numbers, -np.inf),
            invalid=np.zeros(columns, dtype=np.int64),
            sample=Sample.empty(sample, columns),
            comoments=Comoments.empty(scoring) if scoring else None,
        )

    def merge(self, other: Pane) -> None:
        """Add another pane, of the same reference or of none, to this one."""
        self.merge_counters(other)
        self.raw.extend(other.raw)
        if other.reference is None:
            return
        if self.reference is None or self.reference.id != other.reference.id:
            msg = "panes of different references cannot be merged"
            raise ValueError(msg)
        self.counts = self.counts + other.counts
        self.sums = self.sums + other.sums
        self.minimum = np.minimum(self.minimum, other.minimum)
        self.maximum = np.maximum(self.maximum, other.maximum)
        self.invalid = self.invalid + other.invalid
        self.sample.merge(other.sample)
        if self.comoments is not None and other.comoments is not None:
            self.comoments.merge(other.comoments)

    def merge_counters(self, other: Pane) -> None:
        """Add what another pane counted of events, and none of its statistics."""
        for kind, count in other.events.items():
            self.events[kind] = self.events.get(kind, 0) + count
        self.featured += other.featured
        self.late += other.late
        self.dead += other.dead
        self.duplicates += other.duplicates
        self.unknown_fields += other.unknown_fields
        for mine, theirs in (
            (self.extra, other.extra),
            (self.versions, other.versions),
            (self.arms, other.arms),
        ):
            for name, rows in theirs.items():
                mine[name] = mine.get(name, 0) + rows

    @property
    def rows(self) -> int:
        """Events counted, over all kinds."""
        return sum(self.events.values())

    def column_counts(self, column: int) -> npt.NDArray[np.int64]:
        """Counts of one column: interior bins, unseen, missing; int64 of shape (bins + 2,)."""
        assert self.reference is not None
        starts = self.reference.starts
        return self.counts[int(starts[column]) : int(starts[column + 1])]

    def note_extra(self, name: str, rows: int) -> None:
        """Count rows that carried a feature which the reference does not hold; bounded."""
        _add(self.extra, name, rows)


def count_names(
    counted: dict[str, int], names: Sequence[str | None], rows: npt.NDArray[np.int64]
) -> None:
    """Count who is named in some rows; rows that name nobody are left out. Bounded."""
    for name, count in Counter([names[row] for row in rows.tolist()]).items():
        if name is not None:
            _add(counted, name, count)


def _add(counted: dict[str, int], name: str, rows: int) -> None:
    if name not in counted and len(counted) >= MAX_EXTRA:
        name = OTHERS
    counted[name] = counted.get(name, 0) + rows
