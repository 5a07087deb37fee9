"""Events around a change as rows: what they held, when, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.stats import is_prediction_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from driftline.events.frame import Frame, Segment
    from driftline.replay.explain.reel import Around, Reel, Stretch

__all__ = ["Place", "Rows", "rows_of"]


class Place(NamedTuple):
    """Where an event stands; ``offset`` is the row of a file, ``element`` its place in an array."""

    topic: str
    partition: int
    offset: int
    element: int


@dataclass
class Rows:
    """Predictions and features of one model, in order of event time.

    Attributes
    ----------
    ts
        Event time, microseconds, int64 of shape (n,).
    values
        By column n values as they came, None where there is none.
    carries
        By column which rows could have had it (a label has no features), bool of shape (n,).
    ids, versions
        Of each row, None where it names none.
    whole
        Whether they are all that came.
    note
        Why there are fewer than one would wish, or none; empty where all is well.
    cover
        By source from when to when, microseconds, all that came was taken.
    labels
        Label by prediction, as far as they came in the same time.
    quiet
        Partitions that had events before the change and none after it.
    """

    ts: npt.NDArray[np.int64]
    values: dict[str, list[Any]] = field(default_factory=dict)
    carries: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    ids: list[str | None] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    whole: bool = True
    note: str = ""
    cover: dict[tuple[str, int], list[tuple[int, int]]] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    quiet: list[str] = field(default_factory=list)

    @classmethod
    def none(cls, note: str) -> Rows:
        """Return no rows, and why."""
        return cls(np.empty(0, dtype=np.int64), note=note)

    def __len__(self) -> int:
        """Count them."""
        return int(self.ts.size)

    def of(self, name: str, where: npt.NDArray[np.bool_]) -> list[Any]:
        """Return a column's values in some rows, of those that could have had it."""
        if name not in self.values:
            return []
        held = self.values[name]
        return [held[row] for row in np.flatnonzero(where & self.carries[name]).tolist()]


def rows_of(
    model: str,
    segment: Segment,
    around: Around,
    taken: Iterable[tuple[Reel, Stretch]],
) -> Rows:
    """Put what was taken of several sources together.

    Parameters
    ----------
    segment
        Whose rows are wanted; empty for all.
    """
    parts: list[_Part] = []
    labels: dict[str, Any] = {}
    cover: dict[tuple[str, int], list[tuple[int, int]]] = {}
    whole, gone, sources, quiet = True, True, 0, []
    for reel, stretch in taken:
        sources += 1
        whole &= stretch.whole
        gone &= stretch.gone
        cover[stretch.source.topic, stretch.source.partition] = stretch.cover
        for frame in stretch.frames:
            if frame.model == model and frame.type == "label":
                labels |= dict(zip(frame.ids or (), frame.values["label"], strict=False))
        mine = [
            part
            for frame in stretch.frames
            if frame.model == model
            and frame.type in {"prediction", "features"}
            and (part := _part(frame, reel, segment, around))
        ]
        parts += mine
        times = [part.ts for part in mine]
        if times and not any((ts >= around.change).any() for ts in times):
            quiet.append(str(stretch.source))
    if not sources:
        return Rows.none("no source of events was given")
    if not parts:
        held = "they are no longer kept there" if gone else f"there are none of {model}"
        return Rows.none(f"no events from around the change: {held}")
    # A model that fell silent is quiet everywhere: that is no news of a partition.
    everywhere = not any((part.ts >= around.change).any() for part in parts)
    rows = _joined(parts)
    rows.whole, rows.quiet = whole, [] if everywhere else quiet
    rows.cover, rows.labels = cover, labels
    if not whole:
        rows.note = f"a sample of {len(rows):,}, evenly spread"
    return rows


class _Part(NamedTuple):
    ts: npt.NDArray[np.int64]
    frame: Frame
    places: list[Place]


def _part(frame: Frame, reel: Reel, segment: Segment, around: Around) -> _Part | None:
    kept = (frame.ts >= around.first) & (frame.ts <= around.last)
    if "source" in frame.values:  # rows as training makes them were never served
        kept &= np.array([each != "training" for each in frame.values["source"]], dtype=bool)
    if segment:
        mine = frame.segments or [()] * frame.rows
        kept &= np.array([each == segment for each in mine], dtype=bool)
    if not kept.any():
        return None
    chosen = frame.take(np.flatnonzero(kept))
    source = reel.source
    places = [
        Place(source.topic, source.partition, reel.origin(offset), index)
        for offset, index in zip(chosen.offset.tolist(), chosen.index.tolist(), strict=True)
    ]
    return _Part(chosen.ts, chosen, places)


def _joined(parts: Sequence[_Part]) -> Rows:
    ts = np.concatenate([part.ts for part in parts])
    order = np.argsort(ts, kind="stable")
    names = sorted({name for part in parts for name in part.frame.columns})
    nothing: list[None]
    values: dict[str, list[Any]] = {}
    carries: dict[str, npt.NDArray[np.bool_]] = {}
    for name in names:
        column: list[Any] = []
        could: list[npt.NDArray[np.bool_]] = []
        for part in parts:
            frame = part.frame
            nothing = [None] * frame.rows
            column += frame.columns.get(name, nothing)
            could.append(_could(frame, name))
        values[name] = [column[row] for row in order.tolist()]
        carries[name] = np.concatenate(could)[order]
    ids: list[str | None] = []
    versions: list[str | None] = []
    places: list[Place] = []
    for part in parts:
        nothing = [None] * part.frame.rows
        ids += part.frame.ids or nothing
        versions += part.frame.values.get("version", nothing)
        places += part.places
    return Rows(
        ts[order],
        values,
        carries,
        [ids[row] for row in order.tolist()],
        [versions[row] for row in order.tolist()],
        [places[row] for row in order.tolist()],
    )


def _could(frame: Frame, name: str) -> npt.NDArray[np.bool_]:
    """Tell which rows could have had a column."""
    if is_prediction_column(name):
        return np.full(frame.rows, frame.type == "prediction")
    return np.ones(frame.rows, dtype=bool) if frame.featured is None else frame.featured
