"""What is known of one prediction (or of the row it was made with), and what that amounts to.

An entry is a set of parts: the prediction itself, its labels, and what was decided and came of it,
each as often as it was sent. What it amounts to is a function of that set, never of the order in
which the parts were read: a slot is told what the parts that came by its end amount to and those
that came before it did not. So one more part changes its own slot and later ones, never one that is
closed. Corrections, duplicates and labels that came before their prediction need no rules of their
own, and two workers that read the partitions in another order agree, slot by slot.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from driftline.events.frame import Segment

__all__ = [
    "DECISION",
    "LABEL",
    "MOST",
    "OUTCOME",
    "PREDICTION",
    "ROWS",
    "SAID",
    "SERVED",
    "TRAINED",
    "Claim",
    "Part",
    "Told",
    "differ",
    "named",
    "pack",
    "part_of",
    "segment_of",
    "unpack",
    "worth",
]

PREDICTION, LABEL, DECISION, OUTCOME, SERVED, TRAINED = range(6)
MOST = (4, 8, 8, 8, 2, 4)
"""Parts kept of one prediction, by kind; further ones are counted and change nothing."""
SAID = ("prediction", "label", "decision", "outcome", "served", "trained")
ROWS = frozenset({SERVED, TRAINED})
"""Kinds of parts that are rows of features: they make an entry of their own."""

_OWN, _ROWS_OWN = 5, 3
"""Place of the segment in the body of a prediction, and of a row of features."""

Told = tuple[int, tuple[Any, ...]]


class Part(NamedTuple):
    """One event that tells of a prediction.

    Attributes
    ----------
    kind
        `PREDICTION`, `LABEL`, `DECISION` or `OUTCOME`.
    read
        Offset in the ledger of the message it came with.
    ts, at
        Event time, and start of the slot in which it arrived, microseconds.
    origin
        Hash of its source, offset and index there: the same event sent twice is one part.
    body
        Of a prediction (prediction, score, shares by class or None, arm, propensity) and its
        segment, where it has one; of a label (label, weight); of a decision (action, recommended,
        actor, arm, propensity); of an outcome (value, kind). Of a row of features (prediction id,
        entity, ((name, value), ...)) and its segment, where that is known.
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
        ``paired``: with a later one, after the pair before was taken back. ``decided``: what was
        done about it, with the label where there is one. ``tried``: what came of it.
        ``repeated``: a prediction of the same id. ``again``: a label that says what was known;
        ``waiting``: one without prediction; ``too late``: one after the horizon; ``again decision``
        and so on likewise. ``compared``: a row of features and the same row as training makes it.
    prediction, label, decision, outcome, served, trained
        What it is about: event time and body of the parts; None where there is none. The body of an
        outcome is the sum over its kinds: (value,).
    """

    what: str
    at: int
    prediction: Told | None
    label: Told | None = None
    decision: Told | None = None
    outcome: Told | None = None
    served: Told | None = None
    trained: Told | None = None

    @property
    def segment(self) -> Segment:
        """That of the prediction, or of the row that was served; the empty one is none."""
        return segment_of(self.prediction, self.served)


def segment_of(prediction: Told | None, served: Told | None) -> Segment:
    """Return the segment of a claim about these; the empty one is none."""
    if prediction is not None:
        return prediction[1][_OWN] if len(prediction[1]) > _OWN else ()
    if served is not None:
        return served[1][_ROWS_OWN] if len(served[1]) > _ROWS_OWN else ()
    return ()


def worth(parts: list[Part], horizon: int) -> Counter[Claim]:
    """Return what a set of parts amounts to, in no slot yet (`at` is 0).

    Parameters
    ----------
    horizon
        How long after the prediction a label counts, microseconds.
    """
    out: Counter[Claim] = Counter()
    parts = sorted(parts, key=_order)
    if parts and parts[0].kind in ROWS:
        _compare(out, parts, horizon)
        return out
    made = [part for part in parts if part.kind == PREDICTION]
    if not made:
        _wait(out, parts)
        return out
    first = made[0]
    about = _told(first)
    out[Claim("predicted", 0, about)] += 1
    for other in made[1:]:
        out[Claim("repeated", 0, _told(other))] += 1
    state = _State()
    for part in parts:
        if part.kind == PREDICTION:
            continue
        late = part.ts > first.ts + horizon
        if late or not state.take(part):
            what = "too late" if late else "again"
            out[Claim(named(what, part), 0, about, **part_of(part))] += 1
    state.tell(out, about)
    return out


def _compare(out: Counter[Claim], parts: list[Part], horizon: int) -> None:
    """Hold the row that was served first against the one that training made of it last."""
    served = next((part for part in parts if part.kind == SERVED), None)
    held: Part | None = None
    for part in parts:
        if part.kind == SERVED:
            continue
        if served is None:
            out[Claim(named("waiting", part), 0, None, **part_of(part))] += 1
        elif part.ts > served.ts + horizon:
            out[Claim(named("too late", part), 0, None, **part_of(part))] += 1
        elif held is None or held.body != part.body:
            held = part
    if served is not None and held is not None:
        out[Claim("compared", 0, None, **part_of(served), **part_of(held))] += 1


def _wait(out: Counter[Claim], parts: list[Part]) -> None:
    """Count what came for a prediction that nobody has seen: one thing of each kind waits."""
    seen = set()
    for part in parts:
        what = "again" if part.kind in seen else "waiting"
        seen.add(part.kind)
        out[Claim(named(what, part), 0, None, **part_of(part))] += 1


def part_of(part: Part) -> dict[str, Told]:
    """Return a part as the field of a claim that it stands in."""
    return {SAID[part.kind]: _told(part)}


def named(what: str, part: Part) -> str:
    """Return what a part counts as that changes nothing; of a label it is `what` itself."""
    return what if part.kind == LABEL else f"{what} {SAID[part.kind]}"


class _State:
    """The first and the last label, the last decision and the last outcome of each kind."""

    def __init__(self) -> None:
        self._first: Part | None = None
        self._held: dict[Any, Part] = {}

    def take(self, part: Part) -> bool:
        """Take the next part in, by event time; return whether anything is new with it."""
        kind = (OUTCOME, part.body[1]) if part.kind == OUTCOME else part.kind
        held = self._held.get(kind)
        if held is not None and held.body == part.body:
            return False
        self._held[kind] = part
        if part.kind == LABEL and self._first is None:
            self._first = part
        return True

    def tell(self, out: Counter[Claim], about: Told) -> None:
        """Count what is so by now of a prediction."""
        label, decision = (self._held.get(kind) for kind in (LABEL, DECISION))
        known = None if label is None else _told(label)
        if self._first is not None:
            first = _told(self._first)
            out[Claim("first", 0, about, first)] += 1
            if first != known:
                out[Claim("paired", 0, about, first)] -= 1
                out[Claim("paired", 0, about, known)] += 1
        said = None if decision is None else _told(decision)
        if said is not None:
            out[Claim("decided", 0, about, known, said)] += 1
        outcomes = [part for part in self._held.values() if part.kind == OUTCOME]
        outcomes.sort(key=lambda part: part.body[1] or "")
        if outcomes:
            value = sum(part.body[0] for part in outcomes)
            told = max(part.ts for part in outcomes), (value,)
            out[Claim("tried", 0, about, None, said, told)] += 1


_claim = partial(tuple.__new__, Claim)
"""As `Claim._make`, for what is claimed most often: it takes a third of the time."""
_NONE = (None,) * 5


def differ(held: list[Part], new: Part, horizon: int) -> list[tuple[Claim, int]]:
    """Return what one more part changes, each claim with how often it is counted now."""
    kind, _, ts, at, _, body = new
    if not held and kind == PREDICTION:
        return [(_claim(("predicted", at, (ts, body), *_NONE)), 1)]
    if len(held) == 1 and held[0].kind == PREDICTION and kind in {LABEL, DECISION}:
        made = held[0]
        if made.at <= at and ts <= made.ts + horizon:
            about, said = (made.ts, made.body), (ts, body)
            if kind == LABEL:
                return [(_claim(("first", at, about, said, None, None, None, None)), 1)]
            return [(_claim(("decided", at, about, None, said, None, None, None)), 1)]
    if not held and new.kind == SERVED:
        return []
    # Where topics are read from far back, labels may well be read before predictions.
    if not held and new.kind == LABEL:
        return [(Claim("waiting", new.at, None, _told(new)), 1)]
    if len(held) == 1 and held[0].kind == LABEL and new.kind == PREDICTION:
        return _meet(new, held[0], horizon)
    # These are nearly all that a join sees, and need no sums.
    return _added(held, new, horizon)


def _added(held: list[Part], new: Part, horizon: int) -> list[tuple[Claim, int]]:
    """Return what a part adds to its own slot and to those after it in which others came."""
    found: list[tuple[Claim, int]] = []
    told: Counter[Claim] = Counter()
    for at in sorted({new.at, *(part.at for part in held if part.at > new.at)}):
        by_then = [part for part in held if part.at <= at]
        adds = worth([*by_then, new], horizon)
        adds.subtract(worth(by_then, horizon))
        fresh = adds.copy()
        fresh.subtract(told)
        found += [(claim._replace(at=at), times) for claim, times in fresh.items() if times]
        told = adds
    return found


def _meet(made: Part, label: Part, horizon: int) -> list[tuple[Claim, int]]:
    """Return what a prediction changes whose only label has waited for it."""
    about, told, at = _told(made), _told(label), max(made.at, label.at)
    what = "too late" if label.ts > made.ts + horizon else "first"
    return [
        (Claim("predicted", made.at, about), 1),
        (Claim("waiting", at, None, told), -1),
        (Claim(what, at, about, told), 1),
    ]


def _told(part: Part) -> Told:
    return part.ts, part.body


def _order(part: Part) -> tuple[int, bytes, int]:
    # By what is said, where two say it of the same moment, not by whose partition came first.
    return part.ts, _encode(part.body), part.at


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Part]).decode


def pack(parts: list[Part]) -> bytes:
    """Write an entry for the store."""
    return _encode(parts)


def unpack(value: bytes) -> list[Part]:
    """Read what `pack` wrote."""
    parts = _decode(value)
    for at, part in enumerate(parts):
        body = _hashable(part.kind, part.body)
        if body is not part.body:
            parts[at] = part._replace(body=body)
    return parts


def _hashable(kind: int, body: tuple[Any, ...]) -> tuple[Any, ...]:
    if kind in ROWS:
        return *body[:2], *(_pairs(each) for each in body[2:])
    if kind != PREDICTION or (body[2] is None and len(body) <= _OWN):
        return body
    shares = body[2] if body[2] is None else _pairs(body[2])
    return *body[:2], shares, *body[3:_OWN], *(_pairs(each) for each in body[_OWN:])


def _pairs(listed: list[list[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(map(tuple, listed))
