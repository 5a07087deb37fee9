"""A comparison in words and a table, for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from driftline.events.time import format_ts, short_ts
from driftline.replay.compare.verdict import exactly

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from driftline.replay.compare.run import Comparison
    from driftline.replay.compare.score import Finding, Score

__all__ = ["columns_of", "delay_of", "print_comparison", "row_of"]

MAX_KNOWN = 12
MAX_WIDE = 3
"""Contracts whose delays are told in events too."""


def columns_of(comparison: Comparison) -> list[str]:
    """Return the headings of the table of contracts, without that of their names."""
    if comparison.known.all:
        rates = (
            ["false", "false a month"] if comparison.known.complete else ["judged false", "unknown"]
        )
        return ["pages", *rates, "precision", "found", "delay", "notices"]
    return ["pages", "a month", "first page", "notices"]


def row_of(score: Score, comparison: Comparison) -> list[str]:
    """Return a contract's figures, as `columns_of` names them."""
    pages, notices = f"{len(score.pages):,}", f"{len(score.notices):,}"
    low, high = score.false.interval
    if not comparison.known.all:
        a_month = len(score.pages) / score.months if score.months else 0.0
        first = min((page.paged_at or 0 for page in score.pages), default=None)
        told = "–" if first is None else short_ts(format_ts(first))
        return [pages, f"{a_month:.2g}", told, notices]
    false = f"{score.judged('false'):,}"
    rates = (
        [false, f"{score.false.per_month:.2g} ({low:.2g} to {high:.2g})"]
        if comparison.known.complete
        else [false, f"{score.judged(None):,}"]
    )
    precision = "–" if score.precision is None else f"{score.precision:.0%}"
    found = f"{score.found} of {len(score.findings)}"
    delay = "–" if score.delay is None else exactly(score.delay)
    return [pages, *rates, precision, found, delay, notices]


def delay_of(finding: Finding, *, events: bool = True) -> str:
    """Return how late something was paged, in words; in events too if there is room."""
    if finding.delay is None:
        return "noticed only" if finding.noticed else "missed"
    told = f", {finding.events:,} events" if events and finding.events is not None else ""
    return exactly(finding.delay) + told


def print_comparison(comparison: Comparison, out: Path, console: Console) -> None:
    """Print which contract is better, the figures of each, and what each found how late."""
    console.print(f"[bold]{escape(comparison.judgement.sentence)}[/bold]", soft_wrap=True)
    if comparison.judgement.caution:
        console.print(comparison.judgement.caution, soft_wrap=True)
    span = (short_ts(format_ts(each)) for each in (comparison.first, comparison.last))
    console.print(f"{comparison.events:,} events, {' to '.join(span)}.", soft_wrap=True)
    for candidate, _ in comparison.scored:
        style = "bold" if candidate.letter == comparison.judgement.best else ""
        name = f"  {candidate.letter}  {escape(candidate.name)}"
        console.print(name, style=style, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in columns_of(comparison):
        table.add_column(name, justify="right")
    for candidate, score in comparison.scored:
        style = "bold" if candidate.letter == comparison.judgement.best else ""
        table.add_row(candidate.letter, *row_of(score, comparison), style=style)
    console.print(table)
    happened = comparison.scored[0][1].findings
    if happened:
        known = Table(box=SIMPLE_HEAD, pad_edge=False)
        few = len(comparison.scored) <= MAX_WIDE
        known.add_column("paged after", overflow="fold")
        known.add_column("since")
        for candidate, _ in comparison.scored:
            known.add_column(candidate.letter, justify="right")
        for place, finding in enumerate(happened[:MAX_KNOWN]):
            about = finding.known
            cells = [delay_of(score.findings[place], events=few) for _, score in comparison.scored]
            what = f"{about.model}: {about.name}"
            known.add_row(escape(what), short_ts(format_ts(about.since)), *map(escape, cells))
        console.print(known)
        if len(happened) > MAX_KNOWN:
            console.print(f"… and {len(happened) - MAX_KNOWN:,} more in comparison.json")
    console.print(
        f"comparison.json, report.html and each contract's outputs in {escape(str(out))}",
        soft_wrap=True,
    )
