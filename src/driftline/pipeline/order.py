"""The running maximum of event time, over all events of a batch in the order of their source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.frame import Frame


class SourceOrder:
    """What the mark was at each event of a batch, however the batch splits into frames.

    Parameters
    ----------
    mark
        Running maximum before the batch.
    resume_at, resume_high
        From offset `resume_at` on the mark is at least `resume_high`.

    Attributes
    ----------
    mark
        Running maximum after the batch.
    first
        Event time of the first event, None where there is none.
    """

    def __init__(
        self, frames: Sequence[Frame], mark: int, resume_at: int, resume_high: int
    ) -> None:
        self._start = mark
        self._resume = (resume_at, resume_high)
        self._frames = frames
        self.mark, self.first = mark, None
        if not frames:
            self._offset = np.empty(0, dtype=np.int64)
            return
        ts, offset = frames[0].ts, frames[0].offset
        order: npt.NDArray[np.int64] | None = None
        if len(frames) > 1:
            ts = np.concatenate([f.ts for f in frames])
            offset = np.concatenate([f.offset for f in frames])
            order = np.lexsort((np.concatenate([f.index for f in frames]), offset))
            ts, offset = ts[order], offset[order]
        floor = np.where(offset >= resume_at, resume_high, mark)
        running = np.maximum.accumulate(np.maximum(np.maximum(ts, floor), mark))
        earlier = np.maximum(np.concatenate([[mark], running[:-1]]), floor)
        # Events of one envelope share an offset: a restart reads the whole of it again.
        before = earlier[np.searchsorted(offset, offset, side="left")]
        self.mark, self.first = int(running[-1]), int(ts[0])
        self._offset, self._running = offset, running
        if order is None:
            self._by_row, self._before = running, before
        else:
            self._by_row, self._before = np.empty_like(running), np.empty_like(before)
            self._by_row[order], self._before[order] = running, before

    def of(self, frame: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the running maximum at each row of a frame, and before the row's record."""
        start = sum(f.rows for f in self._frames[:frame])
        rows = slice(start, start + self._frames[frame].rows)
        return self._by_row[rows], self._before[rows]

    def mark_at(self, offset: int) -> int:
        """Return the running maximum over all events before an offset."""
        at = int(np.searchsorted(self._offset, offset, side="left"))
        mark = int(self._running[at - 1]) if at else self._start
        resume_at, resume_high = self._resume
        return max(mark, resume_high) if offset >= resume_at else mark
