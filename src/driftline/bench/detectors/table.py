"""The tables that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from driftline.bench.detectors.promise import Promise
    from driftline.bench.detectors.run import Found

__all__ = ["print_found"]

WAYS = {
    "exact": "panes drawn from their exact law",
    "counted": "events drawn, their bins counted",
    "folded": "events drawn and folded as the pipeline does",
}


def print_found(found: Found, console: Console) -> None:
    """Print all that a run found."""
    _print_promise(found.promise, console)
    size = "quick: fewer slots, too few for a verdict on most laws" if found.quick else "full"
    told = f"{size}; detectors: {found.detectors}; seed {found.seed}; took {found.seconds:.0f} s"
    console.print(told, highlight=False, markup=False)
    console.print(found.machine, highlight=False, markup=False)


def _print_promise(promise: Promise, console: Console) -> None:
    table = Table(
        title="False pages on stationary traffic, 100 features, 100 events a slot",
        caption="page: an incident that opens as a page, becomes one, or comes back as one; "
        "upper: exact Poisson bound, 95 %;\nkept: at most as promised, bound at most 1.3",
        caption_justify="left",
    )
    table.add_column("law")
    table.add_column("panes")
    for head in ("slots", "promised", "achieved", "ratio", "upper", "worst stream"):
        table.add_column(head, justify="right")
    table.add_column("verdict", no_wrap=True)
    for head in ("draw µs", "detect µs"):
        table.add_column(head, justify="right")
    for law in promise.laws:
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
    used = {law.outcomes[0].way for law in promise.laws}
    for way, told in WAYS.items():
        if way in used:
            console.print(f"{way}: {told}", highlight=False, markup=False)
