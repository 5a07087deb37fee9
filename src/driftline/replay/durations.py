"""Lengths of time in words."""

from __future__ import annotations

__all__ = ["how_long"]

_UNITS = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def how_long(seconds: float) -> str:
    """Return a length of time in words."""
    for size, unit in _UNITS:
        if seconds >= size or unit == "second":
            count = seconds / size
            told = f"{count:.0f}" if count >= 10 or count == int(count) else f"{count:.1f}"
            return f"{told} {unit}{'' if told == '1' else 's'}"
    raise AssertionError
