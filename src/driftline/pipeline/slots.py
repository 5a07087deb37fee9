"""A slot that is open in detect: the panes of its source partitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from driftline.stats import Pane, bin_raw

if TYPE_CHECKING:
    from driftline.events.frame import Segment
    from driftline.stats import Reference

__all__ = ["OpenSlot"]


@dataclass(slots=True)
class OpenSlot:
    """A slot's panes by segment and by the reference that binned them ("" for none)."""

    panes: dict[tuple[Segment, str], Pane] = field(default_factory=dict)
    topics: set[str] = field(default_factory=set)

    def merge(self, segment: Segment, pane: Pane) -> None:
        """Add the pane of one source partition."""
        key = segment, pane.reference.id if pane.reference else ""
        held = self.panes.get(key)
        if held is None:
            self.panes[key] = pane
        else:
            held.merge(pane)

    def on(self, reference: Reference | None) -> dict[Segment, Pane]:
        """Merge what each segment holds, raw rows binned on the reference if there is one."""
        out: dict[Segment, Pane] = {}
        for (segment, binned_on), pane in sorted(self.panes.items(), key=lambda item: item[0]):
            whole = out.get(segment)
            if whole is None:
                if binned_on == (reference.id if reference else ""):
                    out[segment] = pane  # nothing to merge with yet: nearly always the only one
                    continue
                whole = out[segment] = Pane.empty(reference, pane.sample.size)
            if reference is not None and binned_on == reference.id:
                whole.merge(pane)
                continue
            # Binned on a reference that does not hold here: the events count, the bins do not.
            whole.merge_counters(pane)
            if reference is None:
                whole.raw.extend(pane.raw)
            else:
                for block in pane.raw:
                    bin_raw(whole, block, reference)
        return out
