"""What a replay reads from: one source, its records in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.mapping import InputSpec
    from driftline.events.record import RawRecord, Source

__all__ = ["UNKNOWN", "Feed", "filled", "sorted_order"]

UNKNOWN = -(2**63)
"""Event time of a row whose time cannot be read."""


class Feed(Protocol):
    """The records of one source.

    A file's records come in the order of their event time; their offsets number them in that
    order, as an offset must ascend, and `origin` leads back to the row. A partition's records come
    as they are.
    """

    @property
    def source(self) -> Source:
        """What the records belong to."""
        ...

    @property
    def spec(self) -> InputSpec:
        """How they are read."""
        ...

    @property
    def total(self) -> int:
        """About how many records there are, for progress."""
        ...

    def read(self, most: int) -> Sequence[RawRecord]:
        """Return the next records, about `most` of them; none at the end."""
        ...

    def origin(self, offset: int) -> int:
        """Return where a record stood: its row in the file from 0, or its Kafka offset."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def filled(ts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return event times where a row whose time is `UNKNOWN` has that of the row before it.

    Parameters
    ----------
    ts
        Event time, microseconds, int64 of shape (n,).
    """
    known = ts != UNKNOWN
    if known.all():
        return ts
    last = np.maximum.accumulate(np.where(known, np.arange(ts.size), -1))
    return np.where(last >= 0, ts[np.maximum(last, 0)], UNKNOWN)


def sorted_order(ts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Return the rows in order of time, stable; None where they are in order as they stand.

    A row whose time is `UNKNOWN` stays behind the row before it.

    Parameters
    ----------
    ts
        Event time, microseconds, int64 of shape (n,).
    """
    ts = filled(ts)
    if np.all(ts[1:] >= ts[:-1]):
        return None
    return np.argsort(ts, kind="stable")
