"""Where a change began, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.law import Laws


WORSE = 1.92
"""How much less likely than the likeliest a start may be and still belong to the interval: half the
95 % point of chi-squared with one degree of freedom."""


class Start(NamedTuple):
    """The likeliest start of a change, and between which starts it lies (microseconds)."""

    at: int
    earliest: int
    latest: int


def likeliest_start(
    starts: list[int],
    counts: npt.NDArray[np.int64],
    law: Floats,
    hint: int,
    inflation: float = 1.0,
) -> Start:
    """Return the likeliest start of a change among the starts of remembered buckets.

    Parameters
    ----------
    starts, counts
        Buckets, oldest first: microseconds, and counts of shape (buckets, cells).
    law
        What was expected, shape (cells,).
    hint
        Where the detector believes that it began, microseconds. The counts since then fit the law
        of the changed data; and within the bucket that is found, coarse as it may be, it decides.
    inflation
        By how much natural variability inflates the variance of counts.

    Returns
    -------
    Start
        Its interval holds all starts whose likelihood, the changed law being given, is not worse
        than the best by `WORSE` (profile likelihood; Hinkley 1970): about 95 % for a sudden change.
    """
    x = counts.astype(np.float64)
    first = sum(start <= hint for start in starts) - 1
    fitted = x[max(first, 0) :].sum(axis=0)
    changed = (fitted + law) / (fitted.sum() + law.sum())
    safe = np.where(law > 0, law, 1.0)
    pays = x @ np.where(law > 0, np.log(np.maximum(changed, 1e-300) / safe), 0.0)
    since = np.cumsum(pays[::-1])[::-1]
    at = int(since.argmax())
    until = starts[at + 1] if at + 1 < len(starts) else hint + 1
    best = hint if starts[at] <= hint < until else starts[at]
    near = np.flatnonzero(since >= since[at] - WORSE * inflation)
    # A start is known to the bucket: it lies between the bucket's own start and the next one's.
    last = int(near[-1])
    latest = starts[last + 1] if last + 1 < len(starts) else starts[last]
    return Start(best, min(best, starts[int(near[0])]), max(best, latest))


def presence_law(laws: Laws, column: int) -> Floats:
    """Return the law of (present, missing) of one column."""
    missing = laws.missing_up[column]
    return np.array([1 - missing, missing])


def values_law(laws: Laws, column: int) -> Floats:
    """Return the law of one column's interior bins and of unseen, among present values."""
    unseen = laws.unseen_up[column] if laws.judges_unseen[column] else 0.0
    return np.append(laws.interior[column] * (1 - unseen), unseen)
