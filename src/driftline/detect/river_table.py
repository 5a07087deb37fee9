"""River's drift detectors by the names a contract uses, and what each of them is fed."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from driftline.detect.values import Values


CLOCK = 32
"""ADWIN looks for a cut once in so many values unless told otherwise."""
ALLOWANCE = 0.1
"""Page-Hinkley's delta on standardised values: best for shifts of about twice as much."""


@dataclass(frozen=True)
class Family:
    """One of river's detectors.

    Attributes
    ----------
    make
        Constructor; river's own parameter names.
    values
        What it is fed unless the contract says otherwise; see `driftline.detect.values.Feed`.
    defaults
        Parameters that we set and river does not, or sets otherwise.
    flipped
        Feed one minus the value: FHDDM counts correct answers, whatever its page says, and sees
        nothing but improvement when it is fed errors.
    budget
        Parameters for a number of values, over all columns, in which one false alarm is allowed;
        taken where a formula exists and the contract states none of them. Others keep river's.
    seeded
        Whether it draws random numbers.
    """

    make: Callable[..., Any]
    values: Values
    defaults: Mapping[str, Any]
    parameters: frozenset[str]
    flipped: bool = False
    budget: Callable[[float], dict[str, float]] | None = None
    seeded: bool = False

    def build(self, column: str, parameters: Mapping[str, Any]) -> Any:
        """Return a fresh detector for a column."""
        given = {**self.defaults, **parameters}
        if self.seeded:
            # The same column draws the same numbers in every run and on every worker.
            given.setdefault("seed", zlib.crc32(column.encode()))
        return self.make(**given)


def _adwin(values: float) -> dict[str, float]:
    # Delta bounds the chance of a false cut at one look, and it looks once in CLOCK values.
    return {"delta": min(0.002, CLOCK / values)}


def _page_hinkley(values: float) -> dict[str, float]:
    return {"delta": ALLOWANCE, "threshold": page_hinkley_threshold(ALLOWANCE, values)}


def _kswin(values: float) -> dict[str, float]:
    # It tests at every value, and a p-value below alpha comes with probability alpha.
    return {"alpha": min(0.005, 1 / values)}


def page_hinkley_threshold(allowance: float, values: float) -> float:
    """Return the threshold of a two-sided CUSUM of standard normals with a given mean run.

    Parameters
    ----------
    allowance
        Drift taken off each value, in standard deviations.
    values
        Mean number of values to a false alarm.

    References
    ----------
    Siegmund (1985), Sequential analysis: (exp(2kb) - 2kb - 1) / 2k² for one side, b = h + 1.166.
    """
    low, high = 0.0, 700.0 / (2 * allowance)
    for _ in range(100):
        b = (low + high) / 2
        run = (math.exp(2 * allowance * b) - 2 * allowance * b - 1) / (2 * allowance**2)
        low, high = (b, high) if run < 2 * values else (low, b)
    return round(max(high - 1.166, 1.0), 6)


RIVER: dict[str, Family] = {
    "adwin": Family(
        ADWIN,
        "standard",
        {},
        frozenset({"delta", "clock", "max_buckets", "min_window_length", "grace_period"}),
        budget=_adwin,
    ),
    "page_hinkley": Family(
        PageHinkley,
        "standard",
        {},
        frozenset({"min_instances", "delta", "threshold", "alpha", "mode"}),
        budget=_page_hinkley,
    ),
    "kswin": Family(
        KSWIN,
        "standard",
        {},
        frozenset({"alpha", "window_size", "stat_size", "seed"}),
        seeded=True,
        budget=_kswin,
    ),
    "ddm": Family(
        DDM, "error", {}, frozenset({"warm_start", "warning_threshold", "drift_threshold"})
    ),
    "eddm": Family(EDDM, "error", {}, frozenset({"warm_start", "alpha", "beta"})),
    "hddm_a": Family(
        HDDMA,
        "rank",
        {"two_sided_test": True},
        frozenset({"drift_confidence", "warning_confidence", "two_sided_test"}),
    ),
    "hddm_w": Family(
        HDDMW,
        "rank",
        {"two_sided_test": True},
        frozenset({"drift_confidence", "warning_confidence", "lambda_val", "two_sided_test"}),
    ),
    "fhddm": Family(
        FHDDM,
        "error",
        {},
        frozenset({"sliding_window_size", "confidence_level", "short_window_size"}),
        flipped=True,
    ),
}
