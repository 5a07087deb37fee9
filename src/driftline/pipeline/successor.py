"""The reference that follows another one, from the rows that come after a change was accepted."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.state import pack, unpack
from driftline.stats import ABSENT, OTHER, Column, Reference, with_segments
from driftline.stats.rebin import codes_of
from driftline.stats.season import CYCLES, LEAST_PERIODS, Season

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy.typing as npt

    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.stats import Pane

__all__ = ["Successor"]

NONE: Mapping[Segment, Pane] = MappingProxyType({})
MAX_VALUES = 2_000_000
"""Values held for a reference to come, 16 MB; of a very wide model fewer rows are collected."""
LEAST_ROWS = 100
MOST_SEGMENTS = 256
"""Segments that rows are held apart by; those of further ones count for the whole alone."""
ENOUGH_SLOTS = 200
"""Slots from which natural variability can be learnt anew; from fewer, that of before is kept."""
ENOUGH_UNSEEN = 0.0025
"""Share of levels that the old reference never held, from which they get a bin: half of what is
worth a page."""


class Successor:
    """Collects the rows that a new reference is built from, while the old one still holds.

    Nothing is asked of observe: the rows are those of the panes' samples. Where one feature was
    accepted, only its column is built anew.

    The columns stay the same ones, and levels keep their order; levels that the old reference never
    held come together in one bin, their names are not known here. Natural variability is learnt
    anew from `ENOUGH_SLOTS` slots or more, else taken over. A feature that had a season is
    collected over as many days (weeks, years) as it takes to learn one; rows are thinned meanwhile.

    Segments are chosen anew from the rows held where everything was accepted. Where one feature
    was, those stay that are watched now, if they have rows enough to tell what is normal of it.

    Parameters
    ----------
    reference
        The one that holds now.

    Attributes
    ----------
    features
        Whose changes were accepted; None for everything about the model.
    version
        Of the model, where an event has named it.
    """

    def __init__(self, reference: Reference, contract: Contract) -> None:
        self._old = reference
        self._contract = contract
        columns = len(reference.columns)
        self._needed = max(LEAST_ROWS, min(contract.reference.events, MAX_VALUES // columns))
        self.features: set[str] | None = set()
        self._since = 0
        self._step = 1
        self.version: str | None = None
        self._starts: list[int] = []
        self._ts: list[npt.NDArray[np.int64]] = []
        self._values: list[npt.NDArray[np.float64]] = []
        self._named: list[Segment] = []
        self._of: list[npt.NDArray[np.int64]] = []

    @property
    def rows(self) -> int:
        """Rows held."""
        return sum(ts.size for ts in self._ts)

    def accept(
        self, features: Collection[str] | None, since: int, version: str | None = None
    ) -> None:
        """Collect from `since` (microseconds) on what is normal after one more change.

        Parameters
        ----------
        features
            Columns whose change was accepted; None for all, after which no column is left out.
        version
            Of the model from now on.
        """
        if features is None:
            self.features, self.version = None, version or self.version
        elif self.features is not None:
            self.features |= set(features)
        self._since, self._step = since, 1
        self._starts, self._ts, self._values = [], [], []
        self._named, self._of = [], []

    def follow(self, other: Successor) -> None:
        """Begin anew to collect what another one was collecting."""
        self.features, self.version = other.features, other.version
        self._since = other._since

    def accepts(self, feature: str | None) -> bool:
        """Return whether a change of a column (or of the whole model) has been accepted."""
        return self.features is None or feature in self.features

    def hold(self, start: int, pane: Pane, segments: Mapping[Segment, Pane] = NONE) -> None:
        """Keep the sampled rows of a slot; its pane is binned on the old reference.

        Parameters
        ----------
        segments
            The panes that it was merged from, by segment.
        """
        rows = pane.sample.rows
        if start < self._since or not rows:
            return
        values = pane.sample.values.copy()
        missing = pane.counts[self._old.starts[1:] - 1] * (rows / pane.sample.seen)
        for i, most in enumerate(np.rint(missing).astype(np.int64).tolist()):
            # Rows of a topic without the column look like missing ones; only so many are.
            values[np.flatnonzero(np.isnan(values[:, i]))[most:], i] = np.inf
        self._starts.append(start)
        self._ts.append(pane.sample.ts[:: self._step])
        self._values.append(values[:: self._step])
        self._of.append(self._segment_of(pane, segments)[:: self._step])
        if self.rows >= 2 * self._needed:
            self._step *= 2
            self._ts = [ts[::2] for ts in self._ts]
            self._values = [values[::2] for values in self._values]
            self._of = [of[::2] for of in self._of]

    def _segment_of(self, pane: Pane, segments: Mapping[Segment, Pane]) -> npt.NDArray[np.int64]:
        """Return the segment of each sampled row: its place among those named, or -1."""
        of = np.full(pane.sample.rows, -1, dtype=np.int64)
        for segment, own in sorted(segments.items()):
            # A row that the whole's sample holds is in its segment's, which dropped fewer.
            here = np.isin(pane.sample.key, own.sample.key) if segment else None
            if here is None or not here.any():
                continue
            if segment not in self._named:
                if len(self._named) >= MOST_SEGMENTS:
                    continue
                self._named.append(segment)
            of[here] = self._named.index(segment)
        return of

    def build(self) -> Reference | None:
        """Return the new reference once there are rows enough, else None."""
        if self.rows < self._needed or self._starts[-1] - self._since < self._least_span():
            return None
        values, ts = np.concatenate(self._values), np.concatenate(self._ts)
        known: dict[str, Column] = {}
        for i, column in enumerate(self._old.columns):
            told = values[~np.isinf(values[:, i]), i]
            if not self.accepts(column.name) or not told.size:
                known[column.name] = column
            elif not column.numeric or np.isnan(told).all():
                known[column.name] = _recounted(column, told)
        told_of = {c.name: _told(c, values[:, i]) for i, c in enumerate(self._old.columns)}
        slot = self._contract.slot
        found = Reference.build(self._old.model, told_of, ts=ts, slot=slot, known=known)
        named: list[Segment] = [*self._named, ()]  # -1, the last one, is none
        of = [named[place] for place in np.concatenate(self._of).tolist()]
        most = self._contract.segments.most
        found = with_segments(found, told_of, of, most=most, ts=ts, slot=slot)
        segments = {
            segment: self._with_old_columns(own, self._old.segments.get(segment))
            for segment, own in found.segments.items()
            if self.features is None or segment in self._old.segments
        }
        return replace(self._with_old_variability(found, self._old), segments=segments)

    def _with_old_columns(self, found: Reference, old: Reference | None) -> Reference:
        """Return a segment's reference, with what was not accepted as it was."""
        if old is None:
            return found
        columns = tuple(
            new if self.accepts(new.name) else before
            for new, before in zip(found.columns, old.columns, strict=True)
        )
        return self._with_old_variability(replace(found, columns=columns), old)

    def _with_old_variability(self, found: Reference, old: Reference) -> Reference:
        new = np.array([self.accepts(column.name) for column in found.columns])
        fresh = new & (found.slots >= ENOUGH_SLOTS)
        seasons = {
            i: season
            for counts, wanted in ((old.season.counts, ~new), (found.season.counts, new))
            for i, season in counts.items()
            if wanted[i]
        }
        return replace(
            found,
            rho=np.where(fresh, found.rho, old.rho),
            tau=np.where(fresh, found.tau, old.tau),
            season=Season(found.columns, seasons),
        )

    def _least_span(self) -> int:
        spans = [
            LEAST_PERIODS * CYCLES[season].period
            for i, (season, _) in self._old.season.counts.items()
            if self.accepts(self._old.columns[i].name)
        ]
        return max(spans, default=0)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "features": None if self.features is None else sorted(self.features),
            "since": self._since,
            "step": self._step,
            "version": self.version,
            "starts": self._starts,
            "rows": [ts.size for ts in self._ts],
            "named": [list(segment) for segment in self._named],
            "of": pack(np.concatenate([np.empty(0, dtype=np.int64), *self._of])),
            "ts": pack(np.concatenate([np.empty(0, dtype=np.int64), *self._ts])),
            "values": pack(np.concatenate([np.empty((0, len(self._old.columns))), *self._values])),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        features = state["features"]
        self.features = None if features is None else set(features)
        self._since, self._step = int(state["since"]), int(state["step"])
        self.version = state["version"]
        self._starts = [int(start) for start in state["starts"]]
        sizes, width = state["rows"], len(self._old.columns)
        ts = unpack(state["ts"], np.empty(sum(sizes), dtype=np.int64))
        values = unpack(state["values"], np.empty((sum(sizes), width)))
        cuts = np.cumsum(sizes)[:-1].tolist() if sizes else []
        self._ts = np.split(ts, cuts) if sizes else []
        self._values = np.split(values, cuts) if sizes else []
        self._named = [tuple((k, v) for k, v in pairs) for pairs in state.get("named", ())]
        of = np.full(sum(sizes), -1, dtype=np.int64)
        of = unpack(state["of"], of) if "of" in state else of
        self._of = np.split(of, cuts) if sizes else []


