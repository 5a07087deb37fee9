"""How much a reference can carry: how sure it is of each column, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

from driftline.detect.law import CERTAINTY, SLACK, Tolerances, read_laws
from driftline.stats.resample import MIN_SLOTS
from driftline.stats.variability import MEMORIES
from driftline.stats.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from driftline.contract import Contract
    from driftline.events.frame import Kind
    from driftline.stats import Reference

Code = Literal["no_time", "few_slots", "memory", "short", "dependent", "constant", "unimportant"]

ABOUT_LENGTH: frozenset[Code] = frozenset({"no_time", "few_slots", "memory", "short"})
"""Caveats that a longer reference, or one with time, would not need."""
MOSTLY = 0.5
"""Rows that tell less than this part of what as many independent ones would are worth a word."""
NAMED = 3
"""Features that a caveat names."""


@dataclass(frozen=True, slots=True)
class Footing:
    """What the reference knows of one column.

    Attributes
    ----------
    rows, independent
        Values it holds, and as many independent ones as tell as much of any one moment: fewer
        where values of one slot are alike, slots resemble their neighbours, or hours differ.
    margin, margin_learnt
        Changes below these pass for the reference's own error: shifts of a known kind, and changes
        of any shape. In reference sd of a number (of a small shift of the mean), else in total
        variation.
    margin_missing
        The same of the missing rate, upwards.
    tolerance
        What the contract asks for, in the unit of the margins.
    rows_needed
        Values at which `margin` would be no more than the tolerance, all else being alike.
    inflation
        What log ratios of bets are divided by in a slot with the reference's usual rows, as slots
        differ and resemble their neighbours: a shift takes about so many times as many events.
    """

    feature: str
    kind: Kind
    rows: int
    independent: float
    margin: float
    margin_learnt: float
    margin_missing: float
    tolerance: float
    rows_needed: int
    inflation: float

    @property
    def short(self) -> bool:
        """Whether the reference hides changes that the contract asks for."""
        return self.margin > self.tolerance


@dataclass(frozen=True, slots=True)
class Caveat:
    """One thing that the reference does not know, or that will not be seen, in words."""

    code: Code
    features: tuple[str, ...]
    text: str


def footings(reference: Reference, contract: Contract, tolerances: Tolerances) -> list[Footing]:
    """Return what a reference knows of each of its columns."""
    laws = read_laws(reference, contract, tolerances)
    spare = max(0.0, reference.events / reference.slots - 1) if reference.slots else 0.0
    inflation = (1 + spare * reference.rho) * reference.tau
    found = []
    for i, column in enumerate(reference.columns):
        rows = int(column.counts[: column.bins].sum())
        independent = max(1.0, float(laws.rows[i]) * reference.season.part(i))
        # Moving a share t between two levels is a chi distance of 2t at least.
        scale = 1 if column.numeric else 2
        tolerance = float(laws.tolerance[i])
        needed = (CERTAINTY / (scale * tolerance)) ** 2 / (1 - SLACK**2)
        found.append(
            Footing(
                column.name,
                column.kind,
                rows,
                independent,
                float(laws.margin_fixed[i]) / scale,
                float(laws.margin_learnt[i]) / scale,
                float(laws.missing_up[i] - laws.missing[i]),
                tolerance,
                ceil(needed * max(1, rows) / independent),
                float(inflation[i]),
            )
        )
    return found


def caveats(reference: Reference, contract: Contract, told: Sequence[Footing]) -> list[Caveat]:
    """Return what should be known before a reference is relied on; of columns those in `told`."""
    found = []
    if not reference.slots:
        text = (
            "the reference has no time: how much its slots differ while nothing is wrong is not "
            "known and taken as nothing; data with memory or a daily cycle will page falsely more "
            "often than promised. Give its rows a column ts"
        )
        found.append(Caveat("no_time", (), text))
    elif reference.slots < MIN_SLOTS:
        text = (
            f"the reference spans {reference.slots} slots, fewer than the {MIN_SLOTS} that it "
            "takes to measure how much slots differ while nothing is wrong: taken as nothing"
        )
        found.append(Caveat("few_slots", (), text))
    tau = dict(zip((c.name for c in reference.columns), reference.tau.tolist(), strict=True))
    memory = [f for f in told if reference.slots < MEMORIES * tau[f.feature] and reference.slots]
    memory = sorted((f for f in memory if tau[f.feature] > 1), key=lambda f: -tau[f.feature])
    if memory:
        worst = memory[0]
        text = (
            f"too short a reference for the memory of {_names(memory)}: slots of {worst.feature} "
            f"resemble one another over about {tau[worst.feature]:,.0f} slots, and there are "
            f"{reference.slots:,}; its bets are divided by {worst.inflation:,.2g}, to be on the "
            "safe side, and a shift takes about as many times the events; about "
            f"{ceil(MEMORIES * tau[worst.feature]):,} slots would tell how much it is"
        )
        found.append(Caveat("memory", _all(memory), text))
    bins = {column.name: column.bins for column in reference.columns}
    short = sorted((f for f in told if f.short and bins[f.feature] > 1), key=_sufficiency)
    if short:
        worst = short[0]
        text = (
            f"too short a reference for {_names(short)}: {_worth(worst)} leave {worst.feature} a "
            f"margin of {_size(worst, worst.margin)}, where the contract asks for "
            f"{_size(worst, worst.tolerance)}: smaller shifts will not be seen"
        )
        if worst.margin_learnt > worst.margin:
            text += f", nor changes of another shape below {_size(worst, worst.margin_learnt)}"
        text += f"; about {worst.rows_needed:,} rows would do"
        found.append(Caveat("short", _all(short), text))
    loose = sorted((f for f in told if _share(f) < MOSTLY), key=_share)
    if loose:
        worst = loose[0]
        text = (
            f"rows tell less than independent ones in {_names(loose)}, as they resemble one "
            "another within a slot or from slot to slot (some slots rarely and much, maybe), or "
            f"differ by the hour: of {worst.feature} {_worth(worst)} and a change has to stand out "
            "from that"
        )
        if worst.inflation > 1 / MOSTLY:
            text += f"; its bets are divided by {worst.inflation:,.2g}"
        found.append(Caveat("dependent", _all(loose), text))
    names = {f.feature for f in told}
    constant = [name for name, count in bins.items() if count < 2 and name in names]
    if constant:
        text = f"one value only in {_named(constant)}: no shift to foresee but missing and new ones"
        found.append(Caveat("constant", tuple(constant), text))
    dull = [f.feature for f in told if contract.feature(f.feature).importance <= 0]
    if dull:
        text = f"importance 0 for {_named(dull)}: nothing in them will ever page"
        found.append(Caveat("unimportant", tuple(dull), text))
    return found


def _sufficiency(footing: Footing) -> float:
    return footing.tolerance / footing.margin


def _share(footing: Footing) -> float:
    return footing.independent / max(1, footing.rows)


def _worth(footing: Footing) -> str:
    if _share(footing) > MOSTLY:
        return f"{footing.rows:,} rows"
    return f"{footing.rows:,} rows, worth {footing.independent:,.0f} independent ones,"


def _size(footing: Footing, size: float) -> str:
    return f"{size:.2g} sd" if footing.kind == "numeric" else percent(size)


def _all(found: Iterable[Footing]) -> tuple[str, ...]:
    return tuple(each.feature for each in found)


def _names(found: Sequence[Footing]) -> str:
    return _named(_all(found))


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
