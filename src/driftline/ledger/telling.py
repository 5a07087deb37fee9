"""What is told of one window's quality: metrics that came, and those to be expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.detect.plain import plain
from driftline.ledger.concept import ConceptDrift
from driftline.ledger.metrics import METRICS, evaluate, metric
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.sequences import rates

if TYPE_CHECKING:
    from driftline.contract import Quality
    from driftline.ledger.cell import Cell
    from driftline.ledger.estimate import Calibrations
    from driftline.ledger.maturity import EarlyBias

__all__ = ["Calm", "tell", "tell_bias"]


SAME_ROWS = 0.95
"""Share of a window's predictions that must have labels for it to be compared with what was
expected: that is expected of all its predictions."""


@dataclass(frozen=True, slots=True)
class Calm:
    """What a calm period has taught: what scores are worth, and how good predictions were."""

    calibrations: Calibrations
    realised: dict[str, float | None]


def tell(cell: Cell, plan: Quality, calm: Calm | None) -> dict[str, Any]:
    """Return a window's metrics as JSON values.

    Returns
    -------
    ``realised`` metrics on labelled rows, by name, null where one is not defined; ``interval``, in
    which accuracy lies with certainty however often one looks; ``estimated`` metrics of all its
    predictions, labelled or not, with their standard deviation; and ``concept``, what of the
    promised metric moved inputs do not explain, in words, once nearly all have labels.
    """
    task = metric(plan.metric).task
    names = [name for name, each in METRICS.items() if each.task == task]
    card = cell.card
    realised = evaluate(card, names, positive=plan.positive) if card.rows > 0 else {}
    told: dict[str, Any] = {
        "labelled": card.rows,
        "realised": {name: _plain(value) for name, value in realised.items()},
        "interval": {},
        "estimated": {},
        "concept": None,
    }
    if isinstance(card, Scorecard) and card.rows > 0:
        right = sum(weight for (guess, label), weight in card.confusion.items() if guess == label)
        low, high = rates(right / card.weight * card.rows, card.rows)
        told["interval"]["accuracy"] = [plain(float(low)), plain(float(high))]
    if calm is None or cell.exposure.rows <= 0:
        return told
    expected = calm.calibrations.estimate(cell.exposure, names)
    told["estimated"] = {
        name: {"value": plain(found.value), "sd": plain(found.se)}
        for name, found in expected.items()
        if found is not None
    }
    promised, value = expected[plan.metric], realised.get(plan.metric)
    before = calm.realised.get(plan.metric)
    if (
        promised is not None
        and value is not None
        and before is not None
        and card.rows >= SAME_ROWS * cell.exposure.rows
    ):
        beyond = calm.calibrations.beyond(cell.exposure)
        found = ConceptDrift(plan.metric, value, promised, card.rows, before, beyond)
        told["concept"] = found.words()
    return told


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


def _plain(value: float | None) -> float | None:
    return None if value is None else plain(value)
