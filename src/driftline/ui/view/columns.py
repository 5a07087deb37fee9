"""Columns in the view: what the report's plots are drawn from, and how each is now."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.events.time import format_ts
from driftline.replay.history import History
from driftline.stats import Reference, distance
from driftline.ui.view.tables import unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from driftline.stats import Column

__all__ = ["Now", "columns_now", "history_of", "reference_of", "windows_of"]

NOW_WINDOWS = 6
NOW_ROWS = 2_000
"""As many rows, or windows if that is more, are "now": fewer would be noise."""
MOST_CACHED = 16
_references: OrderedDict[str, Reference] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Now:
    """One column now, beside its reference.

    Attributes
    ----------
    counts
        As a column's of the reference.
    psi, floor
        PSI against the reference, and what chance alone would make of so few rows; None where
        nothing came.
    """

    column: Column
    counts: npt.NDArray[np.int64]
    psi: float | None
    floor: float
    first: int
    last: int

    @property
    def missing(self) -> float:
        """Share of values that are missing now."""
        return float(self.counts[-1] / max(1, int(self.counts.sum())))

    @property
    def was_missing(self) -> float:
        """The same of the reference."""
        counts = self.column.counts
        return float(counts[-1] / max(1, int(counts.sum())))

    @property
    def excess(self) -> float:
        """By how much it has moved more than chance would have it."""
        return 0.0 if self.psi is None else max(0.0, self.psi - self.floor)


def reference_of(db: sqlite3.Connection, model: str) -> Reference | None:
    """Return a model's newest reference; the last few stay parsed."""
    row = db.execute("select digest from reference where model = ?", (model,)).fetchone()
    if row is None:
        return None
    key = row["digest"]
    held = _references.get(key)
    if held is None:
        body = db.execute("select body from reference where model = ?", (model,)).fetchone()[0]
        held = Reference.from_json(orjson.dumps(unpack(body)["reference"]))
        _references[key] = held
        while len(_references) > MOST_CACHED:
            _references.popitem(last=False)
    return held


def history_of(db: sqlite3.Connection, reference: Reference) -> History | None:
    """Return the frame of a model's plots: what windows there are on its newest reference."""
    row = db.execute(
        "select min(start), max(end), sum(rows), min(end - start) from windows "
        "where model = ? and segment = '' and reference = ?",
        (reference.model, reference.id),
    ).fetchone()
    if row[0] is None:
        return None
    return History(reference, length=row[3], first=row[0], last=row[1], rows=row[2])


def windows_of(
    db: sqlite3.Connection, history: History, names: Sequence[str], segment: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield windows as they stand on the topic, with some columns only and without edges."""
    model, parts = history.reference.model, orjson.loads(segment) if segment else {}
    features: dict[int, dict[str, Any]] = {}
    for name in names:
        for row in db.execute(
            "select * from columns where model = ? and segment = ? and feature = ?",
            (model, segment, name),
        ):
            features.setdefault(row["start"], {})[name] = {
                "histogram": orjson.loads(row["histogram"]),
                "missing": row["missing"],
                "unseen": row["unseen"],
                "min": row["low"],
                "max": row["high"],
                "evidence": row["evidence"],
            }
    for row in db.execute(
        "select start, end, reference, rows from windows where model = ? and segment = ? "
        "order by start",
        (model, segment),
    ):
        if row["start"] in features:
            yield {
                "model": model,
                "segment": parts,
                "reference": row["reference"],
                "length_s": (row["end"] - row["start"]) / 1e6,
                "start": format_ts(row["start"]),
                "end": format_ts(row["end"]),
                "events": {"prediction": row["rows"]},
                "features": features[row["start"]],
            }


def columns_now(
    db: sqlite3.Connection, history: History, names: Sequence[str] | None = None
) -> list[Now]:
    """Return the columns of a model's last windows, summed up; in the reference's order."""
    reference = history.reference
    spans = db.execute(
        "select start, end, rows from windows where model = ? and segment = '' and reference = ? "
        "order by start desc limit ?",
        (reference.model, reference.id, NOW_ROWS),
    ).fetchall()
    rows = 0
    chosen: list[sqlite3.Row] = []
    for each in spans:
        if len(chosen) >= NOW_WINDOWS and rows >= NOW_ROWS:
            break
        chosen.append(each)
        rows += each["rows"]
    first, last = chosen[-1]["start"], chosen[0]["end"]
    sums = {c.name: np.zeros_like(c.counts) for c in reference.columns}
    some = "" if names is None else f" and feature in ({','.join('?' * len(names))})"
    for row in db.execute(
        "select feature, histogram, unseen, missing from columns "
        f"where model = ? and segment = '' and start >= ?{some}",
        (reference.model, first, *(names or ())),
    ):
        if row["feature"] in sums:
            told = [*orjson.loads(row["histogram"]), row["unseen"], row["missing"]]
            sums[row["feature"]] += np.array(told, dtype=np.int64)
    wanted = set(sums if names is None else names)
    return [
        _now(column, sums[column.name], first, last)
        for column in reference.columns
        if column.name in wanted
    ]


def _now(column: Column, counts: npt.NDArray[np.int64], first: int, last: int) -> Now:
    rows, normal = int(counts.sum()), max(1, int(column.counts.sum()))
    df = int(((counts + column.counts) > 0).sum()) - 1
    floor = df * (1 / normal + 1 / max(1, rows))
    psi = float(distance.psi(column.counts, counts)) if rows else None
    return Now(column, counts, psi, floor, first, last)
