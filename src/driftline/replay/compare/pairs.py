"""Alarms of two contracts that tell of the same thing: which came sooner, and which alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.replay.compare.score import Alarm

__all__ = ["Pair", "pairs_of"]

FOREVER = 2**62


@dataclass(frozen=True)
class Pair:
    """An alarm of the first contract, of the other, or of both."""

    first: Alarm | None
    other: Alarm | None

    @property
    def later(self) -> int | None:
        """By how much the other comes later, microseconds; negative: sooner. None for one alone."""
        if self.first is None or self.other is None:
            return None
        return _when(self.other) - _when(self.first)

    @property
    def at(self) -> int:
        """When the sooner of both told of it."""
        return min(_when(alarm) for alarm in (self.first, self.other) if alarm is not None)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "first": None if self.first is None else self.first.incident,
            "this": None if self.other is None else self.other.incident,
            "later_s": None if self.later is None else self.later / 1e6,
        }


def pairs_of(first: Sequence[Alarm], other: Sequence[Alarm]) -> list[Pair]:
    """Return all alarms of two contracts, in order of time; each is in one pair.

    Two tell of the same thing where they are of one model, have a column and a kind in common, and
    lasted at the same time. Of several the nearest goes with the earliest.
    """
    left = list(other)
    pairs = []
    for alarm in first:
        alike = [each for each in left if _alike(alarm, each)]
        found = min(alike, key=lambda each: abs(_when(each) - _when(alarm)), default=None)
        if found is not None:
            left.remove(found)
        pairs.append(Pair(alarm, found))
    pairs += [Pair(None, each) for each in left]
    return sorted(pairs, key=lambda pair: pair.at)


def _when(alarm: Alarm) -> int:
    return alarm.at if alarm.paged_at is None else alarm.paged_at


def _alike(one: Alarm, two: Alarm) -> bool:
    if one.model != two.model or not one.about & two.about:
        return False
    began, ended = zip(*(_span(alarm) for alarm in (one, two)), strict=True)
    return max(began) <= min(ended)


def _span(alarm: Alarm) -> tuple[int, int]:
    return min(alarm.change, alarm.at), FOREVER if alarm.resolved is None else alarm.resolved
