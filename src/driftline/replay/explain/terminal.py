"""An explanation in a terminal, or in a log: what one wants to read first stands first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from driftline.events.time import short_ts
from driftline.replay.explain.case import apart_of, clock
from driftline.replay.explain.plot import bars, curve
from driftline.replay.explain.telling import (
    bar_title,
    course_title,
    headline,
    moved_lines,
    other_line,
    part_name,
    since_line,
    what_of,
    where_of,
    whom,
    worded,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from driftline.replay.explain.explanation import Explanation
    from driftline.replay.summary import Found

__all__ = ["print_explanation", "print_open"]

WIDEST = 120
STATES = {
    "opened": "red",
    "updated": "yellow",
    "escalated": "red",
    "reopened": "red",
    "acknowledged": "cyan",
    "silenced": "cyan",
    "resolved": "green",
    "judged": "cyan",
}
NOTHING = "–"


def print_explanation(told: Explanation, console: Console, *, now: int | None = None) -> None:
    """Print all of it.

    Parameters
    ----------
    now
        Wall time, microseconds, to say how long ago things were; None where events are of no
        particular time (a replay).
    """
    page = _Page(console)
    _head(page, told, now)
    _parts(page, told)
    if told.histogram is not None:
        page.section(bar_title(told, told.histogram))
        for line in bars(told.histogram, page.width - 2):
            page.line(line)
    if told.course is not None:
        page.section(course_title(told.course))
        for line in curve(told.course, page.width - 2):
            page.line(line)
    elif not len(told.case.rows):
        page.section("Over time")
        page.say(f"not drawn: {told.case.rows.note}")
    _moved(page, told)
    _happened(page, told)
    _events(page, told)
    _life(page, told)
    page.section("Whether to believe it")
    page.say(f"promised: {told.promise}")
    page.say(told.drill)
    page.section("See it again")
    console.print(Text(told.replay), soft_wrap=True)


def print_open(found: list[Found], console: Console) -> None:
    """List the incidents that are open, each with the id to explain it by."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("Incident", "", "Model", "What", "Since"):
        table.add_column(name, no_wrap=name in {"Incident", "Since"}, overflow="fold")
    for each in found:
        style = "bold red" if each.severity == "page" else "yellow"
        since = Text(short_ts(each.change_point))
        table.add_row(
            Text(each.incident), Text(each.severity, style), Text(each.model, "bold"),
            Text(what_of(each)), since,
        )  # fmt: skip
    console.print(table)


