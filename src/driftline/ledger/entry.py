"""What is known of one prediction, and what that amounts to.

An entry is a set of parts: the prediction itself and its labels, each as often as it was sent. What
it amounts to is a function of that set, never of the order in which the parts came: when one more
comes, the difference between the two sums is what is new. Corrections, duplicates and labels that
came before their prediction need no rules of their own, and two workers that read the partitions
in another order agree in the end, slot by slot.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, NamedTuple

import msgspec

__all__ = ["MOST_LABELS", "MOST_PREDICTIONS", "Claim", "Part", "differ", "pack", "unpack", "worth"]

PREDICTION, LABEL = 0, 1
MOST_LABELS = 8
"""Labels kept of one prediction; further ones are counted and change nothing."""
MOST_PREDICTIONS = 4
"""The same id predicted again; further ones are counted and change nothing."""

What = Literal["predicted", "first", "paired", "again", "repeated", "waiting", "too late"]


class Part(NamedTuple):
    """One event that tells of a prediction.

    Attributes
    ----------
    kind
        `PREDICTION` or `LABEL`.
    read
        Offset in the ledger of the message it came with.
    ts, at
        Event time, and start of the slot in which it arrived, microseconds.
    origin
        Hash of its source, offset and index there: the same event sent twice is one part.
    body
        Of a prediction (prediction, score, shares by class or None); of a label (label, weight).
    """

    kind: int
    read: int
    ts: int
    at: int
    origin: tuple[int, int, int]
    body: tuple[Any, ...]


class Claim(NamedTuple):
    """One thing that an entry adds to the slot `at` (as often as it is counted, or taken back).

    Attributes
    ----------
    what
        ``predicted``: a prediction was made. ``first``: it is paired with its first label.
        ``paired``: with a later one, after the pair before was taken back. ``again``: a label that
        says what was known. ``repeated``: a prediction of the same id. ``waiting``: a label without
        prediction. ``too late``: a label that came after the horizon.
    prediction, label
        The parts it is about, without `read`; None where there is none.
    """

    what: What
    at: int
    prediction: tuple[int, tuple[Any, ...]] | None
    label: tuple[int, tuple[Any, ...]] | None


def worth(parts: list[Part], horizon: int) -> Counter[Claim]:
    """Return what a set of parts amounts to.

    Parameters
    ----------
    horizon
        How long after the prediction a label counts, microseconds.
    """
    out: Counter[Claim] = Counter()
    made = sorted((p for p in parts if p.kind == PREDICTION), key=_order)
    labels = sorted((p for p in parts if p.kind == LABEL), key=_order)
    if not made:
        for number, label in enumerate(labels):
            out[Claim("waiting" if number == 0 else "again", label.at, None, _told(label))] += 1
        return out
    first = made[0]
    about = _told(first)
    out[Claim("predicted", first.at, about, None)] += 1
    for other in made[1:]:
        out[Claim("repeated", other.at, _told(other), None)] += 1
    held: Part | None = None
    for number, label in enumerate(labels):
        told = _told(label)
        if number == 0 and label.at < first.at:
            # It waited: that was counted when it came, and is over now.
            out[Claim("waiting", label.at, None, told)] += 1
            out[Claim("waiting", first.at, None, told)] -= 1
        at = max(label.at, first.at)
        if label.ts > first.ts + horizon:
            out[Claim("too late", at, about, told)] += 1
        elif held is not None and held.body == label.body:
            out[Claim("again", label.at, about, told)] += 1
        else:
            if held is not None:
                out[Claim("paired", at, about, _told(held))] -= 1
            out[Claim("first" if held is None else "paired", at, about, told)] += 1
            held = label
    return out


def differ(held: list[Part], new: Part, horizon: int) -> list[tuple[Claim, int]]:
    """Return what one more part changes, each claim with how often it is counted now."""
    if not held and new.kind == PREDICTION:
        return [(Claim("predicted", new.at, _told(new), None), 1)]
    if new.kind == LABEL and len(held) == 1 and held[0].kind == PREDICTION:
        made = held[0]
        if made.at <= new.at and new.ts <= made.ts + horizon:
            return [(Claim("first", new.at, _told(made), _told(new)), 1)]
    # These two are nearly all that a join sees, and need no sums.
    out = worth([*held, new], horizon)
    out.subtract(worth(held, horizon))
    return [(claim, times) for claim, times in out.items() if times]


def _told(part: Part) -> tuple[int, tuple[Any, ...]]:
    return part.ts, part.body


def _order(part: Part) -> tuple[int, bytes, int]:
    # By what is said, where two say it of the same moment, not by whose partition came first.
    return part.ts, _encode(part.body), part.at


_encode = msgspec.msgpack.Encoder().encode
_Saved = tuple[int, int, int, int, tuple[int, int, int], tuple[Any, ...]]
_decode = msgspec.msgpack.Decoder(list[_Saved]).decode


def pack(parts: list[Part]) -> bytes:
    """Write an entry for the store."""
    return _encode(parts)


def unpack(value: bytes) -> list[Part]:
    """Read what `pack` wrote."""
    return [
        Part(kind, read, ts, at, origin, _hashable(kind, body))
        for kind, read, ts, at, origin, body in _decode(value)
    ]


def _hashable(kind: int, body: tuple[Any, ...]) -> tuple[Any, ...]:
    if kind == LABEL or body[2] is None:
        return body
    return *body[:2], tuple(map(tuple, body[2]))
