"""A model that is trained anew in the stream, on labels that it may have shaped itself."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.contract.quantities import format_duration
from driftline.simulate.place import Place
from driftline.simulate.ridge import fit, predict

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from driftline.simulate.aftermath import Aftermath
    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Columns
    from driftline.simulate.place import Marks, Rows
    from driftline.simulate.traffic import Traffic

    Floats = npt.NDArray[np.float64]

__all__ = ["LEAST_ROWS", "Learner", "Training", "design_width"]

MOST_LEVELS = 32
"""Levels of a categorical feature that a model learns from; one with more it leaves out."""
MOST_WAITING = 100_000
LEAST_ROWS = 3
"""Labelled rows for each column below which a training is put off to the next time."""

NEVER = 2**62


class Training(NamedTuple):
    """One training: when (microseconds since the epoch), the version it made, and why."""

    at: int
    version: str
    why: str


class Learner:
    """Scores rows by the last training's weights, and trains again when it is time.

    Until the first training the model's fixed rule scores. A training fits a ridge regression to
    the last rows whose (right) label has come by then. Where more than `MOST_WAITING` rows would
    wait for their labels, every so-many-th row is learnt from only.

    In a loop a row is used with the probability *usage*, unless the holdout hides it: the decision
    follows its prediction, and the error that the prediction would have had is smaller by the
    *adherence* in the label that is recorded. Rows that are not used are decided otherwise than
    recommended, and their labels are honest.

    Parameters
    ----------
    fault
        How often, and on how many rows.
    loops
        When, where and how much labels follow predictions.
    start
        The scenario's start, microseconds since the epoch.
    waiting
        Predictions that wait for their labels at a time, in the mean.

    Notes
    -----
    Holds the rows of a training, those of a chunk, and those that wait.
    """

    def __init__(
        self, fault: Fault, loops: Iterable[Fault], model: Traffic, start: int, waiting: float
    ) -> None:
        self._model = model
        self._loops = [(loop, Place(loop, model, start)) for loop in loops]
        self._every = round(fault.resolved_size)
        self._rows = round(fault.share)
        self._stride = max(1, ceil(waiting / MOST_WAITING))
        self._end = None if fault.end is None else start + fault.end
        self._next = start + fault.start + self._every
        self._weights: Floats | None = None
        self._made = 0
        width = design_width(model)
        self._seen = np.empty((0, width)), np.empty(0), np.empty(0, dtype=np.int64)
        self.trainings: list[Training] = []
        """Those of the last chunk."""
        self.versions: list[str] = []
        """Of each row of the last chunk."""

    def answer(self, served: Columns, after: Aftermath, rows: Rows, until: int) -> Floats:
        """Return the scores of a chunk, shape (n,), and let labels and decisions follow them.

        Parameters
        ----------
        until
            End of the chunk, microseconds since the epoch.
        """
        score, design = self._model.score(served), self._design(served)
        used, adherence = self._used(after, rows)
        honest = np.array(after.labels, dtype=np.float64)
        label = honest.copy()
        kept = ((rows.first + np.arange(rows.size)) % self._stride == 0) & ~after.lost
        self.trainings, self.versions = [], []
        first = 0
        while first < rows.size or self._due < until:
            due = self._due
            last = int(np.searchsorted(rows.ts, due))
            part = slice(first, last)
            if self._weights is not None:
                score[part] = predict(self._weights, design[part])
            self.versions += [self.version] * (last - first)
            near = honest[part] + adherence[part] * (score[part] - honest[part])
            near = np.round(near, self._model.label_decimals)
            label[part] = np.where(used[part], near, honest[part])
            if due < NEVER:
                of = np.flatnonzero(kept[part]) + first
                self._remember(design[of], label[of], rows.ts[of] + after.labelled[of])
            first = last
            if due < until:
                self._train(due)
        self._forget(until)
        after.labels = label.tolist()
        return score

    @property
    def version(self) -> str:
        """Of the model as it is now."""
        return f"{self._model.version}-r{self._made}" if self._made else self._model.version

    @property
    def _due(self) -> int:
        over = self._end is not None and self._next >= self._end
        return NEVER if over else self._next

    def _used(self, after: Aftermath, rows: Rows) -> tuple[Marks, Floats]:
        """Return which rows are used, and how much their labels follow."""
        used, adherence = np.zeros(rows.size, dtype=np.bool_), np.zeros(rows.size)
        for fault, place in self._loops:
            at = place.rows(rows.ts, rows.world) & ~after.holdout
            lucky = rows.rng(str(fault)).random(rows.size) < fault.resolved_size
            used = np.where(at, lucky, used)
            adherence = np.where(at, fault.share, adherence)
            after.looped = after.looped | at
        after.used = used
        return used, adherence

    def _design(self, columns: Columns) -> Floats:
        """Return what the model learns from, shape (n, k): numbers standardised, levels 0 or 1."""
        found = []
        for feature in self._model.features:
            column = columns[feature.name]
            if feature.counted:
                found.append(self._model.standard(columns, feature.name)[:, None])
            elif len(feature.words) <= MOST_LEVELS:
                levels = np.arange(len(feature.words))
                found.append((column[:, None] == levels).astype(np.float64))
        return np.concatenate(found, axis=1)

    def _remember(self, x: Floats, y: Floats, came: npt.NDArray[np.int64]) -> None:
        held, told, arrived = self._seen
        self._seen = (
            np.concatenate([held, x]), np.concatenate([told, y]), np.concatenate([arrived, came])
        )  # fmt: skip

    def _come(self, at: int) -> npt.NDArray[np.int64]:
        """Return the rows to train on at a time: the last whose labels have come."""
        came = self._seen[2]
        order = np.argsort(came, kind="stable")
        return order[: int(np.searchsorted(came[order], at, side="right"))][-self._rows :]

    def _forget(self, at: int) -> None:
        """Forget rows that no training after a time can be on."""
        keep = np.concatenate([self._come(at), np.flatnonzero(self._seen[2] > at)])
        x, y, came = self._seen
        self._seen = x[keep], y[keep], came[keep]

    def _train(self, at: int) -> None:
        self._next = at + self._every
        there = self._come(at)
        x, y, _ = self._seen
        if there.size < LEAST_ROWS * x.shape[1]:
            return
        self._weights = fit(x[there], y[there])
        self._made += 1
        why = f"every {format_duration(self._every)}, on the last {there.size:,} labels"
        self.trainings.append(Training(at, self.version, why))


def design_width(model: Traffic) -> int:
    """Return how many columns a model learns from."""
    words = (1 if f.counted else len(f.words) for f in model.features)
    return sum(width for width in words if width <= MOST_LEVELS)
