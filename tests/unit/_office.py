"""A simulated office: ten people and a machine that act on a model, or do not."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract import HOUR, SECOND, Contract, parse
from driftline.detect.budget import run_of_decisions
from driftline.ledger.actrows import ActRows
from driftline.ledger.acts import Acts
from driftline.ledger.advice import Advice, judging_span
from driftline.ledger.decisions import Decisions

if TYPE_CHECKING:
    from driftline.detect.protocol import Finding

START = 1_795_392_000_000_000
"""A midnight."""


def contract(decision: str, more: str = "") -> Contract:
    return parse(f"{{model: m, slot: 1h, lateness: 0s, decision: {decision}{more}}}", "m.yaml")


ALL = contract("{action: reject, within: 2h}")
HOURLY = contract(
    "{action: reject, within: 2h}",
    ", quality: {metric: auc, at_least: 0.5, window: 1h, label_horizon: 1d}",
)
"""Its quality is promised of each hour."""
SOME = contract('{act_when: "score >= 0.6", action: reject, within: 2h}')


@dataclass(frozen=True)
class World:
    """How an office of ten people and one machine treats a model."""

    per_day: int = 1000
    crew: int = 6
    """People on duty, other ones every day."""
    ignored: float = 0.03
    slow: float = 1.0
    seconds: float | None = None
    """People take about so long, where it is said."""
    overrides: float = 0.08
    machine: float = 0.2
    newcomer: float = 0.0
    """Share of decisions that another machine takes, which follows as well."""
    decides: bool = True
    nights: bool = True
    """Whether anybody is there from 20 to 7 o'clock; what is asked for then waits for the morning,
    or is forgotten by it."""


PEOPLE = 10
AUTOMAT, NEWCOMER = PEOPLE, PEOPLE + 1
NAMES = np.array([*(f"p{k}" for k in range(PEOPLE)), "auto", "bot"], dtype=object)


class Office:
    """Predictions of each hour and what is done about them, shown slot by slot."""

    def __init__(self, terms: Contract = ALL, seed: int = 1) -> None:
        self.terms = terms
        self.advice = Advice.of(terms)
        self.decisions = Decisions(terms, run_of_decisions(terms, judging_span(terms)))
        self.rng = np.random.default_rng(seed)
        rng = np.random.default_rng([seed, 1])
        self.severity = np.exp(rng.normal(0, 0.5, PEOPLE))
        self.severity /= self.severity.mean()
        self.haste = np.exp(rng.normal(0, 0.3, PEOPLE))
        self.told: list[dict[str, Any]] = []
        self.found: list[Finding] = []
        self.waiting: dict[int, list[tuple[ActRows, int]]] = {}
        self.shown: list[tuple[int, dict[int, Acts]]] = []
        self.day = 0

    def go(self, days: int, world: World) -> None:
        for _ in range(days):
            self._plan(world)
            for hour in range(24 * self.day, 24 * (self.day + 1)):
                self.step(hour)
            self.day += 1

    def step(self, hour: int) -> None:
        start = START + hour * HOUR
        self.told += [json.loads(v) for _, v in self.decisions.tell(start, passed=True)]
        cells: dict[int, Acts] = {}
        for rows, window in self.waiting.pop(hour, []):
            cells.setdefault(window, Acts.empty()).merge(Acts.of(rows, self.advice))
        self.found += self.decisions.step(start, start + HOUR, cells)
        self.shown.append((start, cells))

    def _plan(self, world: World) -> None:
        """Draw a day: most of it by day, decided quickly; little at night, decided slowly."""
        rng = self.rng
        busy = 0.1 + np.clip(np.sin((np.arange(24) - 6) * np.pi / 14), 0, None)
        hours = np.sort(rng.choice(24, rng.poisson(world.per_day), p=busy / busy.sum()))
        n = hours.size
        ts = START + (24 * self.day + hours) * HOUR + rng.integers(0, HOUR, n)
        score = rng.beta(2, 3, n)
        due = self.advice.due([None] * n, score)
        # Who is on duty differs from day to day, and at night there are two.
        shift = rng.permutation(PEOPLE)[: world.crew]
        actor = np.where(busy[hours] > 0.2, rng.choice(shift, n), rng.choice(shift[:2], n))
        actor[rng.random(n) < world.machine] = AUTOMAT
        actor[rng.random(n) < world.newcomer] = NEWCOMER
        person = actor < PEOPLE
        who = np.minimum(actor, PEOPLE - 1)
        reject = score >= 0.6
        rate = world.overrides * self.severity[who] * (1.6 - 1.2 * np.abs(2 * score - 1))
        overridden = person & (rng.random(n) < np.minimum(rate, 1))
        acted = reject ^ overridden
        median = 1200 * self.haste[who] * np.where(busy[hours] > 0.2, 1, 2) * world.slow
        if world.seconds is not None:
            median = np.full(n, world.seconds)
        took = np.where(person, median * np.exp(rng.normal(0, 0.7, n)), 0.2)
        latency = (took * SECOND).astype(np.int64)
        odds = world.ignored / (1 - world.ignored) * np.exp(rng.normal(0, 0.2))
        some_day = odds / (1 + odds)
        made = hours + 24 * self.day
        self._show(made, ts, rows_of(n, score=score, due=due))
        with_decision = world.decides & due & (rng.random(n) >= some_day)
        if not world.nights:
            asleep = person & ((hours < 7) | (hours >= 20))
            latency = np.where(asleep, latency + (31 - hours) % 24 * HOUR, latency)
            with_decision &= ~asleep | (rng.random(n) < 0.4)
        at = np.flatnonzero(with_decision)
        told = np.where(reject, "reject", "accept")
        rows = rows_of(
            n,
            score=score,
            due=due,
            decided=np.ones(n, np.bool_),
            recommended=told.tolist(),
            action=np.where(acted, "reject", "accept").tolist(),
            actor=NAMES[actor].tolist(),
            latency=latency,
            late=latency > (self.advice.within or 2**60),
        )
        self._show((ts + latency - START)[at] // HOUR, ts[at], rows.take(at))

    def _show(self, hours: Any, ts: Any, rows: ActRows) -> None:
        windows = ts // self.decisions.span * self.decisions.span
        for hour in np.unique(hours).tolist():
            for window in np.unique(windows[hours == hour]).tolist():
                at = np.flatnonzero((hours == hour) & (windows == window))
                self.waiting.setdefault(hour, []).append((rows.take(at), window))

    def raised(self) -> list[str]:
        return [f.detector for f in self.found if f.state == "raised"]


def rows_of(n: int, **columns: Any) -> ActRows:
    none, no = [None] * n, np.zeros(n, np.bool_)
    blank = ActRows(
        score=np.full(n, np.nan),
        due=~no,
        held=no,
        sign=np.ones(n, np.int8),
        decided=no,
        recommended=none,
        arm=none,
        action=none,
        actor=none,
        latency=np.zeros(n, np.int64),
        late=no,
        label=none,
    )
    return replace(blank, **columns)


HEALTHY = World()
