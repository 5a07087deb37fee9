"""Which offset of each partition may be committed: one safe offset, set by whoever made it safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from driftline.events.record import Source

__all__ = ["SafeOffset", "SafeOffsets"]


class SafeOffset(NamedTuple):
    """Everything before `offset` is durable downstream; `metadata` travels with the commit."""

    offset: int
    metadata: str = ""


class SafeOffsets:
    """The commit bookkeeping of one consumer: no gaps, no lists of acknowledged offsets.

    A partition's chunks are handled in order, so that one number says everything. An entry carries
    the epoch (the seek) it belongs to: what was prepared before a rebalance is never committed
    after it.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self._safe: dict[Source, SafeOffset] = {}
        self._committed: dict[Source, SafeOffset] = {}

    def begin(self, epoch: int) -> None:
        """Start anew after a seek; what was safe and not committed is forgotten (and re-read)."""
        self.epoch = epoch
        self._safe.clear()
        self._committed.clear()

    def mark(self, epoch: int, source: Source, safe: SafeOffset) -> None:
        """Note that `source` is safe up to `safe`; an older epoch or a step back change nothing."""
        if epoch != self.epoch:
            return
        known = self._safe.get(source)
        if known is None or safe.offset >= known.offset:
            self._safe[source] = safe

    def pending(self) -> dict[Source, SafeOffset]:
        """Return what is safe and not yet committed."""
        return {
            source: safe
            for source, safe in self._safe.items()
            if self._committed.get(source) != safe
        }

    def committed(self, epoch: int, done: dict[Source, SafeOffset]) -> None:
        """Note what the broker has confirmed."""
        if epoch == self.epoch:
            self._committed.update(done)
