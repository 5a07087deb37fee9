"""Drills: those a replay has met, and one that is held on purpose over recorded traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import structs

from driftline.contract import Book, Drill
from driftline.contract.quantities import parse_shift
from driftline.detect import ParameterError
from driftline.detect.foresee import foresee
from driftline.errors import UsageError
from driftline.replay.run import Request, replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.contract import PlantedShift
    from driftline.detect.foresight import Foreseen
    from driftline.replay.summary import Drilled, Summary

__all__ = ["Held", "hold_drill", "ordered"]


@dataclass(frozen=True, slots=True)
class Held:
    """A drill that came to its end, and what was to be expected of it.

    Attributes
    ----------
    foreseen
        By simulation from the reference; None where `evidence` is not among the detectors.
    """

    drilled: Drilled
    foreseen: Foreseen | None


def ordered(
    book: Book,
    *,
    feature: str | None = None,
    shift: PlantedShift | None = None,
    at: int | None = None,
    within: int | None = None,
) -> Book:
    """Return the contracts with one drill each instead of those that come by themselves.

    Parameters
    ----------
    feature, shift, within
        What the contract (or its default) says where left out; `within` in microseconds.
    at
        Event time, microseconds; as soon as the model is judged where left out.
    """
    contracts = []
    for contract in book:
        plan = contract.drill or Drill()
        drill = Drill(
            shifts=plan.shifts if shift is None else (shift,),
            features=plan.features if feature is None else (feature,),
            within=plan.within if within is None else within,
            at=at,
        )
        contracts.append(structs.replace(contract, drill=drill))
    return Book(tuple(contracts))


def hold_drill(
    request: Request,
    *,
    feature: str | None = None,
    clock: Callable[[], float],
    progress: Callable[[int, int], None],
) -> tuple[list[Held], dict[str, str]]:
    """Replay traffic with the drills that `ordered` has put into its contracts.

    Returns
    -------
    outcomes
        One for each drill that came to an end.
    without
        Why there is none, by model.

    Raises
    ------
    UsageError
        There is no such feature.
    """
    with TemporaryDirectory(prefix="driftline-drill-") as folder:
        out = Path(folder)
        quiet = replace(request, out=out, report=False)
        summary = replay(quiet, clock=clock, progress=progress)
        names = _columns(out / "windows.jsonl")
    if feature is not None and names and feature not in names:
        msg = f"--feature: expected one of {', '.join(sorted(names))}, got {feature!r}"
        raise UsageError(msg)
    held = [Held(drilled, _foreseen(drilled, request.book, summary)) for drilled in summary.drills]
    met = {drilled.model for drilled in summary.drills}
    without = {m: _why(m, summary) for m in request.book.models if m not in met}
    return held, without


def _foreseen(drilled: Drilled, book: Book, summary: Summary) -> Foreseen | None:
    reference = summary.references[drilled.model]
    rows = drilled.events / drilled.slots
    shift = parse_shift(drilled.shift)
    try:
        told = foresee(
            reference, book.of(drilled.model), rows, only=[drilled.feature], shifts=[shift]
        )
    except ParameterError:
        return None
    return next(iter(told.found), None)


def _why(model: str, summary: Summary) -> str:
    rows = summary.warming_up.get(model)
    if rows is not None:
        return f"{rows:,} rows came, too few for a reference"
    return "the traffic ended before it did, or no feature is well and fits a shift"


def _columns(windows: Path) -> set[str]:
    names: set[str] = set()
    with windows.open("rb") as file:
        for line in file:
            window: dict[str, Any] = orjson.loads(line)
            names.update(window.get("features", ()))
    return names
