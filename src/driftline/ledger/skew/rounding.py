"""Values that lost digits on the way."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.ledger.skew.cases import Explanation, near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from driftline.ledger.pairs import Floats
    from driftline.ledger.skew.cases import Cases

__all__ = ["rounding"]


class _Way(NamedTuple):
    text: str
    of: Callable[[Floats], Floats]


def rounding(cases: Cases) -> Iterator[Explanation]:
    """Explain by digits that one side does not have: the way that explains most rows.

    What one constant was served for is no rounding, however small the values were.
    """
    served, trained = cases.numbers
    both = np.isfinite(served) & np.isfinite(trained)
    for full, short, text in (
        (trained, served, "served {}"),
        (served, trained, "served in full what training has {}"),
    ):
        backward = full is served
        best: Explanation | None = None
        for way in _WAYS:
            told = both & near(short, way.of(full), cases.tolerance)
            if best is None or told.sum() > best.explained.sum():
                said = text.format(way.text)
                details = {"rounded": way.text, "side": "training" if backward else "serving"}
                best = Explanation(
                    "rounding", said, told, cost=_COST, backward=backward, details=details
                )
        if best is not None and np.unique(short[best.explained]).size >= 2:
            yield best


def _decimal(digits: int, how: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    scale = 10.0 ** abs(digits)
    if digits < 0:
        return lambda values: how(values / scale) * scale
    return lambda values: how(values * scale) / scale


def _significant(digits: int) -> Callable[[Floats], Floats]:
    def of(values: Floats) -> Floats:
        power = np.floor(np.log10(np.where(values == 0, 1.0, np.abs(values))))
        scale = 10.0 ** (digits - 1 - power)
        return np.asarray(np.rint(values * scale) / scale)

    return of


def _narrow(kind: type) -> Callable[[Floats], Floats]:
    return lambda values: values.astype(kind).astype(np.float64)


def _half_up(values: Floats) -> Floats:
    return np.asarray(np.floor(values + 0.5))


def _ways() -> list[_Way]:
    out = [_Way("as float16", _narrow(np.float16)), _Way("as float32", _narrow(np.float32))]
    for digits in range(-3, 7):
        places = _places(digits)
        out += [
            _Way(f"rounded to {places}", _decimal(digits, np.rint)),
            _Way(f"rounded to {places}, halves up", _decimal(digits, _half_up)),
            _Way(f"cut to {places}", _decimal(digits, np.trunc)),
            _Way(f"rounded down to {places}", _decimal(digits, np.floor)),
            _Way(f"rounded up to {places}", _decimal(digits, np.ceil)),
        ]
    return out + [
        _Way(f"rounded to {digits} significant digit{'s' * (digits > 1)}", _significant(digits))
        for digits in range(1, 8)
    ]


def _places(digits: int) -> str:
    if digits < 0:
        return f"multiples of {10**-digits}"
    return "whole numbers" if digits == 0 else f"{digits} decimal{'s' * (digits > 1)}"


_WAYS = _ways()
_COST = 1 + log2(len(_WAYS))
