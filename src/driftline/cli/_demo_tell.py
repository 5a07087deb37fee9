"""What the demo says, to a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from driftline.cli._demo_recovery import RECOVERY
from driftline.cli._demo_story import TAIL
from driftline.contract.quantities import format_instant

if TYPE_CHECKING:
    from typing import Self

    from rich.console import Console

    from driftline.cli._demo_score import Outcome, Score
    from driftline.cli._demo_story import Story

__all__ = ["Teller"]

INDENT = " " * 19


class Teller:
    """Prints as things happen; silent where the console is.

    Parameters
    ----------
    story
        The first part: progress is counted along its event time.
    """

    def __init__(self, console: Console, story: Story, score: Score) -> None:
        assert story.duration is not None
        self._console = console
        self._start = story.start
        self._end = story.start + story.duration + RECOVERY + TAIL
        self._score = score
        bar = (TextColumn("event time watched"), BarColumn(), TextColumn("{task.fields[at]}"))
        shown = console.is_terminal and not console.quiet
        self._progress = Progress(*bar, console=console, transient=True, disable=not shown)
        self._task = self._progress.add_task("", total=self._end - self._start, at="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Take the bar away."""
        self._progress.stop()

    def say(self, line: str = "") -> None:
        """Print a line, its markup included; a log keeps it whole."""
        self._console.print(line, soft_wrap=True, highlight=False)

    def progress(self, reached: int) -> None:
        """Move the bar to an event time, microseconds."""
        self._progress.update(
            self._task, completed=reached - self._start, at=_clock(format_instant(reached))
        )

    def alert(self, data: dict[str, Any], outcome: Outcome | None) -> None:
        """Tell of an alert, and how it fits what was planted."""
        what = f"{data['model']} · {data['feature'] or 'the whole model'} · {data['kind']}"
        when = _clock(data["resolved_at"] if data["state"] == "resolved" else data["detected_at"])
        if data["state"] == "resolved":
            self.say(f"[green]{when} resolved[/]  {escape(what)}")
            return
        if outcome is not None and outcome.alert is not data:
            self.say(f"[dim]{when} {data['state']}   {escape(what)}: {escape(data['text'])}[/]")
            return
        colour = "bold red" if data["severity"] == "page" else "bold yellow"
        self.say(f"[{colour}]{when} {data['severity']}[/]      [bold]{escape(what)}[/]")
        self.say(f"{INDENT}{escape(data['text'])}")
        if outcome is None:
            self.say(f"{INDENT}[yellow]nothing was planted there[/]")
            return
        named = (
            "the planted feature" if outcome.right else f"but planted in {outcome.fault.feature}"
        )
        delay = f"{_delay(outcome)} after {escape(str(outcome.fault))} began"
        self.say(f"{INDENT}{delay}; {'[green]' if outcome.right else '[red]'}{named}[/]")

    def feedback(self, event: dict[str, Any]) -> None:
        """Tell of a feedback event."""
        data = event["data"]
        kind = event["type"].rpartition(".")[2].replace("_", " ")
        about = f" ({data['why']} of {data['feature']})" if data.get("feature") else ""
        self.say(
            f"[cyan]{_clock(event['time'])} feedback[/]  {escape(data['model'])}: "
            f"{kind}{escape(about)}: {escape(data['text'])}"
        )

    def window(self, window: dict[str, Any]) -> None:
        """Tell of a window, and which of its columns is furthest from the reference."""
        events = sum(window["events"].values())
        moved = [
            (column["psi"], name)
            for name, column in window["features"].items()
            if column["psi"] is not None
        ]
        most = "" if not moved else "; furthest from normal: {1}, PSI {0:.3f}".format(*max(moved))
        minutes = window["length_s"] / 60
        told = f"{events:,} predictions in {minutes:g} min{most}"
        self.say(f"[dim]{_clock(window['end'])} window    {escape(window['model'])}: {told}[/]")

    def result(self, missing: list[str]) -> None:
        """Print what was planted, what was found, what else was said, and what did not happen."""
        self._progress.stop()
        table = Table(box=None, pad_edge=False)
        for heading in ("model", "fault", "planted", "alert", "delay", "events", "right?"):
            table.add_column(heading)
        for each in self._score.outcomes:
            if each.planted < self._end:
                table.add_row(*_row(each))
        self.say()
        self._console.print(table)
        self.say(f"alerts before any fault: {len(self._score.early)}")
        self.say(f"alerts about anything else: {len(self._score.stray)}")
        self.say(
            "retrained because driftline asked, and the incident resolved; fallback engaged, seen "
            "to serve, and released"
            if not missing
            else f"[red]did not happen: {escape(', '.join(missing))}[/]"
        )


def _row(outcome: Outcome) -> tuple[str, ...]:
    fault = outcome.fault
    size = str(fault).partition("@")[0].split(":")[3:]
    what = " ".join([fault.kind.replace("_", " "), fault.feature or "", *size])
    planted = _clock(format_instant(outcome.planted))
    if outcome.alert is None:
        return fault.model, escape(what), planted, "-", "-", "-", "[red]not found[/]"
    named = outcome.alert["feature"] or "the whole model"
    verdict = "[green]yes[/]" if outcome.right else f"[red]no: {escape(named)}[/]"
    at = _clock(outcome.alert["detected_at"])
    delay = f"{outcome.delay / 1e6:g} s"
    return fault.model, escape(what), planted, at, delay, f"{outcome.events:,}", verdict


def _delay(outcome: Outcome) -> str:
    return f"{outcome.delay / 1e6:g} s ({outcome.events:,} events)"


def _clock(instant: str) -> str:
    """Return the time of day of an RFC 3339 time in UTC, to the second."""
    return instant.partition("T")[2][:8]
