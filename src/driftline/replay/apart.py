"""Replay with sources observed apart: stretches on many processes, judged in the order of time."""

from __future__ import annotations

import heapq
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import orjson

from driftline.errors import DriftlineError
from driftline.events.record import UNATTRIBUTED
from driftline.pipeline.marks import NEVER
from driftline.replay.judge import beginning
from driftline.replay.stretch import Observed, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from driftline.replay.hosts import Judges
    from driftline.replay.judge import Step
    from driftline.replay.saved import Saved
    from driftline.replay.stretch import Plan, Stretch
    from driftline.replay.supply import Supply

__all__ = ["Apart", "NotShared"]

AHEAD = 3
"""Stretches on their way or waiting, for each process: none of them is ever without work."""
UNLEARNT = 400_000
"""Records after which a model that still has no reference holds up the others no more."""


class NotShared(Exception):  # noqa: N818 - it is no error, it is met by judging each alone
    """Several judge by different contracts, and lifecycle events may change what is normal.

    Each then learns a reference of its own, by which the others cannot read.
    """


class _Asked:
    """A stretch that was given out, until all its steps have been judged."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self.future: Future[bytes] | None = None
        self.observed: Observed | None = None
        self.told = False
        self.next = 0
        """Of its steps."""


class Apart:
    """Observe stretches in a pool, and have judges take their steps in the order of event time.

    The bytes are those of one process: a judge does not depend on how sources interleave, and a
    stretch gives the panes that it gives within its source. Models learn as they go: what was
    observed by a reference that has meanwhile been followed by another is observed again.

    Bounded: some `AHEAD` stretches for each process, and one for each source at hand.

    Parameters
    ----------
    folder
        With the plan (`write_plan`); references made on the way are added to it.
    saved
        What an earlier run has observed, and where this one's is kept; None to keep nothing.

    Attributes
    ----------
    shared
        Whether several judge by different contracts.
    skipped
        Events outside of the span.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        supplies: Sequence[Supply],
        pool: Executor,
        jobs: int,
        saved: Saved | None = None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._supplies = supplies
        self._pool = pool
        self._most = AHEAD * jobs
        self._saved = saved
        self._asked: list[list[_Asked]] = [[] for _ in supplies]
        self._known = 0
        self._learnt: set[bytes] = set()
        self._met: set[str] = set()
        self._with_reference = {
            contract.model
            for contract in plan.book
            if plan.references.latest(contract.model) is not None
        }
        self._read = 0
        self._exact = False
        self.shared = False
        self.skipped = 0

    def run(self, judges: Judges, progress: Callable[[int], None]) -> None:
        """Read every source to its end.

        Parameters
        ----------
        progress
            Called with the number of records of each step that has been judged.

        Raises
        ------
        DriftlineError
            A process has gone.
        """
        for supply in self._supplies:
            if supply.begins != NEVER:
                source = self._plan.sources[supply.place]
                judges.take(beginning(source, supply.begins), exact=False)
        queue = [(supply.begins, supply.place) for supply in self._supplies]
        heapq.heapify(queue)
        while queue:
            _, place = heapq.heappop(queue)
            step = self._next(place)
            if step is None:
                continue
            for value in judges.take(step, exact=self._exact):
                self._learn(value)
            self._read += step.records
            if self._read < UNLEARNT:
                self._met.update(model.decode() for model, _ in step.panes)
            progress(step.records)
            heapq.heappush(queue, (step.at, place))

    def _next(self, place: int) -> Step | None:
        """Return the next step of a source; None at its end."""
        asked = self._asked[place]
        while True:
            if not asked:
                stretch = self._supplies[place].next()
                if stretch is None:
                    return None
                self._ask(_Asked(stretch))
            first = asked[0]
            observed = self._wait(first)
            if first.next < len(observed.steps):
                first.next += 1
                self._exact |= observed.noted
                if self._exact and self.shared:
                    raise NotShared
                return observed.steps[first.next - 1]
            self.skipped += observed.skipped
            del asked[0]
            self._supplies[place].judged()

    def _ask(self, asked: _Asked) -> None:
        self._asked[asked.stretch.place].append(asked)
        self._submit(asked)

    def _submit(self, asked: _Asked) -> None:
        asked.observed, asked.future = None, None
        data = self._saved.read(asked.stretch.name) if self._saved is not None else None
        if data is not None:
            observed = msgspec.msgpack.decode(data, type=Observed)
            if observed.known >= self._known or not self._exact:
                self._take(asked, observed)
                return
        asked.future = self._pool.submit(observe, str(self._folder), self._known, asked.stretch)

    def _take(self, asked: _Asked, observed: Observed) -> None:
        asked.observed = observed
        if not asked.told:
            self._supplies[asked.stretch.place].done(observed)
            asked.told = True

    def _wait(self, wanted: _Asked) -> Observed:
        """Return what a stretch came to, and keep the pool at work meanwhile."""
        self._ahead()
        while wanted.observed is None:
            waiting = {a.future: a for each in self._asked for a in each if a.future is not None}
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                asked = waiting[future]
                asked.future = None
                try:
                    data = future.result()
                except BrokenProcessPool as error:
                    msg = "a process that reads sources has gone: out of memory?"
                    raise DriftlineError(msg) from error
                if self._saved is not None:
                    self._saved.write(asked.stretch.name, data)
                self._take(asked, msgspec.msgpack.decode(data, type=Observed))
            self._ahead()
        return wanted.observed

    def _ahead(self) -> None:
        """Give out stretches that will be wanted next, as many as may be on their way."""
        if self._learning:
            return
        count = sum(len(each) for each in self._asked)
        while count < self._most:
            open_ = [
                (each[-1].stretch.begins if each else supply.begins, supply.place)
                for supply, each in zip(self._supplies, self._asked, strict=True)
                if not supply.ended
            ]
            for _, place in sorted(open_):
                stretch = self._supplies[place].next()
                if stretch is not None:
                    self._ask(_Asked(stretch))
                    count += 1
                    break
            else:
                return

    @property
    def _learning(self) -> bool:
        """Whether references are about to come, without which rows travel as they are."""
        if self._read >= UNLEARNT:
            return False
        met = {model for model in self._met if not model.startswith(UNATTRIBUTED)}
        return not met or not met <= self._with_reference

    def _learn(self, value: bytes) -> None:
        """Take up a reference; what was observed by the one before it is observed again."""
        digest = sha256(value).digest()
        if digest in self._learnt:
            return  # of judges by several contracts each has built it
        self._learnt.add(digest)
        (self._folder / f"reference-{self._known}").write_bytes(value)
        self._known += 1
        model = orjson.loads(value)["reference"]["model"]
        follows = model in self._with_reference
        self._with_reference.add(model)
        if not follows:
            return  # rows that came as they are can be counted by any
        for asked in (a for each in self._asked for a in each):
            if asked.observed is None and asked.future is not None:
                asked.future.cancel()
            if asked.observed is None or asked.next < len(asked.observed.steps):
                self._submit(asked)
