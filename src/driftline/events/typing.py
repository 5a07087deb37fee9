"""What counts as a value of a kind; the one rule that codec, warm-up and reference share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.frame import Kind

_TYPES: dict[Kind, frozenset[type]] = {
    "numeric": frozenset({int, float}),
    "categorical": frozenset({str}),
    "boolean": frozenset({bool}),
}
_ABSENT = type(None)


def typed(values: Sequence[Any], kind: Kind) -> tuple[Sequence[Any], list[int]]:
    """Keep the values of one kind.

    Returns
    -------
    values
        The same values, with ``None`` for those of another type and for numbers that are not
        finite (NaN, infinities, integers beyond float64).
    invalid
        Rows whose value had another type. Non-finite numbers are missing, not invalid.
    """
    fine = _TYPES[kind]
    found = set(map(type, values))
    if found <= fine | {_ABSENT} and (kind != "numeric" or not _any_not_finite(values)):
        return values, []
    out: list[Any] = []
    invalid: list[int] = []
    for row, value in enumerate(values):
        if value is None:
            out.append(None)
        elif type(value) not in fine:
            out.append(None)
            invalid.append(row)
        elif kind == "numeric" and not is_finite(value):
            out.append(None)
        else:
            out.append(value)
    return out, invalid


def is_finite(value: float) -> bool:
    """Return whether a number fits a finite float64."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond float64
        return False


def _any_not_finite(values: Sequence[Any]) -> bool:
    try:
        # One pass in C; None is skipped by filter (as are zeros, which are finite).
        return not math.isfinite(math.fsum(map(abs, filter(None, values))))
    except (OverflowError, ValueError):
        return True
