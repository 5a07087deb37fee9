"""A whole run: how much of everything, what it will take, and what it found."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from driftline.bench.cores import Cores
from driftline.bench.detectors.laws import LAWS, MONTHS
from driftline.bench.detectors.pool import run_all
from driftline.bench.detectors.promise import Outcome, Promise, Stream, find, gather, plan, watch
from driftline.bench.machine import describe
from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["FULL", "QUICK", "Found", "Size", "run"]


@dataclass(frozen=True)
class Size:
    """How much is run.

    Attributes
    ----------
    slots, streams
        For each law at one page in 4,000 slots: slots, and references drawn.
    month_slots, month_streams
        For each law at one page in 30 days; 43,200 slots are a model-month.
    """

    slots: int
    streams: int
    month_slots: int
    month_streams: int


FULL = Size(slots=400_000, streams=40, month_slots=20 * 43_200, month_streams=20)
QUICK = Size(slots=8_000, streams=2, month_slots=8_000, month_streams=2)


@dataclass(frozen=True)
class Found:
    """Everything a run found."""

    machine: str
    quick: bool
    seed: int
    detectors: str
    promise: Promise
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "bench": "detectors",
            "machine": self.machine,
            "quick": self.quick,
            "seed": self.seed,
            "detectors": self.detectors,
            "seconds": round(self.seconds, 1),
            "promise": self.promise.as_json(),
        }


def run(
    laws: Sequence[str] | None,
    *,
    quick: bool,
    processes: int,
    detectors: tuple[str, ...] | None,
    seed: int,
    notify: Callable[[str], None],
    slots: int | None = None,
) -> Found:
    """Watch laws for false pages.

    Parameters
    ----------
    laws
        None for all.
    slots
        For each law, in the place of what `quick` says.
    detectors
        None for the contract's default.

    Raises
    ------
    UsageError
        A law that is not known.
    """
    begun = time.monotonic()
    size = QUICK if quick else FULL
    if slots is not None:
        size = replace(size, slots=slots, month_slots=slots)
    known: Mapping[str, Any] = {**LAWS, **MONTHS}
    for name in laws or ():
        if name not in known:
            msg = f"--laws: expected some of {', '.join(known)}, got {name}"
            raise UsageError(msg)
    names = list(known) if laws is None else list(dict.fromkeys(laws))
    short, long = [n for n in names if n in LAWS], [n for n in names if n in MONTHS]
    streams = [
        *plan(short, size.slots, size.streams, seed, detectors),
        *plan(long, size.month_slots, size.month_streams, seed, detectors),
    ]
    notify(_forecast(streams, processes))
    promise = gather(run_all(watch, streams, processes, _Progress(streams, notify)))
    return Found(
        describe(Cores(frozenset(), frozenset())),
        quick,
        seed,
        "default" if detectors is None else ", ".join(detectors),
        promise,
        time.monotonic() - begun,
    )


def _forecast(streams: Sequence[Stream], processes: int) -> str:
    """Measure what slots and references cost here, and say what all will take."""
    trials: dict[str, tuple[float, float]] = {}
    for stream in streams:
        kind = _costs_like(stream.law)
        if kind not in trials:
            # The law of that kind with the smallest reference will do.
            name = {"independent": "rows500", "dependent": "ar.5", "season": "daily"}[kind]
            trial = watch(stream._replace(law=name, slots=200))
            spent = trial.draw_s + trial.detect_s
            trials[kind] = spent / 200, trial.reference_s / find(name).rows
    seconds = 0.0
    for stream in streams:
        a_slot, a_row = trials[_costs_like(stream.law)]
        seconds += a_slot * stream.slots + a_row * find(stream.law).rows
    slots = sum(stream.slots for stream in streams)
    return (
        f"{slots:,} slots in {len(streams)} streams, about {seconds / processes / 60:.1f} minutes "
        f"on {processes} cores that have nothing else to do"
    )


def _costs_like(name: str) -> str:
    law = find(name)
    if law.season is not None:
        return "season"
    return "independent" if law.dependence is None else "dependent"


class _Progress:
    """Tells of a law when all of its streams are done."""

    def __init__(self, streams: Sequence[Stream], notify: Callable[[str], None]) -> None:
        self._left = Counter(stream.law for stream in streams)
        self._held: dict[str, list[Outcome]] = {}
        self._notify = notify

    def __call__(self, outcome: Outcome) -> None:
        held = self._held.setdefault(outcome.law, [])
        held.append(outcome)
        self._left[outcome.law] -= 1
        if not self._left[outcome.law]:
            (kept,) = gather(held).laws
            self._notify(
                f"{kept.law}: {kept.achieved} pages in {kept.slots:,} slots, "
                f"{kept.promised:.3g} promised: {kept.verdict}"
            )
