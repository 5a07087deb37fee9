"""Panes of one reference as panes of another: from the values that their samples hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from driftline.stats.fixedpoint import fixed_point_sums
from driftline.stats.pane import Pane
from driftline.stats.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.stats.column import Column
    from driftline.stats.reference import Reference

__all__ = ["rebin", "same_columns"]


def same_columns(one: Reference, other: Reference) -> bool:
    """Return whether two references tell of the same columns, whatever they say of them."""
    return one.kinds == other.kinds


def rebin(panes: Sequence[Pane], reference: Reference) -> Pane:
    """Merge panes of one slot as if all had been binned on a reference.

    Parameters
    ----------
    panes
        Of references with the `same_columns`; at least one.

    Notes
    -----
    While the merged sample is complete the result is exact, bit for bit what folding the rows on
    that reference gives. Of more rows than a sample holds it is what the sample says: counts are of
    its rows, what is missing in proportion.
    """
    keep = panes[0].sample.size
    out, sample = Pane.empty(reference, keep), Sample.empty(keep, len(reference.columns))
    missing = np.zeros(len(reference.columns), dtype=np.int64)
    for pane in panes:
        out.merge_counters(pane)
        assert pane.reference is not None
        out.invalid += pane.invalid
        out.minimum = np.minimum(out.minimum, pane.minimum)
        out.maximum = np.maximum(out.maximum, pane.maximum)
        missing += pane.counts[pane.reference.starts[1:] - 1]
        if pane.reference.id == reference.id:
            sample.merge(pane.sample)
        else:
            sample.merge(replace(pane.sample, values=_recoded(pane, reference)))
    if not sample.complete:
        missing = np.rint(missing * (sample.rows / sample.seen)).astype(np.int64)
    out.sample = sample
    _count(out, reference, missing)
    return out


def _recoded(pane: Pane, reference: Reference) -> npt.NDArray[np.float64]:
    """Return a sample's values with the codes that levels have in another reference."""
    assert pane.reference is not None
    values = pane.sample.values.copy()
    for i, (old, new) in enumerate(zip(pane.reference.columns, reference.columns, strict=True)):
        if old.kind == "categorical" and old.categories != new.categories:
            codes = [new.codes[level] for level in old.categories]
            other = new.bins - 1 if new.open else new.bins
            table = np.array([*codes, other, np.nan])
            held = np.where(np.isnan(values[:, i]), old.bins + 1, values[:, i]).astype(np.int64)
            values[:, i] = table[held]
    return values


def _count(pane: Pane, reference: Reference, missing: npt.NDArray[np.int64]) -> None:
    """Fill in the statistics of the pane's own sample; `missing` has shape (columns,)."""
    values, starts = pane.sample.values, reference.starts
    codes = np.empty(values.shape, dtype=np.int64).T
    for i, column in enumerate(reference.columns):
        codes[i] = starts[i] + codes_of(column, values[:, i])
    pane.counts = np.bincount(codes.ravel(), minlength=int(starts[-1])).astype(np.int64)
    # Rows that say nothing of a column look like missing ones here; how many those are is known.
    pane.counts[starts[1:] - 1] = missing
    if pane.sample.rows:
        first = np.zeros(1, dtype=np.int64)
        numbers = values[:, reference.numeric]
        pane.sums = fixed_point_sums(numbers, reference.centers, reference.units, first)[0]
    scoring = reference.scoring
    if scoring is not None and pane.comoments is not None:
        pane.comoments.add(scoring.scores[codes[scoring.columns]], scoring)


def codes_of(column: Column, values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the bin codes of a sample's values, NaN being missing; shape (rows,)."""
    if column.numeric:
        return column.bin_numbers(values)
    return np.where(np.isnan(values), column.bins + 1, values).astype(np.int64)
