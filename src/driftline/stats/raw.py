"""Rows as they came: what a pane carries while its model has no reference yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from driftline.events.frame import Frame
    from driftline.events.record import Source


@dataclass(slots=True)
class RawRows:
    """A block of rows of one kind and one source, complete and in source order.

    Attributes
    ----------
    columns
        Name to n JSON scalars, ``None`` where missing; a column absent here is missing in all rows.
    featured
        Whether each row carried features; None when all did.
    invalid
        Values that could not even be a scalar, by name.
    """

    source: Source
    kind: str
    ts: list[int]
    offset: list[int]
    index: list[int]
    columns: dict[str, Sequence[Any]]
    featured: list[bool] | None = None
    invalid: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source, frame: Frame, rows: npt.NDArray[np.int64]) -> RawRows:
        """Take some rows of a frame, given in ascending order."""
        part = frame if rows.size == frame.rows else frame.take(rows)
        return cls(
            source=source,
            kind=frame.type,
            ts=part.ts.tolist(),
            offset=part.offset.tolist(),
            index=part.index.tolist(),
            columns=dict(part.columns),
            featured=None if part.featured is None else part.featured.tolist(),
            invalid={name: wrong.tolist() for name, wrong in part.invalid.items() if wrong.size},
        )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.ts)


def joined(blocks: Sequence[RawRows]) -> RawRows:
    """Join the blocks of one source and kind, in order; the result does not show the cuts."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    names = sorted({name for block in blocks for name in block.columns})
    columns: dict[str, Sequence[Any]] = {
        name: [v for b in blocks for v in b.columns.get(name) or [None] * b.rows] for name in names
    }
    featured: list[bool] | None = None
    if any(block.featured is not None for block in blocks):
        featured = [f for b in blocks for f in b.featured or [True] * b.rows]
    invalid: dict[str, list[int]] = {}
    at = 0
    for block in blocks:
        for name, wrong in block.invalid.items():
            invalid.setdefault(name, []).extend(row + at for row in wrong)
        at += block.rows
    return RawRows(
        source=first.source,
        kind=first.kind,
        ts=[t for block in blocks for t in block.ts],
        offset=[o for block in blocks for o in block.offset],
        index=[i for block in blocks for i in block.index],
        columns=columns,
        featured=featured,
        invalid=invalid,
    )
