"""Quality before labels come: what a classifier's own scores say of it (CBPE).

Calibrated, a score says how likely its row is to be of the class, and with that what accuracy,
AUC and so on to expect of unlabelled rows (confidence-based performance estimation: NannyML;
Białek et al. 2024, arXiv 2401.08348). The calibration is learnt from labelled rows of a calm
period.

What it rests on: that rows of one score are still of the class as often as they were then. Inputs
may move, and the scores with them (covariate shift); where the world itself answers differently to
the same inputs (concept drift) an estimate does not see it, nor does it see a shift between rows
that one score does not tell apart. `driftline.ledger.concept` measures that once labels come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.calibration import calibrate
from driftline.ledger.expected import BY_CLASS, Expected, Scored, precision, surprise
from driftline.ledger.exposure import mean_weight

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.ledger.curve import Curve
    from driftline.ledger.exposure import Exposure
    from driftline.ledger.reading import Reading

__all__ = ["Calibrations", "Estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric expected of unlabelled rows, and how far from it their labels may put it.

    Attributes
    ----------
    value
        The expected metric.
    sampling
        Standard deviation of the metric that the labels of just these rows will show: each is a
        draw by its chance. Falls with the rows of the window.
    calibration
        Standard error from the chances, which were learnt from finitely many labelled rows. Falls
        with those.
    """

    value: float
    sampling: float
    calibration: float

    @property
    def se(self) -> float:
        """Standard deviation of the realised metric about this estimate."""
        return float(np.hypot(self.sampling, self.calibration))


@dataclass(frozen=True, slots=True)
class Calibrations:
    """What scores are worth, for each class that labelled rows told of.

    Attributes
    ----------
    by_class
        The chance of each class by its score; of a binary task, for the positive class alone.
    positive
        The positive class of a binary task; None where there are more classes.
    """

    by_class: dict[str, Curve]
    positive: str | None

    @classmethod
    def learn(cls, reading: Reading) -> Calibrations:
        """Learn from the labelled rows of a calm period; 3 ms for 16,000 different scores."""
        unit = mean_weight(reading.card)
        tables = {reading.positive: reading.table} if reading.binary else reading.tables
        found = {}
        for name, table in tables.items():
            absent, present = np.maximum(table.absent, 0), np.maximum(table.present, 0)
            there = (absent + present) > 0
            # Where all rows are of one class, or none, nothing says how chance goes with score.
            if absent.any() and present.any():
                score = table.probability[there]
                found[name] = calibrate(score, absent[there] / unit, present[there] / unit)
        return cls(found, reading.positive if reading.binary else None)

    def beyond(self, exposure: Exposure) -> float:
        """Share of rows whose score lies outside of all that was calibrated; of classes, the most.

        Their chances are guesses, which no standard error covers.
        """
        shares = [0.0]
        for name, x in self._scored(exposure).items():
            shares.append(float(x.rows[self.by_class[name].beyond(x.score)].sum() / x.rows.sum()))
        return max(shares)

    def estimate(self, exposure: Exposure, names: Iterable[str]) -> dict[str, Estimate | None]:
        """Return what metrics to expect of rows without labels; 2 ms each for 16,000 scores.

        Parameters
        ----------
        names
            Metrics by the names of `driftline.ledger.metrics`, such as ``accuracy`` and ``auc``; of
            many classes they are put together as there.

        Returns
        -------
        An estimate for each name; None where there is no way to make one: of a metric that is none
        of a classifier's, without scores, or without labels of both kinds to calibrate them.
        """
        scored = self._scored(exposure)
        of = self._of_many if self.positive is None else self._of_binary
        return {name: of(name, scored) if scored else None for name in names}

    def _scored(self, exposure: Exposure) -> dict[str, Scored]:
        found = {}
        for name, curve in self.by_class.items():
            score, other, own = exposure.table(name, scored=self.positive is not None)
            if score.size:
                found[name] = Scored(score, other, own, curve(score))
        return found

    def _of_binary(self, metric: str, scored: dict[str, Scored]) -> Estimate | None:
        ((name, x),) = scored.items()
        found = BY_CLASS[metric](x) if metric in BY_CLASS else None
        return _with_errors(found, x, self.by_class[name]) if found else None

    def _of_many(self, metric: str, scored: dict[str, Scored]) -> Estimate | None:
        expect = {"accuracy": precision, "log_loss": surprise}.get(metric) or BY_CLASS.get(metric)
        parts, rows = [], []
        for name, x in scored.items():
            found = expect(x) if expect else None
            if found is None and metric in {"accuracy", "precision", "recall", "f1"}:
                found = Expected(0.0, 0.0, 0.0)
            if found is not None:
                parts.append(_with_errors(found, x, self.by_class[name]))
                rows.append((x.own.sum(), x.rows.sum()))
        if not parts:
            return None
        own, of_class = np.array(rows).T
        if metric == "accuracy":
            # Each row counts in the class that was predicted and in no other.
            share = own / own.sum()
        elif metric in {"brier", "log_loss"}:
            share = of_class / own.sum()
        else:
            share = np.full(len(parts), 1 / len(parts))
        values = share @ np.array([part.value for part in parts])
        errors = share[:, None] * [(part.sampling, part.calibration) for part in parts]
        # How errors of the same rows in two classes go together the tables do not tell: their sum
        # is the most that they can be.
        apart = metric == "accuracy"
        both = np.hypot.reduce(errors, axis=0) if apart else errors.sum(axis=0)
        return Estimate(float(values), float(both[0]), float(both[1]))


def _with_errors(found: Expected, x: Scored, curve: Curve) -> Estimate:
    # The delta method, for the labels' scatter and for the fit's.
    spread = x.chance * (1 - x.chance)
    variance = (spread * (x.other * found.other**2 + x.own * found.own**2)).sum()
    leverage = np.asarray(x.other * found.other + x.own * found.own)
    return Estimate(
        found.value, float(np.sqrt(variance)), float(np.sqrt(curve.variance(x.score, leverage)))
    )
