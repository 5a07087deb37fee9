"""River's drift detectors by the names a contract uses, and what each of them is fed.

Fed by default, and why (measured: ms a slot of 100 rows and 100 columns, one core, all in all):

- `adwin`, `page_hinkley`: ``mean``, one value a slot (0.11 ms; ADWIN on every value 6). They see
  nothing but changes of the mean, and the mean of all rows loses nothing there: a shift of d
  standard deviations is one of 10 d. River's thirty values before Page-Hinkley speaks are ten here.
- `kswin`: ``few``, five values a slot (136 ms). It compares the last 30
  values with 30 of the 70 before them: where these are a slot's own, 70 rows after a change it is
  blind. Thinned, it looks back over twenty slots. It sees spread and shape, which means hide; and
  its test is of ranks, so it is fed these.
- `ddm`, `eddm`, `fhddm`: ``error``, every value (7 to 8 ms). They take hundreds of values to know
  an error rate and dozens to see it change; one a slot would make that hours.
- `hddm_a`, `hddm_w`: ``rank``, every value (58 and 79 ms). Hoeffding's and McDiarmid's bounds know
  the range of values alone, not how little means vary, so nothing is won by feeding means.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from driftline.detect.values import Scale, Values


CLOCK = 32
"""ADWIN looks for a cut once in so many values unless told otherwise."""
ALLOWANCE = {True: 0.5, False: 0.1}
"""Page-Hinkley's delta on means of slots, and on values, in their standard deviations: best for
shifts of about twice as much. A tenth of a deviation is one of means of a hundred rows."""


@dataclass(frozen=True)
class Family:
    """One of river's detectors.

    Attributes
    ----------
    make
        Constructor; river's own parameter names.
    scale
        What a number means to it; see `driftline.detect.values.Feed`.
    values
        What it is fed unless the contract says otherwise.
    counting
        Parameters that count values or are in their unit: where the contract states one of them and
        no `values`, the detector is fed every value, as who states it will expect.
    defaults
        Parameters that we set and river does not, or sets otherwise.
    on_means
        More of these, where it is fed means of slots.
    flipped
        Feed one minus the value: FHDDM counts correct answers, whatever its page says, and sees
        nothing but improvement when it is fed errors.
    budget
        Parameters for a number of values, over all columns, in which one false alarm is allowed
        (``means``: the values are means of slots); taken where the contract states none of them.
        Where there is no such function river's own stay: EDDM has no such parameter, and HDDM_W's
        bound at such a level exceeds all there is between a rank's mean and its largest value.
        `Confirm` keeps the promise for them all.
    seeded
        Whether it draws random numbers.
    """

    make: Callable[..., Any]
    scale: Scale
    values: Values
    parameters: frozenset[str]
    counting: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    on_means: Mapping[str, Any] = field(default_factory=dict)
    flipped: bool = False
    budget: Callable[..., dict[str, float]] | None = None
    seeded: bool = False

    def fed(self, parameters: Mapping[str, Any]) -> Values:
        """Return what it is fed where the contract states these parameters and no values."""
        return self.scale if self.counting & parameters.keys() else self.values

    def settle(self, stated: Mapping[str, Any], values: Values, allowed: float) -> dict[str, Any]:
        """Return the parameters: the contract's, ours, those of the budget; raw: river's own.

        Parameters
        ----------
        allowed
            Values, over all columns, in which one false alarm is allowed.
        """
        means = values == "mean"
        settled = {**self.defaults, **(self.on_means if means else {}), **stated}
        if self.budget is not None and values != "raw":
            planned = self.budget(allowed, means=means)
            if not planned.keys() & stated.keys():
                settled |= planned
        return settled

    def build(self, column: str, parameters: Mapping[str, Any]) -> Any:
        """Return a fresh detector for a column."""
        given = dict(parameters)
        if self.seeded:
            # The same column draws the same numbers in every run and on every worker.
            given.setdefault("seed", zlib.crc32(column.encode()))
        return self.make(**given)


def _adwin(values: float, *, means: bool) -> dict[str, float]:
    # Delta bounds the chance of a false cut at one look; at means it looks each time.
    return {"delta": min(0.002, (1 if means else CLOCK) / values)}


def _page_hinkley(values: float, *, means: bool) -> dict[str, float]:
    delta = ALLOWANCE[means]
    return {"delta": delta, "threshold": page_hinkley_threshold(delta, values)}


def _kswin(values: float, **_: bool) -> dict[str, float]:
    # It tests at every value, and a p-value below alpha comes with probability alpha.
    return {"alpha": min(0.005, 1 / values)}


def _ddm(values: float, **_: bool) -> dict[str, float]:
    # It asks at every value whether the rate has risen by so many standard errors.
    return {"drift_threshold": max(3.0, round(-NormalDist().inv_cdf(1 / values), 6))}


def _hddm_a(values: float, **_: bool) -> dict[str, float]:
    # The confidence bounds the chance of a false alarm at one value.
    drift = min(0.001, 1 / values)
    return {"drift_confidence": drift, "warning_confidence": 5 * drift}


def _fhddm(values: float, **_: bool) -> dict[str, float]:
    return {"confidence_level": min(1e-6, 1 / values)}


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
        "mean",
        frozenset({"delta", "clock", "max_buckets", "min_window_length", "grace_period"}),
        counting=frozenset({"clock", "min_window_length", "grace_period"}),
        # Three buckets of each size, not five: two thirds of the state, and cuts as good.
        on_means={"clock": 1, "max_buckets": 3},
        budget=_adwin,
    ),
    "page_hinkley": Family(
        PageHinkley,
        "standard",
        "mean",
        frozenset({"min_instances", "delta", "threshold", "alpha", "mode"}),
        counting=frozenset({"min_instances", "delta", "threshold", "alpha"}),
        # Its sums fall by delta a value, and fading pulls them back: after some thousand values
        # that takes the allowance away, and false alarms come a hundred times too often.
        on_means={"min_instances": 10, "alpha": 1.0},
        budget=_page_hinkley,
    ),
    "kswin": Family(
        KSWIN,
        "rank",
        "few",
        frozenset({"alpha", "window_size", "stat_size", "seed"}),
        seeded=True,
        budget=_kswin,
    ),
    "ddm": Family(
        DDM,
        "error",
        "error",
        frozenset({"warm_start", "warning_threshold", "drift_threshold"}),
        budget=_ddm,
    ),
    "eddm": Family(EDDM, "error", "error", frozenset({"warm_start", "alpha", "beta"})),
    "hddm_a": Family(
        HDDMA,
        "rank",
        "rank",
        frozenset({"drift_confidence", "warning_confidence", "two_sided_test"}),
        defaults={"two_sided_test": True},
        budget=_hddm_a,
    ),
    "hddm_w": Family(
        HDDMW,
        "rank",
        "rank",
        frozenset({"drift_confidence", "warning_confidence", "lambda_val", "two_sided_test"}),
        defaults={"two_sided_test": True},
    ),
    "fhddm": Family(
        FHDDM,
        "error",
        "error",
        frozenset({"sliding_window_size", "confidence_level", "short_window_size"}),
        flipped=True,
        budget=_fhddm,
    ),
}
