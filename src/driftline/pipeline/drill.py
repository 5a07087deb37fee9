"""When a model's drills are held, and into which feature what is planted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from driftline.contract.quantities import format_shift, parse_shift
from driftline.detect import Drill, makes_sense

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from driftline.contract import Contract, PlantedShift
    from driftline.detect import Detector, Outcome, Slot
    from driftline.stats import Reference

__all__ = ["Drills"]


class Drills:
    """The drills of one model, one at a time.

    Driven by event time alone: a drill is due with the first judged slot after each multiple of
    ``every`` (each model has an offset of its own, so that a thousand do not drill at once), or
    after the time for which one was ordered. Feature and shift follow from a hash of model and
    time. A drill that failed is held again, the same, each time, until it rings. A feature that has
    an open incident is left alone: its alarm has rung, and is not armed.

    Bounded: at most one drill runs, which is another set of detectors.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._fingerprint = contract.fingerprint
        self._plan = contract.drill
        every = self._plan.every if self._plan is not None else None
        self._every = every
        self._offset = _hash(contract.model) % every if every else 0
        self._period: int | None = None
        self._due = False
        self._failed: tuple[str, PlantedShift] | None = None
        self._running: Drill | None = None

    def step(
        self, slot: Slot, live: Sequence[Detector], troubled: Callable[[], Collection[str]]
    ) -> Outcome | None:
        """Take a slot, before the live detectors do; return the outcome of a drill that ends.

        Parameters
        ----------
        troubled
            Says which features have an open incident; asked only when a drill begins.
        """
        if self._plan is None:
            return None
        self._look_at(slot.start)
        if self._running is not None and self._running.reference.id != slot.reference.id:
            self._running = None  # its detectors are gone; the drill is due still
        if self._running is None and self._due:
            self._running = self._begin(slot, live, troubled())
        if self._running is None:
            return None
        outcome, planted = self._running.step(slot), self._running.planted
        if outcome is None:
            return None
        self._due, self._running = False, None
        outcome = replace(outcome, repeated=planted == self._failed)
        if not outcome.rang:
            self._failed = planted
        elif outcome.repeated:
            self._failed = None
        return outcome

    @property
    def due(self) -> bool:
        """Whether a drill is due or under way, and has not ended."""
        return self._due

    def _look_at(self, start: int) -> None:
        """See whether a time for a drill has been passed."""
        assert self._plan is not None
        if self._every is None:
            ordered = self._plan.at is None or start >= self._plan.at
            if self._period is None and ordered:
                self._period, self._due = 0, True
            return
        period = (start - self._offset) // self._every
        if self._period is not None and period > self._period:
            self._due = True
        self._period = period if self._period is None else max(period, self._period)

    def _begin(
        self, slot: Slot, live: Sequence[Detector], troubled: Collection[str]
    ) -> Drill | None:
        chosen = self._choose(slot.reference, slot.start, troubled)
        if chosen is None:
            return None
        drill = Drill(slot.reference, self._contract, *chosen, slot.start)
        drill.shadow(live)
        return drill

    def _choose(
        self, reference: Reference, start: int, troubled: Collection[str]
    ) -> tuple[str, PlantedShift] | None:
        """Return a feature and a shift that fits it; None where every feature is in trouble."""
        assert self._plan is not None
        wanted = self._plan.features
        fitting = [
            (column.name, shift)
            for column in reference.columns
            if (wanted is None or column.name in wanted) and column.name not in troubled
            for shift in self._plan.shifts
            if makes_sense(shift, column, self._contract.feature(column.name))
        ]
        if self._failed in fitting:
            return self._failed
        if not fitting:
            return None
        return fitting[_hash(f"{self._contract.model}|{start}") % len(fitting)]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "contract": self._fingerprint,
            "period": self._period,
            "due": self._due,
            "failed": None if self._failed is None else _written(*self._failed),
            "running": None if self._running is None else self._running.snapshot(),
        }

    def restore(self, state: dict[str, Any], reference: Reference | None) -> None:
        """Take up what `snapshot` gave.

        Under another contract a drill that runs is given up, and its times are counted anew.
        """
        if state["failed"] is not None:
            name, shift = state["failed"]
            self._failed = name, parse_shift(shift)
        if state["contract"] != self._fingerprint:
            return
        self._period, self._due = state["period"], bool(state["due"])
        running = state["running"]
        if running is not None and reference is not None:
            shift = parse_shift(running["shift"])
            start = int(running["planted_at"])
            drill = Drill(reference, self._contract, running["feature"], shift, start)
            drill.restore(running)
            self._running = drill


def _written(feature: str, shift: PlantedShift) -> list[str]:
    return [feature, format_shift(shift)]


def _hash(about: str) -> int:
    return int.from_bytes(hashlib.sha256(about.encode()).digest()[:8])
