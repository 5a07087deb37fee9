"""The summary of a replay in words, for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from driftline.events.time import short_ts
from driftline.replay.alarms import alarms_in_words

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from driftline.replay.summary import Drilled, Found, Summary

__all__ = ["print_drill", "print_summary"]

MAX_ROWS = 40
MAX_FEATURES = 4


def print_summary(summary: Summary, out: Path, console: Console) -> None:
    """Print what was read, what was found, and where the rest is."""
    counts = summary.counts
    kinds = ", ".join(f"{n:,} {_plural(name)}" for name, n in counts["events"].items())
    speed = f", {summary.events / summary.seconds:,.0f} events/s" if summary.seconds > 0 else ""
    _say(console, f"Read {escape(kinds or 'no events')} in {summary.seconds:.1f} s{speed}.")
    odd = {
        "dead letters": counts["dead_letters"],
        "late": counts["late"],
        "duplicates": counts["duplicates"],
        "outside of --from and --to": counts["skipped"],
        "with unknown fields": counts["unknown_fields"],
    }
    told = ", ".join(f"{n:,} {what}" for what, n in odd.items() if n)
    if told:
        _say(console, f"Besides: {told}.")
    for model, rows in summary.warming_up.items():
        few = f"{rows:,} rows came, too few for a reference: nothing was judged"
        _say(console, f"{escape(model)}: {few}.")
    if summary.differing:
        _say(console, f"{summary.differing:,} outputs came twice with different content: a bug.")
    if summary.found:
        console.print()
        for each in summary.found[:MAX_ROWS]:
            _print_incident(each, console)
        if len(summary.found) > MAX_ROWS:
            _say(console, f"… and {len(summary.found) - MAX_ROWS:,} more in alerts.jsonl")
    else:
        _say(console, "No incident.")
    for name, figures in summary.alarms.items():
        if figures["pages"]["unjudged"] < figures["pages"]["told"]:
            _say(console, f"{escape(name)}: {alarms_in_words(figures)}")
    if summary.drills:
        console.print()
        for drilled in summary.drills[:MAX_ROWS]:
            print_drill(drilled, console)
        if len(summary.drills) > MAX_ROWS:
            _say(console, f"… and {len(summary.drills) - MAX_ROWS:,} more drills in feedback.jsonl")
    console.print()
    written = (
        f"{_many(summary.alerts, 'alert')}, {_many(summary.feedback, 'feedback event')} and "
        f"{_many(summary.windows, 'window')} in {escape(str(out))}"
    )
    _say(console, written)


def print_drill(drilled: Drilled, console: Console) -> None:
    """Print one drill and how it ended."""
    what = f"{escape(drilled.feature)} {escape(drilled.shift)}, {short_ts(drilled.planted_at)}"
    _say(console, f"[bold]{escape(drilled.model)}[/bold]: drill: {what}")
    after = f"{drilled.events:,} events, {drilled.slots:,} slots, {drilled.seconds:,.0f} s"
    if drilled.rang:
        _say(console, f"  rang by {escape(str(drilled.detector))} after {after}")
    else:
        _say(console, f"  [bold]did not ring[/bold] within {after}")


def _print_incident(found: Found, console: Console) -> None:
    names = found.features or ["the whole model"]
    more = f" and {len(names) - MAX_FEATURES} more" if len(names) > MAX_FEATURES else ""
    notice = "" if found.severity == "page" else f" ({found.severity})"
    ended = "" if found.resolved_at is None else f", resolved {short_ts(found.resolved_at)}"
    what = f"{found.kind}{notice} of {escape(', '.join(names[:MAX_FEATURES]) + more)}"
    since, seen = short_ts(found.change_point), short_ts(found.detected_at)
    about = f"{found.feature}: " if found.feature is not None else ""
    _say(console, f"[bold]{escape(found.model)}[/bold]: {what}")
    _say(console, f"  since {since}, detected {seen}{ended}")
    _say(console, f"  {escape(about + found.text)}")


def _say(console: Console, line: str) -> None:
    """Print a line and leave its breaking to the terminal: a log keeps it whole."""
    console.print(line, soft_wrap=True)


def _plural(kind: str) -> str:
    return {"features": "features events", "lifecycle": "lifecycle events"}.get(kind, f"{kind}s")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