def _told(column: Column, values: npt.NDArray[np.float64]) -> Sequence[Any]:
    """Return a column of held values as a reference is built from: NaN is missing, inf is none."""
    out: list[Any] = values.tolist()
    if not column.numeric:
        levels = [False, True] if column.kind == "boolean" else [*column.categories, OTHER]
        there = np.isfinite(values).tolist()
        out = [levels[int(v)] if told else v for v, told in zip(out, there, strict=True)]
    for row in np.flatnonzero(~np.isfinite(values)).tolist():
        out[row] = None if np.isnan(values[row]) else ABSENT
    return out


def _recounted(column: Column, values: npt.NDArray[np.float64]) -> Column:
    """Return a column with the counts of other values, its bins (levels) as they were."""
    counts = np.bincount(codes_of(column, values), minlength=column.counts.size)
    unseen, present = int(counts[-2]), int(counts[:-1].sum())
    levels = column.kind == "categorical" and not column.open
    if not levels or not present or unseen < ENOUGH_UNSEEN * present:
        return replace(column, counts=counts)
    # What was never met before is normal now, by whatever names: a bin takes it all.
    widened = np.concatenate([counts[:-1], [0], counts[-1:]])
    return replace(column, categories=(*column.categories, OTHER), open=True, counts=widened)
