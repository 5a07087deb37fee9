"""One column of a reference: how its values become bins and fixed-point integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.frame import Kind

CUTS = (0.005, 0.02, 0.05, 0.1, 0.17, 0.26, 0.36, 0.5, 0.64, 0.74, 0.83, 0.9, 0.95, 0.98, 0.995)
"""Ranks at which a numeric column's bins meet, finer towards the tails.

Of the information (Kullback and Leibler) that unbinned values of a normal law hold on a change,
these bins keep 0.99 for a shift of its mean, 0.90 for twice its variance and 0.93 for two humps in
its place; sixteen equal ones keep 0.97, 0.62 and 0.82.
"""
MAX_BINS = len(CUTS) + 1
MAX_CATEGORIES = 50
OTHER = "…"
"""Name of the last bin of an open categorical column: every level not among the most frequent."""

FIXED_POINT_BITS = 15
"""Fixed-point steps in one reference standard deviation, as a power of two."""


def is_prediction_column(name: str) -> bool:
    """Return whether a column tells of the prediction itself, not of a feature."""
    return name in {"prediction", "score"} or name.startswith("prediction.")


@dataclass(frozen=True)
class Column:
    """What "normal" looks like for one feature (or the prediction, or the score).

    Counts are laid out as ``[interior bins…, unseen, missing]``; unseen is a value outside the
    reference's range or a category that it never held.

    Attributes
    ----------
    edges
        Bin edges of a numeric column, float64 of shape (bins + 1,), ascending; bin i holds
        ``edges[i] <= x < edges[i + 1]``. Empty for the other kinds.
    categories
        Levels of a categorical column by falling frequency; booleans have ``("false", "true")``.
    open
        True where the column has more levels than bins: the last bin then takes all others, and
        nothing counts as unseen.
    counts
        Counts of the reference itself, int64 of shape (bins + 2,).
    mean, sd, median, minimum, maximum
        Of the reference's finite values, in the feature's own units; NaN for categoricals.
    center, unit
        Fixed point: a value x is carried as ``rint((x - center) / unit)``, `unit` a power of two.
    """

    name: str
    kind: Kind
    edges: npt.NDArray[np.float64]
    categories: tuple[str, ...]
    open: bool
    counts: npt.NDArray[np.int64]
    mean: float
    sd: float
    median: float
    minimum: float
    maximum: float
    center: float
    unit: float

    @property
    def numeric(self) -> bool:
        """True where the column holds numbers."""
        return self.kind == "numeric"

    @cached_property
    def bins(self) -> int:
        """Number of interior bins B."""
        return self.counts.size - 2

    @cached_property
    def location(self) -> npt.NDArray[np.float64]:
        """Representative value of each interior bin, float64 of shape (bins,).

        The middle of a numeric bin (the value itself where the bin is one atom); for categoricals
        the mid-rank of the level in the reference, in [0, 1].
        """
        if self.numeric:
            low, high = self.edges[:-1], self.edges[1:]
            last = np.minimum(high, self.maximum)
            return np.asarray(low + (np.maximum(last, low) - low) / 2)
        mass = self.counts[: self.bins] / max(1, int(self.counts[: self.bins].sum()))
        return np.asarray(np.cumsum(mass) - mass / 2)

    @cached_property
    def codes(self) -> dict[Any, int]:
        """Bin of each level of a categorical or boolean column; ``None`` is missing."""
        levels: dict[Any, int]
        if self.kind == "boolean":
            levels = {False: 0, True: 1}
        else:
            levels = {level: i for i, level in enumerate(self.categories)}
        table = _Codes(levels)
        table[None] = self.bins + 1
        table.other = self.bins - 1 if self.open else self.bins
        return table

    def bin(self, values: Sequence[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return bin codes and numbers of a column of typed values.

        Parameters
        ----------
        values
            n values of this column's kind, ``None`` where missing.

        Returns
        -------
        codes
            int64 of shape (n,), in [0, bins + 1].
        numbers
            float64 of shape (n,): the value of a numeric column, else the code; NaN where missing.
        """
        if self.numeric:
            if isinstance(values, Numbers):
                numbers = values.array
            else:
                numbers = np.array(values, dtype=np.float64)
            return self.bin_numbers(numbers), numbers
        codes = np.fromiter(map(self.codes.__getitem__, values), np.int64, len(values))
        numbers = codes.astype(np.float64)
        numbers[codes == self.bins + 1] = np.nan
        return codes, numbers

    def bin_numbers(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the bin codes of float64 numbers, NaN being missing."""
        edges, codes = self._ladder
        return codes[np.searchsorted(edges, numbers, side="right")]

    @cached_property
    def _ladder(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Edges with infinity on top, and the code of each step: NaN sorts above everything."""
        inside = np.arange(self.bins)
        codes = np.concatenate([[self.bins], inside, [self.bins, self.bins + 1]])
        return np.append(self.edges, np.inf), codes.astype(np.int64)


class _Codes(dict[Any, int]):
    other: int = 0

    def __missing__(self, key: object) -> int:
        return self.other


def build_column(name: str, kind: Kind, values: Sequence[Any]) -> Column:
    """Freeze a column from its reference values.

    Parameters
    ----------
    values
        Typed values of `kind`, ``None`` where missing; at least one.

    Notes
    -----
    Numeric bins meet at the reference's quantiles `CUTS`; a value that alone holds
    more than a sixteenth gets a bin of its own, so that a change of an atom (zeros, defaults)
    is seen. Order of the values does not matter.
    """
    if kind == "numeric":
        return _numeric(name, np.array(values, dtype=np.float64))
    if kind == "boolean":
        levels: list[str] = ["false", "true"]
        present = [("true" if v else "false") for v in values if v is not None]
    else:
        present = [str(v) for v in values if v is not None]
        found, tally = np.unique(np.array(present, dtype=object), return_counts=True)
        # By falling frequency, then by name: the same levels in the same order however they came.
        levels = [
            str(found[i]) for i in sorted(range(found.size), key=lambda i: (-tally[i], found[i]))
        ]
    is_open = len(levels) > MAX_CATEGORIES
    if is_open:
        levels = [*levels[: MAX_CATEGORIES - 1], OTHER]
    levels = levels or [OTHER]
    code = {level: i for i, level in enumerate(levels)}
    other = len(levels) - 1
    counts = np.zeros(len(levels) + 2, dtype=np.int64)
    codes = np.fromiter((code.get(v, other) for v in present), np.int64, len(present))
    counts[: len(levels)] = np.bincount(codes, minlength=len(levels))
    counts[-1] = len(values) - len(present)
    nan = float("nan")
    return Column(
        name, kind, np.empty(0), tuple(levels), is_open, counts, nan, nan, nan, nan, nan, 0.0, 1.0
    )


def _numeric(name: str, values: npt.NDArray[np.float64]) -> Column:
    finite = np.sort(values[np.isfinite(values)])
    if not finite.size:
        finite = np.zeros(1)
    mean = float(np.mean(finite))
    sd = float(np.std(finite))
    if finite[0] == finite[-1]:
        mean, sd = float(finite[0]), 0.0
    median = float(finite[finite.size // 2])
    edges = _edges(finite)
    # A constant column still needs a unit; take its own magnitude, so that any change is resolved.
    scale = sd if sd > 0 else max(abs(median), 1.0)
    exponent = int(np.frexp(scale)[1]) - 1 - FIXED_POINT_BITS
    counts = np.zeros(edges.size + 1, dtype=np.int64)
    column = Column(
        name=name,
        kind="numeric",
        edges=edges,
        categories=(),
        open=False,
        counts=counts,
        mean=mean,
        sd=sd,
        median=median,
        minimum=float(finite[0]),
        maximum=float(finite[-1]),
        center=median,
        unit=float(np.ldexp(1.0, max(exponent, -1000))),
    )
    clean = np.where(np.isfinite(values), values, np.nan)
    counts += np.bincount(column.bin_numbers(clean), minlength=counts.size)
    return column


def _edges(finite: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return edges over sorted finite values: quantiles, with atoms in bins of their own."""
    levels, tally = np.unique(finite, return_counts=True)
    top = np.nextafter(levels[-1], np.inf)
    if levels.size <= MAX_BINS:
        middles = levels[:-1] + (levels[1:] - levels[:-1]) / 2
        return np.unique(np.concatenate([levels[:1], middles, [top]]))
    ranks = (np.array(CUTS) * finite.size).astype(np.int64)
    cuts = finite[ranks]
    atoms = levels[tally * MAX_BINS > finite.size]
    return np.unique(np.concatenate([levels[:1], cuts, atoms, np.nextafter(atoms, np.inf), [top]]))
