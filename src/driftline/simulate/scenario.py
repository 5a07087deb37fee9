"""A scenario: models, faults, rate and seed, read as a stream of encoded events."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from driftline.contract.quantities import parse_instant
from driftline.simulate.block import Block, merge, recut
from driftline.simulate.errors import ScenarioError
from driftline.simulate.fault_checks import check_faults
from driftline.simulate.kinds import FOLLOWING, Following
from driftline.simulate.stream import Later, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.events.frame import EventType
    from driftline.simulate.faults import Fault
    from driftline.simulate.traffic import Traffic

__all__ = ["FOLLOWING", "START_US", "Following", "Scenario"]

START_US = parse_instant("2026-03-02T00:00:00Z")
"""Where event time begins unless said otherwise: a Monday, midnight."""

CHUNK_ROWS = 4_096
CHUNK_ROWS_OF_ALL = 65_536


@dataclass(frozen=True)
class Scenario:
    """Seeded traffic of some models with planted faults.

    Attributes
    ----------
    rate
        Predictions of each model in a second of event time, on average (arrivals are Poisson).
    duration
        Length in event time, microseconds; None has no end. What would follow a prediction after
        the end is not sent.
    events
        Most events to make in all; None has no limit.
    following
        Which events follow predictions; ``features`` are rows as training recomputes them.
    label_delay
        Mean time from a prediction to its label, microseconds, where no fault says otherwise.
    segment
        Categorical features whose values predictions carry as their segment too; models that have
        none of them send no segment.

    Raises
    ------
    ScenarioError
        For a scenario that makes no sense, with everything that is wrong.
    """

    models: tuple[Traffic, ...]
    faults: tuple[Fault, ...] = ()
    start: int = START_US
    rate: float = 200.0
    seed: int = 1
    duration: int | None = 3_600_000_000
    events: int | None = None
    following: frozenset[Following] = field(default_factory=frozenset)
    label_delay: int = 300_000_000
    segment: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        checks = {
            "models: expected at least one": not names,
            f"models: each once, got {', '.join(twice)} twice": bool(twice),
            f"rate: expected above 0 and at most 1e6 a second, got {self.rate:g}": not (
                0 < self.rate <= 1e6
            ),
            f"seed: expected 0 or more, got {self.seed}": self.seed < 0,
            "duration: expected more than nothing": self.duration is not None
            and self.duration <= 0,
            "events: expected more than nothing": self.events is not None and self.events <= 0,
            "label_delay: expected more than nothing": self.label_delay <= 0,
        }
        known = {f.name for m in self.models for f in m.features if f.kind == "categorical"}
        for name in self.segment:
            wants = ", ".join(sorted(known)) or "none"
            checks[f"segment: expected categorical features ({wants}), got {name!r}"] = (
                name not in known
            )
        wrong = [text for text, is_so in checks.items() if is_so]
        if wrong:
            raise ScenarioError("\n".join(wrong))
        check_faults(self.faults, self.models, self.following)

    @property
    def end(self) -> int | None:
        """Event time of the end, microseconds since the epoch; None has no end."""
        return None if self.duration is None else self.start + self.duration

    @property
    def types(self) -> list[EventType]:
        """Types of event that there will be: predictions, what follows, and word of trainings."""
        types: list[EventType] = ["prediction", *sorted(self.following)]
        if any(fault.kind == "retrain" for fault in self.faults):
            types.append("lifecycle")
        return types

    @property
    def span(self) -> int:
        """Length of a chunk of event time, microseconds: a few thousand rows of each model."""
        rows = min(CHUNK_ROWS, max(64, CHUNK_ROWS_OF_ALL // len(self.models)))
        return max(1, round(rows / self.rate * 1e6))

    @property
    def expected_events(self) -> int | None:
        """About how many events there will be; None where there is no end."""
        if self.duration is None:
            return self.events
        predictions = self.rate * len(self.models) * self.duration / 1e6
        whole = round(predictions * (1 + len(self.following)))
        return whole if self.events is None else min(whole, self.events)

    def blocks(self, size: int = 5_000) -> Iterator[Block]:
        """Make the events in order of event time, `size` at a time.

        The events are the same for every `size`.
        """
        left = self.events
        for block in recut(self._chunks(), size):
            if left is None:
                yield block
                continue
            if left <= block.size:
                yield block.part(0, left)
                return
            left -= block.size
            yield block

    def _chunks(self) -> Iterator[Block]:
        span, end = self.span, self.end
        later = Later(frozenset(self.following), self.label_delay)
        streams = [
            Stream(
                model,
                [fault for fault in self.faults if fault.model == model.name],
                self.start,
                self.rate,
                self.seed,
                later,
                self.segment,
            )
            for model in self.models
        ]
        # Events wait in the chunk of their own time, so each is looked at once however late it is.
        waiting: defaultdict[int, list[Block]] = defaultdict(list)
        number = 0
        while end is None or self.start + number * span < end:
            due = waiting.pop(number, [])
            for stream in streams:
                for block in stream.chunk(number, span):
                    for at, part in self._spread(block, span):
                        (due if at == number else waiting[at]).append(part)
            if due:
                whole = merge(due)
                if end is not None:
                    whole = whole.part(0, int(np.searchsorted(whole.ts, end)))
                yield whole
            number += 1

    def _spread(self, block: Block, span: int) -> Iterator[tuple[int, Block]]:
        """Cut a block, ascending in time, at the borders of chunks."""
        at = (block.ts - self.start) // span
        if not at.size:
            return
        if at[0] == at[-1]:
            yield int(at[0]), block
            return
        cuts = [0, *(np.flatnonzero(np.diff(at)) + 1).tolist(), at.size]
        for first, last in pairwise(cuts):
            yield int(at[first]), block.part(first, last)
