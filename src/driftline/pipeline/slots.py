"""A slot that is open in detect: the panes of its source partitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from driftline.stats import Pane, bin_raw
from driftline.stats.rebin import rebin, same_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.frame import Segment
    from driftline.ledger.cell import Cell
    from driftline.stats import Reference

__all__ = ["OpenSlot"]


@dataclass(slots=True)
class OpenSlot:
    """A slot's panes by segment and by the reference that binned them ("" for none).

    Attributes
    ----------
    topics
        Topics that the panes' events came from.
    notes
        Kinds of the panes that tell of an accepted change, see `driftline.pipeline.lifecycle`.
    joined
        What was joined in the slot, by start of the predictions' quality window.
    """

    panes: dict[tuple[Segment, str], Pane] = field(default_factory=dict)
    topics: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    joined: dict[int, Cell] = field(default_factory=dict)

    def merge(self, segment: Segment, pane: Pane) -> None:
        """Add the pane of one source partition."""
        key = segment, pane.reference.id if pane.reference else ""
        held = self.panes.get(key)
        if held is None:
            self.panes[key] = pane
        else:
            held.merge(pane)

    def join(self, cells: dict[int, Cell]) -> None:
        """Add what one partition of the ledger has joined."""
        for window, cell in cells.items():
            if window in self.joined:
                self.joined[window].merge(cell)
            else:
                self.joined[window] = cell

    def on(self, reference: Reference | None, *, moving: bool = False) -> dict[Segment, Pane]:
        """Merge what each segment holds, binned on the reference if there is one.

        Parameters
        ----------
        moving
            The reference has only just come to hold, and not every observe may have known it in
            time. Where there are more rows than a sample holds, the sample then speaks for all,
            whichever reference they were counted on: who knew of it when makes no difference.
        """
        panes = sorted(self.panes.items(), key=lambda item: item[0])
        return {
            segment: _whole([pane for _, pane in group], reference, moving=moving)
            for segment, group in groupby(panes, key=lambda item: item[0][0])
        }


def _whole(panes: Sequence[Pane], reference: Reference | None, *, moving: bool) -> Pane:
    if reference is None:
        return _unbinned(panes)
    panes = [pane if pane.reference else _binned(pane, reference) for pane in panes]
    here = [pane for pane in panes if _on(pane, reference)]
    if len(here) == len(panes) == 1 and not (moving and not here[0].sample.complete):
        return here[0]  # nearly always the only one
    there = [p for p in panes if p.reference and not _on(p, reference)]
    there = [p for p in there if p.reference and same_columns(p.reference, reference)]
    if there or (moving and here and _overflows(here)):
        whole = rebin([*here, *there], reference)
    else:
        whole = Pane.empty(reference, panes[0].sample.size)
        for pane in here:
            whole.merge(pane)
    for pane in panes:
        if not any(pane is counted for counted in (*here, *there)):
            # Of a reference that cannot be compared: the events count, the bins do not.
            whole.merge_counters(pane)
    return whole


def _binned(pane: Pane, reference: Reference) -> Pane:
    """Bin the rows of a pane that came before any reference was known."""
    out = Pane.empty(reference, pane.sample.size)
    out.merge_counters(pane)
    for block in pane.raw:
        bin_raw(out, block, reference)
    return out


def _unbinned(panes: Sequence[Pane]) -> Pane:
    if len(panes) == 1 and panes[0].reference is None:
        return panes[0]
    whole = Pane.empty(None, panes[0].sample.size)
    for pane in panes:
        whole.merge_counters(pane)
        whole.raw.extend(pane.raw)
    return whole


def _on(pane: Pane, reference: Reference) -> bool:
    return pane.reference is not None and pane.reference.id == reference.id


def _overflows(panes: Sequence[Pane]) -> bool:
    """Return whether the panes' rows are more than one sample holds."""
    return sum(pane.sample.seen for pane in panes) > panes[0].sample.size
