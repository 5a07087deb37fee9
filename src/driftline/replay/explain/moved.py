"""What else moved when an incident began: columns before the change against after it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.time import read_ts
from driftline.events.typing import typed
from driftline.replay.explain.case import apart_of
from driftline.stats import build_column, distance, infer_kind
from driftline.stats.wording import describe, number

if TYPE_CHECKING:
    from driftline.replay.explain.case import Case
    from driftline.stats import Column

__all__ = ["Moved", "moved_columns"]

LEAST_ROWS = 30
"""On either side: fewer say little about a column."""
BY_CHANCE = 5.0
"""Standard deviations beyond what chance alone makes: rows need not be independent."""
WORTH = 0.005
"""A smaller PSI is no news, however many rows there are."""
MISSING_TOLD = 0.02
UNSEEN_TOLD = 0.01
RANGE_TOLD = 0.2
REFERENCE_ROWS = 2_000
MOST = 50


@dataclass(frozen=True, slots=True)
class Moved:
    """One column, and how far it is from what it was before the change.

    Attributes
    ----------
    psi, floor
        Its PSI, and what of it chance alone may make on so few rows.
    text
        The difference in words; empty where it is none.
    """

    feature: str
    psi: float
    floor: float
    text: str
    source: str

    @property
    def stands_out(self) -> bool:
        """Whether it moved by more than chance."""
        return self.psi > max(WORTH, self.floor)


def moved_columns(case: Case) -> list[Moved]:
    """Rank all columns of the model by how far they moved, the furthest first.

    From the events where there are enough, else from the windows' distances to the reference.
    """
    rows = case.rows
    before = rows.ts < case.change
    # Of what fell silent, one compares what came when it was back.
    ended = case.around.last if case.found.kind == "silence" else case.ended
    after = (rows.ts >= case.change) & (rows.ts <= ended)
    found = []
    for name in rows.values:
        then, now = rows.of(name, before), rows.of(name, after)
        kind = infer_kind(then)
        if kind is None or min(len(then), len(now)) < LEAST_ROWS:
            continue
        column = build_column(name, kind, typed(then, kind)[0])
        found.append(_moved(column, typed(now, kind)[0]))
    if not found:
        found = _of_windows(case)
    found.sort(key=lambda each: (-(each.psi - each.floor), each.feature))
    return found[:MOST]


def _moved(column: Column, values: Any) -> Moved:
    codes, _ = column.bin(values)
    now = np.bincount(codes, minlength=column.counts.size).astype(np.int64)
    then = column.counts
    psi = float(distance.psi(then, now))
    df = int((then + now > 0).sum()) - 1
    floor = _floor(df, int(then.sum()), int(now.sum()))
    return Moved(column.name, psi, floor, describe(column, _aspect(column, now), now), "events")


def _floor(df: int, then: int, now: int) -> float:
    """Return how large a PSI may be without any change: it is about chi-squared of `df` degrees."""
    return (df + BY_CHANCE * math.sqrt(2 * max(1, df))) * (1 / max(1, then) + 1 / max(1, now))


def _aspect(column: Column, now: Any) -> str:
    """Return what about a column is worth telling, as detectors call it."""
    then = column.counts
    totals = max(1, int(then.sum())), max(1, int(now.sum()))
    if abs(now[-1] / totals[1] - then[-1] / totals[0]) > MISSING_TOLD:
        return "missing"
    unseen = now[-2] / max(1, int(now[:-1].sum()))
    if column.numeric:
        return "range" if unseen > RANGE_TOLD else "location"
    return "unseen" if unseen > UNSEEN_TOLD else "mix"


def _of_windows(case: Case) -> list[Moved]:
    """Compare the first window after the change with the last that was over before it."""
    whole = [w for w in case.windows if w["reference"] is not None]
    least = min((w["length_s"] for w in whole), default=0)
    whole = [w for w in whole if w["length_s"] == least]
    over = [w for w in whole if read_ts(w["end"]) <= case.change]
    since = [w for w in whole if read_ts(w["end"]) > case.change]
    if not since:
        return []
    found = []
    for name, told in since[0]["features"].items():
        earlier = over[-1]["features"].get(name) if over else None
        if told["psi"] is None:
            continue
        count = told["count"] + told["missing"]
        # How long the reference is, a window does not say; it is seldom shorter than this.
        floor = _floor(len(told["histogram"]), REFERENCE_ROWS, count)
        was = "" if earlier is None or earlier["psi"] is None else f", was {number(earlier['psi'])}"
        text = f"against the reference, in a window of {apart_of(least)}{was}"
        found.append(Moved(name, told["psi"], floor, text, "windows"))
    return found
