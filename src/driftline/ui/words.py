"""How moments, lengths of time and amounts are written on the page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from driftline.contract.quantities import format_duration, format_rate
from driftline.events.time import format_ts, read_ts, short_ts
from driftline.replay.foretold import span
from driftline.ui.worry import WHOLE, Level

__all__ = ["FILTERS"]

_SHADES = {
    Level.PAGE: "bad",
    Level.TAKEN: "warn",
    Level.NOTICE: "warn",
    Level.VIOLATED: "warn",
    Level.UNOWNED: "none",
    Level.SILENT: "warn",
    Level.DRILL_FAILED: "warn",
    Level.UNSETTLED: "none",
    Level.WELL: "good",
}


def when(at: int | str) -> Markup:
    """Write a moment to the second, UTC; a program reads it whole."""
    text = format_ts(at) if isinstance(at, int) else at
    return Markup('<time datetime="{}">{}</time>').format(text, short_ts(text))


def since(at: int | str, now: int | None) -> str:
    """Write how long ago a moment is: "3 h"."""
    us = read_ts(at) if isinstance(at, str) else at
    return "–" if now is None else span(max(0, now - us) / 1e6)


def between(start: str, end: str) -> str:
    """Write how long it is from one moment to another."""
    return span(max(0, read_ts(end) - read_ts(start)) / 1e6)


def number(value: float | None) -> str:
    """Write a number in four digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def psi(value: float | None) -> str:
    """Write a PSI: its third digit is chance."""
    return "–" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Write a share."""
    return "–" if value is None else f"{value:.1%}"


def rate(value: dict[str, Any] | None) -> str:
    """Write a share with the interval that holds it."""
    if value is None:
        return "–"
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%})"


def part(text: object) -> str:
    """Write a name as one part of a path."""
    return quote(str(text), safe="")


def link(text: str | None) -> str | None:
    """Return an address that may be followed: what people wrote may be any text."""
    return text if text and urlsplit(text).scheme in ("http", "https") else None


def title(row: Any) -> str:
    """Return what an incident is called."""
    named = row["kind"] if row["about"] == WHOLE else f"{row['kind']} of {row['about']}"
    return str(named)


def capital(text: str) -> str:
    """Begin a sentence."""
    return text[:1].upper() + text[1:]


FILTERS = {
    "when": when,
    "since": since,
    "between": between,
    "number": number,
    "percent": percent,
    "psi": psi,
    "rate": rate,
    "part": part,
    "link": link,
    "title": title,
    "capital": capital,
    "span": span,
    "duration": format_duration,
    "per": format_rate,
    "shade": _SHADES.get,
}
