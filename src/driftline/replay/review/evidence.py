"""What an answer rests on, and how times and shares are written for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Evidence", "amount", "day", "share"]


@dataclass(frozen=True)
class Evidence:
    """A sentence, and which of driftline's sources says so.

    Attributes
    ----------
    rows
        A small table that goes with it: its head, then its rows.
    """

    text: str
    source: str
    rows: tuple[tuple[str, ...], ...] = ()


def day(instant: str) -> str:
    """Return the day of an instant, RFC 3339."""
    return instant[:10]


def amount(value: float) -> str:
    """Return a sum in three digits: "9,060,000", "0.0125"."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def share(rate: dict[str, Any]) -> str:
    """Return a share with the interval that holds it: "96 % (95 to 97)"."""
    value, low, high = (100 * rate[name] for name in ("value", "low", "high"))
    return f"{value:.3g} % ({low:.2g} to {high:.3g})"
