"""Metrics of a regression, from exact sums; an error is prediction minus label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.residuals import error_values

if TYPE_CHECKING:
    from driftline.ledger.residuals import Residuals

__all__ = [
    "absolute_error_p90",
    "bias",
    "error_p05",
    "error_p50",
    "error_p95",
    "error_quantile",
    "mae",
    "mape",
    "median_absolute_error",
    "r2",
    "rmse",
]


def bias(residuals: Residuals) -> float | None:
    """Mean error: above 0 where predictions are too large."""
    return _ratio(residuals.error, residuals.weight << UNIT_BITS)


def mae(residuals: Residuals) -> float | None:
    """Mean absolute error."""
    return _ratio(residuals.absolute, residuals.weight << UNIT_BITS)


def rmse(residuals: Residuals) -> float | None:
    """Root of the mean squared error."""
    mean = _ratio(residuals.squared, residuals.weight << UNIT_BITS)
    return None if mean is None else mean**0.5


def mape(residuals: Residuals) -> float | None:
    """Mean of |error / label|, 0.1 for ten percent, over the pairs whose label is not 0."""
    return _ratio(residuals.relative, residuals.relative_weight << UNIT_BITS)


def r2(residuals: Residuals) -> float | None:
    """Share of the labels' variance that predictions explain; undefined where there is none."""
    scale = residuals.weight << UNIT_BITS
    spread = residuals.label_squared * scale - residuals.label**2
    missed = _ratio(residuals.squared * scale, spread)
    return None if missed is None else 1 - missed


def error_quantile(residuals: Residuals, share: float, *, absolute: bool = False) -> float | None:
    """Return the smallest error (or |error|) that `share` of the weight does not exceed.

    Within 1/256 of itself, which is half of a code's width.
    """
    codes, weights = residuals.errors.codes, residuals.errors.weights
    if absolute:
        codes = np.abs(codes)
        order = np.argsort(codes, kind="stable")
        codes, weights = codes[order], weights[order]
    below = np.cumsum(weights)
    if not below.size or below[-1] <= 0:
        return None
    at = min(int(np.searchsorted(below, share * float(below[-1]))), codes.size - 1)
    return float(error_values(codes[at : at + 1])[0])


def median_absolute_error(residuals: Residuals) -> float | None:
    """Half of the errors are no larger, whatever their sign."""
    return error_quantile(residuals, 0.5, absolute=True)


def absolute_error_p90(residuals: Residuals) -> float | None:
    """Nine of ten errors are no larger, whatever their sign."""
    return error_quantile(residuals, 0.9, absolute=True)


def error_p05(residuals: Residuals) -> float | None:
    """One of twenty errors lies below: predictions too small by more than this."""
    return error_quantile(residuals, 0.05)


def error_p50(residuals: Residuals) -> float | None:
    """Median error."""
    return error_quantile(residuals, 0.5)


def error_p95(residuals: Residuals) -> float | None:
    """One of twenty errors lies above: predictions too large by more than this."""
    return error_quantile(residuals, 0.95)


def _ratio(part: int, whole: int) -> float | None:
    """Return a quotient of unbounded integers, rounded once."""
    if whole <= 0:
        return None
    try:
        return part / whole
    except OverflowError:
        # Labels that hardly differ from one another beside errors beyond all measure.
        return None
