"""One simulated model over time: rows drawn, faults planted, events encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np

from driftline.simulate.aftermath import Aftermath
from driftline.simulate.block import Block
from driftline.simulate.encode import (
    ABSENT,
    NULL,
    encode,
    object_tokens,
    time_tokens,
    tokens,
)
from driftline.simulate.labels import LabelPlanter
from driftline.simulate.people import Office
from driftline.simulate.place import Rows
from driftline.simulate.plant import Planter
from driftline.simulate.retraining import Learner
from driftline.simulate.skew import SkewPlanter
from driftline.simulate.worth import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.frame import EventType
    from driftline.simulate.encode import Tokens
    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Columns
    from driftline.simulate.retraining import Training
    from driftline.simulate.traffic import Traffic

__all__ = ["Later", "Stream"]

RECOMPUTED_US = 60_000_000
"""Least time until training recomputes a row, and the mean of what comes on top."""


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
        columns = [f for f in faults if f.plan.needs is None]
        self._planters = [Planter(fault, model, start) for fault in columns]
        # Shifts of the world come before faults of the wire, in the order given.
        self._planters.sort(key=lambda planter: not planter.fault.plan.world)
        self._skews = [SkewPlanter(f, model, start) for f in faults if f.kind == "skew"]
        self._labels = LabelPlanter(faults, model, start, later.label_delay)
        self._office = Office(faults, model, start)
        self._trial = Trial(faults, model, start)
        loops = [f for f in faults if f.kind == "loop"]
        slow = [f.resolved_size for f in faults if f.kind == "label_delay"]
        waiting = rate * max(later.label_delay, *slow, 0) / 1e6
        learners = [Learner(f, loops, model, start, waiting) for f in faults if f.kind == "retrain"]
        self._learner = learners[0] if learners else None
        self._start = start
        self._rate = rate
        self._seed = seed
        self._later = later
        self._segment = [f for f in model.features if f.name in segment]
        self._made = 0
        self._held: dict[str, float] = {}

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
        count = int(arrivals.poisson(self._rate * span / 1e6))
        begin = self._start + number * span
        ts = np.sort(arrivals.integers(0, span, count)) + begin
        entities = arrivals.integers(0, self._model.entities, count)
        first, self._made = self._made, self._made + count
        if not count and self._learner is None:
            return []
        world = self._model.draw(ts, self._rng("features", number), self._held)
        served = self._planted(world, ts, number)
        rows = Rows(ts, entities, world, first, lambda purpose: self._rng(purpose, number))
        if self._skews:
            served = dict(served)
            for skew in self._skews:
                skew.change(served, rows)
        after, score = self._scored(served, rows, begin + span)
        sent = self._sent(served, rows, number)
        keys = [b"%d" % entity for entity in entities.tolist()]
        values = self._predictions(rows, served, score, sent, after)
        block = Block(["prediction"] * count, keys, ts, values)
        alive = self._alive(ts)
        blocks = [block]
        if after is not None:
            blocks += self._following(block, alive, rows, after)
        if not alive.all():
            blocks[0] = block.take(np.flatnonzero(alive))
        if self._learner is not None and self._learner.trainings:
            blocks.append(self._announced(self._learner.trainings))
        return blocks

    def _planted(self, world: Columns, ts: npt.NDArray[np.int64], number: int) -> Columns:
        """Change the world where it changed, and return what is served of it."""
        served = world
        for planter in self._planters:
            rng = self._rng(str(planter.fault), number)
            if planter.fault.plan.world:
                planter.change(world, ts, rng)
                continue
            if served is world:
                served = dict(world)
            planter.change(served, ts, rng)
        return served

    def _scored(
        self, served: Columns, rows: Rows, until: int
    ) -> tuple[Aftermath | None, npt.NDArray[np.float64]]:
        """Return what follows, where that is asked for, and the scores."""
        model = self._model
        if not self._later.types:
            return None, model.score(served)
        score = None if self._learner is not None else model.score(served)
        earned = score
        if earned is None or served is not rows.world:
            earned = model.score(rows.world)
        earned = self._labels.turn(earned, rows)
        after = Aftermath.draw(
            model, rows, earned, self._trial.share(rows), self._later.label_delay
        )
        self._labels.delay(after, rows)
        if self._learner is not None:
            score = self._learner.answer(served, after, rows, until)
        assert score is not None
        self._labels.mistake(after, rows, earned)
        after.decide(model.act(score))
        self._office.plant(after, rows)
        after.close_loop()
        after.earn(model)
        self._trial.plant(after, rows)
        return after, score

    def _sent(self, served: Columns, rows: Rows, number: int) -> dict[str, Tokens]:
        """Encode the features as they are sent."""
        fields = {f.name: f.to_tokens(served[f.name]) for f in self._model.features}
        for planter in self._planters:
            planter.send(fields, rows.ts, self._rng(str(planter.fault), number))
        for skew in self._skews:
            skew.send(fields)
        return fields

    def _alive(self, ts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        alive = np.ones(ts.size, dtype=np.bool_)
        for planter in self._planters:
            if planter.fault.kind == "silence":
                alive &= ~planter.place.active(ts)
        return alive

    def _ids(self, rows: Rows) -> Tokens:
        seed = b"%d" % self._seed
        return [b'"%b-%d"' % (seed, i) for i in range(rows.first, rows.first + rows.size)]

    def _predictions(
        self,
        rows: Rows,
        served: Columns,
        score: npt.NDArray[np.float64],
        sent: dict[str, Tokens],
        after: Aftermath | None,
    ) -> list[bytes]:
        model = self._model
        fixed, version = {"model": model.name, "version": model.version}, {}
        if self._learner is not None:
            del fixed["version"]
            version = {"version": tokens(self._learner.versions)}
        arms = after.arms if after is not None and self._trial.logged else {}
        fields = {
            **version,
            "ts": time_tokens(rows.ts),
            "prediction_id": self._ids(rows),
            "entity_id": [b'"%d"' % entity for entity in rows.entities.tolist()],
            **model.answer(score),
            **arms,
            **self._segments(served),
            "features": object_tokens(sent),
        }
        return encode(fixed, fields)

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
        rows: Rows,
        after: Aftermath,
    ) -> list[Block]:
        """Encode what was asked for of what follows; all of it has been drawn."""
        model, ids = self._model, self._ids(rows)
        made = []
        for part in after.parts():
            if part.type not in self._later.types:
                continue
            ts = block.ts + part.delay
            order = np.flatnonzero(alive & part.rows)
            order = order[np.argsort(ts[order], kind="stable")]
            fields = {"ts": time_tokens(ts), "prediction_id": ids, **part.fields}
            if any(ABSENT in column for column in part.fields.values()):
                values = object_tokens({"model": tokens([model.name] * block.size), **fields})
            else:
                values = encode({"model": model.name}, fields)
            made.append(Block([part.type] * block.size, block.keys, ts, values).take(order))
        if "features" in self._later.types:
            made.append(self._recomputed(block, alive, rows))
        return made

    def _recomputed(self, block: Block, alive: npt.NDArray[np.bool_], rows: Rows) -> Block:
        """Encode the rows as training recomputes them: as they truly are."""
        took = RECOMPUTED_US + rows.rng("training").exponential(RECOMPUTED_US, rows.size)
        ts = block.ts + np.ceil(took).astype(np.int64)
        order = np.flatnonzero(alive)
        order = order[np.argsort(ts[order], kind="stable")]
        features = {f.name: f.to_tokens(rows.world[f.name]) for f in self._model.features}
        fields = {
            "ts": time_tokens(ts),
            "prediction_id": self._ids(rows),
            "features": object_tokens(features),
        }
        values = encode({"model": self._model.name, "source": "training"}, fields)
        return Block(["features"] * block.size, block.keys, ts, values).take(order)

    def _announced(self, trainings: Sequence[Training]) -> Block:
        """Encode the word that the model was trained anew."""
        ts = np.array([each.at for each in trainings], dtype=np.int64)
        fields = {
            "ts": time_tokens(ts),
            "version": tokens([each.version for each in trainings]),
            "why": tokens([each.why for each in trainings]),
        }
        values = encode({"model": self._model.name, "kind": "retrained"}, fields)
        keys = [self._model.name.encode()] * ts.size
        return Block(["lifecycle"] * ts.size, keys, ts, values)
