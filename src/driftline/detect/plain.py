"""Numbers for publication."""

from __future__ import annotations


def plain(value: float) -> float:
    """Return six significant digits: what follows differs between builds of numeric libraries."""
    return float(f"{value:.6g}")


def plain_or_none(value: float | None) -> float | None:
    """Return the same of a number that may not be known."""
    return None if value is None else plain(value)
