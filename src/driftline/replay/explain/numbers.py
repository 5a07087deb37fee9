"""Numbers for axes: three digits, and no exponent where people would not write one."""

from __future__ import annotations

from driftline.stats.wording import percent

__all__ = ["brief", "share"]

PLAIN = 1e7
"""Whole numbers up to here stand as they are; larger ones are rounded to three digits."""
LARGE = 1e13


def brief(value: float) -> str:
    """Return a number as an axis has it: "41.4", "34,561", "181,000,000"."""
    if float(value).is_integer() and abs(value) < PLAIN:
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.0f}"
    if 100 <= abs(value) < LARGE:
        rounded = value if abs(value) < PLAIN else float(f"{value:.3g}")
        return f"{rounded:,.0f}"
    return f"{value:.3g}"


def share(part: float) -> str:
    """Return a share in [0, 1] as a percentage."""
    return percent(part) if part > 0 else "0 %"
