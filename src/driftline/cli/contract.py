"""Check contracts before anything relies on them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.contract import gaps, json_schema, survey
from driftline.errors import UsageError

if TYPE_CHECKING:
    from driftline.contract import Entry, Fault, Gap

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command()
def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Contract files.", exists=True, show_default=False),
    ],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on gaps, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    today: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Judge dates as of this day.", show_default="today"),
    ] = None,
) -> int:
    """List every fault of contract files, and what they leave open.

    Faults make it fail (exit code 1). Gaps are what a responsible deployment
    would have settled: an owner, a runbook, a fallback, a review date.
    """
    day = _day(today)
    entries, faults = survey(files)
    found = [(entry, gaps(entry.contract, day)) for entry in entries]
    open_gaps = sum(len(each) for _, each in found)
    failed = bool(faults) or (strict and open_gaps > 0)
    if as_json:
        typer.echo(json.dumps(_report(found, faults, ok=not failed), indent=2))
    else:
        _print(found, faults)
    return int(failed)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a contract, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2))


def _day(text: str | None) -> dt.date:
    if text is None:
        return dt.datetime.now(dt.UTC).date()
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        msg = f"--today: expected a date such as 2027-06-01, got {text!r}"
        raise UsageError(msg) from None


def _print(found: list[tuple[Entry, list[Gap]]], faults: list[Fault]) -> None:
    for fault in faults:
        typer.echo(f"{typer.style('fault', fg='red', bold=True)}  {fault}")
    for entry, open_gaps in found:
        for gap in open_gaps:
            mark = typer.style("gap", fg="yellow", bold=True)
            typer.echo(f"{mark}    {entry.file}:{entry.line}: {gap.path}: {gap.text}")
    if faults or any(open_gaps for _, open_gaps in found):
        typer.echo("")
    for entry, open_gaps in found:
        model, fingerprint = entry.contract.model, entry.contract.fingerprint
        state = f"no faults, {_count(len(open_gaps), 'gap')}"
        typer.echo(f"{model} ({entry.file}): {state}, fingerprint {fingerprint}")
    if faults:
        files = len({fault.file for fault in faults})
        typer.echo(f"{_count(len(faults), 'fault')} in {_count(files, 'file')}")


def _count(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _report(
    found: list[tuple[Entry, list[Gap]]], faults: list[Fault], *, ok: bool
) -> dict[str, Any]:
    return {
        "ok": ok,
        "contracts": [
            {
                "model": entry.contract.model,
                "file": entry.file,
                "line": entry.line,
                "fingerprint": entry.contract.fingerprint,
                "gaps": [
                    {"code": gap.code, "path": gap.path, "text": gap.text} for gap in open_gaps
                ],
            }
            for entry, open_gaps in found
        ],
        "faults": [
            {
                "file": fault.file,
                "line": fault.line,
                "column": fault.column,
                "path": fault.path,
                "expected": fault.expected,
                "got": fault.got,
                "message": fault.message,
            }
            for fault in faults
        ],
    }
