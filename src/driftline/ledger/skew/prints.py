"""16 bits of a hash of a value, by which one that is the same within the tolerance is found.

Numbers are put into cells that are a little more than two tolerances wide, so that all that is the
same as a value lies in two of them. A cell is a part of a power of two: nothing is rounded but one
sum, and a number has the same print in whatever array it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import numpy.typing as npt

from driftline.ledger.skew.hashing import mixed

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers
    from driftline.ledger.skew.rows import Column, Scalar
    from driftline.ledger.skew.tolerance import Tolerance

__all__ = ["Prints", "Reach", "number_prints", "prints", "reaches"]

Prints = npt.NDArray[np.uint16]
Reach = tuple[int, int]
"""The prints of the one or two cells of what is the same as a value; 0 where there is none."""

_CELL = 2.2
_REACH = 1.05
_LARGEST = 1e300
_LEAST_EXPONENT = -900


def prints(column: Column, tolerance: Tolerance) -> Prints:
    """Return the print of each value, 0 for none; shape (n,). 300 ns a value that is no number."""
    if isinstance(column, np.ndarray):
        return number_prints(column, np.array(tolerance.rtol), np.array(tolerance.atol))
    numbers = np.array([v if type(v) is float else np.nan for v in column], dtype=np.float64)
    out = prints(numbers, tolerance)
    known: dict[Scalar, int] = {}
    for row, value in enumerate(column):
        if value is not None and type(value) is not float:
            out[row] = known.get(value) or known.setdefault(value, _text_print(value))
    return out


def number_prints(values: Floats, rtol: Floats, atol: Floats) -> Prints:
    """Return the prints of numbers, of the same shape, 0 for NaN; 40 ns a number.

    Parameters
    ----------
    rtol, atol
        Of shapes that go with that of the values.
    """
    there = ~np.isnan(values)
    codes = _cells(np.where(there, values, 0.0), rtol, atol)
    low = mixed(codes.view(np.uint64)) & np.uint64(0xFFFF)
    return np.where(there, np.maximum(low, np.uint64(1)), np.uint64(0)).astype(np.uint16)


def reaches(values: list[Scalar], tolerance: Tolerance) -> list[Reach]:
    """Return the prints of all values that each may be the same as; 60 µs, and 1 µs a value."""
    rtol, atol = _REACH * tolerance.rtol, _REACH * tolerance.atol
    ends = (
        [v + side * (atol + rtol * abs(v)) if type(v) is float else v for v in values]
        for side in (-1, 1)
    )
    low, high = (prints(each, tolerance).tolist() for each in ends)
    return list(zip(low, high, strict=True))


def _cells(values: Floats, rtol: Floats, atol: Floats) -> Integers:
    """Return the cell of each number; that of 0 lies on both sides of it."""
    # |x| + least is at least 1 / rtol tolerances of x, and a cell a fixed part of its power of two.
    bits = -np.frexp(_CELL * rtol)[1] - 1
    least = np.where(atol > 0, np.frexp(atol / rtol)[1], _LEAST_EXPONENT)
    size = np.minimum(np.abs(values), _LARGEST) + np.ldexp(1.0, least)
    mantissa, exponent = np.frexp(size)
    inside = np.floor(np.ldexp(mantissa - 0.5, bits + 1)).astype(np.int64)
    cell = ((exponent - least - 1).astype(np.int64) << bits) + inside
    return np.where(values < 0, -cell, cell)


def _text_print(value: Scalar) -> int:
    said = f"s{value}" if isinstance(value, str) else f"b{value}"
    return max(crc32(said.encode()) & 0xFFFF, 1)
