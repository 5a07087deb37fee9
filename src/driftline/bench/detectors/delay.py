"""How soon planted changes are seen, beside the least that anybody needs."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.bench.detectors.changes import CHANGES, floor_events
from driftline.bench.detectors.law import EVENTS, draw_reference
from driftline.bench.detectors.panes import draw_panes
from driftline.bench.detectors.watched import Watched, contract_for, is_page, needs_of
from driftline.detect import budget_slots

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from driftline.bench.detectors.changes import Change
    from driftline.contract import Contract
    from driftline.stats import Pane, Reference

__all__ = ["MANY", "Batch", "Delay", "Run", "measure", "summarise"]

MANY = (1, 10)
"""Columns that change."""
SETTLED = (100, 300)
"""Slots before the change, drawn at random: detectors that never saw traffic are another matter."""
TRIES = 20
"""Settled stretches drawn until one has no (false) page."""


class Batch(NamedTuple):
    """All changes on one reference draw, some runs each."""

    number: int
    runs: int
    seed: int
    detectors: tuple[str, ...] | None
    changes: tuple[str, ...]


class Run(NamedTuple):
    """One change: slots until a page named a column that changed; None if it was missed.

    ``right`` says whether the first page after the change named one; ``redrawn`` counts the
    stretches before it that had a page.
    """

    change: str
    many: int
    slots: int | None
    right: bool
    redrawn: int


def measure(batch: Batch) -> list[Run]:
    """Plant changes; a pure function of its argument."""
    found = []
    references: dict[str, Reference] = {}
    for name in batch.changes:
        change = CHANGES[name]
        contract = contract_for(change.before.slot, None, batch.detectors)
        before = change.before.name
        if before not in references:
            rng = np.random.default_rng([batch.seed, batch.number, zlib.crc32(before.encode())])
            references[before] = draw_reference(change.before, contract, rng)
        for many in MANY:
            about = [batch.seed, batch.number, zlib.crc32(name.encode()), many]
            rng = np.random.default_rng(about)
            found += [
                _run(change, many, contract, references[before], rng) for _ in range(batch.runs)
            ]
    return found


def _run(
    change: Change, many: int, contract: Contract, reference: Reference, rng: np.random.Generator
) -> Run:
    needs = needs_of(contract)
    first = change.before.rows // EVENTS
    redrawn = 0
    while True:
        watched = Watched(contract, reference)
        stretch = int(rng.integers(*SETTLED))
        quiet = draw_panes(change.before, reference, rng, first, stretch, needs, contract.sample)
        if redrawn == TRIES or not any(pages for _, pages, _ in _watch(watched, quiet, first)):
            break
        redrawn += 1
    placed = change.place(rng, many, first + stretch)
    start = first + stretch
    panes = draw_panes(placed.law, reference, rng, start, change.horizon, needs, contract.sample)
    right: bool | None = None
    for number, pages, raised in _watch(watched, panes, start):
        if pages and right is None:
            right = pages[0] in placed.names
        if placed.names & raised:
            return Run(change.name, many, number - start + 1, bool(right), redrawn)
    return Run(change.name, many, None, False, redrawn)


def _watch(
    watched: Watched, panes: Iterable[Pane], first: int
) -> Iterator[tuple[int, list[str | None], set[str | None]]]:
    """Yield each slot with the columns its pages are named by, and all that were raised."""
    for number, pane in enumerate(panes, first):
        findings, changes = watched.step(number, pane)
        yield (
            number,
            [change.incident.feature for change in changes if is_page(change)],
            {f.feature for f in findings if f.state == "raised" and f.severity == "page"},
        )


@dataclass(frozen=True)
class Delay:
    """What the runs of one change in so many columns came to; delays in events.

    ``foretold`` is what `driftline reference check` says of the median, for one column; None where
    it says nothing.
    """

    change: Change
    many: int
    runs: tuple[Run, ...]
    arl: float
    foretold: float | None

    @property
    def events(self) -> list[float]:
        """Delays in events, ascending; infinite where it was missed."""
        return sorted(
            math.inf if run.slots is None else float(run.slots * EVENTS) for run in self.runs
        )

    def quantile(self, share: float) -> float:
        """Return the delay by which this share of the changes was seen, at least."""
        return self.events[math.ceil(share * len(self.runs)) - 1]

    @property
    def missed(self) -> float:
        """Share not seen within the horizon."""
        return sum(run.slots is None for run in self.runs) / len(self.runs)

    @property
    def right(self) -> float:
        """Share of the seen ones whose first page named a column that changed."""
        seen = [run for run in self.runs if run.slots is not None]
        return sum(run.right for run in seen) / len(seen) if seen else math.nan

    @property
    def floor(self) -> float:
        """Least events; see `floor_events`."""
        return floor_events(self.change, self.arl)

    @property
    def bar(self) -> float:
        """Events that the median may take: a multiple of the floor, plus a slot."""
        return self.change.factor * self.floor + EVENTS

    @property
    def met(self) -> bool:
        """Whether the median is within the bar, none missed, the right column first in 95 %."""
        return self.quantile(0.5) <= self.bar and not self.missed and self.right >= 0.95

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "change": self.change.name,
            "about": self.change.about,
            "columns": self.many,
            "runs": len(self.runs),
            "median_events": _finite(self.quantile(0.5)),
            "p90_events": _finite(self.quantile(0.9)),
            "missed": round(self.missed, 4),
            "right_first": _finite(round(self.right, 4)),
            "redrawn": sum(run.redrawn for run in self.runs),
            "horizon_events": self.change.horizon * EVENTS,
            "floor_events": round(self.floor, 1),
            "kl": round(self.change.kl, 6),
            "kl_formula": self.change.about_kl,
            "bar_events": round(self.bar, 1),
            "foretold_events": None if self.foretold is None else _finite(self.foretold),
            "met": self.met,
        }


def summarise(
    runs: Sequence[Run], detectors: tuple[str, ...] | None, foretold: Mapping[str, float]
) -> list[Delay]:
    """Put runs together by change and number of columns, in the order in which they first come."""
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.change, run.many), []).append(run)
    return [
        Delay(
            CHANGES[name],
            many,
            tuple(held),
            budget_slots(contract_for(CHANGES[name].before.slot, None, detectors)),
            foretold.get(name) if many == 1 else None,
        )
        for (name, many), held in groups.items()
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
