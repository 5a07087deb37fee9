"""What is told of one window's quality: metrics that came, and those to be expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.plain import plain, plain_or_none
from driftline.ledger.classes import positive_of
from driftline.ledger.concept import ConceptDrift
from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.metrics import METRICS, evaluate, metric
from driftline.ledger.reading import Reading
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.sequences import asymptotic, rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Quality
    from driftline.ledger.cell import Card, Cell
    from driftline.ledger.estimate import Calibrations
    from driftline.ledger.loss import Losses
    from driftline.ledger.maturity import EarlyBias

__all__ = ["Calm", "Classes", "metrics_of", "tell", "tell_bias"]

MISTAKEN_BELOW = 0.4
"""An AUC by which scores are more likely of the other class than of this one."""


class Classes:
    """The classes that a model has been seen to tell apart, and which of them is the positive one.

    Parameters
    ----------
    positive
        As the contract has it; None: "1" of "0" and "1", else the last in order.
    """

    def __init__(self, positive: str | None) -> None:
        self._told = positive
        self.known: set[str] = set()

    def meet(self, card: Card) -> None:
        """Take note of the classes of a card; a regression has none."""
        if isinstance(card, Scorecard):
            self.known.update(card.classes)

    @property
    def positive(self) -> str | None:
        """The positive class of a binary task; None while there is no telling."""
        if self._told is not None or not self.known:
            return self._told
        return positive_of(self.known)

    def mistaken(self, metric: str, value: float) -> str | None:
        """Return what speaks for scores being of the other class, where no contract says of which.

        A model that ranks far worse than chance is hardly ever that: its AUC is one minus this one.
        """
        if metric != "auc" or value >= MISTAKEN_BELOW or self._told is not None:
            return None
        positive = self.positive
        if len(self.known) != 2 or positive is None:
            return None
        other = next(iter(self.known - {positive}))
        return (
            f"the scores seem to be of {other!r}, not of {positive!r}, which is taken as no "
            f"contract says it: with quality.positive {other!r} it would be {1 - value:.4g}"
        )

    def read(self, card: Scorecard) -> Reading:
        """Return a card as one of such a task."""
        return Reading(card, self.positive, len(self.known) <= 2)

    def evaluate(self, card: Card, names: Sequence[str]) -> dict[str, float | None]:
        """Return metrics of a card by name."""
        return evaluate(card, names, positive=self.positive, binary=len(self.known) <= 2)


SAME_ROWS = 0.95
"""Share of a window's predictions that must have labels for it to be compared with what was
expected: that is expected of all its predictions."""


@dataclass(frozen=True, slots=True)
class Calm:
    """What a calm period has taught: what scores are worth, and how good predictions were."""

    expect: Calibrations | Losses
    realised: dict[str, float | None]


def metrics_of(plan: Quality) -> list[str]:
    """Return the names of all metrics of the kind of task that a promise is about."""
    task = metric(plan.metric).task
    return [name for name, each in METRICS.items() if each.task == task]


def tell(
    cell: Cell,
    plan: Quality,
    classes: Classes,
    calm: Calm | None,
    expected: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return a window's metrics as JSON values.

    Parameters
    ----------
    classes
        Of all windows: this one may hold some of them only.
    expected
        Metrics to estimate, among them the promised one; None: all.

    Returns
    -------
    ``realised`` metrics on labelled rows, by name, null where one is not defined; ``interval``, in
    which accuracy (or the mean absolute error) lies with certainty however often one looks;
    ``estimated`` metrics of all its predictions, labelled or not, with their standard deviation;
    and ``concept``, what of the promised metric moved inputs do not explain, in words, once nearly
    all have labels.
    """
    card, names = cell.card, metrics_of(plan)
    realised = classes.evaluate(card, names) if card.rows > 0 else {}
    told: dict[str, Any] = {
        "labelled": card.rows,
        "realised": {name: plain_or_none(value) for name, value in realised.items()},
        "interval": {},
        "estimated": {},
        "concept": None,
    }
    if card.rows > 0:
        told["interval"] = _interval(card)
    if calm is None or cell.exposure.rows <= 0:
        return told
    estimates = calm.expect.estimate(cell.exposure, expected or names)  # type: ignore[arg-type]
    told["estimated"] = {
        name: {"value": plain(found.value), "sd": plain(found.se)}
        for name, found in estimates.items()
        if found is not None
    }
    promised, value = estimates[plan.metric], realised.get(plan.metric)
    before = calm.realised.get(plan.metric)
    if (
        promised is not None
        and value is not None
        and before is not None
        and card.rows >= SAME_ROWS * cell.exposure.rows
    ):
        beyond = calm.expect.beyond(cell.exposure)  # type: ignore[arg-type]
        found = ConceptDrift(plan.metric, value, promised, card.rows, before, beyond)
        told["concept"] = found.words()
    return told


def _interval(card: Card) -> dict[str, list[float]]:
    """Bound what is a mean over rows, at all times together; of unequal weights only roughly."""
    rows = card.rows
    if isinstance(card, Scorecard):
        right = sum(weight for (guess, label), weight in card.confusion.items() if guess == label)
        name, (low, high) = "accuracy", rates(right / card.weight * rows, rows)
    else:
        one = (1 << UNIT_BITS) * card.weight
        name = "mae"
        low, high = asymptotic(rows, card.absolute / one * rows, card.squared / one * rows)
    if not (np.isfinite(low) and np.isfinite(high)):
        return {}
    return {name: [plain(float(low)), plain(float(high))]}


def tell_bias(found: EarlyBias | None) -> str | None:
    """Say in words that early labels are no fair sample; None where nothing is known of it."""
    if found is None:
        return None
    of = "label" if found.by == "label" else "prediction"
    return (
        f"{of} {found.name} is {found.early:.0%} of the labels that came within "
        f"{found.age / 1e6:,.0f} s, and {found.late:.0%} of the later ones: until all are there, "
        "quality is told of a biased sample"
    )
