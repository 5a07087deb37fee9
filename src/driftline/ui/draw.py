"""Small drawings that need no script: a column now beside its reference, and incidents in time.

Pure: they return numbers, which the templates put into SVG; colours are the style sheet's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.events.time import format_ts, read_ts
from driftline.stats.spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.replay.summary import Found
    from driftline.ui.view.columns import Now

__all__ = ["Bar", "Multiple", "Timeline", "multiple", "timeline"]

WIDTH, HEIGHT = 240.0, 64.0
PARTS = 40
"""Parts of the axis of a numeric column."""
SHOWN = (0.005, 0.995)
"""Ranks that the axis reaches over; what lies beyond them counts at its ends."""
MOST_LEVELS = 6
STEPS = 5


class Bar(NamedTuple):
    """One level: shares of the reference and of now, of 1."""

    name: str
    was: float
    now: float


@dataclass(frozen=True, slots=True)
class Multiple:
    """A column now beside its reference.

    Attributes
    ----------
    was, now
        For numbers: paths of the two outlines in a box of `WIDTH` by `HEIGHT`; empty for levels.
    bars
        For levels: the most frequent ones, then those never seen before.
    beyond
        Share of the values that are outside of all that the reference held.
    low, high
        Ends of the axis of numbers.
    text
        What the drawing shows, for those who cannot see it.
    """

    was: str
    now: str
    bars: list[Bar]
    beyond: float
    low: float
    high: float
    text: str


def multiple(each: Now) -> Multiple:
    """Draw one column."""
    column, counts = each.column, each.counts
    if not column.numeric:
        return _levels(each)
    spans = spans_of(column.edges, column.counts)
    if not column.counts[: column.bins].any():
        return Multiple("", "", [], 0.0, 0.0, 0.0, "the reference has no values")
    own, came = (c[: column.bins].astype(np.float64) for c in (column.counts, counts))
    knots = np.concatenate([spans.low[:1], spans.high])
    was, now = (np.concatenate([[0.0], np.cumsum(spans.share * c[spans.bin])]) for c in (own, came))
    ends = [np.interp(SHOWN, c / c[-1], knots) for c in (was, now) if c[-1]]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    edges = np.linspace(low, high, PARTS + 1)
    unseen = float(counts[column.bins])
    beyond = unseen / max(1.0, float(counts[:-1].sum()))
    shares = [
        _density(knots, cumulated, edges) / max(1.0, cumulated[-1] + more)
        for cumulated, more in ((was, 0.0), (now, unseen))
    ]
    top = max(1e-9, *(float(s.max()) for s in shares))
    words = f"reference mostly {low:.4g} to {high:.4g}"
    words += f"; {_moved(each)}"
    if unseen:
        words += f"; {beyond:.1%} outside of all that was seen before"
    drawn = [_path(share / top) for share in shares]
    return Multiple(drawn[0], drawn[1], [], beyond, float(low), float(high), words)


def _density(
    knots: npt.NDArray[np.float64],
    cumulated: npt.NDArray[np.float64],
    edges: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the mass in each part of the axis; what lies beyond its ends counts there."""
    # An atom is a jump: of two values at one place the latter counts.
    inner = np.interp(edges[1:-1], knots, cumulated)
    return np.diff(np.concatenate([[0.0], inner, [cumulated[-1]]]))


def _path(heights: npt.NDArray[np.float64]) -> str:
    step = WIDTH / heights.size
    tops = [
        f"V{HEIGHT - 2 - h * (HEIGHT - 6):.1f}H{(i + 1) * step:.1f}" for i, h in enumerate(heights)
    ]
    return f"M0,{HEIGHT:g}{''.join(tops)}V{HEIGHT:g}Z"


def _levels(each: Now) -> Multiple:
    column, counts = each.column, each.counts
    was_all = max(1, int(column.counts[:-1].sum()))
    now_all = max(1, int(counts[:-1].sum()))
    bars = [
        Bar(name, column.counts[i] / was_all, counts[i] / now_all)
        for i, name in enumerate(column.categories)
    ]
    shown = sorted(bars, key=lambda bar: -max(bar.was, bar.now))[:MOST_LEVELS]
    if counts[column.bins]:
        shown = [*shown[: MOST_LEVELS - 1], Bar("never seen", 0.0, counts[column.bins] / now_all)]
    most = sorted(shown, key=lambda bar: -abs(bar.now - bar.was))[:3]
    told = ", ".join(f"{bar.name} {bar.was:.1%}, now {bar.now:.1%}" for bar in most)
    return Multiple(
        "", "", shown, counts[column.bins] / now_all, 0.0, 0.0, f"{told}; {_moved(each)}"
    )


def _moved(each: Now) -> str:
    if each.psi is None:
        return "nothing came"
    return f"PSI {each.psi:.3f}, {each.floor:.3f} to be expected by chance"


@dataclass(frozen=True, slots=True)
class Row:
    """One incident on the timeline; places are of 1,000."""

    incident: str
    label: str
    severity: str
    change: float
    detected: float
    end: float
    open: bool
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Incidents over time, and what stands under the axis."""

    rows: list[Row]
    ticks: list[str]


def timeline(found: Sequence[Found], first: int, last: int) -> Timeline:
    """Place incidents between two moments; what began before the first begins there."""
    first = min([first, *(read_ts(each.change_point) for each in found)]) if found else first
    last = max([last, first + 1, *(read_ts(each.detected_at) for each in found)])

    def place(at: int) -> float:
        return round(1_000 * min(1.0, max(0.0, (at - first) / (last - first))), 1)

    rows = []
    for each in found:
        change, seen = read_ts(each.change_point), read_ts(each.detected_at)
        end = last if each.resolved_at is None else read_ts(each.resolved_at)
        names = [name for name in dict.fromkeys(each.features) if name]
        more = f" +{len(names) - 1}" if len(names) > 1 else ""
        label = f"{names[0] if names else 'whole model'}{more}: {each.kind}"
        rows.append(
            Row(
                *(each.incident, label, each.severity, place(change), place(seen), place(end)),
                each.resolved_at is None,
                each.text,
            )
        )
    long = last - first > 4 * 86_400_000_000
    ticks = [format_ts(first + (last - first) * i // (STEPS - 1)) for i in range(STEPS)]
    cut = [tick[:10] if long else f"{tick[5:10]} {tick[11:16]}" for tick in ticks]
    return Timeline(rows, cut)
