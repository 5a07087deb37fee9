"""How much a column's slots differ from one another while nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.stats.column import Column

MAX_LAG = 2_000
MIN_SLOTS = 20


@dataclass(frozen=True)
class Variability:
    """Overdispersion and correlation in time; see `driftline.stats.reference.Reference`."""

    slots: int
    rho: npt.NDArray[np.float64]
    tau: npt.NDArray[np.float64]

    @classmethod
    def none(cls, columns: int) -> Variability:
        """Independent draws: what is assumed where the reference has no time."""
        return cls(0, np.zeros(columns), np.ones(columns))


def measure_variability(
    columns: Sequence[Column],
    codes: Sequence[npt.NDArray[np.int64]],
    slot: Sequence[npt.NDArray[np.int64]],
) -> Variability:
    """Measure natural variability from the reference's own slots.

    Parameters
    ----------
    codes
        For each column the bin codes of its rows.
    slot
        For each column the slot numbers of the same rows, any order.

    Notes
    -----
    Overdispersion by the method of moments from Pearson's statistic of each slot against the pooled
    probabilities. Correlation as integrated autocorrelation time of the slots' mean rank and of its
    spread, summed up to the first lag that noise explains (Geyer 1992, initial positive sequence).
    """
    rho = np.zeros(len(columns))
    tau = np.ones(len(columns))
    most = 0
    for i, (column, code, own) in enumerate(zip(columns, codes, slot, strict=True)):
        numbers, position = np.unique(own, return_inverse=True)
        slots = int(numbers.size)
        most = max(most, slots)
        if slots < MIN_SLOTS:
            continue
        width = column.counts.size
        # Slots x bins may be large for sparse rows; one column at a time keeps it bounded.
        table = np.bincount(position * width + code, minlength=slots * width).reshape(slots, width)
        rho[i] = _overdispersion(table.astype(np.float64))
        tau[i] = _correlation_time(table.astype(np.float64))
    return Variability(most, rho, tau)


def _overdispersion(table: npt.NDArray[np.float64]) -> float:
    rows = table.sum(axis=1)
    table = table[rows > 1]
    rows = rows[rows > 1]
    if rows.size < MIN_SLOTS:
        return 0.0
    share = table.sum(axis=0) / table.sum()
    used = share > 0
    if used.sum() < 2:
        return 0.0
    expected = rows[:, None] * share[used]
    pearson = ((table[:, used] - expected) ** 2 / expected).sum(axis=1) / (used.sum() - 1)
    # Under independence the mean of `pearson` is 1 with this standard error: below it is noise.
    excess = float(pearson.mean()) - 1 - 2 * float(pearson.std()) / rows.size**0.5
    return float(np.clip(excess / max(1.0, float(rows.mean()) - 1), 0.0, 0.95))


def _correlation_time(table: npt.NDArray[np.float64]) -> float:
    rows = table.sum(axis=1)
    seen = table[:, :-1]
    mass = seen.sum(axis=0)
    if mass.sum() == 0:
        return 1.0
    rank = (np.cumsum(mass) - mass / 2) / mass.sum()
    bends = np.abs(rank - 0.5)
    absent = np.zeros(table.shape[1] - 1)
    scores = [np.append(rank, 0.5), np.append(bends, bends.mean()), np.append(absent, 1.0)]
    return max(_integrated((table @ score) / rows) for score in scores)


def _integrated(series: npt.NDArray[np.float64]) -> float:
    centred = series - series.mean()
    size = centred.size
    if not np.any(centred):
        return 1.0
    padded = int(2 ** np.ceil(np.log2(2 * size)))
    spectrum = np.fft.rfft(centred, padded)
    lags = min(MAX_LAG, size // 4)
    acf = np.fft.irfft(np.abs(spectrum) ** 2, padded)[: lags + 1]
    acf /= acf[0]
    small = np.flatnonzero(acf < 2 / size**0.5)
    last = int(small[0]) if small.size else lags + 1
    # FFTs differ in the last bits between builds; six digits are more than the estimate is worth.
    return round(max(1.0, float(1 + 2 * acf[1:last].sum())), 6)
