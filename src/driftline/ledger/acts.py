"""What was done about predictions: signed whole-number counts that merge bit for bit.

Actions and actors are told apart up to a bound (`bounded`), the further ones are counted together.
So that this does not depend on the order in which rows came and were taken back, a name stays when
its count has come to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.frame import segment_of
from driftline.ledger.advice import LEAVE
from driftline.ledger.bounded import short, smallest
from driftline.ledger.pace import AT_ONCE, BINS, pace_codes
from driftline.ledger.segments import MOST_SEGMENTS, gather
from driftline.ledger.trials import BANDS as TENTHS
from driftline.ledger.trials import score_bands

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from driftline.events.frame import Segment
    from driftline.ledger.actrows import ActRows
    from driftline.ledger.advice import Advice
    from driftline.ledger.pairs import Integers

    Marks = npt.NDArray[np.bool_]

__all__ = [
    "ACTOR",
    "BANDS",
    "MADE",
    "MOST_ACTIONS",
    "MOST_ACTORS",
    "NOBODY",
    "REST",
    "Acts",
]

BANDS = TENTHS + 1
"""Ten bands of the score from 0 to 1, each a tenth wide, and one for all without such a score."""
MADE = {
    name: at
    for at, name in enumerate(
        ("made", "held", "due", "decided", "due_decided", "due_late", "late")
        + ("followed", "overridden")
    )
}
"""Columns of `Acts.bands`."""
ACTOR = {name: at for at, name in enumerate(("decided", "late", "followed", "overridden"))}
"""First columns of an actor's row; the latencies follow."""
JUDGED = 3
"""Columns of a direction: decisions; those where a label proves the person right; the model."""
MOST_ACTORS = 64
"""Actors told apart."""
MOST_ACTIONS = 32
"""Actions told apart, recommended or taken."""
REST = "…"
"""All further ones."""
NOBODY = ""
"""The actor of a decision of which nobody says who took it."""


def _no_bands() -> Integers:
    return np.zeros((BANDS, len(MADE)), dtype=np.int64)


