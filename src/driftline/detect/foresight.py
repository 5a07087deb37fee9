"""What was foreseen of a model's alarms, by feature and by kind of feature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from driftline.contract import PlantedShift
    from driftline.detect.footing import Caveat, Footing
    from driftline.events.frame import Kind

KINDS: tuple[Kind, ...] = ("numeric", "categorical", "boolean")
WHATS = ("mean", "spread", "mix", "new", "missing")
Verdict = Literal["seen", "trifle", "hidden", "late"]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One shift of one column.

    Attributes
    ----------
    runs, found
        Simulated runs, and those in which the alarm rang within the horizon.
    events, events_late
        Events from the shift to the end of the slot that rings: median and 90th percentile over the
        runs; None where that many were not found.
    slots, slots_late
        The same in slots, empty ones included.
    worth
        False where the shift, though certain, is smaller than the tolerance: it never pages.
    grows
        False where the reference's own error could be the shift, for ever: it never pages either.
    """

    feature: str
    kind: Kind
    shift: PlantedShift
    runs: int
    found: int
    events: int | None
    events_late: int | None
    slots: int | None
    slots_late: int | None
    worth: bool
    grows: bool

    @property
    def verdict(self) -> Verdict:
        """Seen in most runs; a trifle by the contract; hidden by the reference; or too late."""
        if self.events is not None:
            return "seen"
        return "trifle" if not self.worth else "late" if self.grows else "hidden"


@dataclass(frozen=True, slots=True)
class Outlook:
    """One shift over all features of a kind.

    Attributes
    ----------
    features
        How many features it has a meaning for.
    soonest, middle, latest
        The feature that shows it soonest, the (lower) median one, and the one that shows it last.
    missed
        Features that do not show it, ever or within the horizon.
    """

    kind: Kind
    shift: PlantedShift
    features: int
    soonest: Foreseen
    middle: Foreseen
    latest: Foreseen
    missed: int


@dataclass(frozen=True, slots=True)
class Foresight:
    """All that was foreseen for one model.

    Attributes
    ----------
    arl
        Mean run length of `evidence` over all columns, in slots.
    rows
        Events a slot.
    slot
        Length of a slot, microseconds.
    horizon
        Slots within which a shift had to be found.
    beside
        Statistical detectors of the contract that were not simulated: they may be sooner.
    left_out
        Columns of each kind that were not simulated, where there are many.
    footings, caveats
        What the reference knows of each column, and what it does not.
    """

    arl: float
    rows: float
    slot: int
    horizon: int
    beside: tuple[str, ...]
    left_out: dict[Kind, int]
    found: tuple[Foreseen, ...]
    footings: tuple[Footing, ...]
    caveats: tuple[Caveat, ...]

    def outlooks(self) -> list[Outlook]:
        """Sum up by kind of feature and by shift, in the order of KINDS, WHATS and sizes."""
        groups: dict[tuple[Kind, PlantedShift], list[Foreseen]] = {}
        for each in self.found:
            groups.setdefault((each.kind, each.shift), []).append(each)
        return [_sum_up(*key, group) for key, group in sorted(groups.items(), key=_place)]


def _place(group: tuple[tuple[Kind, PlantedShift], list[Foreseen]]) -> tuple[int, int, float]:
    kind, shift = group[0]
    return KINDS.index(kind), WHATS.index(shift.what), shift.size


def _sum_up(kind: Kind, shift: PlantedShift, group: list[Foreseen]) -> Outlook:
    order = sorted(group, key=lambda each: (_slots(each.slots), _slots(each.slots_late)))
    return Outlook(
        kind,
        shift,
        len(group),
        order[0],
        order[(len(order) - 1) // 2],
        order[-1],
        sum(each.verdict != "seen" for each in group),
    )


def _slots(slots: int | None) -> float:
    return math.inf if slots is None else slots
