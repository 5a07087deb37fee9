"""The exact events: some from just after the change that are typical of what moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.typing import typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.replay.explain.case import Case
    from driftline.replay.explain.rows import Place
    from driftline.stats import Column

__all__ = ["Example", "Examples", "examples"]

MOST = 8
SHOWN_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Example:
    """One event; ``values`` are those of the columns that moved, as they came."""

    id: str | None
    at: int
    place: Place
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Examples:
    """Some events, and what they are examples of; or why there are none."""

    text: str
    events: list[Example]


def examples(
    case: Case, column: Column | None, aspect: str, beside: Sequence[str] = ()
) -> Examples:
    """Choose them.

    Parameters
    ----------
    column
        The leading column's reference; None where the incident is about no column.
    beside
        Columns that are shown whether or not they moved.
    """
    rows = case.rows
    if not len(rows):
        return Examples(rows.note or "no events were read", [])
    after = (rows.ts >= case.change) & (rows.ts < case.ended)
    moved = dict.fromkeys([*beside, *case.found.features])
    names = [name for name in moved if name in rows.values][:SHOWN_COLUMNS]
    if case.found.kind == "silence":
        text = "the last before it fell silent, and the first after it"
        before = np.flatnonzero(rows.ts < case.change)[-MOST // 2 :]
        chosen = [*before.tolist(), *np.flatnonzero(rows.ts >= case.change)[: MOST // 2].tolist()]
        return Examples(text, _taken(case, chosen, names))
    if case.found.kind == "quality":
        return _wrong(case, np.flatnonzero(after).tolist())
    if column is None or column.name not in rows.values or aspect == "correlation":
        text = "the first after the change"
        return Examples(text, _taken(case, np.flatnonzero(after)[:MOST].tolist(), names))
    name = column.name
    chosen_rows, text = _typical(case, column, aspect, after & rows.carries[name])
    if not chosen_rows.size:
        return Examples(f"none from after the change has a {name} that is typical of it", [])
    return Examples(text, _taken(case, chosen_rows[:MOST].tolist(), names))


def _wrong(case: Case, after: list[int]) -> Examples:
    """Choose predictions that their labels contradict."""
    rows = case.rows
    predicted = rows.values.get("prediction", [])
    known = [row for row in after if predicted and rows.ids[row] in rows.labels]
    apart = [row for row in known if str(rows.labels[rows.ids[row] or ""]) != str(predicted[row])]
    numbers = known and isinstance(predicted[known[0]], int | float)
    if numbers:  # of numbers hardly any is exact: the worst stand for the rest
        apart.sort(key=lambda row: -_error(rows.labels[rows.ids[row] or ""], predicted[row]))
    if not apart:
        chosen = _taken(case, after[:MOST], ["prediction"] if predicted else [])
        return Examples(
            "the first predictions after the change (no label of them was read)", chosen
        )
    made = _taken(case, apart[:MOST], ["prediction"])
    for event in made:
        event.values["label"] = rows.labels[event.id or ""]
    what = "the furthest from their labels" if numbers else "the first that their labels contradict"
    return Examples(f"of {len(known):,} predictions with labels, {what}", made)


def _error(label: Any, predicted: Any) -> float:
    try:
        return abs(float(label) - float(predicted))
    except (TypeError, ValueError):
        return 0.0


def _typical(
    case: Case, column: Column, aspect: str, after: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], str]:
    rows, name = case.rows, column.name
    held = np.flatnonzero(after)
    values = typed([rows.values[name][row] for row in held.tolist()], column.kind)[0]
    codes, _ = column.bin(values)
    bins = column.bins
    if aspect in {"missing", "vanished"}:
        return held[codes == bins + 1], f"the first after the change without {name}"
    if aspect in {"unseen", "range"} and (codes == bins).any():
        return held[codes == bins], f"the first whose {name} the reference never held"
    now = np.bincount(codes, minlength=column.counts.size) / max(1, codes.size)
    was = column.counts / max(1, int(column.counts.sum()))
    gained = np.flatnonzero(now > was)
    # Of the bins that gained, those that gained most: they make up half of what moved.
    order = gained[np.argsort(-(now - was)[gained], kind="stable")]
    if not order.size:
        return held, "the first after the change"
    part = np.cumsum((now - was)[order])
    enough = order[: int(np.searchsorted(part, part[-1] / 2)) + 1]
    text = f"the first since the change whose {name} has become more frequent"
    return held[np.isin(codes, enough)], text


def _taken(case: Case, chosen: list[int], names: list[str]) -> list[Example]:
    rows = case.rows
    return [
        Example(
            rows.ids[row],
            int(rows.ts[row]),
            rows.places[row],
            {name: rows.values[name][row] for name in names},
        )
        for row in chosen
    ]