@dataclass(slots=True)
class Acts:
    """Counts of predictions and of what was done about them.

    A decision *follows* the model where its action is the recommended one, or is not the contract's
    where the model says to leave it; it *overrides* the model otherwise. Where nobody says what was
    recommended, or the baseline arm decided, it does neither.

    Bounded: some 2,300 directions, and 66 actors of 150 numbers each, at most; of ten people and
    two actions 2 kB as JSON. Each segment takes a little less (`part`).

    Attributes
    ----------
    bands
        By band of the score and column of `MADE`: predictions made; held back from everybody; due
        for a decision; decisions; of those due, decided and decided late; decisions that came late,
        followed and overrode the model. int64 of shape (BANDS, len(MADE)).
    directions
        By recommended action, action, and whether that was to follow: decisions, and those where
        the label says that the person was right to override, or the model. int64 of shape (3,).
    actors
        By actor, columns of `ACTOR`, then decisions by bin of latency. int64 of shape
        (len(ACTOR) + BINS,).
    segments
        The same by segment of the predictions, where somebody has asked for that: `MOST_SEGMENTS`
        and one of all others, none of which has any of its own.
    """

    bands: Integers = field(default_factory=_no_bands)
    directions: dict[tuple[str, str, bool], Integers] = field(default_factory=dict)
    actors: dict[str, Integers] = field(default_factory=dict)
    segments: dict[Segment, Acts] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Acts:
        """Return the counts of nothing."""
        return cls()

    @classmethod
    def of(cls, rows: ActRows, advice: Advice) -> Acts:
        """Count rows: 0.04 ms, where there are decisions 0.2 ms, and 1 µs for each of them."""
        sign = rows.sign.astype(np.int64)
        band = score_bands(rows.score)
        made = ~rows.decided
        acts = cls()
        acts._add(band, sign, made=made, held=made & rows.held, due=made & rows.due)
        at = np.flatnonzero(rows.decided)
        if not at.size:
            return acts
        picked = at.tolist()
        sign, band, due, late = sign[at], band[at], rows.due[at], rows.late[at]
        said = [short(rows.recommended[row]) for row in picked]
        done = [short(rows.action[row]) or REST for row in picked]
        shown = np.array([rows.arm[row] != advice.baseline for row in picked], dtype=np.bool_)
        known = shown & np.array([name is not None for name in said], dtype=np.bool_)
        recommended = [name or LEAVE for name in said]
        places, (asked, taken) = _numbered(recommended, done)
        own = places.get(advice.action, -1) if advice.action is not None else -1
        leave = places.get(LEAVE, -1)
        follows = np.where(asked == leave, taken != own, asked == taken)
        followed, overridden = known & follows, known & ~follows
        everyone = np.ones(at.size, dtype=np.bool_)
        acts._add(
            band,
            sign,
            decided=everyone,
            due_decided=due,
            due_late=due & late,
            late=late,
            followed=followed,
            overridden=overridden,
        )
        acts._direct(places, asked, taken, follows, known, sign)
        # A label can only choose between two actions one of which is the contract's.
        positive = _positive([rows.label[row] for row in picked], advice.positive)
        apart = overridden & (positive >= 0) & ((asked == own) != (taken == own))
        right = (taken == own) == (positive == 1)
        acts._judge(places, asked, taken, apart, right, sign)
        acts._actors(
            [short(rows.actor[row]) or NOBODY for row in picked],
            np.stack([everyone, late, followed, overridden]),
            pace_codes(rows.latency[at]),
            sign,
        )
        acts._fold()
        return acts

    def _add(self, band: Integers, sign: Integers, **columns: Marks) -> None:
        for name, marks in columns.items():
            # Whole numbers of at most 2**53: exact as floats.
            counts = np.bincount(band[marks], weights=sign[marks], minlength=BANDS)
            self.bands[:, MADE[name]] += counts.astype(np.int64)

    def _direct(
        self,
        places: dict[str, int],
        asked: Integers,
        taken: Integers,
        follows: Marks,
        known: Marks,
        sign: Integers,
    ) -> None:
        names = list(places)
        keys = (asked * len(names) + taken) * 2 + follows
        found, at = np.unique(keys[known], return_inverse=True)
        counts = np.zeros((found.size, JUDGED), dtype=np.int64)
        np.add.at(counts[:, 0], at, sign[known])
        for key, row in zip(found.tolist(), counts, strict=True):
            pair, followed = divmod(key, 2)
            first, second = divmod(pair, len(names))
            self.directions[names[first], names[second], bool(followed)] = row

    def _judge(
        self,
        places: dict[str, int],
        asked: Integers,
        taken: Integers,
        apart: Marks,
        right: Marks,
        sign: Integers,
    ) -> None:
        names = list(places)
        for row in np.flatnonzero(apart).tolist():
            direction = names[asked[row]], names[taken[row]], False
            self.directions[direction][1 if right[row] else 2] += sign[row]

    def _actors(self, names: list[str], columns: Marks, latency: Integers, sign: Integers) -> None:
        places, (actor,) = _numbered(names)
        kept = smallest(places.keys() - {REST, NOBODY}, MOST_ACTORS) | {REST, NOBODY}
        owner = [name if name in kept else REST for name in places]
        rows, (row_of,) = _numbered(owner)
        actor = row_of[actor]
        table = np.zeros((len(rows), len(ACTOR) + BINS), dtype=np.int64)
        for at, marks in enumerate(columns):
            np.add.at(table[:, at], actor[marks], sign[marks])
        np.add.at(table, (actor, len(ACTOR) + latency), sign)
        self.actors = dict(zip(rows, table, strict=True))

    def merge(self, other: Acts) -> None:
        """Add other counts; associative and commutative, bit for bit."""
        self.bands += other.bands
        for direction, row in other.directions.items():
            _put(self.directions, direction, row)
        for name, row in other.actors.items():
            _put(self.actors, name, row)
        self._fold()
        if other.segments:
            gather(self.segments, other.segments, MOST_SEGMENTS, Acts.empty)

    def part(self) -> Acts:
        """Return what is kept of them as one of a whole's segments: who took how long is not.

        How long decisions took stands under `REST`, whoever took them.
        """
        found = Acts()
        found.merge(self)
        took = self.over(self.actors)
        took[: len(ACTOR)] = 0
        for name, row in found.actors.items():
            found.actors[name] = np.where(np.arange(row.size) < len(ACTOR), row, 0)
        if took.any():
            _put(found.actors, REST, took)
        return found

    def _fold(self) -> None:
        """Put further actions and actors together."""
        if len(self.actors) > MOST_ACTORS:
            names = self.actors.keys() - {REST, NOBODY}
            for name in names - smallest(names, MOST_ACTORS):
                _put(self.actors, REST, self.actors.pop(name))
        names = {name for direction in self.directions for name in direction[:2]} - {REST, LEAVE}
        further = names - smallest(names, MOST_ACTIONS)
        if not further:
            return
        for said, done, followed in [d for d in self.directions if further.intersection(d[:2])]:
            row = self.directions.pop((said, done, followed))
            pair = (REST if name in further else name for name in (said, done))
            _put(self.directions, (*pair, followed), row)

    def __bool__(self) -> bool:
        """Return whether any count is not 0; names whose count has come to nothing do not tell."""
        tables = (self.directions.values(), self.actors.values())
        own = bool(self.bands.any()) or any(row.any() for table in tables for row in table)
        return own or any(self.segments.values())

    def total(self, name: str) -> int:
        """Return a column of `MADE` over all bands."""
        return int(self.bands[:, MADE[name]].sum())

    def latencies(self, name: str) -> Integers:
        """Return an actor's decisions by bin of latency, int64 of shape (BINS,)."""
        return self.actors[name][len(ACTOR) :]

    def over(self, names: Iterable[str]) -> Integers:
        """Return the sum of some actors' rows, of the shape of one."""
        found = [self.actors[name] for name in names if name in self.actors]
        return np.sum(found, axis=0) if found else np.zeros(len(ACTOR) + BINS, dtype=np.int64)

    def settle(self) -> None:
        """Forget names whose counts have come to nothing, once all that belongs together is in."""
        self.directions = {pair: row for pair, row in self.directions.items() if row.any()}
        self.actors = {name: row for name, row in self.actors.items() if row.any()}

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal counts give equal bytes."""
        parts = [[segment, part.to_values()] for segment, part in sorted(self.segments.items())]
        return {
            "is": "acts",
            "bands": [[band, *row] for band, row in enumerate(self.bands.tolist()) if any(row)],
            "directions": [
                [*direction, *row.tolist()] for direction, row in sorted(self.directions.items())
            ],
            "actors": [
                [name, row[: len(ACTOR)].tolist(), *_sparse(row[len(ACTOR) :])]
                for name, row in sorted(self.actors.items())
            ],
            **({"segments": parts} if parts else {}),
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Acts:
        """Return what `to_values` wrote."""
        acts = cls()
        for band, *row in values["bands"]:
            acts.bands[band] = row
        for said, done, followed, *row in values["directions"]:
            acts.directions[said, done, bool(followed)] = np.array(row, dtype=np.int64)
        for name, columns, codes, counts in values["actors"]:
            row = np.zeros(len(ACTOR) + BINS, dtype=np.int64)
            row[: len(ACTOR)] = columns
            row[len(ACTOR) + np.array(codes, dtype=np.int64)] = counts
            acts.actors[name] = row
        for segment, raw in values.get("segments", ()):
            acts.segments[segment_of(segment)] = cls.from_values(raw)
        return acts


def at_once(row: Integers) -> int:
    """Return how many decisions of an actor's row came at once."""
    return int(row[len(ACTOR) : len(ACTOR) + AT_ONCE].sum())


def _numbered(*columns: list[str]) -> tuple[dict[str, int], tuple[Integers, ...]]:
    """Return the different names with their places, and each column as places, int64 (n,)."""
    names = dict.fromkeys(name for column in columns for name in column)
    places = {name: at for at, name in enumerate(names)}
    return places, tuple(
        np.fromiter(map(places.__getitem__, column), dtype=np.int64, count=len(column))
        for column in columns
    )


def _positive(labels: list[str | None], positive: str | None) -> Integers:
    """Return 1 where a label is of the positive class, 0 where not, -1 where nobody knows."""
    if positive is None:
        told = {"1": 1, "0": 0}
        return np.array([told.get(name or "", -1) for name in labels], dtype=np.int64)
    return np.array(
        [-1 if name is None else int(name == positive) for name in labels], dtype=np.int64
    )


def _put(table: dict[Any, Integers], key: Any, row: Integers) -> None:
    # Never in place: a row may be that of another one's table.
    table[key] = table[key] + row if key in table else row


def _sparse(counts: Integers) -> tuple[list[int], list[int]]:
    at = np.flatnonzero(counts)
    return at.tolist(), counts[at].tolist()
