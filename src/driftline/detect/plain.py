"""Numbers for publication."""

from __future__ import annotations


def plain(value: float) -> float:
    """Return six significant digits: what follows differs between builds of numeric libraries."""
    return float(f"{value:.6g}")
