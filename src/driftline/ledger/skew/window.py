"""A window of compared pairs: how many of each feature's mismatch, in all and by segment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from driftline.events.frame import segment_of
from driftline.ledger.segments import MOST_SEGMENTS, gather
from driftline.ledger.skew.sums import Tally

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from driftline.events.frame import Segment
    from driftline.ledger.skew.sums import Skew

__all__ = ["SkewWindow"]


@dataclass(slots=True)
class SkewWindow:
    """Counts that add up.

    Attributes
    ----------
    rows, tallies
        Pairs of rows, and of values by feature.
    segments
        The same by segment, `MOST_SEGMENTS` and one of all others at most; none of them has any.
    """

    rows: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    segments: dict[Segment, SkewWindow] = field(default_factory=dict)

    @classmethod
    def of(cls, cell: Skew, features: Container[str], parts: Mapping[Segment, Skew]) -> SkewWindow:
        """Return the counts of what was joined in a slot.

        Parameters
        ----------
        features
            Those that are compared; others are left out.
        parts
            The same by segment.
        """
        tallies = {name: tally for name, tally in cell.tallies.items() if name in features}
        own = {segment: cls.of(part, features, {}) for segment, part in parts.items() if part}
        return cls(cell.rows, tallies, own)

    def merge(self, other: SkewWindow) -> None:
        """Add other counts."""
        self.rows += other.rows
        for name, tally in other.tallies.items():
            self.tallies[name] = self.tallies.get(name, Tally()).plus(tally)
        gather(self.segments, other.segments, MOST_SEGMENTS, SkewWindow)

    def to_values(self) -> list[Any]:
        """Return JSON values, in one order."""
        parts = [[name, part.to_values()] for name, part in sorted(self.segments.items())]
        tallies = sorted((name, *tally) for name, tally in self.tallies.items())
        return [self.rows, tallies, *([parts] if parts else [])]

    @classmethod
    def from_values(cls, values: list[Any]) -> SkewWindow:
        """Return what `to_values` wrote."""
        rows, tallies, *parts = values
        return cls(
            rows,
            {name: Tally(*tally) for name, *tally in tallies},
            {segment_of(name): cls.from_values(raw) for each in parts for name, raw in each},
        )
