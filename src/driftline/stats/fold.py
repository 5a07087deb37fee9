"""From columns of events to panes: whole batches at once, no loop over values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.events.frame import Frame
from driftline.events.typing import typed
from driftline.stats.column import is_prediction_column
from driftline.stats.fixedpoint import fixed_point_sums
from driftline.stats.sample import row_keys

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.events.record import Source
    from driftline.stats.pane import Pane
    from driftline.stats.raw import RawRows
    from driftline.stats.reference import Reference


@dataclass(slots=True)
class Folded:
    """A frame's rows, binned and summed by group; group g holds ``order[starts[g]:ends[g]]``.

    ``scored`` are the scores that co-moments are made of, shape (d, m), in that order too; None
    where the reference compares no columns. ``complete`` says that none is missing.
    """

    frame: Frame
    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]
    minimum: npt.NDArray[np.float64]
    maximum: npt.NDArray[np.float64]
    invalid: npt.NDArray[np.int64]
    extra: dict[str, npt.NDArray[np.bool_]]
    values: npt.NDArray[np.float64]
    key: npt.NDArray[np.uint64]
    scored: npt.NDArray[np.float32] | None
    complete: bool

    def add_to(self, pane: Pane, group: int) -> None:
        """Add one group's rows to a pane of the same reference."""
        frame = self.frame
        rows = self.order[self.starts[group] : self.ends[group]]
        pane.counts += self.counts[group]
        pane.sums += self.sums[group]
        np.minimum(pane.minimum, self.minimum[group], out=pane.minimum)
        np.maximum(pane.maximum, self.maximum[group], out=pane.maximum)
        pane.invalid += self.invalid[group]
        scoring = pane.reference.scoring if pane.reference else None
        if scoring is not None and pane.comoments is not None and self.scored is not None:
            own = self.scored[:, self.starts[group] : self.ends[group]]
            pane.comoments.add(own, scoring, complete=self.complete)
        pane.featured += rows.size if frame.featured is None else int(frame.featured[rows].sum())
        for name, carried in self.extra.items():
            count = int(carried[rows].sum())
            if count:
                pane.note_extra(name, count)
        key = self.key[rows]
        sample = pane.sample
        seen = rows.size
        if sample.size and sample.rows >= sample.size:
            keep = np.flatnonzero(key < sample.key.max())
            rows, key = rows[keep], key[keep]
        sample.add(
            key, frame.ts[rows], frame.offset[rows], frame.index[rows], self.values[rows], seen
        )


def fold(
    frame: Frame,
    reference: Reference,
    source: Source,
    order: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
) -> Folded:
    """Bin and sum the rows of a frame, group by group.

    Parameters
    ----------
    order
        The rows to take, group after group, int64 of shape (m,).
    starts
        Where each group begins in `order`, int64 of shape (groups,), the first being 0.
    """
    rows, groups, width = frame.rows, starts.size, int(reference.starts[-1])
    ends = np.append(starts[1:], order.size)
    group = np.repeat(np.arange(groups), ends - starts)
    columns = reference.columns
    codes = np.empty((len(columns), rows), dtype=np.int64)
    values = np.empty((rows, len(columns)))
    invalid = np.zeros((groups, len(columns)), dtype=np.int64)
    outside = None if frame.featured is None else ~frame.featured
    for i, column in enumerate(columns):
        about_prediction = is_prediction_column(column.name)
        if about_prediction and frame.type != "prediction":
            codes[i] = width  # a row of another topic says nothing of the prediction: not missing
            values[:, i] = np.nan
            continue
        given = frame.columns.get(column.name)
        if given is None:
            codes[i] = reference.starts[i] + column.bins + 1
            values[:, i] = np.nan
        else:
            code, values[:, i] = column.bin(given)
            np.add(code, reference.starts[i], out=codes[i])
        if outside is not None and not about_prediction:
            codes[i][outside] = width
        if column.name in frame.invalid:
            wrong = np.zeros(rows, dtype=np.int64)
            wrong[frame.invalid[column.name]] = 1
            invalid[:, i] = np.add.reduceat(wrong[order], starts)
    whole = groups == 1 and order.size == rows
    if not whole:
        codes = codes[:, order]
    scoring = reference.scoring
    # Taken by clipped positions: they are all inside, and numpy need not look twice.
    scored = None if scoring is None else scoring.scores.take(codes[scoring.columns], mode="clip")
    flat = codes + group * (width + 1)
    counts = np.bincount(flat.ravel(), minlength=groups * (width + 1))
    numbers = values[:, reference.numeric]
    if not whole:
        numbers = numbers[order]
    return Folded(
        frame=frame,
        order=order,
        starts=starts,
        ends=ends,
        counts=counts.reshape(groups, width + 1)[:, :width],
        sums=fixed_point_sums(numbers, reference.centers, reference.units, starts),
        minimum=_extreme(np.fmin, numbers, starts, np.inf),
        maximum=_extreme(np.fmax, numbers, starts, -np.inf),
        invalid=invalid,
        extra={
            name: np.fromiter((v is not None for v in column), np.bool_, rows)
            for name, column in frame.columns.items()
            if name not in reference.index and not is_prediction_column(name)
        },
        values=values,
        key=row_keys(source, frame.offset, frame.index),
        scored=scored,
        complete=scored is not None and not np.isnan(scored).any(),
    )


def _extreme(
    ufunc: np.ufunc,
    numbers: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    none: float,
) -> npt.NDArray[np.float64]:
    if not numbers.shape[1]:
        return np.empty((starts.size, 0))
    found: npt.NDArray[np.float64] = ufunc.reduceat(numbers, starts, axis=0)
    found[np.isnan(found)] = none
    return found


def bin_raw(pane: Pane, raw: RawRows, reference: Reference) -> None:
    """Fold rows that came before their reference was known, as if it had been known then."""
    columns = {}
    invalid = {name: np.array(rows, dtype=np.int64) for name, rows in raw.invalid.items()}
    for name, values in raw.columns.items():
        kind = reference.kinds.get(name)
        if kind is None:
            columns[name] = values
            continue
        columns[name], wrong = typed(values, kind)
        if wrong:
            both = [*wrong, *invalid.get(name, ())]
            invalid[name] = np.array(sorted(both), dtype=np.int64)
    frame = Frame(
        model=reference.model,
        type=raw.kind,  # type: ignore[arg-type]
        ts=np.array(raw.ts, dtype=np.int64),
        offset=np.array(raw.offset, dtype=np.int64),
        index=np.array(raw.index, dtype=np.int64),
        columns=columns,
        kinds=reference.kinds,
        featured=None if raw.featured is None else np.array(raw.featured, dtype=np.bool_),
        invalid=invalid,
    )
    order = np.arange(frame.rows)
    fold(frame, reference, raw.source, order, np.zeros(1, dtype=np.int64)).add_to(pane, 0)
