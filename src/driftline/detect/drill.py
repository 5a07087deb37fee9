"""A drill: a shadow copy of live detectors that sees real slots with a shift planted in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from driftline.contract.quantities import format_shift
from driftline.detect.planting import Planted
from driftline.detect.protocol import Finding
from driftline.detect.registry import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Contract, PlantedShift
    from driftline.detect.protocol import Detector, Slot
    from driftline.stats import Reference

__all__ = ["Drill", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a drill ended.

    Attributes
    ----------
    shift
        What was planted, as a contract writes it: "mean +1sd".
    planted_at, ended_at
        Event time, microseconds: start of the first slot with the shift in it, and end of the slot
        that rang (or was the last to have the chance).
    slots, events
        Slots in which the feature was spoken of, and its values in them.
    within
        Slots it had.
    detector, text
        Who rang, and what it said; None where nobody did.
    repeated
        Whether this is the repetition of one that failed.
    """

    model: str
    feature: str
    shift: str
    size: float
    planted_at: int
    ended_at: int
    slots: int
    events: int
    within: int
    detector: str | None
    text: str | None
    repeated: bool = False

    @property
    def rang(self) -> bool:
        """Whether the planted shift would have woken somebody."""
        return self.detector is not None

    @property
    def words(self) -> str:
        """The outcome in one line, without the feature's name."""
        after = f"{self.events:,} events in {self.slots:,} slots"
        if self.rang:
            return f"a planted shift ({self.shift}) rang after {after}: {self.text}"
        return f"a planted shift ({self.shift}) did not ring within {after}"

    @property
    def finding(self) -> Finding | None:
        """What people are told: that it failed, or that it rings again; None where all is well."""
        if self.rang and not self.repeated:
            return None
        return Finding(
            state="cleared" if self.rang else "raised",
            model=self.model,
            feature=self.feature,
            kind="drill",
            detector="drill",
            severity="page",
            change_point=self.planted_at,
            detected_at=self.ended_at,
            effect=self.size,
            effect_unit="planted",
            text=self.words,
            evidence={
                "shift": self.shift,
                "slots": self.slots,
                "events": self.events,
                "within_slots": self.within,
            },
        )


class Drill:
    """A drill that runs: one shift in one feature, until the shadow rings or its time is over.

    Call order: construct at a slot before the live detectors take it, then `step` with that slot
    and each one after it. The live detectors are read once, through their snapshots, and are the
    same bit for bit as if there were no drill. The shadow never sees a slot without the shift.

    It rings when a detector raises a page about the feature.

    Notes
    -----
    While it runs, detection of a slot costs twice, and the state is as large again.
    """

    def __init__(
        self,
        reference: Reference,
        contract: Contract,
        feature: str,
        shift: PlantedShift,
        start: int,
    ) -> None:
        self.feature, self.shift, self.planted_at = feature, shift, start
        self.reference = reference
        self._contract = contract
        self._planted = Planted(reference, feature, shift)
        self._column = reference.index[feature]
        self._slots = 0
        self._events = 0
        self._detectors: Sequence[Detector] = build(contract, reference)
        assert contract.drill is not None
        self._within = max(1, contract.drill.within // contract.slot)

    @property
    def planted(self) -> tuple[str, PlantedShift]:
        """What is planted where."""
        return self.feature, self.shift

    def shadow(self, live: Sequence[Detector]) -> None:
        """Take up the state of the live detectors."""
        saved = {detector.name: _copy(detector.snapshot()) for detector in live}
        for detector in self._detectors:
            detector.restore(saved[detector.name])

    def step(self, slot: Slot) -> Outcome | None:
        """Show a slot to the shadow; return the outcome once there is one."""
        pane = self._planted.into(slot.pane, slot.start)
        shown = replace(slot, pane=pane)
        found = [f for detector in self._detectors for f in detector.step(shown)]
        rows = int(pane.column_counts(self._column).sum())
        self._slots += rows > 0
        self._events += rows
        rang = next((f for f in found if self._is_it(f)), None)
        if rang is None and self._slots < self._within:
            return None
        return Outcome(
            model=self._contract.model,
            feature=self.feature,
            shift=format_shift(self.shift),
            size=self.shift.size,
            planted_at=self.planted_at,
            ended_at=slot.end,
            slots=self._slots,
            events=self._events,
            within=self._within,
            detector=rang.detector if rang else None,
            text=rang.text if rang else None,
        )

    def _is_it(self, finding: Finding) -> bool:
        return (
            finding.state == "raised"
            and finding.severity == "page"
            and finding.feature == self.feature
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "feature": self.feature,
            "shift": format_shift(self.shift),
            "planted_at": self.planted_at,
            "slots": self._slots,
            "events": self._events,
            "detectors": [[d.name, d.snapshot()] for d in self._detectors],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` of the same drill gave."""
        self._slots, self._events = int(state["slots"]), int(state["events"])
        saved = dict(state["detectors"])
        for detector in self._detectors:
            # Under another contract one that is new starts cold, as the live ones do.
            if detector.name in saved:
                detector.restore(saved[detector.name])


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    """Copy a snapshot the way a saved one comes back: nothing is shared with who gave it."""
    copied: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    return copied
