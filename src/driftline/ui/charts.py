"""What the page's script draws, as JSON: the same as the report's."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from driftline.events.time import read_ts
from driftline.replay.closeup import closeups
from driftline.replay.history import View, draw
from driftline.replay.quality import chart
from driftline.replay.report import chart_of, close_chart, marks_of
from driftline.ui.view.columns import history_of, reference_of, windows_of
from driftline.ui.view.windows import segment_key

if TYPE_CHECKING:
    from driftline.contract import Book
    from driftline.ui.view import Reader

__all__ = ["of_feature", "of_incident", "of_quality"]


def of_feature(reader: Reader, model: str, column: str) -> dict[str, Any] | None:
    """Return a column over all of its history."""
    reference = reference_of(reader.db, model)
    history = None if reference is None else history_of(reader.db, reference)
    if history is None or column not in history.reference.index:
        return None
    windows = windows_of(reader.db, history, [column])
    (drawn,) = draw(windows, history, [View([column], history.first, history.last)])
    (points,) = drawn.points
    marks = marks_of(column, reader.found(model))
    ends = [drawn.first, drawn.last]
    return {
        "plots": [
            {"kind": "column", "times": drawn.times, "ends": ends, "chart": chart_of(points, marks)}
        ]
    }


def of_incident(reader: Reader, book: Book, name: str) -> dict[str, Any] | None:
    """Return an incident's columns around the change; or what else it is about."""
    it = reader.incident(name)
    if it is None:
        return None
    model, found = it.row["model"], it.found
    if found.kind == "quality":
        return of_quality(reader, book, model)
    if not found.features:
        return _traffic(reader, model, found.change_point, found.detected_at)
    reference = reference_of(reader.db, model)
    history = None if reference is None else history_of(reader.db, reference)
    close = {} if history is None else closeups(history, [found])
    if history is None or not close:
        return None
    (plots,) = close.values()
    named: dict[Any, set[str]] = {}
    for plot in plots:
        named.setdefault(plot.view.segment, set()).update(plot.view.names)
    windows = chain.from_iterable(
        windows_of(reader.db, history, sorted(names), segment_key(dict(segment)))
        for segment, names in named.items()
    )
    drawn = draw(windows, history, [plot.view for plot in plots])
    made = [close_chart(plot, each) for plot, each in zip(plots, drawn, strict=True)]
    return {"plots": [{"kind": "close", **each} for each in made if each["times"]]}


def of_quality(reader: Reader, book: Book, model: str) -> dict[str, Any] | None:
    """Return the promised metric, window by window."""
    quality = reader.quality(reader.facts(book.of(model)))
    return None if quality is None else {"plots": [{"kind": "quality", **chart(quality)}]}


def _traffic(reader: Reader, model: str, change: str, detected: str) -> dict[str, Any] | None:
    rows = reader.db.execute(
        "select start, end, rows from windows where model = ? and segment = '' order by start",
        (model,),
    ).fetchall()
    if not rows:
        return None
    mark = {"change": read_ts(change) / 1e6, "detected": read_ts(detected) / 1e6}
    last = max(rows[-1]["end"] / 1e6, mark["detected"])
    return {
        "plots": [
            {
                "kind": "traffic",
                "times": [(row["start"] + row["end"]) / 2e6 for row in rows],
                "ends": [rows[0]["start"] / 1e6, last],
                "counts": [row["rows"] for row in rows],
                "marks": [mark],
            }
        ]
    }
