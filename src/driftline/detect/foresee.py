"""What a model's alarm would see, and how soon: its own detector on shifts planted beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from driftline.detect.budget import split
from driftline.detect.crowd import Crowd
from driftline.detect.errors import ParameterError
from driftline.detect.footing import caveats, footings
from driftline.detect.foresight import Foreseen, Foresight
from driftline.detect.law import Tolerances
from driftline.detect.race import LATE, Race
from driftline.detect.registry import PARTS, STATISTICAL, build, slots_of_whole
from driftline.detect.shifts import SHIFTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from driftline.contract import Contract, PlantedShift
    from driftline.detect.race import Runs
    from driftline.events.frame import Kind
    from driftline.stats import Reference

HORIZON_EVENTS = 20_000
HORIZON_SLOTS = (1_000, 10_000)
"""A shift that is not found after so many events counts as not seen, where nothing else is asked
for; slots within these bounds."""
CROWD = 800
"""Columns simulated at once, copies of one another for the most part."""
COPIES = (20, 100)
"""Runs of each shift of each column: at least, at most."""
MOST_COLUMNS = 40
"""Columns of a kind that are simulated; of more, evenly chosen ones."""


def foresee(
    reference: Reference,
    contract: Contract,
    rows: float,
    *,
    only: Sequence[str] = (),
    shifts: Sequence[PlantedShift] | None = None,
    horizon: int | None = None,
    seed: int = 0,
    tell: Callable[[int, int], None] | None = None,
) -> Foresight:
    """Plant every shift into every column and count until the alarm rings.

    Parameters
    ----------
    rows
        Events a slot, above 0.
    only
        Names of columns; none for all.
    shifts
        What to plant, as it is told; None for `SHIFTS`, half of the runs either way.
    horizon
        Slots to wait for an alarm; None for as many as hold `HORIZON_EVENTS`. Larger: slow shifts
        are seen too, and it takes longer.
    tell
        Is told how many of how many simulations are done.

    Raises
    ------
    ParameterError
        The contract does not list `evidence`, or is faulty itself; a name that no column has.

    Notes
    -----
    What is simulated is `Evidence` itself, its stakes and its share of the budget those of the
    whole model, on slots drawn from the reference's laws (see `Draw`), warmed up before the shift.
    A shift begins with a slot; in the midst of one it takes up to a slot more. 20 numeric columns,
    100 events a slot: 2 s. River's detectors are left out: of 96 runs with a moved mean, on
    independent and on AR(.9) data, ADWIN was the first to ring in none.
    """
    build(contract, reference)  # for its complaints
    # `evidence` takes its parts along, as in `build`.
    names = STATISTICAL.keys() - PARTS
    plans = {plan.name: plan for plan in contract.detectors if plan.name in names}
    if "evidence" not in plans:
        listed = ", ".join(plans) or "none"
        msg = f"{contract.model}: $.detectors: only `evidence` can be foreseen, got {listed}"
        raise ParameterError(msg)
    given = plans["evidence"].parameters.items()
    tolerances = Tolerances(**{name.removesuffix("_tolerance"): value for name, value in given})
    arl = split(list(plans), slots_of_whole(contract, reference))["evidence"]
    if horizon is None:
        horizon = int(np.clip(HORIZON_EVENTS / rows, *HORIZON_SLOTS))
    chosen, left_out = _choose(reference, contract, only)
    planted = {kind: SHIFTS[kind] if shifts is None else tuple(shifts) for kind in chosen}
    signs = (1, -1) if shifts is None else (1, 1)
    total, done = sum(map(len, planted.values())), 0
    found: list[Foreseen] = []
    for kind, positions in chosen.items():
        copies = int(np.clip(CROWD // positions.size, *COPIES))
        crowd = Crowd(reference, contract, arl, np.repeat(positions, copies), tolerances)
        race = Race(crowd, contract, copies, rows, horizon)
        state = race.warm(np.random.default_rng([seed, done]))
        for shift in planted[kind]:
            done += 1
            crowd.restore(state)
            rng = np.random.default_rng([seed, done])
            found += [_foreseen(kind, shift, runs) for runs in race.run(shift, signs, rng)]
            if tell:
                tell(done, total)
    found.sort(key=lambda each: reference.index[each.feature])  # shifts stay in their order
    beside = tuple(name for name in plans if name != "evidence")
    told = footings(reference, contract, tolerances)
    told = [each for each in told if not only or each.feature in only]
    return Foresight(
        arl,
        rows,
        contract.slot,
        horizon,
        beside,
        left_out,
        tuple(found),
        tuple(told),
        tuple(caveats(reference, contract, told)),
    )


def _foreseen(kind: Kind, shift: PlantedShift, runs: Runs) -> Foreseen:
    (events, slots), (events_late, slots_late) = runs.by(0.5), runs.by(LATE)
    return Foreseen(
        runs.column.name,
        kind,
        shift,
        runs.runs,
        runs.slots.size,
        events,
        events_late,
        slots,
        slots_late,
        runs.worth,
        runs.grows,
    )


def _choose(
    reference: Reference, contract: Contract, only: Sequence[str]
) -> tuple[dict[Kind, npt.NDArray[np.int64]], dict[Kind, int]]:
    """Return columns by kind, and how many were left out; those of no importance never page."""
    for name in only:
        if name not in reference.index:
            names = ", ".join(reference.index)
            msg = f"{reference.model}: expected a feature of the reference, {names}; got {name!r}"
            raise ParameterError(msg)
    wanted = [
        i
        for i, c in enumerate(reference.columns)
        if (not only or c.name in only) and contract.feature(c.name).importance > 0
    ]
    chosen: dict[Kind, npt.NDArray[np.int64]] = {}
    left_out: dict[Kind, int] = {}
    for kind in SHIFTS:
        mine = np.array([i for i in wanted if reference.columns[i].kind == kind], dtype=np.int64)
        if not mine.size:
            continue
        few = min(mine.size, MOST_COLUMNS)
        chosen[kind] = mine[np.arange(few) * mine.size // few]
        if few < mine.size:
            left_out[kind] = mine.size - few
    return chosen, left_out
