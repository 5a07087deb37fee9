"""Whether a detection is worth a page: its effect is asked for, beyond tolerance and chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.detect.state import pack, unpack

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.effect import EffectScale
    from driftline.detect.recency import Recency

    Counts = npt.NDArray[np.int64]

LEAST_ROWS, MOST_ROWS = 2_000, 20_000
"""Rows, as independent ones, within which an effect must show itself, or nobody is told of it."""

OLDEST, NEWEST = 0, 1


class Confirm:
    """Detections on trial, at most two of each column: the oldest one and the newest.

    A detection passes as soon as the counts since the change that it points at differ from the
    reference by the tolerance or more *and* by more than chance shows once in the promised run. It
    falls when that has not happened by the time at which chance alone could no longer hide a change
    of the tolerance. Of two, the newest takes the place of the oldest that falls: a change that
    comes after a false alarm is judged by its own rows.

    This is what keeps the promise, whatever sort of alarms a detector gives and how many: the bar
    is one that a stationary column passes in less than one of ``slots x columns`` trials.

    Parameters
    ----------
    arl
        Mean slots to a false page, over all columns. Larger: a higher bar, by the root of the log.

    Notes
    -----
    The size of chance is a supremum over test functions (Lipschitz ones for Wasserstein-1, sets for
    total variation), so it exceeds its mean by t standard deviations of the worst function with
    probability at most exp(-t²/2) (Borell 1975; Tsirelson, Ibragimov, Sudakov 1976). That deviation
    is the column's own for Wasserstein-1 and at most 1/2 for sets. A rate has the third term of
    Bernstein (1924) on top, as a rare thing is far from normal.
    """

    def __init__(self, scale: EffectScale, arl: float) -> None:
        laws = scale.laws
        columns = len(laws.columns)
        self._scale = scale
        self._log = math.log(max(2.0, arl * columns))
        p, z = laws.interior, laws.score
        sd = np.sqrt(np.maximum((p * z * z).sum(axis=1) - (p * z).sum(axis=1) ** 2, 0.0))
        most = np.maximum(p.max(axis=1), 0.5)
        worst = np.stack(
            [
                np.where(scale.numeric, sd, np.sqrt(most * (1 - most))),
                np.sqrt(laws.unseen * (1 - laws.unseen)),
            ],
            axis=1,
        )
        self._bar = scale.chance[:, :2] + math.sqrt(2 * self._log) * worst
        hidden = (self._bar[:, 0] / scale.tolerance[:, 0]) ** 2
        self._patience = np.clip(hidden, LEAST_ROWS, MOST_ROWS)
        self._on_trial = np.zeros((columns, 2), dtype=np.bool_)
        self._since = np.zeros((columns, 2), dtype=np.int64)
        self._waited = np.zeros((columns, 2), dtype=np.int64)

    def detected(self, column: int, since: int) -> None:
        """Put a detection on trial; `since` is the start of the change, microseconds."""
        at = NEWEST if self._on_trial[column, OLDEST] else OLDEST
        self._on_trial[column, at] = True
        self._since[column, at] = since
        self._waited[column, at] = 0

    def step(self, rows: Counts, recent: Recency, inflation: Floats) -> dict[int, int]:
        """Judge what is on trial after a slot.

        Parameters
        ----------
        rows
            Rows of the slot, shape (columns,).
        inflation
            By how much natural variability inflates the variance of counts, shape (columns,).

        Returns
        -------
        The columns that passed, with the start of the change.
        """
        columns, which = np.nonzero(self._on_trial)
        if not columns.size:
            return {}
        self._waited[columns, which] += rows[columns]
        since = self._since[columns, which]
        passed = self._judge(columns, recent.since(columns, since), inflation[columns])
        found: dict[int, int] = {}
        for k in np.flatnonzero(passed).tolist():
            found.setdefault(int(columns[k]), int(since[k]))
        limit = self._patience[columns] * np.maximum(inflation[columns], 1.0)
        late = self._waited[columns, which] >= limit
        self._on_trial[columns[late], which[late]] = False
        self._on_trial[list(found)] = False
        self._since[~self._on_trial] = self._waited[~self._on_trial] = 0
        left = np.flatnonzero(self._on_trial[:, NEWEST] & ~self._on_trial[:, OLDEST])
        for field in (self._on_trial, self._since, self._waited):
            field[left] = field[left][:, ::-1]
        return found

    def _judge(self, columns: Counts, counts: Counts, inflation: Floats) -> npt.NDArray[np.bool_]:
        scale = self._scale
        effects = scale.measure(columns, counts, inflation)
        seen = np.maximum(counts[:, :-1].sum(axis=1), 1.0)
        bar = self._bar[columns] * np.sqrt(inflation / seen + 1 / scale.laws.rows[columns])[:, None]
        bar[:, 1] += self._log / 3 * inflation / seen
        large = effects.net[:, :2] >= scale.tolerance[columns, :2]
        sure = np.abs(effects.size[:, :2]) >= bar
        return np.asarray(np.any(large & sure, axis=1))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes; 34 bytes a column."""
        return {name: pack(getattr(self, name)) for name in _FIELDS}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        for name in _FIELDS:
            setattr(self, name, unpack(state.get(name, {}), getattr(self, name)))


_FIELDS = ("_on_trial", "_since", "_waited")