class _Page:
    """Lines of a bounded width, under headings."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.width = min(console.width, WIDEST)

    def section(self, title: str) -> None:
        self._console.print()
        self.say(Text(title, style="bold"), indent=0)

    def line(self, text: Text) -> None:
        self._print(Text("  ").append_text(text))

    def say(self, text: str | Text, style: str = "", *, indent: int = 2) -> None:
        """Print a paragraph; its further lines stand under its first."""
        said = Text(text, style=style) if isinstance(text, str) else text
        for line in said.wrap(self._console, self.width - indent):
            self._print(Text(" " * indent).append_text(line))

    def rows(self, rows: Sequence[tuple[Text, ...]], *, right: tuple[int, ...] = ()) -> None:
        """Print columns, the last of which is broken into lines."""
        sizes = [max(row[at].cell_len for row in rows) for at in range(len(rows[0]) - 1)]
        before = 2 + sum(size + 2 for size in sizes)
        for row in rows:
            head = Text("  ")
            for at, size in enumerate(sizes):
                cell = row[at].copy()
                cell.align("right" if at in right else "left", size)
                head.append_text(cell).append("  ")
            for line in row[-1].wrap(self._console, max(20, self.width - before)):
                self._print(head.append_text(line))
                head = Text(" " * before)

    def _print(self, line: Text) -> None:
        line.rstrip()
        self._console.print(line, no_wrap=True, crop=False)


def _head(page: _Page, told: Explanation, now: int | None) -> None:
    found = told.case.found
    style = "bold white on red" if found.severity == "page" else "bold black on yellow"
    title = Text("").append(f" {found.severity.upper()} ", style=style)
    title.append(f" {found.model}", style="bold").append(f"  {headline(told)}")
    page.say(title, indent=0)
    state = Text("").append(told.state, style="green" if found.resolved_at else "red")
    if now is not None:
        began = max(0.0, (now - told.case.change) / 1e6)
        state.append(f", began {apart_of(began)} ago")
    runbook = told.case.last["runbook"] or "nobody has written one"
    page.rows(
        [
            (Text("state", "dim"), state),
            (Text("incident", "dim"), Text(found.incident)),
            (Text("owner", "dim"), Text(whom(told))),
            (Text("runbook", "dim"), Text(runbook)),
        ]
    )


def _parts(page: _Page, told: Explanation) -> None:
    page.section("What moved")
    shown = told.parts[:6]
    for part in shown:
        line = Text("").append(part_name(part), style="bold red" if part is shown[0] else "bold")
        page.say(line.append(f"  {part.text or part.kind}"))
        if part is shown[0] or (part.change, part.detected) != (shown[0].change, shown[0].detected):
            page.say(since_line(part), indent=4)
        for each in part.strength:
            page.say(each, "dim", indent=4)
    if len(told.parts) > len(shown):
        page.say(f"and {len(told.parts) - len(shown):,} more, see --json", style="dim")


def _moved(page: _Page, told: Explanation) -> None:
    page.section("What else moved then")
    lines = moved_lines(told)
    if lines:
        page.rows([(Text(name, "bold"), Text(psi, "dim"), Text(text)) for name, psi, text in lines])
    else:
        page.say(worded(told), style="dim")
    for other in told.others[:6]:
        page.say(other_line(other))
    if not told.others:
        page.say("no other incident began near it, of any model", style="dim")
    elif len(told.others) > 6:
        page.say(f"and {len(told.others) - 6:,} more incidents began near it", style="dim")


def _happened(page: _Page, told: Explanation) -> None:
    page.section("What happened near it")
    if not told.happened:
        page.say(
            "nothing is known: no deployment, no retraining, no new version, no dead letter",
            style="dim",
        )
        return
    page.rows(
        [
            (
                Text(clock(each.at)[5:], "dim"),
                Text(told.case.after(each.at)),
                Text(each.text).append(f"  {each.source}", style="dim"),
            )
            for each in told.happened
        ],
        right=(1,),
    )


def _events(page: _Page, told: Explanation) -> None:
    page.section("The events")
    events = told.examples.events
    page.say(told.examples.text + (":" if events else ""), style="" if events else "dim")
    if events:
        names = list(events[0].values)
        heads = ("prediction", "at", *names, "where")
        rows = [tuple(Text(head, "dim") for head in heads)]
        # Ids and places are never cut: they are what one searches for.
        rows += [
            (
                Text(event.id or NOTHING),
                Text(clock(event.at)[11:]),
                *(Text(_value(event.values[name])) for name in names),
                Text(where_of(event.place)),
            )
            for event in events
        ]
        page.rows(rows, right=tuple(range(2, 2 + len(names))))
    if events and told.case.rows.note:
        page.say(f"out of {told.case.rows.note}", style="dim")


def _value(value: object) -> str:
    if value is None:
        return "missing"
    text = str(value)  # as it came: to be searched for
    return text if len(text) <= 24 else f"{text[:23]}…"


def _life(page: _Page, told: Explanation) -> None:
    page.section("The incident so far")
    if told.forgotten:
        page.say(f"{told.forgotten:,} earlier changes are no longer on the topic", style="dim")
    rows = []
    for step in told.life:
        text = Text(step.text)
        if step.by:
            text.append(f"  by {step.by}", style="dim")
        rows.append(
            (Text(clock(step.at), "dim"), Text(step.state, STATES.get(step.state, "")), text)
        )
    page.rows(rows)
