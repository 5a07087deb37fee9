"""What moved: the inputs, or the world's answer to them.

Once labels are there, the quality of a window is known, and so is what its scores (or predictions)
let one expect of just these rows. How far the expectation itself lies from the calm period is what
moved inputs explain. What came beyond the expectation they do not: the same predictions have other
answers than before. That is concept drift, unless inputs moved between rows that one score does not
tell apart: of synthetic_car_loan, whose inputs alone are meant to move, accuracy and AUC come as
expected (2 and -1 standard deviations off), while precision and recall do not (-5 and 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scipy.special import ndtr

from driftline.ledger.metrics import metric
from driftline.stats.wording import number, percent

if TYPE_CHECKING:
    from driftline.ledger.estimate import Estimate

__all__ = ["LEAST_ROWS", "MOST_BEYOND", "ConceptDrift", "Verdict"]

LEAST_ROWS = 100
"""Rows below which the normal law is no guide to how a metric scatters."""
MOST_BEYOND = 0.05
"""Share of rows outside of all that was calibrated above which nothing is said."""

Verdict = Literal["as expected", "worse", "better", "different", "too few rows", "out of range"]


@dataclass(frozen=True, slots=True)
class ConceptDrift:
    """A metric that came, beside what was to be expected of the same rows.

    Attributes
    ----------
    name
        The metric's, as in `driftline.ledger.metrics`.
    realised
        What the labels gave.
    expected
        What was expected of the same rows, by `Calibrations` or `Losses`.
    rows
        Rows with labels.
    calm
        The metric in the period that the expectation was learnt from.
    beyond
        Share of rows outside of what was learnt from: of those the expectation is a guess.
    """

    name: str
    realised: float
    expected: Estimate
    rows: int
    calm: float
    beyond: float = 0.0

    @property
    def difference(self) -> float:
        """Realised minus expected: the part that moved inputs do not explain."""
        return self.realised - self.expected.value

    @property
    def inputs(self) -> float:
        """Expected minus calm: the part that they do explain."""
        return self.expected.value - self.calm

    @property
    def p_value(self) -> float:
        """Chance of a difference as large as this, either way, where there is no concept drift.

        Of one window, looked at once. Windows share the error of what was learnt, so many of them
        are told better by their merged scorecards than by counting.
        """
        se = self.expected.se
        if se <= 0:
            return float(self.difference == 0)
        return float(2 * ndtr(-abs(self.difference) / se))

    def verdict(self, alpha: float = 0.001) -> Verdict:
        """Return what is certain of the difference.

        Parameters
        ----------
        alpha
            Chance of calling chance a concept drift, for one window. With many windows, all
            together share what may be risked: divide it by their number.
        """
        if self.rows < LEAST_ROWS:
            return "too few rows"
        if self.beyond > MOST_BEYOND:
            return "out of range"
        if self.p_value > alpha:
            return "as expected"
        better = metric(self.name).better
        if not better:
            return "different"
        return "better" if self.difference * better > 0 else "worse"

    def words(self, alpha: float = 0.001) -> str:
        """Return the finding as one line for people."""
        came = f"{self.name} {number(self.realised)}"
        se = f"{self.expected.se:.2g}"
        wanted = f"{number(self.expected.value)} ± {se} was to be expected of the same rows"
        by_inputs = (
            f"moved inputs explain a change from {number(self.calm)} to "
            f"{number(self.expected.value)}"
        )
        found = self.verdict(alpha)
        if found == "too few rows":
            return f"{came} on {self.rows} labelled rows: too few to tell concept drift from chance"
        if found == "out of range":
            return (
                f"{came}; what to expect is not known: {percent(self.beyond)} of the rows lie "
                "outside of all that was learnt from"
            )
        if found == "as expected":
            return f"{came} where {wanted}: no concept drift to be seen; {by_inputs}"
        return (
            f"{came} where {wanted}: {number(abs(self.difference))} {found} than the inputs "
            "explain, so the same predictions mean something else now (concept drift, or inputs "
            f"that moved where predictions do not show it); {by_inputs}"
        )
