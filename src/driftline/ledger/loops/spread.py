"""Labels and errors that draw together where inputs do not: a loop seen without any lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.detect.plain import plain
from driftline.detect.state import pack, unpack
from driftline.ledger.loops.collapse import Collapse
from driftline.ledger.loops.fallen import fallen, inertia
from driftline.ledger.loops.laws import BINS, scale_of, sizes
from driftline.ledger.loops.window import spreads
from driftline.ledger.residuals import Residuals

if TYPE_CHECKING:
    from driftline.ledger.loops.window import LoopWindow
    from driftline.ledger.pairs import Floats

__all__ = ["Spread"]

LEAST_WINDOWS = 8
LEAST_ROWS = 400
"""Windows and labelled rows of a calm stretch before anything is judged by it."""
CALM_WINDOWS = 30
"""Windows that are calm at most: those after them are compared with them for good, so that a loop
which closes slowly is not learnt."""
LAG = 5
"""Windows that a window waits before it counts as calm; it never does while errors draw together
since before it."""
GIVE_UP = 60
"""Windows after which errors that drew together without labels doing so are normal from now on: the
model got better, or the world easier."""
ALPHA = 0.1
"""Bound of the probability of taking an improvement for a loop, for each one whose errors look like
a loop's: these are rare, and only they come to this test. (Measured: 2 to 4 % where errors of half
or nine tenths of the rows vanish at once, in windows of 50 rows.)"""
OF_ERRORS = 1 / 3
"""Part of what errors lost in variance that labels must have lost: all of it in a loop, nothing of
it in an improvement."""
OF_LABELS = 0.5
"""Part of what labels lost in variance that predictions may have lost: where inputs draw together,
predictions do so as labels do."""
DOUBT = 10
"""Windows in which smaller errors are not taken for an improvement, whatever labels seem to do."""
LEAST_FALL = 0.05
"""Part of their variance that labels must have lost."""
MOST_EXACT = 0.05
"""Share of calm rows without any error beyond which labels are too coarse to judge by shape."""


class _Figures(NamedTuple):
    """What is kept of a window: its start, labelled rows, and variances; NaN where not known."""

    start: int
    rows: float
    label: float
    error: float
    predicted: float

    def to_values(self) -> list[float | None]:
        return [None if np.isnan(each) else each for each in self]

    @classmethod
    def from_values(cls, values: list[Any]) -> _Figures:
        start, *rest = (np.nan if each is None else each for each in values)
        return cls(int(start), *(float(each) for each in rest))


class Spread:
    """Tells a loop by second moments and the shape of errors.

    In a loop labels are drawn to the predictions: errors and labels lose the same variance, and
    predictions none. An improved model loses variance of errors alone, as its predictions gain it;
    inputs that draw together take predictions along; noise in its season shrinks all errors alike.
    So a loop is suspected where all of this holds:

    - errors draw together as copied labels make them do (`Collapse`: an e-detector, free of scale);
    - since it began, predictions and errors together, which are what labels consist of, vary less
      than before, for certain (`fallen`, at the level `ALPHA`);
    - labels lost `OF_ERRORS` of what errors lost or more, and `LEAST_FALL` of their variance;
    - predictions lost no more than `OF_LABELS` of what labels lost; where their variance is not
      known, labels are tested by themselves.

    Windows in which inputs drift are neither judged nor learnt from.

    What it cannot see: usage below a fifth, where honest labels drown the copies; labels that
    follow predictions loosely, by half an error or more; a loop that was there from the first
    window on; classes, which have no spread of their own. What it takes for a loop: noise that
    falls below `laws.LEAST_SCALE` of its calm size, or by much in a part of the rows only, while
    inputs stay as they were.

    Parameters
    ----------
    arl
        Mean number of windows to a false alarm, at least.
    """

    def __init__(self, arl: float) -> None:
        self._collapse = Collapse(arl)
        self._begin()

    def _begin(self) -> None:
        self._collapse.forget()
        self._first = Residuals.empty()
        self._scale: float | None = None
        self._sizes = np.zeros(BINS)
        self._calm: list[_Figures] = []
        self._seen: list[tuple[_Figures, Floats | None]] = []
        self._rung_for = 0
        self._sure = False
        self._classes = False

    def replaced(self) -> None:
        """Learn what is calm anew: another model, or inputs that somebody has accepted."""
        self._begin()

    def add(self, window: LoopWindow) -> None:
        """Take a window."""
        card = window.card
        if not isinstance(card, Residuals):
            self._classes = True
            return
        found = spreads(card)
        if window.drifted or found is None:
            return
        predicted = window.prediction_variance
        figures = _Figures(
            window.start,
            float(card.rows),
            found.label,
            found.error,
            np.nan if predicted is None else float(predicted),
        )
        if self._scale is None:
            self._learn_first(card, figures)
            return
        if self._coarse:
            return
        counted = sizes(card, self._scale)
        self._collapse.step(counted, window.start)
        # What has drawn together is never calm, and then its sizes are wanted no more.
        self._seen.append((figures, None if self._collapse.rung else counted))
        self._judge()
        self._settle()

    def _learn_first(self, card: Residuals, figures: _Figures) -> None:
        self._first.merge(card)
        self._calm = [*self._calm, figures][-CALM_WINDOWS:]
        if len(self._calm) < LEAST_WINDOWS or self._first.rows < LEAST_ROWS:
            return
        self._scale = scale_of(self._first)
        if self._scale is None:
            return
        self._sizes = sizes(self._first, self._scale)
        self._first = Residuals.empty()
        self._collapse.learn(self._sizes)

    @property
    def _coarse(self) -> bool:
        return bool(self._sizes[0] > MOST_EXACT * max(float(self._sizes.sum()), 1.0))

    def _judge(self) -> None:
        if not self._collapse.rung:
            if self._rung_for:
                self._seen.clear()  # it is over
            self._rung_for, self._sure = 0, False
            return
        self._rung_for += 1
        if not self._sure:
            self._sure = bool(self.drawn and self._evidence() >= -np.log(ALPHA))

    def _settle(self) -> None:
        """Let what is old enough be calm, and give up on what came to nothing."""
        if self._rung_for >= GIVE_UP and not self._sure:
            self._begin()
            return
        began = self._collapse.began
        while len(self._seen) > LAG and not self._collapse.rung:
            figures, counted = self._seen[0]
            if began is not None and figures.start >= began and len(self._seen) < GIVE_UP:
                return
            del self._seen[0]
            if len(self._calm) < CALM_WINDOWS and counted is not None:
                self._calm.append(figures)
                self._sizes = self._sizes + counted
                self._collapse.learn(self._sizes)
        # A loop that goes on and on is measured by its last windows.
        del self._seen[: max(0, len(self._seen) - 2 * GIVE_UP)]

    def _sides(self) -> tuple[Floats, Floats] | None:
        """Return figures before errors drew together and since, (n, 4) and (m, 4): without starts.

        Columns are rows, and variances of labels, errors and predictions.
        """
        began = self._collapse.began
        if began is None:
            return None
        seen = [figures for figures, _ in self._seen]
        before = [each[1:] for each in self._calm + seen if each.start < began]
        since = [each[1:] for each in seen if each.start >= began]
        if not before or not since:
            return None
        return np.array(before), np.array(since)

    def _evidence(self) -> float:
        """Return the logarithm of the evidence that what labels consist of varies less."""
        sides = self._sides()
        if sides is None:
            return -np.inf
        # What predictions and errors vary is known better than what labels do: where the slope of
        # labels over predictions stays, both tell the same, less the chance in that slope.
        parts = [side[:, 2] + side[:, 3] for side in sides]
        if not all(np.isfinite(part).all() for part in parts):
            parts = [side[:, 1] for side in sides]
        before, since = (np.log(part) for part in parts)
        return fallen(before, since, stiff=inertia(before, since))

    @property
    def _lost(self) -> tuple[float, float, float, float] | None:
        """Variance that labels, errors and predictions lost, and what labels had before."""
        sides = self._sides()
        if sides is None:
            return None
        (rows, *before), (rows_since, *since) = (side.T for side in sides)
        had = [float(rows @ each / rows.sum()) for each in before]
        left = [float(rows_since @ each / rows_since.sum()) for each in since]
        label, error, predicted = (a - b for a, b in zip(had, left, strict=True))
        return label, error, predicted, had[0]

    @property
    def drawn(self) -> bool:
        """Whether, as far as one can see, labels drew together with errors, and inputs did not."""
        lost = self._lost
        if not self._collapse.rung or lost is None:
            return False
        label, error, predicted, had = lost
        if error <= 0 or label < OF_ERRORS * error or label < LEAST_FALL * had:
            return False
        return not predicted > OF_LABELS * label

    @property
    def doubtful(self) -> bool:
        """Whether errors drew together, and labels did or may have: no improvement to speak of."""
        lost = self._lost
        if not self._collapse.rung or lost is None:
            return False
        label, error, *_ = lost
        return self._rung_for <= DOUBT or label >= OF_ERRORS * error

    @property
    def collapsed(self) -> bool:
        """Whether errors drew together as copied labels make them do."""
        return self._collapse.rung

    @property
    def suspects(self) -> bool:
        """Whether it makes a loop suspect."""
        return self._sure

    @property
    def began(self) -> int | None:
        """Start of the first window of it, microseconds; None where errors are as they were."""
        return self._collapse.began if self._collapse.rung else None

    def tell(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        if self._classes:
            return {"state": "unknown", "why": "classes have no spread of their own"}
        if self._scale is None:
            return {"state": "unknown", "why": "no calm stretch of windows has been seen yet"}
        if self._coarse:
            return {"state": "unknown", "why": "labels are too coarse: errors are often exactly 0"}
        lost = self._lost if self._collapse.rung else None
        if lost is None:
            return {"state": "told", "errors_drew_together": False}
        label, error, predicted, had = lost
        evidence = self._evidence()
        return {
            "state": "told",
            "errors_drew_together": True,
            "copied": self._collapse.copied,
            "label_variance_before": plain(had),
            "label_variance_lost": plain(label),
            "error_variance_lost": plain(error),
            "prediction_variance_lost": plain(predicted) if np.isfinite(predicted) else None,
            "labels_log_e": plain(evidence) if np.isfinite(evidence) else None,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "collapse": self._collapse.snapshot(),
            "first": self._first.to_values(),
            "scale": self._scale,
            "sizes": pack(self._sizes),
            "calm": [each.to_values() for each in self._calm],
            "seen": [
                [figures.to_values(), None if counted is None else pack(counted)]
                for figures, counted in self._seen
            ],
            "rung_for": self._rung_for,
            "sure": self._sure,
            "classes": self._classes,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._begin()
        self._first = Residuals.from_values(state["first"])
        self._scale = state["scale"]
        self._sizes = unpack(state["sizes"], self._sizes)
        self._calm = [_Figures.from_values(each) for each in state["calm"]]
        self._seen = [
            (
                _Figures.from_values(figures),
                None if counted is None else unpack(counted, self._sizes),
            )
            for figures, counted in state["seen"]
        ]
        self._rung_for, self._sure = state["rung_for"], state["sure"]
        self._classes = state["classes"]
        if self._scale is not None:
            self._collapse.learn(self._sizes)
        self._collapse.restore(state["collapse"])
