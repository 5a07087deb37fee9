"""Reads simulated traffic with planted faults, and holds rates to exact binomial bounds."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from scipy.stats import binom

from driftline.simulate import Scenario, parse_fault, traffic

if TYPE_CHECKING:
    from driftline.simulate.kinds import Following

HOUR = 3_600_000_000
DAY = 24 * HOUR
ALL: frozenset[Following] = frozenset({"label", "decision", "outcome", "features"})
RARE = 1e-6
"""Chance that a rate which is right is called wrong, on either side."""

Event = dict[str, Any]
Read = dict[str, list[Event]]


def scenario(
    *faults: str, model: str = "credit-risk", days: int = 6, per_day: int = 1_500
) -> Scenario:
    return Scenario(
        (traffic(model, calm=True),),
        tuple(map(parse_fault, faults)),
        rate=per_day / 86_400,
        duration=days * DAY,
        following=ALL,
        label_delay=HOUR,
    )


@cache
def read(*faults: str, model: str = "credit-risk", days: int = 6, per_day: int = 1_500) -> Read:
    """Return the predictions of all but the last day and what follows them; ``at``: hours."""
    made = scenario(*faults, model=model, days=days, per_day=per_day)
    found: Read = {kind: [] for kind in made.types}
    asked: set[str] = set()
    for block in made.blocks():
        for kind, ts, value in zip(block.types, block.ts.tolist(), block.values, strict=True):
            event = orjson.loads(value)
            event["at"] = (ts - made.start) / HOUR
            if kind == "prediction" and event["at"] < 24 * (days - 1):
                asked.add(event["prediction_id"])
            if kind == "lifecycle" or event["prediction_id"] in asked:
                found[kind].append(event)
    return found


def by_id(events: list[Event]) -> dict[str, Event]:
    """Return the first event of each prediction."""
    return {event["prediction_id"]: event for event in reversed(events)}


def assert_rate(ones: int, rows: int, rate: float, upto: float | None = None) -> None:
    """Hold a count to a rate, or to one that is anywhere from there up to another."""
    low, _ = binom.interval(1 - 2 * RARE, rows, rate)
    _, high = binom.interval(1 - 2 * RARE, rows, rate if upto is None else upto)
    assert rows > 200
    assert low <= ones <= high, f"{ones} of {rows}, expected {rate:.4g}"
