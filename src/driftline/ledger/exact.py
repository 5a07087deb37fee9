"""Sums of floats without rounding, as Python's unbounded integers.

`stats.fixedpoint` sums in fixed point on a reference's scale. Labels have no reference: nobody
knows their scale before they come. So here every float64 counts as what it is, a whole number of
units of 2**-`UNIT_BITS`, and addition is that of integers: exact, associative and commutative.
A sum takes less than 400 bytes, however many values are in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers

__all__ = ["UNIT_BITS", "exact_sums", "exact_sums_by", "read_sum", "two_product", "write_sum"]

UNIT_BITS = 1200
"""Below the last bit of the smallest float64, however its mantissa is shifted."""
_MANTISSA = 53
_LOW = 26
_GROUP = 3
"""Exponents are summed 2**3 at a time: a half of a mantissa then takes up to 35 bits, and 2**18 of
them are summed exactly in a float64, as `numpy.bincount` does."""
_ROWS = 2**18


def exact_sums(values: Floats) -> list[int]:
    """Return the exact sum of each row of a matrix, in units of 2**-`UNIT_BITS`.

    Parameters
    ----------
    values
        Finite, float64 of shape (k, n). About 20 ns a value.
    """
    return _sums(values, None, 1)


def exact_sums_by(values: Floats, owner: Integers, owners: int) -> list[list[int]]:
    """Return the exact sums of each row of a matrix for each owner of its columns.

    Parameters
    ----------
    values
        Finite, float64 of shape (k, n).
    owner
        Whose each column is, from 0 to below `owners`, int64 of shape (n,).

    Returns
    -------
    k sums for each owner, in units of 2**-`UNIT_BITS`. All owners at once cost what one does: with
    few columns nearly all of it is the call.
    """
    found = _sums(values, owner, owners)
    return [found[each::owners] for each in range(owners)]


def _sums(values: Floats, owner: Integers | None, owners: int) -> list[int]:
    """Return the sums of each row, and within it of each owner."""
    if values.shape[1] > _ROWS:
        cuts = [slice(at, at + _ROWS) for at in range(0, values.shape[1], _ROWS)]
        parts = [
            _sums(values[:, cut], None if owner is None else owner[cut], owners) for cut in cuts
        ]
        return [sum(part) for part in zip(*parts, strict=True)]
    totals = [0] * (values.shape[0] * owners)
    if not values.size:
        return totals
    mantissa, exponent = np.frexp(values)
    least = int(exponent.min())
    exponent -= least
    group = exponent >> _GROUP
    groups = int(group.max()) + 1
    # In place and in the exponents' own small type: this is what joins of regressions wait for.
    group += np.arange(values.shape[0], dtype=group.dtype)[:, None] * (owners * groups)
    if owner is not None:
        group += (owner * groups).astype(group.dtype)
    keys = group.ravel()
    high = np.rint(np.ldexp(mantissa, _MANTISSA - _LOW))
    low = np.ldexp(mantissa, _MANTISSA) - np.ldexp(high, _LOW)
    exponent &= 2**_GROUP - 1
    highs = np.bincount(keys, weights=np.ldexp(high, exponent).ravel())
    lows = np.bincount(keys, weights=np.ldexp(low, exponent).ravel())
    for key in np.flatnonzero((highs != 0) | (lows != 0)).tolist():
        place, at = divmod(key, groups)
        whole = (int(highs[key]) << _LOW) + int(lows[key])
        totals[place] += whole << ((at << _GROUP) + least - _MANTISSA + UNIT_BITS)
    return totals


def two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the rounded product and what rounding took: their sum is a·b, exactly.

    For factors below 2**900 whose product is above 2**-900. Dekker (1971), A floating-point
    technique for extending the available precision.
    """
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    rest = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, rest


def _halves(values: Floats) -> tuple[Floats, Floats]:
    scaled = values * 134_217_729.0  # 2**27 + 1: each half then has at most 26 bits.
    high = scaled - (scaled - values)
    return high, values - high


def write_sum(total: int) -> str:
    """Write an exact sum: a hexadecimal number, and the power of two that it counts."""
    shift = max(0, (total & -total).bit_length() - 1)
    return f"{total >> shift:x}p{shift}"


def read_sum(text: str) -> int:
    """Return what `write_sum` wrote."""
    digits, _, shift = text.partition("p")
    return int(digits, 16) << int(shift)
