"""What was foreseen of a model's alarms: as JSON, and in words for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from driftline.contract.quantities import format_duration, format_rate, format_shift
from driftline.detect.plain import plain

if TYPE_CHECKING:
    from rich.console import Console

    from driftline.contract import Contract, PlantedShift
    from driftline.detect.footing import Footing
    from driftline.detect.foresight import Foreseen, Foresight, Outlook
    from driftline.stats import Reference

__all__ = ["Told", "as_json", "label", "print_told", "span"]

MAX_FOOTINGS = 10
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_RIGHT = {
    "median feature",
    "found after",
    "time",
    "90 % of runs",
    "rows",
    "as independent",
    "margin",
    "asked for",
    "would do",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A foresight, and what it is about."""

    contract: Contract
    reference: Reference
    foresight: Foresight

    def seconds(self, slots: int | None) -> float | None:
        """Return the event time that slots take."""
        return None if slots is None else slots * self.foresight.slot / 1e6

    @property
    def promise(self) -> list[str]:
        """What the figures hold for, in sentences."""
        told, reference = self.foresight, self.reference
        run = span(told.arl * told.slot / 1e6)
        slots = f", {reference.slots:,} slots of time" if reference.slots else ", no time"
        traffic = f"{told.rows:,.4g} events a slot of {format_duration(told.slot)}"
        budget = format_rate(self.contract.budget.false_pages)
        sentences = [
            f"Reference {reference.id}: {reference.events:,} rows{slots}; {traffic}.",
            f"False pages allowed: {budget}; evidence: 1 per {run}, over all columns.",
        ]
        if told.beside:
            names = ", ".join(told.beside)
            sentences.append(f"Beside it {names}, not simulated here, may find a shift sooner.")
        if told.left_out:
            counts = ", ".join(f"{count} {kind}" for kind, count in told.left_out.items())
            sentences.append(f"For time's sake {counts} features were left out; see --feature.")
        return sentences

    def outcome(self, each: Foreseen) -> str:
        """Return when a shift is found, or why not, in a few words."""
        if each.verdict == "trifle":
            return "never: below the tolerance"
        if each.verdict == "hidden":
            return "never: reference too short"
        if each.events is None:
            return f"not within {span(self.seconds(self.foresight.horizon))}"
        return f"{each.events:,} events"

    def row(self, each: Outlook) -> list[str]:
        """Return one shift in words: it, the median feature's three figures, soonest, latest."""
        if each.missed == each.features:
            soonest, latest = "–", "–"
        else:
            soonest, latest = (
                f"{one.feature}: {self.outcome(one)}" for one in (each.soonest, each.latest)
            )
        more = f", as {each.missed - 1} more" if 1 < each.missed < each.features else ""
        return [*self.alone(each.middle), soonest, latest + more]

    def alone(self, each: Foreseen) -> list[str]:
        """Return one shift of one feature in words: it, after how many events, time, 90 %."""
        late = "–" if each.events is None or each.events_late is None else f"{each.events_late:,}"
        return [label(each.shift), self.outcome(each), span(self.seconds(each.slots)), late]


def span(seconds: float | None) -> str:
    """Return a length of time in its largest unit, in two digits: "2.8 h"."""
    if seconds is None:
        return "–"
    for size, unit in _SPANS:
        if seconds >= size:
            count = seconds / size
            return f"{count:.2g} {unit}" if count < 10 else f"{count:,.0f} {unit}"
    return f"{seconds:.3g} s"


def label(shift: PlantedShift) -> str:
    """Return a shift as a contract's drill writes it, means both ways."""
    return format_shift(shift).replace("mean +", "mean ±")


