"""What is known of one prediction (or of the row it was made with), and what that amounts to.

An entry is a set of parts: the prediction itself, its labels, and what was decided and came of it,
each as often as it was sent. What it amounts to is a function of that set, never of the order in
which the parts came: when one more comes, the difference between the two sums is what is new.
Corrections, duplicates and labels that came before their prediction need no rules of their own, and
two workers that read the partitions in another order agree in the end, slot by slot.
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
    """Return what a set of parts amounts to.

    Parameters
    ----------
    horizon
        How long after the prediction a label counts, microseconds.
    """
    out: Counter[Claim] = Counter()
    if parts and parts[0].kind in ROWS:
        _compare(out, parts, horizon)
        return out
    made = sorted((p for p in parts if p.kind == PREDICTION), key=_order)
    labels = sorted((p for p in parts if p.kind == LABEL), key=_order)
    later = sorted((p for p in parts if p.kind in {DECISION, OUTCOME}), key=_order)
    if not made:
        _wait(out, labels, later)
        return out
    first = made[0]
    about = _told(first)
    out[Claim("predicted", first.at, about)] += 1
    for other in made[1:]:
        out[Claim("repeated", other.at, _told(other))] += 1
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
    if later:
        _follow(out, first, labels, later, horizon)
    return out


def _compare(out: Counter[Claim], parts: list[Part], horizon: int) -> None:
    """Hold the row that was served first against the one that training made of it last."""
    served = min((p for p in parts if p.kind == SERVED), key=_order, default=None)
    trained = sorted((p for p in parts if p.kind == TRAINED), key=_order)
    if served is None:
        for part in trained:
            out[Claim(named("waiting", part), part.at, None, **part_of(part))] += 1
        return
    held: Part | None = None
    for part in trained:
        if part.at < served.at:
            out[Claim(named("waiting", part), part.at, None, **part_of(part))] += 1
            out[Claim(named("waiting", part), served.at, None, **part_of(part))] -= 1
        at = max(part.at, served.at)
        if part.ts > served.ts + horizon:
            out[Claim(named("too late", part), at, None, **part_of(part))] += 1
            continue
        if held is not None:
            if held.body == part.body:
                continue
            out[Claim("compared", at, None, **part_of(served), **part_of(held))] -= 1
        out[Claim("compared", at, None, **part_of(served), **part_of(part))] += 1
        held = part


def _wait(out: Counter[Claim], labels: list[Part], later: list[Part]) -> None:
    """Count what came for a prediction that nobody has seen: one thing of each kind waits."""
    seen = set()
    for part in (*labels, *later):
        what = "again" if part.kind in seen else "waiting"
        seen.add(part.kind)
        out[Claim(named(what, part), part.at, None, **part_of(part))] += 1


def _follow(
    out: Counter[Claim], first: Part, labels: list[Part], later: list[Part], horizon: int
) -> None:
    """Go through what was decided and what came of it, in the order of arrival."""
    for kind in (DECISION, OUTCOME):
        early = next((part for part in later if part.kind == kind), None)
        if early is not None and early.at < first.at:
            what, said = named("waiting", early), {SAID[kind]: _told(early)}
            out[Claim(what, early.at, None, **said)] += 1
            out[Claim(what, first.at, None, **said)] -= 1
    state = _State(_told(first))
    for part in sorted((*labels, *later), key=lambda p: (max(p.at, first.at), p.kind, _order(p))):
        at = max(part.at, first.at)
        if part.ts > first.ts + horizon:
            if part.kind != LABEL:
                out[Claim(named("too late", part), at, state.about, **part_of(part))] += 1
            continue
        before = state.claims()
        if not state.take(part):
            if part.kind != LABEL:
                out[Claim(named("again", part), at, state.about, **part_of(part))] += 1
            continue
        after = state.claims()
        for claim in before - after:
            out[claim._replace(at=at)] -= 1
        for claim in after - before:
            out[claim._replace(at=at)] += 1


def part_of(part: Part) -> dict[str, Told]:
    """Return a part as the field of a claim that it stands in."""
    return {SAID[part.kind]: _told(part)}


def named(what: str, part: Part) -> str:
    """Return what a part counts as that changes nothing; of a label it is `what` itself."""
    return what if part.kind == LABEL else f"{what} {SAID[part.kind]}"


class _State:
    """The last label, the last decision and the last outcome of each kind, as they come."""

    def __init__(self, about: Told) -> None:
        self.about = about
        self._held: dict[Any, Part] = {}

    def take(self, part: Part) -> bool:
        """Take a part in; return whether anything is new with it."""
        kind = (OUTCOME, part.body[1]) if part.kind == OUTCOME else part.kind
        held = self._held.get(kind)
        if held is not None and (held.body == part.body or _order(held) > _order(part)):
            return False
        self._held[kind] = part
        return True

    def claims(self) -> set[Claim]:
        """Return what is so by now, in no slot yet."""
        label, decision = (self._held.get(kind) for kind in (LABEL, DECISION))
        outcomes = [part for part in self._held.values() if part.kind == OUTCOME]
        outcomes.sort(key=lambda part: part.body[1] or "")
        out = set()
        said = None if decision is None else _told(decision)
        if said is not None:
            known = None if label is None else _told(label)
            out.add(Claim("decided", 0, self.about, known, said))
        if outcomes:
            value = sum(part.body[0] for part in outcomes)
            told = max(part.ts for part in outcomes), (value,)
            out.add(Claim("tried", 0, self.about, None, said, told))
        return out


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
    out = worth([*held, new], horizon)
    out.subtract(worth(held, horizon))
    return [(claim, times) for claim, times in out.items() if times]


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
