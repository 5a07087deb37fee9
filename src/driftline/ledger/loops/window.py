"""What a mature window of predictions brings to those who look for loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.residuals import Residuals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.ledger.cell import Card, Cell
    from driftline.ledger.profile import ErrorProfile

__all__ = ["LoopWindow", "Spreads", "prediction_variance", "spreads"]


@dataclass(frozen=True, slots=True)
class LoopWindow:
    """A window of predictions whose labels have come, or that is over.

    What a deployment does not tell stays None or empty; the signal that needs it then says so.

    Attributes
    ----------
    start, end
        Event time, microseconds.
    card
        All labelled rows.
    followed
        Of them, those whose decision did what the prediction recommended; None where sums are not
        kept apart by decision.
    hidden
        Of them, those of the holdout arm, whose prediction nobody acted on; None without one.
    followed_rows, overrode_rows
        Labelled rows whose decision is known, by what it did. The decision of all others is not.
    prediction_variance
        Of the predictions of `card`, in their own units squared; see `prediction_variance`.
    drifted
        Whether an incident of drifting inputs was open during it.
    mean_prediction, inputs
        Mean prediction, and means of the features in units of their reference's sd, by name.
    exposed
        Predictions by the item (or class of items) that they recommended; at most some thousands.
    """

    start: int
    end: int
    card: Card
    followed: Card | None = None
    hidden: Card | None = None
    followed_rows: int = 0
    overrode_rows: int = 0
    prediction_variance: float | None = None
    drifted: bool = False
    mean_prediction: float | None = None
    inputs: Mapping[str, float] = field(default_factory=dict)
    exposed: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, start: int, end: int, cell: Cell, **told: Any) -> LoopWindow:
        """Return the window that a cell sums up.

        Parameters
        ----------
        told
            Whatever else is known of it, by attribute.
        """
        numbers = isinstance(cell.card, Residuals)
        variance = prediction_variance(cell.profile) if numbers else None
        return cls(start, end, cell.card, **{"prediction_variance": variance, **told})


class Spreads(NamedTuple):
    """Variances of a window's labels and errors, in the label's units squared."""

    label: float
    error: float


def spreads(card: Residuals) -> Spreads | None:
    """Return the variances of labels and errors; None of fewer than two rows, or of no spread."""
    weight = card.weight
    if card.rows < 2 or weight <= 0:
        return None
    one = weight << UNIT_BITS
    # Differences of exact sums: nothing is lost where labels lie far from 0.
    label = (card.label_squared * one - card.label**2) / one**2
    error = card.squared / one - (card.error / one) ** 2
    free = card.rows / (card.rows - 1)
    return Spreads(label * free, max(error, 0.0) * free) if label > 0 else None


def prediction_variance(profile: ErrorProfile) -> float | None:
    """Return the variance of a profile's predictions, to a thousandth or so of their size."""
    table = profile.table()
    rows = float(table.rows.sum())
    if rows < 2:
        return None
    mean = float(table.predicted @ table.rows) / rows
    return float((table.predicted - mean) ** 2 @ table.rows) / (rows - 1)
