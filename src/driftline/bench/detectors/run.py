"""A whole run: what is asked for, cut into pieces, and what it found."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.bench.cores import Cores
from driftline.bench.detectors import by_hand, delay, foretold, promise, windows
from driftline.bench.detectors.changes import CHANGES
from driftline.bench.detectors.invariance import compare
from driftline.bench.detectors.laws import LAWS, MONTHS
from driftline.bench.detectors.pool import run_all
from driftline.bench.detectors.size import FULL, QUICK, forecast
from driftline.bench.machine import describe
from driftline.contract import DAY
from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from driftline.bench.detectors.by_hand import ByHand
    from driftline.bench.detectors.delay import Delay
    from driftline.bench.detectors.invariance import Same
    from driftline.bench.detectors.promise import Kept, Outcome, Stream
    from driftline.bench.detectors.size import Size
    from driftline.bench.detectors.windows import Judged

__all__ = ["Asked", "Found", "run"]

MONTH = 30 * DAY
"""A model-month, microseconds."""
SILENT_S = 60.0
"""Seconds after which a law that is not done yet is told of."""


@dataclass(frozen=True)
class Asked:
    """What is to be run.

    Attributes
    ----------
    laws, changes
        By name; None and None for everything, otherwise only what is named.
    detectors
        None for the contract's default.
    slots
        For each law, in the place of what `quick` says.
    libraries
        Whether Evidently and NannyML judge windows as well, as they do in a full run.
    """

    laws: Sequence[str] | None = None
    changes: Sequence[str] | None = None
    quick: bool = False
    detectors: tuple[str, ...] | None = None
    seed: int = 1
    slots: int | None = None
    processes: int = 1
    libraries: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing was named."""
        return self.laws is None and self.changes is None

    @property
    def size(self) -> Size:
        """How much is run."""
        return QUICK if self.quick else FULL

    def slots_of(self, law: str) -> int:
        """Return for how many slots a law is watched."""
        if self.slots is not None:
            return self.slots
        if law in MONTHS:
            return int(self.size.months * MONTH) // MONTHS[law].slot
        return self.size.slots


@dataclass(frozen=True)
class Found:
    """Everything a run found."""

    machine: str
    asked: Asked
    promise: list[Kept]
    units: list[Same]
    delays: list[Delay]
    by_hand: list[ByHand]
    judged: list[Judged]
    left_out: dict[str, str]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "bench": "detectors",
            "machine": self.machine,
            "quick": self.asked.quick,
            "seed": self.asked.seed,
            "detectors": list(self.asked.detectors or ()) or "default",
            "seconds": round(self.seconds, 1),
            "promise": [law.as_json() for law in self.promise],
            "units": [same.as_json() for same in self.units],
            "delays": [each.as_json() for each in self.delays],
            "by_hand": [each.as_json() for each in self.by_hand],
            "windows": [each.as_json() for each in self.judged],
            "left_out": self.left_out,
        }


def run(asked: Asked, notify: Callable[[str], None]) -> Found:
    """Watch laws for false pages, and plant changes.

    Raises
    ------
    UsageError
        A law or a change that is not known.
    """
    begun = time.monotonic()
    size, seed, processes = asked.size, asked.seed, asked.processes
    names = _chosen("--laws", asked.laws, [*LAWS, *MONTHS], everything=asked.everything)
    changes = _chosen("--changes", asked.changes, list(CHANGES), everything=asked.everything)
    streams = [
        stream
        for name in names
        for most in [size.month_streams if name in MONTHS else size.streams]
        for stream in promise.plan(name, asked.slots_of(name), most, seed, asked.detectors)
    ]
    batches = [
        delay.Batch(number, size.runs, seed, asked.detectors, tuple(changes))
        for number in range(size.references if changes else 0)
    ]
    known = tuple(change for change in changes if CHANGES[change].planted is not None)
    foreseeing = known and "evidence" in (asked.detectors or ("evidence",))
    asks = [
        foretold.Asked(number, seed, asked.detectors, known)
        for number in range(size.foretold if foreseeing else 0)
    ]
    tried_by_hand = [change for change in changes if change in by_hand.UNIVARIATE]
    tasks = [
        by_hand.Task(method, change, size.by_hand, seed)
        for method in by_hand.METHODS
        for change in (None, *tried_by_hand)
        if tried_by_hand
    ]
    notify(forecast(streams, batches, processes))
    outcomes = run_all(promise.watch, streams, processes, _Progress(streams, notify))
    units = compare(seed, asked.detectors) if asked.everything else []
    planted = run_all(delay.measure, batches, processes, _counting("changes", batches, notify))
    tried = run_all(by_hand.measure, tasks, processes, _counting("river by hand", tasks, notify))
    told = run_all(foretold.ask, asks, processes, _counting("foretold", asks, notify))
    delays = delay.summarise(
        [each for batch in planted for each in batch],
        asked.detectors,
        foretold.gather([each for asked_ in told for each in asked_]),
    )
    judged: list[Judged] = []
    left_out: dict[str, str] = {}
    if asked.libraries or (asked.everything and not asked.quick):
        judged, left_out = windows.judge(_sizes(delays), size.windows, seed, notify)
    return Found(
        describe(Cores(frozenset(), frozenset())),
        asked,
        promise.gather(outcomes),
        units,
        delays,
        by_hand.summarise(tried),
        judged,
        left_out,
        time.monotonic() - begun,
    )


def _sizes(delays: Sequence[Delay]) -> dict[str, int]:
    """Return the events after which driftline has mostly seen a change in one column."""
    return {
        each.change.name: int(each.quantile(0.5))
        for each in delays
        if each.many == 1
        and each.change.name in windows.JUDGED
        and math.isfinite(each.quantile(0.5))
    }


def _chosen(
    option: str, asked: Sequence[str] | None, known: Collection[str], *, everything: bool
) -> list[str]:
    for name in asked or ():
        if name not in known:
            msg = f"{option}: expected some of {', '.join(known)}, got {name}"
            raise UsageError(msg)
    if everything:
        return list(known)
    return list(dict.fromkeys(asked or ()))


class _Progress:
    """Tells of a law when all of its streams are done, and of one that takes long once a minute."""

    def __init__(self, streams: Sequence[Stream], notify: Callable[[str], None]) -> None:
        self._left = Counter(stream.law for stream in streams)
        self._held: dict[str, list[Outcome]] = {}
        self._notify = notify
        self._told = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        held = self._held.setdefault(outcome.law, [])
        held.append(outcome)
        self._left[outcome.law] -= 1
        left = self._left[outcome.law]
        if left and time.monotonic() - self._told < SILENT_S:
            return
        (kept,) = promise.gather(held)
        self._notify(
            f"{kept.law}: {kept.achieved} pages in {kept.slots:,} slots, "
            f"{kept.promised:.3g} promised: "
            + (f"{left} of {left + len(held)} streams to go" if left else kept.verdict)
        )
        self._told = time.monotonic()


def _counting(
    what: str, pieces: Sequence[object], notify: Callable[[str], None]
) -> Callable[[object], None]:
    """Tell at every tenth part of the pieces."""
    done = 0

    def count(_: object) -> None:
        nonlocal done
        done += 1
        if done * 10 // len(pieces) > (done - 1) * 10 // len(pieces):
            notify(f"{what}: {done} of {len(pieces)}")

    return count
