"""The figures as one SVG: promises kept, and delays beside their floors."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from driftline.bench.detectors.by_hand import METHODS
from driftline.bench.detectors.law import EVENTS
from driftline.bench.detectors.promise import MOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.bench.detectors.by_hand import ByHand
    from driftline.bench.detectors.delay import Delay
    from driftline.bench.detectors.promise import Kept
    from driftline.bench.detectors.run import Found

__all__ = ["draw"]

WIDTH, LABELS, ROW, TOP = 960, 250, 22, 64
OURS, BAD, QUIET, FLOOR = "#1f6f8b", "#b3261e", "#767676", "#c98a00"
THEIRS = ("#8a5fbf", "#c05fa8", "#4f8f3a", "#93b04a", "#6b6b6b")


class _Panel:
    """One panel: rows with names on the left, a scale from `low` to `high` on the right."""

    def __init__(self, top: int, title: str, ends: tuple[float, float], *, log: bool) -> None:
        self._low, self._high = ends
        self._log, self._top, self._rows = log, top, 0
        self.parts = [_text(16, top + 24, title, size=16, weight=600)]

    def x(self, value: float) -> float:
        """Place a value on the scale; what lies outside stands at its end."""
        value = min(max(value, self._low), self._high)
        if self._log:
            part = math.log(value / self._low) / math.log(self._high / self._low)
        else:
            part = (value - self._low) / (self._high - self._low)
        return LABELS + part * (WIDTH - LABELS - 40)

    def row(self, name: str = "") -> float:
        """Begin a row, ruled if it has a name; return the height of its middle."""
        y = self._top + TOP + self._rows * ROW
        self._rows += 1
        if name:
            self.parts.append(_text(LABELS - 12, y + 4, name, anchor="end"))
            self.parts.append(_line(LABELS, y, WIDTH - 40, y, "#e4e4e4"))
        return y

    @property
    def bottom(self) -> int:
        """Where the next panel may begin."""
        return self._top + TOP + self._rows * ROW + 24

    def rule(self, value: float, name: str, color: str) -> None:
        """Draw a line from top to bottom; after all rows."""
        x = self.x(value)
        self.parts.append(_line(x, self._top + TOP - 14, x, self.bottom - 30, color, dash="3 3"))
        self.parts.append(_text(x, self._top + TOP - 18, name, anchor="middle", color=color))


def draw(found: Found) -> str:
    """Draw what was found, as an SVG document."""
    parts: list[str] = []
    top = 0
    if found.promise:
        panel = _promise(top, found.promise)
        parts += panel.parts
        top = panel.bottom
    for many in dict.fromkeys(each.many for each in found.delays):
        own = [each for each in found.delays if each.many == many]
        panel = _delays(top, many, own, found.by_hand)
        parts += panel.parts
        top = panel.bottom
    parts.append(_text(16, top + 4, found.machine, color=QUIET, size=9))
    height = top + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif">'
        '<rect width="100%" height="100%" fill="white"/>' + "".join(parts) + "</svg>\n"
    )


def _promise(top: int, laws: Sequence[Kept]) -> _Panel:
    most = max(2.0, *(min(law.upper, 4.0) for law in laws))
    title = "False pages, achieved over promised (line: 90 % interval, Poisson)"
    panel = _Panel(top, title, (0.0, most), log=False)
    for law in laws:
        y = panel.row(law.law)
        color = BAD if law.verdict == "broken" else OURS if law.verdict == "kept" else QUIET
        panel.parts.append(_line(panel.x(law.lower), y, panel.x(law.upper), y, color, width=2))
        panel.parts.append(_dot(panel.x(law.ratio), y, color, f"{law.achieved} pages"))
    panel.rule(1.0, "promised", QUIET)
    panel.rule(MOST, f"{MOST:g}", QUIET)
    return panel


def _delays(top: int, many: int, delays: Sequence[Delay], hand: Sequence[ByHand]) -> _Panel:
    far = max(each.change.horizon * EVENTS for each in delays)
    columns = "1 of 100 columns" if many == 1 else f"{many} of 100 columns"
    title = f"Events until a change in {columns} is seen (dot: median; bar: to 90 %)"
    panel = _Panel(top, title, (5.0, float(far)), log=True)
    for each in delays:
        y = panel.row(each.change.about)
        floor = panel.x(each.floor)
        panel.parts.append(_line(floor, y - 7, floor, y + 7, FLOOR, width=3))
        for order, (method, told) in enumerate(METHODS.items()):
            median, often = _by_hand(hand, method, each.change.name, many)
            if median is not None:
                label = f"{told.title}: {median:,.0f} events"
                x, color = panel.x(median), THEIRS[order]
                panel.parts.append(_dot(x, y, color, label, r=3.5, hollow=often))
        middle, most = each.quantile(0.5), each.quantile(0.9)
        if math.isfinite(middle):
            x, end = panel.x(middle), panel.x(most)
            panel.parts.append(_line(x, y, end, y, OURS, width=2))
            panel.parts.append(_dot(x, y, OURS, f"driftline: {middle:,.0f} events"))
        else:
            share = f"missed {each.missed:.0%}"
            panel.parts.append(_text(WIDTH - 40, y + 4, share, anchor="end", color=BAD))
    for value in (10, 100, 1_000, 10_000, 100_000):
        if value < far:
            panel.rule(value, f"{value:,}", "#bbbbbb")
    if hand:
        _legend(panel, hand)
    return panel


def _legend(panel: _Panel, hand: Sequence[ByHand]) -> None:
    y = panel.row()
    told = [("driftline", OURS), ("floor", FLOOR)]
    used = {each.method for each in hand}
    told += [
        (method.title, color)
        for (key, method), color in zip(METHODS.items(), THEIRS, strict=True)
        if key in used
    ]
    x = 16.0
    for name, color in told:
        panel.parts.append(_dot(x, y + 6, color, name))
        panel.parts.append(_text(x + 9, y + 10, name))
        x += 30 + 6 * len(name)
    told_of = "hollow: seen to be false more often than once a model-month"
    panel.parts.append(_text(16, y + 26, told_of, color=QUIET))
    panel.row()


def _by_hand(
    hand: Sequence[ByHand], method: str, change: str, many: int
) -> tuple[float | None, bool]:
    """Return a method's median, and whether it is false more often than once a model-month."""
    key = "median_events" if many == 1 else "median_events_of_ten"
    for each in hand:
        if (each.method, each.change) == (method, change):
            return each.as_json()[key], each.false_a_month > 1
    return None, False


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    color: str = "#222222",
    size: int = 11,
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" '
        f'font-size="{size}" font-weight="{weight}">{escape(text)}</text>'
    )


def _line(
    x: float, y: float, to_x: float, to_y: float, color: str, *, width: int = 1, dash: str = ""
) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{color}" stroke-width="{width}"{dashes}/>'
    )


def _dot(x: float, y: float, color: str, about: str, *, r: float = 5, hollow: bool = False) -> str:
    title = f"<title>{escape(about)}</title>"
    fill = "white" if hollow else color
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}" stroke="{color}" '
        f'stroke-width="1.5">{title}</circle>'
    )
