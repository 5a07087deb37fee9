"""The names a contract may use, and what was probably meant by one it may not."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DETECTORS: Final = (
    "evidence",
    "adwin",
    "page_hinkley",
    "kswin",
    "ddm",
    "eddm",
    "hddm_a",
    "hddm_w",
    "fhddm",
    "missing",
    "unseen",
    "range",
    "correlation",
    "joint",
    "volume",
    "silence",
    "schema",
)

KINDS: Final = (
    "drift",
    "schema",
    "missing",
    "volume",
    "silence",
    "skew",
    "loop",
    "quality",
    "decision",
)
"""Kinds of incident that may ask for a retraining or for the fallback."""

FOUND: Final = (*(kind for kind in KINDS if kind != "loop"), "drill")
"""Kinds of finding that an incident is made of."""
NOTICES: Final = ("drift", "missing", "decision")
"""Of these, kinds with notices that the budget of pages does not count."""

LARGER_IS_BETTER: Final = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "average_precision",
    "r2",
)
SMALLER_IS_BETTER: Final = (
    "log_loss",
    "brier",
    "calibration_error",
    "mae",
    "rmse",
    "mape",
)
SHARES: Final = (*(name for name in LARGER_IS_BETTER if name != "r2"), "calibration_error")
"""Metrics that lie between 0 and 1: a promise of either end promises nothing, or too much."""
METRICS: Final = (*LARGER_IS_BETTER, *SMALLER_IS_BETTER, "bias")


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely stands for, or None.

    Case and the choice between ``-``, ``_`` and blank do not count: ``Page-Hinkley`` is
    ``page_hinkley``.
    """
    plain = name[:80].lower().replace("-", "_").replace(" ", "_")
    close = difflib.get_close_matches(plain, list(known), n=1, cutoff=0.6)
    return close[0] if close else None
