"""Who decides, and how: people who follow, override, ignore, are late, stamp, and tire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.simulate.aftermath import REASONS
from driftline.simulate.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from driftline.simulate.aftermath import Aftermath
    from driftline.simulate.faults import Fault
    from driftline.simulate.place import Marks, Rows
    from driftline.simulate.traffic import Traffic

__all__ = ["USUAL", "Office"]

ORDER = ("people", "override", "ignore", "late", "rubber_stamp", "tire")
USUAL = {"override": 0.08, "ignored": 0.03, "median_s": 1200.0, "sd_of_log": 0.7}
"""How people decide where nothing else is planted."""
PATIENT, STRICT = 0.5, 1.5
"""How often the first of them overrides, and the last, as a multiple of the average."""


class Office:
    """Plants how decisions are taken.

    Each row gets somebody by lot, so that overrides come at exactly the planted rate over all,
    though people differ: they override from half to one and a half times as often as the average.
    Where several faults hold for a row they come in the order of `ORDER`, the last says it.

    Parameters
    ----------
    start
        The scenario's start, microseconds since the epoch.
    """

    def __init__(self, faults: Iterable[Fault], model: Traffic, start: int) -> None:
        placed = [(f, Place(f, model, start)) for f in faults if f.kind in ORDER]
        self._plants = sorted(placed, key=lambda each: ORDER.index(each[0].kind))
        self._model = model

    def plant(self, after: Aftermath, rows: Rows) -> None:
        """Change decisions, given what is recommended and what will come of it."""
        if not self._plants:
            return
        n, rng = rows.size, rows.rng("people")
        lots, wobble = rng.random((4, n)), rng.standard_normal(n)
        day = _Day(n)
        right = after.places(self._model.best(after.labels)) != after.said
        for fault, place in self._plants:
            at = place.rows(rows.ts, rows.world)
            if fault.kind == "people":
                at = at & ~after.holdout
                people = round(fault.resolved_size)
                after.names += [f"person-{k + 1}" for k in range(len(after.names) - 2, people)]
            day.plant(fault, place, at, rows.ts, lots[0])
        chance = np.where(right, day.if_right, day.if_wrong)
        chance = chance + (day.zeal - 1) * np.minimum(chance, 1 - chance)
        overrides = day.people & (lots[1] < chance)
        after.done = np.where(day.people, np.where(overrides, after.others, after.said), after.done)
        after.actors = np.where(day.people, 2 + day.who, after.actors)
        why = 1 + (lots[2] * (len(REASONS) - 1)).astype(np.int64)
        if day.people.any():
            after.reasons = np.where(overrides, why, 0)
        took = day.seconds * 1e6 * np.exp(USUAL["sd_of_log"] * wobble)
        took = np.where(day.people, took, after.decided) * day.slow
        after.decided = np.ceil(took).astype(np.int64)
        after.ignored = after.ignored | (lots[3] < day.ignored)


class _Day:
    """How each of n rows is decided, before the lots are looked at.

    Attributes
    ----------
    people, who, zeal
        Rows that somebody decides, whose place it is, and how strict they are, as a multiple.
    if_right, if_wrong
        Probability of an override that the label will prove right, and wrong.
    seconds, slow
        Median time of people, and a factor on everybody's.
    ignored
        Probability that nobody decides.
    """

    def __init__(self, n: int) -> None:
        self.people: Marks = np.zeros(n, dtype=np.bool_)
        self.who: npt.NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        self.zeal, self.slow = np.ones((2, n))
        self.if_right, self.if_wrong, self.seconds, self.ignored = np.zeros((4, n))

    def plant(
        self, fault: Fault, place: Place, at: Marks, ts: npt.NDArray[np.int64], lot: Any
    ) -> None:
        size = fault.resolved_size
        match fault.kind:
            case "people":
                zeal = np.linspace(PATIENT, STRICT, round(size)) if size > 1 else np.ones(1)
                who = (lot * zeal.size).astype(np.int64)
                self.people = self.people | at
                self.who = np.where(at, who, self.who)
                self.zeal = np.where(at, zeal[who], self.zeal)
                self.if_right[at] = self.if_wrong[at] = USUAL["override"]
                self.seconds[at], self.ignored[at] = USUAL["median_s"], USUAL["ignored"]
            case "override":
                self.if_right[at] = size * (fault.word != "wrong")
                self.if_wrong[at] = size * (fault.word != "right")
            case "ignore":
                self.ignored[at] = size
            case "late":
                self.slow[at] *= size
            case "rubber_stamp":
                self.seconds[at] = size / 1e6
                self.if_right[at] = self.if_wrong[at] = 0.0
            case _:
                left = np.where(at, 1 - size * place.part(ts), 1.0)
                if fault.word != "time":
                    self.if_right *= left
                    self.if_wrong *= left
                if fault.word != "overrides":
                    self.seconds *= left
