"""The reference moves on: a change was accepted, and what comes after it is the new normal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.pipeline.lifecycle import accepted, note_of
from driftline.pipeline.successor import Successor
from driftline.stats import is_prediction_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from driftline.contract import Contract
    from driftline.detect import Finding, Slot
    from driftline.events.frame import Segment
    from driftline.pipeline.lifecycle import Accepted
    from driftline.stats import Pane, Reference

__all__ = ["Renewal"]


class Renewal:
    """What was accepted of one model, and the reference that is collected because of it.

    From the slot after a lifecycle event (retrained, deployed, drift_accepted) rows are collected.
    Detectors go on judging against the old reference meanwhile; what they find of that which was
    accepted is muted, everything else pages as ever. A further event begins the collection anew,
    for all that was accepted since the reference that holds. A contract that names the version of
    its reference stays with it: there events change nothing.

    Who accepts the drift of a feature accepts its cause: all columns of the open incident that the
    feature is part of, and the predictions, which move because inputs do.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._successor: Successor | None = None

    @property
    def collecting(self) -> bool:
        """Whether a reference is on its way."""
        return self._successor is not None

    @property
    def version(self) -> str | None:
        """Version of the model that the reference on its way is of, where that is known."""
        return self._successor.version if self._successor is not None else None

    def take(
        self,
        notes: Iterable[str],
        reference: Reference | None,
        since: int,
        beside: Callable[[str], Iterable[str]],
    ) -> list[Accepted]:
        """Take what a slot has told into account; return it.

        Parameters
        ----------
        notes
            Kinds of panes, see `driftline.pipeline.lifecycle`.
        reference
            The one that holds; None during warm-up.
        since
            End of the slot, microseconds: rows are collected from then on.
        beside
            Says which columns are part of the same open incidents as a feature.
        """
        told = (note_of(kind) for kind in sorted(notes))
        changes = [c for c in (accepted(note) for note in told if note) if c is not None]
        if reference is None or self._contract.reference.source == "version":
            return changes
        for change in changes:
            if change.feature is not None and change.feature not in reference.index:
                continue
            if self._successor is None:
                self._successor = Successor(reference, self._contract)
            features = None
            if change.feature is not None:
                answers = filter(is_prediction_column, reference.index)
                features = {change.feature, *beside(change.feature), *answers}
            self._successor.accept(features, since, change.version)
        return changes

    def on_reference(self, reference: Reference) -> None:
        """Begin anew on a reference that has come to hold, if anything was accepted since."""
        if self._successor is not None:
            before, self._successor = self._successor, Successor(reference, self._contract)
            self._successor.follow(before)

    def unmuted(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return the findings that somebody still has to hear of."""
        following = self._successor
        if following is None:
            return list(findings)
        return [f for f in findings if f.state == "cleared" or not following.accepts(f.feature)]

    def collect(self, slot: Slot, segments: Mapping[Segment, Pane]) -> Reference | None:
        """Take the rows of a slot; return the new reference once there are enough.

        Parameters
        ----------
        segments
            The panes that were merged into the slot's, by segment.
        """
        if self._successor is None:
            return None
        self._successor.hold(slot.start, slot.pane, segments)
        return self._successor.build()

    def done(self) -> None:
        """Forget what the new reference was collected for."""
        self._successor = None

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        following = self._successor
        return {
            "successor": following.snapshot() if following is not None else None,
        }

    def restore(self, state: dict[str, Any], reference: Reference | None) -> None:
        """Take up what `snapshot` gave."""
        if state["successor"] is not None and reference is not None:
            self._successor = Successor(reference, self._contract)
            self._successor.restore(state["successor"])
