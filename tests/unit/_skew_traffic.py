"""Pairs of feature rows of mixed kinds, with a mistake planted in some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.ledger.skew import SkewRows

if TYPE_CHECKING:
    from collections.abc import Callable

START = 1_795_464_000_000_000
STEP = 1_000_000
LEVELS = ("DE", "FR", "IT", "ES", "PL", "NL")
ENTITIES, ACTIVE = 300, 25

Values = dict[str, list[Any]]


class Traffic:
    """Rows of 20 features; an entity comes back every 25 rows, and every value is new by then."""

    def __init__(self, seed: int, numeric: int = 5) -> None:
        self.rng = np.random.default_rng(seed)
        self.numeric = numeric
        self.made = 0
        self.last: dict[str, dict[str, Any]] = {}

    def rows(self, size: int) -> tuple[list[str], list[str], Values]:
        """Return ids, entities and training values."""
        rng = self.rng
        values: Values = {}
        for at in range(self.numeric):
            values[f"normal{at}"] = rng.normal(3.0 + at, 1.0 + at, size).tolist()
            values[f"lognormal{at}"] = rng.lognormal(2.0 + at, 0.8, size).tolist()
        for at in range(4):
            values[f"count{at}"] = [float(v) for v in rng.poisson(2.0 + 2 * at, size)]
        for at in range(2):
            values[f"ties{at}"] = rng.choice([0.0, 0.5, 1.0, 2.5, 10.0], size).tolist()
        for at in range(4):
            values[f"level{at}"] = [LEVELS[v] for v in rng.integers(0, 3 + at, size)]
        ids = [f"p{self.made + at}" for at in range(size)]
        active = (np.arange(self.made, self.made + size) // 200 * ACTIVE) % ENTITIES
        entities = [f"e{v}" for v in (active + rng.integers(0, ACTIVE, size)).tolist()]
        self.made += size
        return ids, entities, values

    def pairs(
        self, size: int, plant: Callable[[Traffic, list[str], Values, Values], None] | None = None
    ) -> SkewRows:
        """Return pairs; half of the numeric features were served through float32."""
        at = self.made
        ids, entities, trained = self.rows(size)
        served = {name: list(column) for name, column in trained.items()}
        for name, column in trained.items():
            if name.startswith("normal"):
                served[name] = [float(np.float32(v)) for v in column]
        if plant is not None:
            plant(self, entities, served, trained)
        ts = START + STEP * np.arange(at, at + size)
        return SkewRows.of(ids, ts, served, trained, entities=entities)


def planted(
    feature: str, of: Callable[[Any], Any], share: float = 0.02
) -> Callable[[Traffic, list[str], Values, Values], None]:
    """Serve another value for a share of the rows, of those that it makes a difference to."""

    def plant(traffic: Traffic, entities: list[str], served: Values, trained: Values) -> None:
        column = trained[feature]
        able = [row for row, value in enumerate(column) if of(value) != value]
        for row in chosen(traffic, able, len(column), share):
            served[feature][row] = of(column[row])

    return plant


def chosen(traffic: Traffic, able: list[int], size: int, share: float) -> list[int]:
    """Return so many rows as would be a share of all."""
    count = min(int(traffic.rng.binomial(size, share)), len(able))
    return traffic.rng.choice(able, count, replace=False).tolist() if count else []


def stale(feature: str, share: float = 0.02) -> Callable[..., None]:
    """Serve what the entity's value was when it came before."""

    def plant(traffic: Traffic, entities: list[str], served: Values, trained: Values) -> None:
        last = traffic.last.setdefault(feature, {})
        before = []
        for about, value in zip(entities, trained[feature], strict=True):
            before.append(last.get(about))
            last[about] = value
        pairs = zip(before, trained[feature], strict=True)
        able = [row for row, (old, new) in enumerate(pairs) if old not in (None, new)]
        for row in chosen(traffic, able, len(before), share):
            served[feature][row] = before[row]

    return plant


def swapped(one: str, other: str, share: float = 0.02) -> Callable[..., None]:
    """Serve two features in each other's place."""

    def plant(traffic: Traffic, entities: list[str], served: Values, trained: Values) -> None:
        pairs = zip(trained[one], trained[other], strict=True)
        able = [row for row, (a, b) in enumerate(pairs) if a != b]
        for row in chosen(traffic, able, len(entities), share):
            served[one][row], served[other][row] = trained[other][row], trained[one][row]

    return plant


def filled(feature: str, value: Any, share: float = 0.02) -> Callable[..., None]:
    """Serve a value where training has none."""

    def plant(traffic: Traffic, entities: list[str], served: Values, trained: Values) -> None:
        size = len(entities)
        for row in chosen(traffic, list(range(size)), size, share):
            served[feature][row], trained[feature][row] = value, None

    return plant
