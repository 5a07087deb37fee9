"""Frames out of single events, and one frame out of several."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.fields import FIELDS
from driftline.events.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from driftline.events.careful import Event
    from driftline.events.frame import Kind
    from driftline.events.limits import Limits

__all__ = ["frames_of_events", "merge_frames"]

OTHERS = "…"

Placed = tuple["Event", int, int]
"""An event, the offset of its record and its position in it."""


def frames_of_events(
    events: Sequence[Placed], kinds: Mapping[str, Kind] | None, limits: Limits
) -> list[Frame]:
    """Turn events of one model and one type, in source order, into columns."""
    return [_frame(part, kinds) for part in _parts(events, limits.cells)]


def _parts(events: Sequence[Placed], cells: int) -> Iterator[Sequence[Placed]]:
    """Divide events so that rows times distinct columns stay bounded, whatever names come."""
    start = 0
    names: set[str] = set()
    for at, (event, _, _) in enumerate(events):
        wider = names | event.columns.keys() if not event.columns.keys() <= names else names
        if at > start and len(wider) * (at - start + 1) > cells:
            yield events[start:at]
            start, wider = at, set(event.columns)
        names = wider
    yield events[start:]


def _frame(events: Sequence[Placed], kinds: Mapping[str, Kind] | None) -> Frame:
    rows = len(events)
    first = events[0][0]
    frame = Frame(
        model=first.model,
        type=first.type,
        ts=np.array([event.ts for event, _, _ in events], dtype=np.int64),
        offset=np.array([offset for _, offset, _ in events], dtype=np.int64),
        index=np.array([index for _, _, index in events], dtype=np.int64),
        kinds={} if kinds is None else kinds,
    )
    columns: dict[str, list[Any]] = {}
    values: dict[str, list[Any]] = {}
    invalid: dict[str, list[int]] = {}
    unknown: dict[str, list[int]] = {}
    for row, (event, _, _) in enumerate(events):
        _set(columns, event.columns, row, rows)
        _set(values, event.values, row, rows)
        for name in event.invalid:
            invalid.setdefault(name, []).append(row)
        for name in event.unknown:
            unknown.setdefault(name, []).append(row)
    frame.columns.update(columns)
    frame.values.update(values)
    frame.invalid = {name: np.array(found, dtype=np.int64) for name, found in invalid.items()}
    frame.unknown_fields = {n: np.array(found, dtype=np.int64) for n, found in unknown.items()}
    ids: list[Any] = [event.id for event, _, _ in events]
    if any(id_ is not None for id_ in ids):
        frame.ids = ids
    if any(event.segment for event, _, _ in events):
        frame.segments = [event.segment for event, _, _ in events]
    if "features" in FIELDS[first.type] and not all(event.featured for event, _, _ in events):
        frame.featured = np.array([event.featured for event, _, _ in events], dtype=np.bool_)
    return frame


def _set(columns: dict[str, list[Any]], given: Mapping[str, Any], row: int, rows: int) -> None:
    for name, value in given.items():
        if value is None:
            continue  # a column that is missing in all rows is left out
        column = columns.get(name)
        if column is None:
            column = columns[name] = [None] * rows
        column[row] = value


def merge_frames(frames: Sequence[Frame], limits: Limits) -> list[Frame]:
    """Put frames of one model and type together, in source order.

    They stay apart only where together they would hold more than `Limits.cells` values.
    """
    if len(frames) == 1:
        return [_bounded(frames[0], limits)]
    rows = sum(frame.rows for frame in frames)
    names = dict.fromkeys(name for frame in frames for name in frame.columns)
    if rows * len(names) > limits.cells:
        return [_bounded(f, limits) for f in sorted(frames, key=lambda f: tuple(_head(f)))]
    offset = np.concatenate([frame.offset for frame in frames])
    index = np.concatenate([frame.index for frame in frames])
    order = np.lexsort((index, offset))
    place = np.empty(rows, dtype=np.int64)
    place[order] = np.arange(rows)
    starts = np.cumsum([0, *(frame.rows for frame in frames)])
    picker = None if (order[1:] > order[:-1]).all() else itemgetter(*order.tolist())

    def join(columns: Sequence[Sequence[Any] | None], missing: Any = None) -> Sequence[Any]:
        values: list[Any] = []
        for frame, column in zip(frames, columns, strict=True):
            values.extend([missing] * frame.rows if column is None else column)
        return values if picker is None else picker(values)

    def rows_by_name(which: str) -> dict[str, Any]:
        found: dict[str, list[Any]] = {}
        for frame, start in zip(frames, starts[:-1], strict=True):
            for name, marked in getattr(frame, which).items():
                found.setdefault(name, []).append(place[marked + start])
        return {name: np.sort(np.concatenate(parts)) for name, parts in found.items()}

    featured = None
    if any(frame.featured is not None for frame in frames):
        masks = [np.ones(f.rows, np.bool_) if f.featured is None else f.featured for f in frames]
        featured = np.concatenate(masks)[order]
    some = frames[0]
    values = dict.fromkeys(name for frame in frames for name in frame.values)
    merged = Frame(
        model=some.model,
        type=some.type,
        ts=np.concatenate([frame.ts for frame in frames])[order],
        offset=offset[order],
        index=index[order],
        columns={name: join([f.columns.get(name) for f in frames]) for name in names},
        kinds=some.kinds,
        featured=featured,
        ids=join([f.ids for f in frames]) if any(f.ids is not None for f in frames) else None,
        segments=(
            join([f.segments for f in frames], ())
            if any(f.segments is not None for f in frames)
            else None
        ),
        invalid=rows_by_name("invalid"),
        unknown_fields=rows_by_name("unknown_fields"),
        values={name: join([f.values.get(name) for f in frames]) for name in values},
    )
    return [_bounded(merged, limits)]


def _head(frame: Frame) -> tuple[int, int]:
    return int(frame.offset[0]), int(frame.index[0])


def _bounded(frame: Frame, limits: Limits) -> Frame:
    """Keep the first names of unknown fields apart and count the others together."""
    if len(frame.unknown_fields) > limits.unknown_names:
        names = sorted(frame.unknown_fields, key=lambda n: (int(frame.unknown_fields[n][0]), n))
        kept = {name: frame.unknown_fields[name] for name in names[: limits.unknown_names]}
        rest = [frame.unknown_fields[name] for name in names[limits.unknown_names :]]
        frame.unknown_fields = {**kept, OTHERS: np.sort(np.concatenate(rest))}
    return frame
