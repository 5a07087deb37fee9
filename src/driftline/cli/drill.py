"""Plant a shift into recorded traffic, in a shadow of the detectors, and see whether they ring."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli._recorded import (
    ConfigFile,
    End,
    Start,
    book_of,
    config_of,
    instant,
    watched,
)

if TYPE_CHECKING:
    from driftline.contract import PlantedShift
    from driftline.replay.drill import Held


def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="kafka://host:port/topic, or a .jsonl, .csv or .parquet file."
        ),
    ],
    contract: Annotated[list[Path], typer.Option(help="A contract; may be given several times.")],
    feature: Annotated[
        str | None, typer.Option(help="Where it is planted; any feature where left out.")
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(help="mean:+1sd, spread:x2, missing:+20%, mix:20% or new:5%."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="T", help="Event time to plant it; as soon as there is a reference."),
    ] = None,
    within: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Time of traffic in which it must ring.")
    ] = None,
    start: Start = None,
    end: End = None,
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")] = False,
) -> int:
    """Plant a shift into recorded traffic, in a shadow of the detectors, and see whether they ring.

    What is left out is taken from the contract's `drill`. The exit code is 1 where a drill did not
    ring, or could not be held to its end.
    """
    from driftline.bus.garbage import collect_rarely
    from driftline.replay.drill import hold_drill, ordered
    from driftline.replay.run import Request

    collect_rarely()
    planted = _shift(shift)
    book = ordered(
        book_of(contract),
        feature=feature,
        shift=planted,
        at=instant("--at", at),
        within=_duration(within),
    )
    request = Request(
        sources=sources,
        book=book,
        out=Path(),
        span=(instant("--from", start), instant("--to", end)),
        config=config_of(config),
    )

    held, without = watched(
        lambda progress: hold_drill(
            request, feature=feature, clock=time.monotonic, progress=progress
        ),
        "drilling",
    )
    if as_json:
        _print_json(held, without)
    else:
        _print_words(held, without)
    return 0 if held and all(each.drilled.rang for each in held) and not without else 1


def _shift(text: str | None) -> PlantedShift | None:
    from driftline.contract.kinds import SHIFT
    from driftline.errors import UsageError

    if text is None:
        return None
    try:
        planted: PlantedShift = SHIFT.parse(text)
    except ValueError:
        msg = f"--shift: expected {SHIFT.expected}, got {text!r}"
        raise UsageError(msg) from None
    return planted


def _duration(text: str | None) -> int | None:
    from driftline.contract.quantities import parse_duration
    from driftline.errors import UsageError

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError:
        msg = f"--within: expected a duration such as 30m, 2h or 7d, got {text!r}"
        raise UsageError(msg) from None


def _print_json(held: list[Held], without: dict[str, str]) -> None:
    from dataclasses import asdict

    import orjson

    drills = [asdict(each.drilled) | {"foreseen": _expected(each)} for each in held]
    body = {"drills": drills, "without": without}
    sys.stdout.write(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n")


def _expected(held: Held) -> dict[str, int | None] | None:
    """Return after how many events the alarm was to be expected: mostly, and nine times of ten."""
    if held.foreseen is None:
        return None
    return {"events": held.foreseen.events, "events_late": held.foreseen.events_late}


def _print_words(held: list[Held], without: dict[str, str]) -> None:
    from rich.console import Console

    from driftline.replay.words import print_drill

    console = Console(highlight=False)
    for each in held:
        print_drill(each.drilled, console)
        expected = _expected(each)
        if expected is not None:
            usual, late = (
                "never" if n is None else f"after {n:,} events" for n in expected.values()
            )
            line = f"  foreseen: {usual} mostly, {late} at the latest nine times of ten"
            console.print(line, soft_wrap=True)
    for model, why in without.items():
        console.print(f"{model}: no drill: {why}", markup=False, soft_wrap=True)
