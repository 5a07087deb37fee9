"""The tables that people read."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table

from driftline.bench.detectors.by_hand import METHODS
from driftline.bench.detectors.changes import CHANGES
from driftline.bench.detectors.law import EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from driftline.bench.detectors.by_hand import ByHand
    from driftline.bench.detectors.delay import Delay
    from driftline.bench.detectors.invariance import Same
    from driftline.bench.detectors.promise import Kept
    from driftline.bench.detectors.run import Found
    from driftline.bench.detectors.windows import Judged

__all__ = ["print_found"]

WAYS = {
    "exact": "panes drawn from their exact law",
    "counted": "events drawn, their bins counted",
    "folded": "events drawn and folded as the pipeline does",
}


def print_found(found: Found, console: Console) -> None:
    """Print all that a run found."""
    if found.promise:
        _print_promise(found.promise, console)
    if found.units:
        _print_units(found.units, console)
    if found.delays:
        _print_delays(found.delays, console)
    if found.by_hand:
        _print_by_hand(found.by_hand, console)
    if found.judged:
        _print_windows(found.judged, console)
    for library, reason in found.left_out.items():
        _say(console, f"left out: {library}: {reason}")
    asked = found.asked
    size = "quick: too little for a verdict on most laws" if asked.quick else "full"
    detectors = ", ".join(asked.detectors or ("the contract's default",))
    _say(
        console,
        f"{size}; detectors: {detectors}; seed {asked.seed}; took {found.seconds:.0f} s",
        found.machine,
    )


def _print_promise(laws: Sequence[Kept], console: Console) -> None:
    table = Table(title="False pages on stationary traffic, 100 events a slot")
    table.add_column("law", no_wrap=True)
    table.add_column("panes")
    for head in ("slots", "promised", "achieved", "ratio", "upper", "worst"):
        table.add_column(head, justify="right")
    table.add_column("verdict", no_wrap=True)
    for head in ("draw µs", "detect µs"):
        table.add_column(head, justify="right")
    for law in laws:
        table.add_row(
            law.law,
            law.outcomes[0].way,
            f"{law.slots:,}",
            f"{law.promised:.4g}",
            f"{law.achieved:,}",
            f"{law.ratio:.2f}",
            f"{law.upper:.2f}",
            f"{law.worst:,}",
            law.verdict,
            f"{law.us_a_slot('draw_s'):,.0f}",
            f"{law.us_a_slot('detect_s'):,.0f}",
        )
    console.print(table)
    used = {law.outcomes[0].way for law in laws}
    raised = sum((Counter(law.raised) for law in laws), Counter[str]())
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(raised.items())) or "nothing"
    _say(console, f"raised by detectors, several of which may be one incident: {told}")
    _say(
        console,
        "page: an incident that opens as a page, becomes one, or comes back as one",
        "worst: pages of the stream (each has a reference of its own) that had most",
        "upper: exact Poisson bound of the ratio, 95 %; kept: at most as promised, bound below 1.3",
        *(f"{way}: {told}" for way, told in WAYS.items() if way in used),
    )


def _print_units(units: Sequence[Same], console: Console) -> None:
    first, *others = units
    for same in others:
        told = "identical" if same.identical else "NOT the same"
        _say(
            console,
            f"the same stream × {same.factor:g} + {same.offset:g}: {told} "
            f"({same.findings} findings, {first.findings} in the first unit)",
        )


def _print_delays(delays: Sequence[Delay], console: Console) -> None:
    table = Table(title="Events from a change to its page, at one page in 30 days, 100 features")
    table.add_column("change", no_wrap=True)
    for head in (
        "of 100",
        "runs",
        "median",
        "90 %",
        "missed",
        "right first",
        "floor",
        "may take",
        "foretold",
    ):
        table.add_column(head, justify="right")
    table.add_column("met")
    table.add_column("horizon", justify="right")
    for each in delays:
        table.add_row(
            each.change.about,
            str(each.many),
            str(len(each.runs)),
            _events(each.quantile(0.5)),
            _events(each.quantile(0.9)),
            f"{each.missed:.0%}",
            "" if math.isnan(each.right) else f"{each.right:.0%}",
            _events(each.floor),
            _events(each.bar),
            "" if each.foretold is None else _events(each.foretold),
            "yes" if each.met else "no",
            _events(each.change.horizon * EVENTS),
        )
    console.print(table)
    formulas = {each.change.about: each.change.about_kl for each in delays}
    _say(
        console,
        "floor: ln(100 features × mean slots to a false page) / KL, KL an event of one changed "
        "column; a page comes at the end of a slot: no delay is below its hundred events",
        "met: median within 1.5 floors (mean, variance) or 3, plus a slot; none missed; the right "
        "column first in 95 %",
        "foretold: the median that `driftline reference check` gives beforehand, for one column",
        "KL: " + "; ".join(f"{about}: {formula}" for about, formula in formulas.items()),
    )


def _print_by_hand(tried: Sequence[ByHand], console: Console) -> None:
    methods = list(dict.fromkeys(each.method for each in tried))
    table = Table(title="River by hand, one detector a column, its defaults: median events to find")
    table.add_column("change", no_wrap=True)
    for method in methods:
        table.add_column(METHODS[method].title, justify="right")
    for name in dict.fromkeys(each.change for each in tried):
        own = {each.method: _hand(each) for each in tried if each.change == name}
        table.add_row(CHANGES[name].about, *(own[method] for method in methods))
    rates = {each.method: _rate(each) for each in tried}
    table.add_section()
    table.add_row("false a model-month", *(rates[method] for method in methods))
    console.print(table)
    _say(
        console,
        "in 1 column / first of 10; false: detections in 100 columns of normal traffic, each of "
        "which would pass for a find (below: none was seen; 95 %)",
        "KSWIN takes 0.25 ms a value and is left out",
    )


def _hand(each: ByHand) -> str:
    told = each.as_json()
    one, ten = told["median_events"], told["median_events_of_ten"]
    return " / ".join("missed" if v is None else f"{v:,.0f}" for v in (one, ten))


def _print_windows(judged: Sequence[Judged], console: Console) -> None:
    libraries = list(dict.fromkeys(each.library for each in judged))
    table = Table(title="Windows as long as driftline's median delay, judged with defaults")
    table.add_column("change in 1 column", no_wrap=True)
    table.add_column("events", justify="right")
    for library in libraries:
        table.add_column(f"{library}: found", justify="right")
        table.add_column("false a model-month", justify="right")
    for name in dict.fromkeys(each.change for each in judged):
        own = {each.library: each for each in judged if each.change == name}
        cells = [
            cell
            for library in libraries
            for cell in (f"{own[library].seen:.0%}", _rate(own[library]))
        ]
        window = next(iter(own.values())).window
        table.add_row(CHANGES[name].about, f"{window:,}", *cells)
    console.print(table)


def _rate(each: ByHand | Judged) -> str:
    if each.false:
        return f"{each.false_a_month:,.0f}"
    return f"below {each.false_below:,.0f}"


def _events(value: float) -> str:
    return "missed" if math.isinf(value) else f"{value:,.0f}"


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False)
