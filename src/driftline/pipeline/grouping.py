"""Rows of a frame by slot and segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from driftline.events.frame import Segment


class Group(NamedTuple):
    """Rows, ascending, that share a slot (its ``start``) and a segment."""

    start: int
    segment: Segment
    rows: npt.NDArray[np.int64]


def group_rows(
    slot: npt.NDArray[np.int64],
    segments: Sequence[Segment] | None,
    rows: npt.NDArray[np.int64],
) -> Iterator[Group]:
    """Yield the groups of some rows, in the order of their first row.

    Parameters
    ----------
    slot
        Slot start of every row of the frame.
    rows
        The rows to group, ascending; at least one.
    """
    own = slot[rows]
    named: list[Segment] = [()]
    if segments is not None:
        number: dict[Segment, int] = {}
        codes = [number.setdefault(segments[row], len(number)) for row in rows.tolist()]
        named = list(number)
        key = np.array(codes, dtype=np.int64)
        order = np.lexsort((rows, key, own))
        cut = (np.diff(own[order]) != 0) | (np.diff(key[order]) != 0)
    else:
        if own[0] == own[-1] and (own == own[0]).all():
            yield Group(int(own[0]), (), rows)
            return
        key = np.zeros(rows.size, dtype=np.int64)
        order = np.argsort(own, kind="stable")
        cut = np.diff(own[order]) != 0
    starts = np.concatenate([[0], np.flatnonzero(cut) + 1])
    ends = np.append(starts[1:], rows.size)
    # First-come order: the bound on segments must not depend on how a batch was sorted.
    for group in np.argsort(order[starts], kind="stable").tolist():
        picked = order[starts[group] : ends[group]]
        yield Group(int(own[picked[0]]), named[int(key[picked[0]])], rows[picked])
