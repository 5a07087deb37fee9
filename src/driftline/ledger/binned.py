"""Sums of floats by code, in whole numbers that merge bit for bit.

A value is rounded to 16 leading bits, by at most a hundred-thousandth of itself. Values of one
exponent are then whole numbers of one unit, and are summed by code and exponent, as `Counts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.counts import Counts

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats, Integers

__all__ = ["binned", "binned_sums"]

_ZERO = 1 << 22
"""Added to codes below an exponent, so that none is below 0; `Counts` rounds both alike."""
_BELOW = 32
_LEAST_EXPONENT = 2048
_MANTISSA_BITS = 16


def binned(codes: Integers, values: Floats, weight: Integers) -> Counts:
    """Sum weighted values by code.

    Parameters
    ----------
    codes
        From -2**22 to 2**22, int64 of shape (n,).
    values
        Finite, float64 of shape (n,).
    weight
        Whole numbers, int64 of shape (n,). Their sum stays below 2**47.
    """
    mantissa, exponent = np.frexp(values)
    whole = np.rint(np.ldexp(mantissa, _MANTISSA_BITS)).astype(np.int64)
    key = (exponent.astype(np.int64) + _LEAST_EXPONENT) << _BELOW
    return Counts.of(key | (codes + _ZERO), whole * weight)


def binned_sums(sums: Counts, codes: Integers) -> Floats:
    """Return the sums at some codes: ascending, each once; float64 of their shape."""
    of = (sums.codes & ((1 << _BELOW) - 1)) - _ZERO
    exponent = (sums.codes >> _BELOW) - _LEAST_EXPONENT - _MANTISSA_BITS
    at = np.minimum(np.searchsorted(codes, of), max(codes.size - 1, 0))
    values = np.ldexp(sums.weights.astype(np.float64), exponent)
    known = codes[at] == of if codes.size else np.zeros(of.size, dtype=np.bool_)
    return np.asarray(
        np.bincount(at[known], weights=values[known], minlength=codes.size), dtype=np.float64
    )
