"""Segments in the ledger: which of them sums are kept apart by, and what they are called.

A segment is the combination of all that an event's ``segment`` holds. Labels, decisions and
outcomes are of the segment of their prediction, whatever they say themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import orjson

from driftline.stats.segments import OTHER_SEGMENT, in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from driftline.contract import Contract
    from driftline.events.frame import Segment

__all__ = [
    "MOST_SEGMENTS",
    "Sums",
    "about",
    "gather",
    "in_order",
    "most_segments",
    "name_of",
]

MOST_SEGMENTS = 20
"""Segments that sums are kept apart by, beside one of all others."""


class _Sums(Protocol):
    def merge(self, other: Self, /) -> None: ...


Sums = TypeVar("Sums", bound=_Sums)


def most_segments(contract: Contract) -> int:
    """Return how many segments a contract's sums are kept apart by, beside one of all others.

    As many as the contract watches (``segments.most``), but `MOST_SEGMENTS` at most; 0 for none.
    """
    return min(contract.segments.most, MOST_SEGMENTS)


def in_order(segments: Iterable[Segment], most: int) -> tuple[set[Segment], list[Segment]]:
    """Return the segments that are told apart, and the others: the first in order of name stay.

    Which ones stay depends on the whole set alone, and what stays in the whole stays in each part
    of it: sums of the others come out the same in whatever order and cut they are put together.
    """
    names = sorted(set(segments) - {OTHER_SEGMENT})
    return set(names[:most]), names[most:]


def gather(
    into: dict[Segment, Sums],
    parts: Mapping[Segment, Sums],
    most: int,
    nothing: Callable[[], Sums],
) -> None:
    """Add sums by segment to others; associative and commutative, bit for bit.

    Parameters
    ----------
    most
        Segments told apart; those beyond are put together as `OTHER_SEGMENT`.
    nothing
        Makes the sums of nothing.
    """
    for segment, part in parts.items():
        if segment not in into:
            into[segment] = nothing()
        into[segment].merge(part)
    if len(into) <= most:
        return
    for segment in in_order(into, most)[1]:
        part = into.pop(segment)
        into.setdefault(OTHER_SEGMENT, nothing()).merge(part)


def about(whole: str, segment: Segment) -> str:
    """Return what a message is about, of a whole or of one of its segments."""
    return f"{whole}|{orjson.dumps(segment).decode()}" if segment else whole


def name_of(segment: Segment) -> str:
    """Return a segment in words: "country=DE", or "all others"."""
    return "all others" if segment == OTHER_SEGMENT else in_words(segment)
