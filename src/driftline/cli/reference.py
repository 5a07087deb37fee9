"""Build the reference that "normal" is measured against, show it, check what it will see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline.cli._configured import configured

if TYPE_CHECKING:
    from rich.table import Table

    from driftline.contract import Contract
    from driftline.stats import Column, Reference

app = typer.Typer(add_completion=False, no_args_is_help=True)

ContractFile = Annotated[Path, typer.Argument(help="The contract; its `reference` says from what.")]
OtherSource = Annotated[
    str | None,
    typer.Option("--from", help="A file or kafka://host:port/topic, not the contract's."),
]
OneModel = Annotated[
    str | None, typer.Option(help="Which model, where the file holds several contracts.")
]

SHOWN_LEVELS = 5
WIDE = 140


@app.command()
def build(
    contract: ContractFile,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to write; MODEL.reference.json.")
    ] = None,
    source: OtherSource = None,
    model: OneModel = None,
    config: Annotated[
        Path | None, typer.Option(help="driftline.yaml: how to reach the brokers.")
    ] = None,
) -> None:
    """Build a reference and save it as JSON.

    A contract names the saved file as `reference: {from: file, path: FILE}`, so that every worker
    and every replay measures against the same numbers. Where it is too short it says so.
    """
    from driftline.cli._segments import in_sentences
    from driftline.detect import Tolerances
    from driftline.detect.footing import ABOUT_LENGTH, caveats, footings
    from driftline.replay.references import build_reference

    planned = _contract(contract, model)
    reference = build_reference(planned, source, configured(config, None, None))
    target = out or Path(f"{planned.model}.reference.json")
    target.write_bytes(reference.to_json())
    typer.echo(
        f"{target}: {reference.id}, {len(reference.columns)} columns of {reference.events:,} rows"
    )
    told = footings(reference, planned, Tolerances())
    for caveat in caveats(reference, planned, told):
        if caveat.code in ABOUT_LENGTH:
            typer.echo(f"note: {caveat.text}", err=True)
    for sentence in in_sentences(planned, reference):
        typer.echo(sentence)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A saved reference.")],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print it as JSON, without its bins.")
    ] = False,
) -> None:
    """Print what a saved reference holds normal, column by column."""
    from rich.console import Console

    from driftline.errors import UsageError
    from driftline.stats import Reference

    if not file.is_file():
        msg = f"{file}: no such file"
        raise UsageError(msg)
    reference = Reference.from_json(file.read_bytes())
    if as_json:
        import orjson

        typer.echo(orjson.dumps(_as_json(reference), option=orjson.OPT_INDENT_2).decode())
        return
    slots = f", {reference.slots:,} slots" if reference.slots else ", rows without time"
    kept = f", {len(reference.segments)} segments" if reference.segments else ""
    typer.echo(f"{reference.model}  {reference.id}  {reference.events:,} rows{slots}{kept}")
    console = Console(highlight=False)
    if not console.is_terminal:
        # Where nobody looks (a pipe, a log) there is no width to keep to.
        console = Console(highlight=False, width=WIDE)
    console.print(_table(reference))


@app.command()
def check(
    contract: ContractFile,
    *,
    source: OtherSource = None,
    model: OneModel = None,
    features: Annotated[
        list[str] | None,
        typer.Option("--feature", metavar="NAME", help="Only this one; may be repeated."),
    ] = None,
    events_per_slot: Annotated[
        float | None,
        typer.Option(min=0.001, help="Traffic; the reference's own, or else sla.min_rate."),
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How long a shift may take to be found, as 2d."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same table.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="HTML page to write, with plots.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="driftline.yaml: how to reach the brokers.")
    ] = None,
) -> None:
    """Foretell what the alarm will see, after how many events, and what never.

    The model's own detector is run on traffic like the reference's, with shifts planted into each
    feature, at the contract's budget. Shifts are named as in a contract's `drill`. It also says
    where the reference is too short, and what that hides.
    """
    from rich.console import Console

    from driftline.cli._foresee import foretell
    from driftline.cli._segments import as_json as segments_of
    from driftline.cli._segments import in_sentences
    from driftline.replay.references import build_reference

    planned = _contract(contract, model)
    reference = build_reference(planned, source, configured(config, None, None))
    told = foretell(planned, reference, events_per_slot, horizon, features or [], seed)
    if report is not None:
        from driftline.replay.foretold_page import write_page

        write_page(report, told)
    if as_json:
        import orjson

        from driftline.replay.foretold import as_json as json_of

        body = json_of(told) | {"segments": segments_of(planned, reference)}
        typer.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
        return
    from driftline.replay.foretold import print_told

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    print_told(told, console)
    for sentence in in_sentences(planned, reference):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    if report is not None:
        typer.echo(f"\n{report}")


def _contract(path: Path, model: str | None) -> Contract:
    from driftline.contract import load
    from driftline.errors import UsageError

    book = load([path])
    if model is None and len(book) == 1:
        return next(iter(book))
    if model is None or model not in book:
        msg = f"{path}: expected --model, one of {', '.join(book.models)}"
        raise UsageError(msg)
    return book.of(model)


def _table(reference: Reference) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("feature", "kind", "rows", "missing", "mean", "sd", NORMAL):
        table.add_column(title, justify="left" if title in _LEFT else "right", overflow="fold")
    for column in reference.columns:
        told = _describe(column)
        table.add_row(
            escape(column.name),
            column.kind,
            f"{told['rows']:,}",
            f"{told['missing'] / max(1, told['rows']):.1%}",
            *(("", "") if not column.numeric else (f"{column.mean:.4g}", f"{column.sd:.4g}")),
            escape(_normal(told)),
        )
    return table


NORMAL = "5 %, median, 95 %; or levels"
_LEFT = ("feature", "kind", NORMAL)


def _normal(told: dict[str, Any]) -> str:
    if "quantiles" in told:
        low, middle, high = (told["quantiles"][at] for at in ("0.05", "0.5", "0.95"))
        return f"{low:.4g} … {middle:.4g} … {high:.4g}"
    levels = told["levels"]
    shown = ", ".join(f"{name} {share:.1%}" for name, share in list(levels.items())[:SHOWN_LEVELS])
    return shown + (f", … ({len(levels)} levels)" if len(levels) > SHOWN_LEVELS else "")


def _describe(column: Column) -> dict[str, Any]:
    from driftline.stats.summary import column_quantiles

    counts = column.counts
    told: dict[str, Any] = {
        "rows": int(counts.sum()),
        "missing": int(counts[-1]),
    }
    if column.numeric:
        told |= {
            "mean": column.mean,
            "sd": column.sd,
            "minimum": column.minimum,
            "maximum": column.maximum,
            "quantiles": column_quantiles(column),
        }
        return told
    values = max(1, int(counts[:-1].sum()))
    shares = (counts[: column.bins] / values).tolist()
    pairs = sorted(zip(column.categories, shares, strict=True), key=lambda pair: -pair[1])
    return {**told, "levels": dict(pairs)}


def _as_json(reference: Reference) -> dict[str, Any]:
    from driftline.stats import in_words

    return {
        "id": reference.id,
        "model": reference.model,
        "events": reference.events,
        "slots": reference.slots,
        "columns": {c.name: {"kind": c.kind, **_describe(c)} for c in reference.columns},
        "segments": {in_words(s): own.events for s, own in reference.segments.items()},
    }
