"""Metrics by the names people search for, each worked out from a scorecard's integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from driftline.ledger import confusion, probability, regression
from driftline.ledger.reading import Reading
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ALIASES", "METRICS", "Metric", "evaluate", "metric"]

Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that says how good predictions were.

    Attributes
    ----------
    task
        What kind of predictions it is of.
    better
        1 where a larger value is better, -1 where a smaller one is, 0 where it should be zero.
    function
        Works it out from a `Reading` (classification) or from `Residuals` (regression); None where
        it is not defined.
    """

    task: Task
    better: Literal[-1, 0, 1]
    function: Callable[[Reading], float | None] | Callable[[Residuals], float | None]


METRICS: Final[dict[str, Metric]] = {
    "accuracy": Metric("classification", 1, confusion.accuracy),
    "precision": Metric("classification", 1, confusion.precision),
    "recall": Metric("classification", 1, confusion.recall),
    "f1": Metric("classification", 1, confusion.f1),
    "auc": Metric("classification", 1, probability.auc),
    "average_precision": Metric("classification", 1, probability.average_precision),
    "log_loss": Metric("classification", -1, probability.log_loss),
    "brier": Metric("classification", -1, probability.brier),
    "calibration_error": Metric("classification", -1, probability.calibration_error),
    "mae": Metric("regression", -1, regression.mae),
    "rmse": Metric("regression", -1, regression.rmse),
    "mape": Metric("regression", -1, regression.mape),
    "r2": Metric("regression", 1, regression.r2),
    "bias": Metric("regression", 0, regression.bias),
    "median_absolute_error": Metric("regression", -1, regression.median_absolute_error),
    "absolute_error_p90": Metric("regression", -1, regression.absolute_error_p90),
    "error_p05": Metric("regression", 0, regression.error_p05),
    "error_p50": Metric("regression", 0, regression.error_p50),
    "error_p95": Metric("regression", 0, regression.error_p95),
}
"""By name; those a contract may promise have the contract's names."""

ALIASES: Final = {"roc_auc": "auc", "brier_score": "brier", "ece": "calibration_error"}


def metric(name: str) -> Metric:
    """Return a metric by its name or alias.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    found = METRICS.get(ALIASES.get(name, name))
    if found is None:
        msg = f"metric: expected one of {', '.join(METRICS)}, got {name!r}"
        raise ValueError(msg)
    return found


def evaluate(
    card: Scorecard | Residuals,
    names: Iterable[str] | None = None,
    *,
    positive: str | None = None,
    binary: bool | None = None,
) -> dict[str, float | None]:
    """Return metrics by name; None where one is not defined, as AUC where one class only came.

    Parameters
    ----------
    card
        In which no weight is below zero: what was taken back has been there before.
    names
        Those asked for; by default all of the card's task.
    positive, binary
        See `Reading`; they do not concern regressions.

    Raises
    ------
    ValueError
        A metric is not known, or is of the other task.
    """
    task: Task = "regression" if isinstance(card, Residuals) else "classification"
    if names is None:
        names = [name for name, each in METRICS.items() if each.task == task]
    of = Reading(card, positive, binary) if isinstance(card, Scorecard) else card
    found: dict[str, float | None] = {}
    for name in names:
        each = metric(name)
        if each.task != task:
            known = ", ".join(name for name, each in METRICS.items() if each.task == task)
            msg = f"metric: expected one of a {task} ({known}), got {name!r} of a {each.task}"
            raise ValueError(msg)
        found[name] = each.function(of)  # type: ignore[arg-type]  # the task says which it takes
    return found
