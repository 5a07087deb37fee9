"""The tables that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from driftline.bench.ledger import LedgerCost
    from driftline.bench.memory import Memory
    from driftline.bench.publishing import Publishing
    from driftline.bench.results import Spread, Throughput
    from driftline.bench.scaling import Scaling

__all__ = ["print_ledger", "print_memory", "print_publishing", "print_scaling", "print_throughput"]


def print_throughput(found: Throughput, console: Console) -> None:
    """Print a run's programs and ratios."""
    rounds = max((len(done) for done in found.rounds.values()), default=0)
    table = Table(
        title=f"{found.events:,} events of {found.bytes_each:.0f} bytes, 20 features; "
        f"one core; median of {rounds} rounds (least to most)"
    )
    table.add_column("program")
    for head in ("events", "events/s", "events/CPU s", "peak MB"):
        table.add_column(head, justify="right")
    for key, title in found.titles.items():
        if key not in found.rounds:
            table.add_row(title, "left out", "", "", "")
            continue
        table.add_row(
            title,
            f"{found.rounds[key][0].events:,}",
            _rate(found.per_s(key)),
            _rate(found.per_cpu_s(key)),
            f"{found.rss_mb(key):,.0f}",
        )
    console.print(table)
    ratios = Table(title="events a CPU second, ratios within a round")
    ratios.add_column("of")
    ratios.add_column("to")
    ratios.add_column("ratio", justify="right")
    for (one, other), spread in found.ratios().items():
        ratios.add_row(
            found.titles[one],
            found.titles[other],
            f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})",
        )
    if ratios.row_count:
        console.print(ratios)
    for key, reason in found.skipped.items():
        console.print(f"left out: {found.titles[key]}: {reason}", highlight=False, markup=False)
    console.print(found.note, highlight=False, markup=False)
    console.print(f"{found.machine}; took {found.seconds:.0f} s", highlight=False, markup=False)


def print_scaling(found: Scaling, console: Console) -> None:
    """Print the cost of a value at each point."""
    table = Table(title="CPU nanoseconds a feature value, observe and detect, no broker")
    for head in ("models", "features", "events a slot and model", "slots"):
        table.add_column(head, justify="right")
    for head in ("observe", "detect", "together", "MB at start", "peak MB"):
        table.add_column(head, justify="right")
    before = None
    for point in found.points:
        case = point.case
        if before is not None and case.axis != before:
            table.add_section()
        before = case.axis
        table.add_row(
            f"{case.models:,}",
            f"{case.features:,}",
            f"{case.per_slot:,}",
            f"{case.slots:,}",
            f"{point.observe_ns:,.0f}",
            f"{point.detect_ns:,.0f}",
            f"{point.total_ns:,.0f}",
            f"{point.start_mb:,.0f}",
            f"{point.peak_mb:,.0f}",
        )
    console.print(table)
    console.print(found.machine, highlight=False, markup=False)


def print_memory(found: Memory, console: Console) -> None:
    """Print memory at each million events, and how it grows."""
    table = Table(title="resident memory of one worker")
    for head in ("events", "MB", "seconds"):
        table.add_column(head, justify="right")
    for sample in found.each(1_000_000):
        table.add_row(f"{sample.events:,}", f"{sample.rss_mb:,.1f}", f"{sample.seconds:,.0f}")
    console.print(table)
    console.print(
        f"slope over the last {len(found.settled)} samples: {found.slope:+.2f} MB a million events",
        highlight=False,
    )
    console.print(found.machine, highlight=False, markup=False)


def print_ledger(found: LedgerCost, console: Console) -> None:
    """Print what joining costs."""
    table = Table(title=f"{found.pairs:,} predictions and their labels, one core")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for what, figure in {
        "pairs a second": f"{found.pairs / found.wall_s:,.0f}",
        "pairs a CPU second": f"{found.pairs_a_cpu_second:,.0f}",
        "µs to take a prediction in": f"{1e6 * found.predictions_s / found.pairs:.1f}",
        "µs to join a label": f"{1e6 * found.labels_s / found.pairs:.1f}",
        "bytes a prediction and its label on disk": f"{found.bytes_an_entry:.0f}",
        "MB of memory grown": f"{found.grown_mb:,.0f}",
        "seconds to rebuild the store": f"{found.recovery_s:,.1f}",
    }.items():
        table.add_row(what, figure)
    console.print(table)
    console.print(found.machine, highlight=False, markup=False)


def print_publishing(found: Publishing, titles: Mapping[str, str], console: Console) -> None:
    """Print what each client sends, and what a call costs while nobody answers."""
    rounds = max((len(done) for done in found.rounds.values()), default=0)
    table = Table(
        title=f"{found.events:,} predictions of 20 features from one process on one core; "
        f"median of {rounds} rounds (least to most)"
    )
    table.add_column("client")
    for head in ("predictions/s", "predictions/CPU s"):
        table.add_column(head, justify="right")
    for key in found.rounds:
        table.add_row(titles[key], _rate(found.per_s(key)), _rate(found.per_cpu_s(key)))
    console.print(table)
    for key, reason in found.skipped.items():
        console.print(f"left out: {titles[key]}: {reason}", highlight=False, markup=False)
    if (out := found.outage) is not None:
        console.print(
            f"broker stopped, {out.calls:,} calls at {out.rate:,.0f}/s: a call takes "
            f"{out.p50_us:.1f} µs (p50), {out.p99_us:.1f} (p99), {out.p999_us:.1f} (p99.9), "
            f"{out.most_us:,.0f} at most; {out.raised:,} raised; {out.spooled:,} on disk\n"
            f"broker back, drained in {out.drained_s:.1f} s: {out.accepted:,} accepted, "
            f"{out.sent:,} sent, {out.dropped:,} dropped, {out.pending:,} pending; "
            f"{out.arrived.events:,} on the topic, {out.arrived.repeats:,} of them twice, "
            f"{out.arrived.dead:,} dead letters",
            highlight=False,
        )
    console.print(found.machine, highlight=False, markup=False)


def _rate(spread: Spread) -> str:
    return f"{spread.median:,.0f} ({spread.least:,.0f} to {spread.most:,.0f})"
