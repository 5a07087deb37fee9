"""Events as columns: what the codec makes of a batch of records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from driftline.events.errors import FaultCode
    from driftline.events.record import Source

EventType = Literal["prediction", "features", "label", "decision", "outcome", "lifecycle"]
Segment = tuple[tuple[str, str], ...]
"""Sorted (name, value) pairs; the empty tuple is "no segment"."""

Kind = Literal["numeric", "categorical", "boolean"]


def segment_of(pairs: Iterable[Sequence[str]]) -> Segment:
    """Return a segment from its pairs as JSON has them: lists of name and value, sorted."""
    return tuple((name, value) for name, value in pairs)


@dataclass(slots=True)
class Frame:
    """The good events of one batch, one model and one type, as columns, in source order.

    Attributes
    ----------
    ts
        Event time, microseconds since the epoch, int64 of shape (n,).
    offset, index
        Offset of the record and position inside its envelope, int64 of shape (n,). (offset, index)
        ascends strictly.
    columns
        For each column name a sequence of n Python values. ``None`` is missing (absent, null or not
        finite). When `kinds` names the column, every other value has that kind's type: float or int
        (finite; often as `Numbers`), str, or bool; what had another type was replaced by None and
        counted in `invalid`. A column that `kinds` does not name holds any JSON scalar, as it came
        (a nested value was replaced by None and counted in `invalid`). A column is left out when it
        is missing in all rows of the frame. Feature columns come by their name; the prediction
        comes as ``prediction`` (or, for class probabilities, ``prediction`` = the likeliest class
        and ``prediction.<class>`` = its probability) and the score as ``score``. A feature that has
        one of those names comes as ``features.<name>``.
    kinds
        Expected kind by column name, as far as known (from the reference's layout).
    featured
        Which rows carried ``features`` at all, bool of shape (n,), or None when all did.
    ids
        ``prediction_id`` of each row, or None for types that have none.
    segments
        Segment of each row, or None when no row has one.
    invalid
        Values of the wrong type by column: {name: array of row numbers}.
    unknown_fields
        Top-level fields that are no part of the event type: {name: array of row numbers}. Bounded
        to 100 names; further ones come under "…" (a row may then stand there several times).
    values
        The remaining fields that are not statistics (label, action, value, version, …), by name.
    """

    model: str
    type: EventType
    ts: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]
    columns: dict[str, Sequence[Any]] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    featured: npt.NDArray[np.bool_] | None = None
    ids: Sequence[str] | None = None
    segments: Sequence[Segment] | None = None
    invalid: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    unknown_fields: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    values: dict[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of events in the frame."""
        return int(self.ts.size)

    def take(self, rows: npt.NDArray[np.int64]) -> Frame:
        """Return a frame of some of the rows, given in ascending order."""
        picked = rows.tolist()

        def some(values: Sequence[Any]) -> list[Any]:
            return [values[row] for row in picked]

        def among(marked: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            where = np.searchsorted(rows, marked)
            where = np.minimum(where, rows.size - 1)
            return where[rows[where] == marked]

        return Frame(
            model=self.model,
            type=self.type,
            ts=self.ts[rows],
            offset=self.offset[rows],
            index=self.index[rows],
            columns={name: some(values) for name, values in self.columns.items()},
            kinds=self.kinds,
            featured=None if self.featured is None else self.featured[rows],
            ids=None if self.ids is None else some(self.ids),
            segments=None if self.segments is None else some(self.segments),
            invalid={name: among(wrong) for name, wrong in self.invalid.items()},
            unknown_fields={name: among(there) for name, there in self.unknown_fields.items()},
            values={name: some(values) for name, values in self.values.items()},
        )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One element that could not be read: its bytes untouched, where it stood and why.

    ``model`` is the model it most likely belongs to, or None when that cannot be told.
    ``got`` is cut at 200 characters.
    """

    source: Source
    offset: int
    index: int
    timestamp: int | None
    value: bytes
    path: str
    expected: str
    got: str
    model: str | None = None
    code: FaultCode = "value"

    @property
    def message(self) -> str:
        """One clear line."""
        return f"{self.path}: expected {self.expected}, got {self.got}"

    @property
    def id(self) -> str:
        """Stable id: the same element read twice is one dead letter."""
        return f"{self.source}/{self.offset}/{self.index}"


@dataclass(slots=True)
class Decoded:
    """Everything one batch held: each event is in exactly one frame row or one dead letter."""

    frames: list[Frame]
    dead: list[DeadLetter]
