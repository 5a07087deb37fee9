"""What is told of one window's decisions: counts, rates that hold however often one looks, who."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.detect.plain import plain, plain_or_none
from driftline.ledger.acts import ACTOR, BANDS, MADE, NOBODY, REST, Acts
from driftline.ledger.advice import LEAVE
from driftline.ledger.pace import pace_median
from driftline.ledger.segments import name_of
from driftline.ledger.sequences import rates

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

__all__ = [
    "MOST_TOLD",
    "Excess",
    "actor_name",
    "band_name",
    "direction_name",
    "excess",
    "strictness",
    "tell_acts",
]

MOST_TOLD = 20
"""Actors told of in one message, those with the most decisions; and directions."""
PULL = 50
FARTHEST = 4.0
"""No crew is taken to override so many times as often, or as rarely, as the average."""
LEAST_KNOWN = 20
"""Calm decisions of an actor, band or direction from which on it has a calm rate of its own."""


def tell_acts(acts: Acts, automatic: Container[str]) -> dict[str, Any]:
    """Return a window's counts and rates as JSON values.

    Parameters
    ----------
    automatic
        Actors that decide by machine.

    Returns
    -------
    ``counts`` by name; ``rates`` (followed and overridden, of decisions of which that is known;
    ignored and in time, of predictions that ask for a decision; late, of decisions), each with its
    value and the bounds of a confidence sequence, null where there are no rows; ``bands``,
    ``actors`` and ``directions``, those with any rows; ``median_latency_s``.
    """
    count = {name: max(0, acts.total(name)) for name in MADE}
    known = count["followed"] + count["overridden"]
    of = {
        "followed": (count["followed"], known),
        "overridden": (count["overridden"], known),
        "ignored": (count["due"] - count["due_decided"], count["due"]),
        "in_time": (count["due_decided"] - count["due_late"], count["due"]),
        "late": (count["late"], count["decided"]),
    }
    everybody = acts.over(acts.actors)
    return {
        "counts": count,
        "rates": _rates(of),
        "median_latency_s": plain_or_none(pace_median(everybody[len(ACTOR) :])),
        "bands": _bands(acts),
        "actors": _actors(acts, automatic),
        "directions": _directions(acts),
    }


def _rates(of: dict[str, tuple[int, int]]) -> dict[str, Any]:
    ones = np.array([max(0, one) for one, _ in of.values()])
    rows = np.array([rows for _, rows in of.values()])
    low, high = rates(ones, rows)
    return {
        name: None
        if n <= 0
        else {"value": plain(min(one / n, 1.0)), "low": plain(below), "high": plain(above)}
        for name, one, n, below, above in zip(
            of, ones.tolist(), rows.tolist(), low.tolist(), high.tolist(), strict=True
        )
    }


def _bands(acts: Acts) -> list[dict[str, Any]]:
    wanted = ("made", "due", "due_decided", "decided", "late", "followed", "overridden")
    return [
        {"band": band_name(band)} | {name: int(acts.bands[band, MADE[name]]) for name in wanted}
        for band in range(BANDS)
        if acts.bands[band].any()
    ]


def _actors(acts: Acts, automatic: Container[str]) -> list[dict[str, Any]]:
    most = sorted(acts.actors, key=lambda name: (-int(acts.actors[name][0]), name))
    told = []
    for name in most[:MOST_TOLD]:
        row = acts.actors[name]
        if not row[: len(ACTOR)].any():
            continue
        counts = {column: int(row[at]) for column, at in ACTOR.items()}
        told.append(
            {
                "actor": None if name == NOBODY else name,
                "automatic": name in automatic,
                **counts,
                "median_latency_s": plain_or_none(pace_median(acts.latencies(name))),
            }
        )
    return told


def _directions(acts: Acts) -> list[dict[str, Any]]:
    found = sorted(acts.directions.items(), key=lambda each: (-int(each[1][0]), each[0]))
    return [
        {
            "recommended": said,
            "action": done,
            "followed": followed,
            "decided": int(row[0]),
            "person_right": int(row[1]),
            "model_right": int(row[2]),
        }
        for (said, done, followed), row in found[:MOST_TOLD]
        if row.any()
    ]


class Excess(NamedTuple):
    """Where overrides are more frequent than in calm windows.

    Attributes
    ----------
    what, name
        An actor, a band of the score, a direction, or a segment.
    ones, rows
        Overrides there, and decisions that could have been ones.
    part
        Part of all overrides beyond the calm rate that happened there.
    """

    what: str
    name: str
    ones: int
    rows: int
    part: float

    def words(self) -> str:
        """Return it in words."""
        return f"{self.what} {self.name} ({self.ones:,} of {self.rows:,})"


def excess(now: Acts, calm: Acts) -> list[Excess]:
    """Return where most overrides beyond the calm rate happened.

    An actor, band, direction or segment is told where it holds more than half of them, and is not
    all there is of its kind.
    """
    kinds = {
        "by": (_by_actor(now), _by_actor(calm)),
        "at score": (_by_band(now), _by_band(calm)),
        "": (_by_direction(now), _by_direction(calm)),
        "in": (_by_segment(now), _by_segment(calm)),
    }
    found = []
    for what, (rows_now, rows_calm) in kinds.items():
        usual = _rate(rows_calm.values())
        beyond = {}
        for name, (ones, rows) in rows_now.items():
            before = rows_calm.get(name, (0, 0))
            rate = _rate([before]) if before[1] >= LEAST_KNOWN else usual
            beyond[name] = ones - rate * rows
        whole = sum(each for each in beyond.values() if each > 0)
        if whole <= 0 or len(beyond) < 2:
            continue
        name = max(sorted(beyond), key=beyond.__getitem__)
        if 2 * beyond[name] > whole:
            found.append(Excess(what, name, *rows_now[name], beyond[name] / whole))
    return found


def strictness(now: Acts, calm: Acts, automatic: Container[str]) -> tuple[float, float]:
    """Return how much more often those who decided now were used to override than the average.

    Odds of an override, as a multiple of the calm odds, if everybody did as in calm windows: of
    all actors, and of those that do not decide by machine. An actor's calm rate is drawn towards
    the mean as though `PULL` decisions of that rate came on top of its own.
    """
    found = []
    for people in (False, True):
        known = {
            name: (int(row[ACTOR["overridden"]]), int(row[ACTOR["followed"]]))
            for name, row in calm.actors.items()
            if not (people and name in automatic)
        }
        mean = _rate((ones, ones + others) for ones, others in known.values())
        weight = expected = 0.0
        for name, row in now.actors.items():
            if people and name in automatic:
                continue
            rows = max(0, int(row[ACTOR["overridden"]] + row[ACTOR["followed"]]))
            ones, others = known.get(name, (0, 0))
            expected += rows * (ones + PULL * mean) / max(ones + others + PULL, 1)
            weight += rows
        rate = expected / weight if weight else mean
        odds = rate * (1 - mean) / (mean * (1 - rate)) if 0 < mean < 1 and 0 < rate < 1 else 1.0
        found.append(min(max(odds, 1 / FARTHEST), FARTHEST))
    return found[0], found[1]


_Rows = dict[str, tuple[int, int]]


def _by_actor(acts: Acts) -> _Rows:
    at, also = ACTOR["overridden"], ACTOR["followed"]
    return {
        actor_name(name): (int(row[at]), int(row[at] + row[also]))
        for name, row in acts.actors.items()
    }


def _by_band(acts: Acts) -> _Rows:
    at, also = MADE["overridden"], MADE["followed"]
    return {
        band_name(band): (int(row[at]), int(row[at] + row[also]))
        for band, row in enumerate(acts.bands)
        if row[at] + row[also] > 0
    }


def _by_direction(acts: Acts) -> _Rows:
    known = sum(int(row[0]) for row in acts.directions.values())
    return {
        direction_name(said, done): (int(row[0]), known)
        for (said, done, followed), row in acts.directions.items()
        if not followed
    }


def _by_segment(acts: Acts) -> _Rows:
    found = {
        name_of(segment): (part.total("overridden"), part.total("followed"))
        for segment, part in acts.segments.items()
    }
    return {name: (ones, ones + others) for name, (ones, others) in found.items() if ones + others}


def _rate(counts: Iterable[tuple[int, int]]) -> float:
    ones, rows = (sum(column) for column in zip((0, 0), *counts, strict=True))
    return ones / rows if rows > 0 else 0.0


def actor_name(name: str) -> str:
    """Return an actor in words."""
    return {REST: "others", NOBODY: "nobody named"}.get(name, name)


def band_name(band: int) -> str:
    """Return a band of scores in words."""
    return "none" if band == BANDS - 1 else f"{band / 10:.1f} to {(band + 1) / 10:.1f}"


def direction_name(said: str, done: str) -> str:
    """Return in words what was recommended and what was done."""
    return f"{'leave' if said == LEAVE else said} → {done}"
