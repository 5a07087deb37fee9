"""Review a model: is it good, is it used, is it worth it, who owns it; one page."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli._configured import configured

if TYPE_CHECKING:
    from rich.table import Table

    from driftline.replay.review import Answer, Facts

STYLES = {
    "good": "green",
    "look at this": "yellow",
    "bad": "red",
    "cannot be told yet": "blue",
    "nobody has said": "magenta",
}


def command(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    contract: Annotated[
        list[Path] | None, typer.Option(help="Contracts, beside those of the configuration.")
    ] = None,
    outputs: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A folder that a replay has written; the live topics if left out."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="driftline.yaml, for the live topics.")
    ] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Brokers, host:port.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page to this file as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Review a model: is it good, is it used, is it worth it, who owns it; one page.

    Answers five questions from what driftline has published of the model: who owns it and who
    monitors it; when it was last retrained, and why; what decisions it changes and whether they
    beat what was done before; what happens when it is wrong; who would notice if it were switched
    off. Each answer has its evidence and a verdict; "nobody has said" is one.
    """
    from driftline.replay.review import answers, page

    facts = _facts(model, contract or [], outputs, config, bootstrap)
    found = answers(facts)
    if html is not None:
        html.write_text(page(facts, found), encoding="utf-8")
    if as_json:
        told = {"model": model, "answers": [each.to_json() for each in found]}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    _print(model, found)


def _facts(
    model: str,
    named: list[Path],
    outputs: Path | None,
    config: Path | None,
    bootstrap: str | None,
) -> Facts:
    from driftline.cli._book import load_book
    from driftline.replay.review import read_facts

    effective = configured(config, bootstrap, None)
    contract = load_book(effective, [str(path) for path in named]).of(model)
    if outputs is not None:
        return read_facts(outputs, contract)
    from driftline.bus.readership import readers
    from driftline.replay.export import export

    with tempfile.TemporaryDirectory(prefix="driftline-review-") as folder:
        export(effective.broker, effective.prefix, Path(folder))
        facts = read_facts(Path(folder), contract)
    facts.readers = readers(effective.broker, effective.topic("alerts"))
    return facts


def _print(model: str, found: list[Answer]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold]{escape(model)}[/bold]\n")
    for answer in found:
        style = STYLES[answer.verdict]
        console.print(
            f"[bold]{escape(answer.question)}[/bold]  [{style}]{answer.verdict}[/{style}]"
        )
        console.print(escape(answer.text))
        for each in answer.evidence:
            console.print(f"  · {escape(each.text)} [dim]{each.source}[/dim]")
            if each.rows:
                console.print(_table(each.rows))
        console.print()


def _table(rows: tuple[tuple[str, ...], ...]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for at, name in enumerate(rows[0]):
        table.add_column(escape(name if at else f"    {name}"), justify="right" if at else "left")
    for first, *rest in rows[1:]:
        table.add_row(*map(escape, (f"    {first}", *rest)))
    return table