def as_json(told: Told) -> dict[str, Any]:
    """Return everything as JSON values; times in seconds of event time."""
    foresight = told.foresight
    shifts: dict[str, list[dict[str, Any]]] = {}
    for each in foresight.found:
        shifts.setdefault(each.feature, []).append(_shift(told, each))
    return {
        "model": told.reference.model,
        "reference": told.reference.id,
        "reference_events": told.reference.events,
        "reference_slots": told.reference.slots,
        "budget": format_rate(told.contract.budget.false_pages),
        "mean_run_slots": plain(foresight.arl),
        "events_per_slot": plain(foresight.rows),
        "slot_s": foresight.slot / 1e6,
        "horizon_s": told.seconds(foresight.horizon),
        "not_simulated": {"detectors": foresight.beside, "features": foresight.left_out},
        "caveats": [
            {"code": c.code, "features": c.features, "text": c.text} for c in foresight.caveats
        ],
        "kinds": [_outlook(told, each) for each in foresight.outlooks()],
        "features": [
            {
                "feature": f.feature,
                "kind": f.kind,
                "rows": f.rows,
                "independent_rows": plain(f.independent),
                "margin": plain(f.margin),
                "margin_any_shape": plain(f.margin_learnt),
                "margin_missing": plain(f.margin_missing),
                "tolerance": plain(f.tolerance),
                "rows_needed": f.rows_needed,
                "bets_divided_by": plain(f.inflation),
                "shifts": shifts.get(f.feature, []),
            }
            for f in foresight.footings
        ],
    }


def _shift(told: Told, each: Foreseen) -> dict[str, Any]:
    return {
        "shift": label(each.shift),
        "what": each.shift.what,
        "size": each.shift.size,
        "verdict": each.verdict,
        "runs": each.runs,
        "found": each.found,
        "events": each.events,
        "events_p90": each.events_late,
        "seconds": told.seconds(each.slots),
        "seconds_p90": told.seconds(each.slots_late),
    }


def _outlook(told: Told, each: Outlook) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "features": each.features,
        "missed": each.missed,
        **_shift(told, each.middle),
        "soonest": {"feature": each.soonest.feature, **_shift(told, each.soonest)},
        "latest": {"feature": each.latest.feature, **_shift(told, each.latest)},
    }


def print_told(told: Told, console: Console) -> None:
    """Print tables by kind of feature, and what to bear in mind."""
    console.print(f"[bold]{escape(told.reference.model)}[/bold]", highlight=False)
    for sentence in told.promise:
        console.print(escape(sentence), highlight=False, soft_wrap=True)
    outlooks = told.foresight.outlooks()
    for kind in dict.fromkeys(each.kind for each in outlooks):
        console.print()
        mine = [each for each in outlooks if each.kind == kind]
        console.print(_table(told, mine))
    console.print()
    for caveat in told.foresight.caveats:
        text = f"[yellow]note[/yellow] {escape(caveat.text)}."
        console.print(text, highlight=False, soft_wrap=True)
    short = {name for c in told.foresight.caveats if c.code == "short" for name in c.features}
    if len(short) > 1:
        console.print(_footings([f for f in told.foresight.footings if f.feature in short]))


def _empty(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        right = title in _RIGHT
        table.add_column(escape(title), justify="right" if right else "left", overflow="fold")
    return table


def _table(told: Told, outlooks: list[Outlook]) -> Table:
    kind, features = outlooks[0].kind, max(each.features for each in outlooks)
    if features == 1:
        title = f"{outlooks[0].middle.feature} ({kind})"
        table = _empty(title, "found after", "time", "90 % of runs")
        rows = [told.alone(each.middle) for each in outlooks]
    else:
        title = f"{kind}, {features} features"
        table = _empty(title, "median feature", "time", "90 % of runs", "soonest", "latest")
        rows = [told.row(each) for each in outlooks]
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _footings(short: list[Footing]) -> Table:
    table = _empty("too short for", "rows", "as independent", "margin", "asked for", "would do")
    order = sorted(short, key=lambda f: f.tolerance / f.margin)
    for each in order[:MAX_FOOTINGS]:
        unit = "sd" if each.kind == "numeric" else "of values"
        table.add_row(
            escape(each.feature),
            f"{each.rows:,}",
            f"{each.independent:,.0f}",
            f"{each.margin:.2g} {unit}",
            f"{each.tolerance:.2g} {unit}",
            f"{each.rows_needed:,} rows",
        )
    return table
