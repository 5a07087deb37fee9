"""How much a column's slots differ from one another while nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.stats.column import Column
    from driftline.stats.season import Season

MAX_LAG = 2_000
MIN_SLOTS = 20
SHORT = 6.0
"""A correlation time t read from n slots is short by a part of about ``SHORT * t / n``, as the mean
is theirs too. Measured: of 35 slots, 31 are found in 1,000 slots, 17 in 200 and 6 in 50."""
LONGEST = 0.9
"""Most that this correction assumes to be hidden: beyond it the reference cannot tell."""


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
    season: Season,
    length: int,
) -> Variability:
    """Measure natural variability from the reference's own slots.

    Parameters
    ----------
    codes
        For each column the bin codes of its rows.
    slot
        For each column the slot numbers of the same rows, any order.
    season
        What differs from hour to hour is no variability.
    length
        Of a slot, microseconds.

    Notes
    -----
    Overdispersion by the method of moments: from Pearson's statistic of each slot against the
    pooled probabilities, and along the directions in which slots mostly differ (location, spread,
    missing), whichever is larger. Correlation as integrated autocorrelation time of the slots' mean
    scores in those directions, summed up to the first lag that noise explains (Geyer 1992, initial
    positive sequence).
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
        rho[i], tau[i] = _measure(season.adjust_table(i, table, numbers * length + length // 2))
    return Variability(most, rho, tau)


def _measure(table: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return overdispersion and correlation time of one column's counts by slot."""
    seen = table[:, :-1].sum(axis=0)
    if seen.sum() == 0:
        return 0.0, 1.0
    rank = (np.cumsum(seen) - seen / 2) / seen.sum()
    bend = np.abs(rank - 0.5)
    none = np.zeros(rank.size)
    scores = [
        np.append(rank, 0.5),
        np.append(bend, (bend * seen).sum() / seen.sum()),
        np.append(none, 1.0),
    ]
    rows = table.sum(axis=1)
    means = [(table @ score) / rows for score in scores]
    times = [_lengthened(_integrated(mean), rows.size) for mean in means]
    several = table[rows > 1]
    if several.shape[0] < MIN_SLOTS:
        return 0.0, max(times)
    found = [_pearson(several)]
    for score, tau in zip(scores, times, strict=True):
        found.append(_along(several, score, tau))
    spare = max(1.0, float(several.sum(axis=1).mean()) - 1)
    # What wanders slowly has shown in the reference only a part of how far it goes.
    shown = 1 - min(LONGEST, (max(times) - 1) / rows.size)
    return float(np.clip(max(found) / spare / shown, 0.0, 0.95)), max(times)


def _pearson(table: npt.NDArray[np.float64]) -> float:
    """Excess of the slots' dispersion over independent draws, in all directions alike."""
    rows = table.sum(axis=1)
    share = table.sum(axis=0) / table.sum()
    used = share > 0
    freedom = int(used.sum()) - 1
    if freedom < 1:
        return 0.0
    expected = rows[:, None] * share[used]
    pearson = ((table[:, used] - expected) ** 2 / expected).sum(axis=1) / freedom
    # Under independence the mean of `pearson` is 1 with this standard error: below it is noise.
    return float(pearson.mean()) - 1 - 2 * float(pearson.std()) / rows.size**0.5


def _along(table: npt.NDArray[np.float64], score: npt.NDArray[np.float64], tau: float) -> float:
    """Excess dispersion of the slots' mean score.

    Slots mostly differ in one direction (all values a little higher); over all bins that is thinned
    out, and the bets that look in that direction would meet more than they were told of.
    """
    rows = table.sum(axis=1)
    share = table.sum(axis=0) / table.sum()
    mean = float((score * share).sum())
    variance = float(((score - mean) ** 2 * share).sum())
    if variance <= 0:
        return 0.0
    dispersion = float((rows * ((table @ score) / rows - mean) ** 2).mean()) / variance
    noise = 2 * (2 * tau / rows.size) ** 0.5
    return dispersion - 1 if dispersion > 1 + noise else 0.0


def _lengthened(time: float, slots: int) -> float:
    """Correct a correlation time for the shortness of what it was read from."""
    hidden = SHORT * (time - 1) / slots
    return round(time / (1 - min(hidden, LONGEST)), 6)


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
