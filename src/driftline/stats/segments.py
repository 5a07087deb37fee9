"""Segments of a reference: the same bins, with what is normal of each segment's own rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.frame import segment_of
from driftline.events.typing import typed
from driftline.stats.season import Season

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from driftline.events.frame import Segment
    from driftline.stats.column import Column
    from driftline.stats.reference import Reference
    from driftline.stats.season import Seasonal

__all__ = [
    "LEAST_ROWS",
    "MOST_OF_ALL",
    "OTHER_SEGMENT",
    "in_words",
    "pack_segments",
    "unpack_segments",
    "with_segments",
]

OTHER_SEGMENT: Segment = (("segment", "…"),)
"""Takes the rows of segments beyond the most that one slot keeps apart."""
LEAST_ROWS = 250
"""Of a segment that is watched: fewer rows leave a margin of more than 0.16 sd."""
MOST_OF_ALL = 0.9
"""Share of the rows from which a segment is as good as the whole, which is watched anyway."""
MOST_CELLS = 2_000
"""Segments times columns, at most: what bounds the detectors' state and time of a wide model."""
LEFT_OUT = 20
"""Segments that a reference names without watching them."""


def with_segments(
    reference: Reference,
    columns: Mapping[str, Sequence[Any]],
    segments: Sequence[Segment],
    *,
    most: int,
    ts: npt.NDArray[np.int64] | None = None,
    slot: int = 0,
    seasonal: Seasonal | None = None,
) -> Reference:
    """Return a reference that knows its largest segments, from the rows it was built from.

    A segment is the combination of all that an event's ``segment`` holds. Those with fewer than
    `LEAST_ROWS` rows and those that hold nearly all rows are left out, and so are the smaller ones
    beyond `most` (or beyond `MOST_CELLS`, in a wide model).

    Parameters
    ----------
    columns, ts, slot, seasonal
        As for `Reference.build`.
    segments
        Of each row; the empty one is none.
    most
        How many are watched, at most.

    Notes
    -----
    Each segment's variability is measured as the whole's is. Measured: 3 s for 20 segments of 100
    columns, 20,000 rows in 300 slots; the whole takes 0.7 s.
    """
    rows: dict[Segment, list[int]] = {}
    for row, segment in enumerate(segments):
        rows.setdefault(segment, []).append(row)
    rows.pop((), None)
    rows.pop(OTHER_SEGMENT, None)
    if not rows or most <= 0:
        return reference
    ranked = sorted(rows, key=lambda segment: (-len(rows[segment]), segment))
    fitting = (s for s in ranked if LEAST_ROWS <= len(rows[s]) <= MOST_OF_ALL * len(segments))
    kept = list(islice(fitting, min(most, MOST_CELLS // len(reference.columns))))
    known = {name: values for name, values in columns.items() if name in reference.index}
    found = {
        segment: _of_rows(reference, known, rows[segment], ts, slot, seasonal) for segment in kept
    }
    others = islice((segment for segment in ranked if segment not in found), LEFT_OUT)
    return replace(reference, segments=found, left_out={s: len(rows[s]) for s in others})


def _of_rows(
    reference: Reference,
    columns: Mapping[str, Sequence[Any]],
    rows: Sequence[int],
    ts: npt.NDArray[np.int64] | None,
    slot: int,
    seasonal: Seasonal | None,
) -> Reference:
    own = {name: [values[row] for row in rows] for name, values in columns.items()}
    found = type(reference).build(
        reference.model,
        own,
        ts=None if ts is None else ts[rows],
        slot=slot,
        seasonal=seasonal,
        known={c.name: _recounted(c, own[c.name]) for c in reference.columns},
        dependent=False,
    )
    return _lent(found, reference)


def _lent(own: Reference, whole: Reference) -> Reference:
    """Return a segment's reference that varies at least as the whole leads one to expect.

    What moves the whole from slot to slot moves its segments. A few rows a slot do not show it, and
    many slots of them feel it all the same: of the variance of such a slot's mean the wandering
    part is n rho / (1 + (n - 1) rho), and only that part is correlated in time.
    """
    if not whole.slots or not own.slots:
        return own
    part = _wandering(whole.rho, own) / np.maximum(_wandering(whole.rho, whole), 1e-12)
    expected = np.round(1 + (whole.tau - 1) * np.minimum(part, 1.0), 6)
    return replace(own, rho=np.maximum(own.rho, whole.rho), tau=np.maximum(own.tau, expected))


def _wandering(rho: npt.NDArray[np.float64], reference: Reference) -> npt.NDArray[np.float64]:
    rows = reference.events / reference.slots
    return np.asarray(rows * rho / (1 + max(0.0, rows - 1) * rho))


def _recounted(column: Column, values: Sequence[Any]) -> Column:
    """Return a column with its own bins and fixed point, and the counts of other values."""
    # The stand-in for a row that says nothing is of a type of its own (`Reference.build`).
    told, _ = typed([value for value in values if value is not ...], column.kind)
    codes, numbers = column.bin(told)
    counts = np.bincount(codes, minlength=column.counts.size)
    present = np.sort(numbers[np.isfinite(numbers)])
    if not column.numeric or not present.size:
        return replace(column, counts=counts)
    alike = present[0] == present[-1]
    return replace(
        column,
        counts=counts,
        mean=float(present[0] if alike else present.mean()),
        sd=0.0 if alike else float(present.std()),
        median=float(present[present.size // 2]),
    )


def in_words(segment: Segment) -> str:
    """Return a segment as people write it: "country=DE, device=ios"."""
    return ", ".join(f"{name}={value}" for name, value in segment)


def pack_segments(reference: Reference) -> dict[str, Any]:
    """Return what a reference's JSON says of its segments; nothing where it has none."""
    packed: dict[str, Any] = {}
    if reference.segments:
        packed["segments"] = [
            {
                "segment": [list(pair) for pair in segment],
                "events": own.events,
                "slots": own.slots,
                "rho": own.rho.tolist(),
                "tau": own.tau.tolist(),
                "gap": own.gap,
                "season": own.season.to_json(),
                "columns": [[c.counts.tolist(), c.mean, c.sd, c.median] for c in own.columns],
            }
            for segment, own in reference.segments.items()
        ]
    if reference.left_out:
        packed["left_out"] = [
            [[list(pair) for pair in segment], rows] for segment, rows in reference.left_out.items()
        ]
    return packed


def unpack_segments(reference: Reference, raw: Mapping[str, Any]) -> Reference:
    """Take up what `pack_segments` gave; KeyError, TypeError or ValueError for anything else."""
    if "segments" not in raw and "left_out" not in raw:
        return reference
    packed = raw.get("segments", ())
    segments = {segment_of(each["segment"]): _unpack(reference, each) for each in packed}
    left_out = {segment_of(pairs): int(rows) for pairs, rows in raw.get("left_out", ())}
    return replace(reference, segments=segments, left_out=left_out)


def _unpack(reference: Reference, raw: Mapping[str, Any]) -> Reference:
    columns = []
    for column, (counts, *moments) in zip(reference.columns, raw["columns"], strict=True):
        if len(counts) != column.counts.size:
            msg = f"{column.name}: expected {column.counts.size} counts, got {len(counts)}"
            raise ValueError(msg)
        mean, sd, median = (float("nan") if value is None else float(value) for value in moments)
        told = np.array(counts, dtype=np.int64)
        columns.append(replace(column, counts=told, mean=mean, sd=sd, median=median))
    return replace(
        reference,
        columns=tuple(columns),
        events=int(raw["events"]),
        slots=int(raw["slots"]),
        rho=np.array(raw["rho"], dtype=np.float64),
        tau=np.array(raw["tau"], dtype=np.float64),
        gap=int(raw["gap"]),
        season=Season.from_json(tuple(columns), raw["season"]),
        dependence=None,
        segments={},
        left_out={},
    )
