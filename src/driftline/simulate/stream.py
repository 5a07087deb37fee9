"""One simulated model over time: rows drawn, faults planted, events encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np

from driftline.simulate.block import Block
from driftline.simulate.encode import (
    ABSENT,
    NULL,
    encode,
    number_tokens,
    object_tokens,
    time_tokens,
    tokens,
)
from driftline.simulate.plant import Planter
from driftline.simulate.traffic import HOLDOUT_SHARE, OVERRIDE_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.frame import EventType
    from driftline.simulate.encode import Tokens
    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Columns
    from driftline.simulate.traffic import Traffic

__all__ = ["Later", "Stream"]

DECISION_DELAY_US = 2_000_000


class Later(NamedTuple):
    """Which events follow predictions, and how long labels take (mean, microseconds)."""

    types: frozenset[EventType]
    label_delay: int


class Stream:
    """The traffic of one model, made chunk by chunk; a chunk is a fixed span of event time.

    Every chunk has random generators of its own for arrivals, features, what follows and each
    fault, so that events do not depend on how the stream is read, traffic outside a fault is what
    it would be without it, and asking for labels changes no feature.
    """

    def __init__(
        self,
        model: Traffic,
        faults: Sequence[Fault],
        start: int,
        rate: float,
        seed: int,
        later: Later,
        segment: Sequence[str] = (),
    ) -> None:
        self._model = model
        self._planters = [Planter(fault, model, start) for fault in faults]
        self._start = start
        self._rate = rate
        self._seed = seed
        self._later = later
        self._segment = [f for f in model.features if f.name in segment]
        self._made = 0
        self._held: dict[str, float] = {}
        # Shifts of the world come before faults of the wire, in the order given.
        self._planters.sort(key=lambda planter: not planter.fault.plan.world)

    def _rng(self, purpose: str, chunk: int) -> np.random.Generator:
        name = crc32(f"{self._model.name}\0{purpose}".encode())
        return np.random.default_rng([self._seed, name, chunk])

    def chunk(self, number: int, span: int) -> list[Block]:
        """Make the predictions of one chunk and everything that will follow them.

        Parameters
        ----------
        number
            Chunks are made in ascending order from 0, each once.
        span
            Length of a chunk, microseconds; the same for all.
        """
        arrivals = self._rng("arrivals", number)
        rows = int(arrivals.poisson(self._rate * span / 1e6))
        ts = np.sort(arrivals.integers(0, span, rows)) + (self._start + number * span)
        entities = arrivals.integers(0, self._model.entities, rows)
        first, self._made = self._made, self._made + rows
        if not rows:
            return []
        world = self._model.draw(ts, self._rng("features", number), self._held)
        served = world
        for planter in self._planters:
            rng = self._rng(str(planter.fault), number)
            if planter.fault.plan.world:
                planter.change(world, ts, rng)
                continue
            if served is world:
                served = dict(world)
            planter.change(served, ts, rng)
        score = self._model.score(served)
        values = self._predictions(ts, first, entities, served, score, number)
        keys = [b"%d" % entity for entity in entities.tolist()]
        block = Block(["prediction"] * rows, keys, ts, values)
        blocks = [block]
        alive = self._alive(ts)
        if self._later.types:
            earned = score if served is world else self._model.score(world)
            blocks += self._following(block, alive, first, score, earned, number)
        if alive.all():
            return blocks
        return [blocks[0].take(np.flatnonzero(alive)), *blocks[1:]]

    def _alive(self, ts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        alive = np.ones(ts.size, dtype=np.bool_)
        for planter in self._planters:
            if planter.fault.kind == "silence":
                alive &= ~planter.active(ts)
        return alive

    def _ids(self, first: int, rows: int) -> Tokens:
        seed = b"%d" % self._seed
        return [b'"%b-%d"' % (seed, i) for i in range(first, first + rows)]

    def _predictions(
        self,
        ts: npt.NDArray[np.int64],
        first: int,
        entities: npt.NDArray[np.int64],
        served: Columns,
        score: npt.NDArray[np.float64],
        number: int,
    ) -> list[bytes]:
        model = self._model
        features = {f.name: f.to_tokens(served[f.name]) for f in model.features}
        for planter in self._planters:
            planter.send(features, ts, self._rng(str(planter.fault), number))
        fields = {
            "ts": time_tokens(ts),
            "prediction_id": self._ids(first, ts.size),
            "entity_id": [b'"%d"' % entity for entity in entities.tolist()],
            **model.answer(score),
            **self._segments(served),
            "features": object_tokens(features),
        }
        return encode({"model": model.name, "version": model.version}, fields)

    def _segments(self, served: Columns) -> dict[str, Tokens]:
        """Encode the segment of each row; what is missing has no part in it."""
        if not self._segment:
            return {}
        told = {f.name: f.to_tokens(served[f.name]) for f in self._segment}
        there = {name: [ABSENT if t == NULL else t for t in ts] for name, ts in told.items()}
        return {"segment": object_tokens(there)}

    def _following(
        self,
        block: Block,
        alive: npt.NDArray[np.bool_],
        first: int,
        score: npt.NDArray[np.float64],
        earned: npt.NDArray[np.float64],
        number: int,
    ) -> list[Block]:
        """Make decisions, labels and outcomes; all are drawn, then what was asked for is kept."""
        model, rows = self._model, block.size
        rng = self._rng("following", number)
        labels = model.label(earned, rng)
        recommended = model.act(score)
        holdout = rng.random(rows) < HOLDOUT_SHARE
        choices = sorted({*recommended, *model.act(np.array([-np.inf, np.inf]))})
        drawn = rng.integers(0, len(choices), rows).tolist()
        human = rng.random(rows) < OVERRIDE_SHARE
        free = (holdout | human).tolist()
        actions = [choices[d] if f else r for f, d, r in zip(free, drawn, recommended, strict=True)]
        decided = np.ceil(rng.exponential(DECISION_DELAY_US, rows)).astype(np.int64)
        half = self._later.label_delay / 2
        labelled = np.ceil(half + rng.exponential(half, rows)).astype(np.int64)
        ids = self._ids(first, rows)
        parts: dict[EventType, tuple[npt.NDArray[np.int64], dict[str, Tokens]]] = {
            "decision": (
                decided,
                {
                    "action": tokens(actions),
                    "recommended": tokens(recommended),
                    "actor": [b'"human"' if h else b'"policy"' for h in human.tolist()],
                    "arm": [b'"holdout"' if h else b'"model"' for h in holdout.tolist()],
                    "propensity": number_tokens(
                        np.where(holdout, HOLDOUT_SHARE, 1 - HOLDOUT_SHARE)
                    ),
                },
            ),
            "label": (labelled, {"label": tokens(labels)}),
            "outcome": (
                np.maximum(labelled, decided) + 1_000_000,
                {
                    "value": number_tokens(model.worth(actions, labels, rng)),
                    "kind": [b'"margin"'] * rows,
                },
            ),
        }
        made = []
        for kind, (delay, fields) in parts.items():
            if kind not in self._later.types:
                continue
            ts = block.ts + delay
            order = np.flatnonzero(alive)
            order = order[np.argsort(ts[order], kind="stable")]
            common = {"ts": time_tokens(ts), "prediction_id": ids}
            values = encode({"model": model.name}, common | fields)
            made.append(Block([kind] * rows, block.keys, ts, values).take(order))
        return made
