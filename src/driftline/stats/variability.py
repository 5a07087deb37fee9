"""How much a column's slots differ from one another while nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driftline.stats.resample import MIN_SLOTS, MOST_RHO, make_fair

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.stats.column import Column
    from driftline.stats.season import Season

MAX_LAG = 2_000
NOTED = 0.1
"""Part of the columns that have rare slots, from which the others are looked at for them."""
SHORT = 6.0
"""A correlation time t read from n slots is short by a part of about ``SHORT * t / n``, as the mean
is theirs too. Measured: of 35 slots, 31 are found in 1,000 slots, 17 in 200 and 6 in 50."""
LONGEST = 0.9
"""Most that this correction assumes to be hidden: beyond it the reference cannot tell."""
MEMORIES = 4.0
"""Correlation times in a reference below which a column's own is mostly luck, most often bad."""
HIGH = 0.9
"""Quantile of the columns' correlation times that is taken then."""
MET = 500
"""Slots from which a column that shows no rare ones has none: what is one in a hundred has been met
by then in all but 0.7 % of the columns, in 200 slots in all but 13 %."""


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

    A reference that is short against its own memory shows most columns less than half of it, and
    some far too much. What drives one column mostly drives the others: where `MEMORIES` times the
    high quantile of the correlation times is more than there are slots, columns that show any
    memory have at least that quantile, and all do where most show some. Measured on 100 columns of
    50 slots whose means wander (correlation time 39): 65 false pages in 1,000 slots before, none
    after, where one in 4,000 was promised.

    Where slots differ rarely and much, moments do not say how much; see `make_fair`. Columns that
    have met no such slot in a short reference are lent what most others have.
    """
    count = len(columns)
    slots = np.zeros(count, dtype=np.int64)
    moments = np.tile([0.0, 1.0], (count, 1))
    found = moments.copy()

    def measure(i: int, least: float) -> None:
        numbers, position = np.unique(slot[i], return_inverse=True)
        slots[i], width = numbers.size, columns[i].counts.size
        if slots[i] < MIN_SLOTS:
            return
        # Slots x bins may be large for sparse rows; one column at a time keeps it bounded.
        table = np.bincount(position * width + codes[i], minlength=slots[i] * width)
        middles = numbers * length + length // 2
        freed = season.adjust_table(i, table.reshape(slots[i], width), middles)
        moments[i] = _measure(freed, least)
        found[i] = make_fair(columns[i], freed, *moments[i].tolist())

    for i in range(count):
        measure(i, 1.0)
    times = moments[:, 1].copy()
    least = round(float(np.quantile(times, HIGH)), 6)
    alike = (times > 1) | _most(times > 1)
    for i in np.flatnonzero(alike & (times < least) & (slots < MEMORIES * least)).tolist():
        measure(i, least)
    _lend(found, np.any(found > moments, axis=1), slots < MET)
    return Variability(int(slots.max()), found[:, 0], found[:, 1])


def _most(shown: npt.NDArray[np.bool_]) -> bool:
    """Return whether most columns show something, so that the others are taken to have it too."""
    return bool(2 * np.count_nonzero(shown) > shown.size)


def _lend(
    found: npt.NDArray[np.float64], raised: npt.NDArray[np.bool_], few: npt.NDArray[np.bool_]
) -> None:
    """Give columns that have not met their rare slots yet what most columns have, in place.

    Parameters
    ----------
    found
        Overdispersion and correlation time of each column, shape (columns, 2).
    raised, few
        Columns whose bets were made fair, and columns of few slots.
    """
    if raised.mean() < NOTED:
        return
    # Moments have seen to some of them, and others were raised for a lesser cause.
    shown = found[:, 0] >= np.median(found[raised, 0]) / 2
    if _most(shown):
        lacking = few & ~shown
        found[lacking] = np.maximum(found[lacking], np.median(found[shown], axis=0))


def _measure(table: npt.NDArray[np.float64], least: float = 1.0) -> tuple[float, float]:
    """Return overdispersion and correlation time of one column's counts by slot.

    Parameters
    ----------
    least
        What other columns tell of the correlation time, which is not below it.
    """
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
    longest = max(*times, least)
    if several.shape[0] < MIN_SLOTS:
        return 0.0, longest
    found = [_pearson(several)]
    for score, tau in zip(scores, times, strict=True):
        found.append(_along(several, score, tau))
    spare = max(1.0, float(several.sum(axis=1).mean()) - 1)
    # What wanders slowly has shown in the reference only a part of how far it goes.
    hidden = min(LONGEST, (longest - 1) / rows.size) if least <= 1 else _hidden(least, rows.size)
    return float(np.clip(max(found) / spare / (1 - hidden), 0.0, MOST_RHO)), longest


def _hidden(time: float, slots: int) -> float:
    """Part of a variance that lies in the mean of all slots, if correlation fades exponentially.

    It is about ``time / slots`` of many slots, which is too much of few.
    """
    x = 2 * slots / time
    return float(2 * (x - 1 + np.exp(-x)) / x**2)


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
