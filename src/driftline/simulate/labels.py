"""Labels that features explain no longer, that come late, never, or wrong at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.simulate.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from driftline.simulate.aftermath import Aftermath
    from driftline.simulate.faults import Fault
    from driftline.simulate.place import Rows
    from driftline.simulate.traffic import Traffic

__all__ = ["LabelPlanter"]

ORDER = ("label_delay", "label_bias", "label_loss")
SIGMA = 1.0
"""Standard deviation of the logarithm of a lognormal delay: one in twenty takes 3.1 means."""


class LabelPlanter:
    """Plants a world in which features mean less, and what happens to labels on their way.

    Parameters
    ----------
    start
        The scenario's start, microseconds since the epoch.
    label_delay
        Mean time to the label where nothing else is planted, microseconds.
    """

    def __init__(
        self, faults: Iterable[Fault], model: Traffic, start: int, label_delay: int
    ) -> None:
        placed = [(fault, Place(fault, model, start)) for fault in faults]
        # A bias is one of the delays that are planted, wherever it stands.
        ways = [each for each in placed if each[0].kind in ORDER]
        self._ways = sorted(ways, key=lambda each: ORDER.index(each[0].kind))
        self._errors = [each for each in placed if each[0].kind == "label_error"]
        self._concepts = [each for each in placed if each[0].kind == "concept"]
        self._model = model
        self._label_delay = label_delay

    def turn(self, earned: npt.NDArray[np.float64], rows: Rows) -> npt.NDArray[np.float64]:
        """Return the scores that come true: where the concept has drifted, those of somebody else.

        Labels are as frequent as they were; only what foretold them does so no longer.

        Parameters
        ----------
        earned
            The scores that the true features earn, shape (n,).
        """
        for fault, place in self._concepts:
            rng = rows.rng(str(fault))
            at = place.rows(rows.ts, rows.world) & (rng.random(rows.size) < fault.resolved_size)
            strangers = self._model.score(self._model.draw(rows.ts, rng, {}))
            earned = np.where(at, strangers, earned)
        return earned

    def delay(self, after: Aftermath, rows: Rows) -> None:
        """Change when labels come, and whether."""
        for fault, place in self._ways:
            at, size = place.rows(rows.ts, rows.world), fault.resolved_size
            if fault.kind == "label_delay":
                took = _delays(fault.word or "", size, rows.rng(str(fault)), rows.size)
                after.labelled = np.where(at, took, after.labelled)
            elif fault.kind == "label_bias":
                name = fault.word or self._model.classes[-1]
                of_class = np.array([label == name for label in after.labels], dtype=np.bool_)
                longer = np.ceil(after.labelled * size).astype(np.int64)
                after.labelled = np.where(at & of_class, longer, after.labelled)
            else:
                after.lost = after.lost | (at & (rows.rng(str(fault)).random(rows.size) < size))

    def mistake(self, after: Aftermath, rows: Rows, earned: npt.NDArray[np.float64]) -> None:
        """Let labels come wrong at first: of two classes the other one, of numbers another draw.

        Parameters
        ----------
        earned
            The scores that the true features earn, shape (n,).
        """
        for fault, place in self._errors:
            rng = rows.rng(str(fault))
            at = place.rows(rows.ts, rows.world) & (rng.random(rows.size) < fault.resolved_size)
            again = _delays("shifted", self._label_delay, rng, rows.size)
            false = self._false(after.labels, earned, rng)
            pairs = zip(at.tolist(), false, after.first or after.labels, strict=True)
            after.first = [wrong if hit else told for hit, wrong, told in pairs]
            after.corrected = np.where(at, again, after.corrected)
            after.wrong = after.wrong | at

    def _false(
        self, labels: list[Any], earned: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> list[Any]:
        classes = self._model.classes
        if classes:
            other = dict(zip(classes, classes[::-1], strict=True))
            return [other[label] for label in labels]
        drawn = self._model.label(earned, rng)
        return [wrong + (wrong == true) for wrong, true in zip(drawn, labels, strict=True)]


def _delays(law: str, mean: float, rng: np.random.Generator, rows: int) -> npt.NDArray[np.int64]:
    """Draw delays by a law (`kinds.LAWS`) with a mean in microseconds, int64 of shape (rows,)."""
    match law:
        case "exponential":
            took = rng.exponential(mean, rows)
        case "lognormal":
            took = mean * rng.lognormal(-SIGMA * SIGMA / 2, SIGMA, rows)
        case "uniform":
            took = rng.uniform(0.0, 2 * mean, rows)
        case "fixed":
            took = np.full(rows, mean)
        case _:
            took = mean / 2 + rng.exponential(mean / 2, rows)
    return np.ceil(took).astype(np.int64)
