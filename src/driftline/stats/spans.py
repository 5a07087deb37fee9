"""Where in their bins the values of a numeric column lie, as far as counts can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Spans", "spans_of", "stack_spans"]

Floats = npt.NDArray[np.float64]

TAIL_PARTS = 8
"""Parts of equal mass that an outermost bin is split into; eight follow an exponential closely."""

MOST_CONCENTRATED = 1e4
"""Beyond this ratio of densities the bin beside a tail is an atom and says nothing about it."""


class Spans(NamedTuple):
    """Pieces of the real line over which the mass of a bin lies evenly, in ascending order.

    Attributes
    ----------
    low, high
        Float64 of shape (..., pieces), ``low[i] <= high[i] <= low[i + 1]``; a piece of no width is
        an atom. Padding repeats the last ``high``.
    bin
        The bin each piece belongs to, int64 of shape (..., pieces).
    share
        The share of that bin's mass which it holds, float64 of shape (..., pieces); padding 0.
    """

    low: Floats
    high: Floats
    bin: npt.NDArray[np.int64]
    share: Floats

    def spread(self, interior: npt.NDArray[np.int64]) -> Floats:
        """Spread counts of interior bins, shape (..., bins), over the pieces."""
        place = np.broadcast_to(self.bin, interior.shape[:-1] + self.bin.shape[-1:])
        return np.asarray(np.take_along_axis(interior, place, axis=-1) * self.share)


def spans_of(edges: Floats, counts: npt.NDArray[np.int64]) -> Spans:
    """Tell from one column's reference where the values of its bins lie.

    Parameters
    ----------
    edges
        float64 of shape (bins + 1,), ascending.
    counts
        The reference's own, int64 of shape (bins + 2,).

    Notes
    -----
    - A reference with few levels has its edges midway between them. Such columns (counts, grades,
      0/1) are recognised and their mass is put on the levels again: an interpolated median of 1.27
      children would be nonsense.
    - The outermost quantile bins reach to the single most extreme row, so an even spread would
      double a tail's weight. The density there falls off exponentially from that of the bin
      beside it, at the rate that keeps the bin's mass.
    """
    bins = edges.size - 1
    levels = _levels(edges)
    if levels is not None:
        return Spans(levels, levels, np.arange(bins), np.ones(bins))
    # An atom has an edge on either side of it, one step of a float apart.
    atom = edges[1:] <= np.nextafter(edges[:-1], np.inf)
    knots = [edges[[i, i]] if atom[i] else edges[i : i + 2] for i in range(bins)]
    if bins > 1:
        with np.errstate(over="ignore"):  # an atom at 0 is narrower than anything
            density = counts[:bins] / np.diff(edges)
        if not atom[0]:
            knots[0] = edges[1] - _tail(edges[1] - edges[0], counts[0], density[1])[::-1]
        if not atom[-1]:
            knots[-1] = edges[-2] + _tail(edges[-1] - edges[-2], counts[bins - 1], density[-2])
    sizes = [k.size - 1 for k in knots]
    return Spans(
        np.concatenate([k[:-1] for k in knots]),
        np.concatenate([k[1:] for k in knots]),
        np.repeat(np.arange(bins), sizes),
        np.concatenate([np.full(size, 1 / size) for size in sizes]),
    )


def stack_spans(spans: Sequence[Spans]) -> Spans:
    """Stack the spans of several columns, padded to the longest; shape (columns, pieces)."""
    width = max((s.low.size for s in spans), default=0)
    low, high, share = (np.zeros((len(spans), width)) for _ in range(3))
    place = np.zeros((len(spans), width), dtype=np.int64)
    for row, own in enumerate(spans):
        size = own.low.size
        low[row], high[row] = own.high[-1], own.high[-1]
        low[row, :size], high[row, :size] = own.low, own.high
        place[row, :size], share[row, :size] = own.bin, own.share
    return Spans(low, high, place, share)


def _levels(edges: Floats) -> Floats | None:
    """Levels that the edges lie midway between, or None where there are no such levels."""
    levels = np.empty(edges.size - 1)
    level = edges[0]
    for i in range(levels.size):
        levels[i] = level
        level = 2 * edges[i + 1] - level
    slack = 1e-9 * max(float(np.abs(edges).max()), 1e-300)
    inside = (levels >= edges[:-1] - slack) & (levels <= edges[1:] + slack)
    # The last edge stands just above the largest level, not midway to a further one.
    if not inside.all() or abs(float(levels[-1] - edges[-1])) > slack:
        return None
    return np.clip(levels, edges[0], np.nextafter(edges[-1], -np.inf))


def _tail(width: float, mass: float, density: float) -> Floats:
    """Distances from the inner edge that cut a tail into parts of equal mass, 0 to `width`."""
    parts = np.arange(TAIL_PARTS + 1) / TAIL_PARTS
    even = width <= 0 or mass >= density * width
    if even or mass * MOST_CONCENTRATED < density * width:
        return width * parts
    # (1 - exp(-r)) / r = mass / (density * width) has one root r > 0 and falls in r.
    wanted = mass / (density * width)
    low, high = 0.0, 1 / wanted
    for _ in range(60):
        rate = (low + high) / 2
        low, high = (rate, high) if -np.expm1(-rate) / rate > wanted else (low, rate)
    inner = np.log1p(parts[:-1] * np.expm1(-high)) / -high
    return np.append(width * inner, width)
