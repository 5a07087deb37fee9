"""One comparison from its arguments to its files."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import orjson

from driftline.errors import DriftlineError
from driftline.events.time import format_ts
from driftline.replay.compare.candidates import differences, groups_of
from driftline.replay.compare.known import KnownAll, read_truth, read_verdicts
from driftline.replay.compare.pairs import pairs_of
from driftline.replay.compare.score import read_alarms, score
from driftline.replay.compare.verdict import judge
from driftline.replay.hosts import Seat
from driftline.replay.judge import WHOLE, write
from driftline.replay.parallel import NotShared, observe_apart
from driftline.replay.run import counted, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from driftline.replay.compare.candidates import Candidate
    from driftline.replay.compare.pairs import Pair
    from driftline.replay.compare.score import Score
    from driftline.replay.compare.verdict import Judgement
    from driftline.replay.parallel import Engine
    from driftline.replay.run import Opened, Request

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """What several contracts would have said of the same events.

    Attributes
    ----------
    first, last
        Event time of the first slot and the end of the last one, microseconds.
    pairs
        By letter: how the alarms of a contract go with those of the first one.
    """

    scored: list[tuple[Candidate, Score]]
    known: KnownAll
    judgement: Judgement
    pairs: dict[str, list[Pair]]
    first: int
    last: int
    events: int
    sources: list[str]
    read: int
    seconds: float

    def to_json(self) -> bytes:
        """Return the content of ``comparison.json``."""
        base = self.scored[0][0]
        body = {
            "verdict": asdict(self.judgement),
            "from": format_ts(self.first),
            "to": format_ts(self.last),
            "events": self.events,
            "sources": self.sources,
            "complete": self.known.complete,
            "contracts": [
                {
                    "letter": candidate.letter,
                    "name": candidate.name,
                    "fingerprints": {c.model: c.fingerprint for c in candidate.book},
                    "differs": [
                        {"field": path, base.letter: before, candidate.letter: after}
                        for path, before, after in differences(base, candidate)
                    ],
                    **score.to_json(),
                    "against": [pair.to_json() for pair in self.pairs.get(candidate.letter, [])],
                }
                for candidate, score in self.scored
            ],
            "decoded": self.read,
            "seconds": round(self.seconds, 3),
        }
        return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def compare(
    request: Request,
    candidates: Sequence[Candidate],
    engine: Engine,
    *,
    truth: Path | None = None,
    verdicts: Sequence[Path] = (),
    clock: Callable[[], float],
    progress: Callable[[int, int], None] = lambda _read, _total: None,
    tell: Callable[[str], None] = lambda _line: None,
) -> Comparison:
    """Replay by several contracts; events are read once for all that read them alike.

    Writes each one's alerts, feedback and windows into a folder of its letter, and
    ``comparison.json``.

    Parameters
    ----------
    request
        Its book and its engine do not count.
    truth, verdicts
        What is known to have happened: see `driftline.replay.compare.known`.

    Raises
    ------
    UsageError
        A source, the span, the folder or what is known makes no sense.
    DriftlineError
        A source cannot be read.
    """
    begun = clock()
    known = read_truth(truth) if truth is not None else KnownAll()
    book = candidates[0].book
    with ExitStack() as stack:
        at_hand = opened(replace(request, book=book), stack)
        groups = groups_of(candidates)
        records = sum(feed.total for feed in at_hand.feeds)
        runs = _Runs(request, at_hand, engine, counted(progress, records * len(groups)), tell)
        for group in groups:
            runs.run(group)
    folders = {each.letter: request.out / each.letter for each in candidates}
    if verdicts:
        known = read_verdicts(verdicts, [folder / "alerts.jsonl" for folder in folders.values()])
    scored = []
    counts, slots = _finest(candidates, runs.rows)
    for each in candidates:
        alarms = read_alarms(folders[each.letter] / "alerts.jsonl")
        scored.append((each, score(alarms, known, counts, slots)))
    base = scored[0][1].alarms
    held = [start for each in counts.values() for start in each]
    if not held:
        msg = f"expected events in {', '.join(request.sources)}, got none that count"
        raise DriftlineError(msg)
    comparison = Comparison(
        scored,
        known,
        judge(scored),
        {each.letter: pairs_of(base, own.alarms) for each, own in scored[1:]},
        min(held),
        max(held) + min(slots.values()),
        runs.events,
        [str(feed.source) for feed in at_hand.feeds],
        runs.read,
        clock() - begun,
    )
    (request.out / "comparison.json").write_bytes(comparison.to_json())
    return comparison


def _finest(
    candidates: Sequence[Candidate], rows: Mapping[str, dict[str, dict[int, int]]]
) -> tuple[dict[str, dict[int, int]], dict[str, int]]:
    """Return events by model and slot as the contract with the shortest slots has counted them."""
    counts: dict[str, dict[int, int]] = {}
    slots: dict[str, int] = {}
    for each in candidates:
        for model, held in rows[each.letter].items():
            slot = each.book.of(model).slot
            if slot < slots.get(model, slot + 1):
                counts[model], slots[model] = held, slot
    return counts, slots


class _Runs:
    """Replays of groups of contracts over the same sources.

    Attributes
    ----------
    rows
        By letter: predictions and features events by model and slot.
    events
        Events of all types, that counted in the first replay.
    read
        How many times the sources were read.
    """

    def __init__(
        self,
        request: Request,
        at_hand: Opened,
        engine: Engine,
        advance: Callable[[int], None],
        tell: Callable[[str], None],
    ) -> None:
        self._request = request
        self._at_hand = at_hand
        self._engine = engine
        self._advance = advance
        self._tell = tell
        self.rows: dict[str, dict[str, dict[int, int]]] = {}
        self.events = 0
        self.read = 0

    def run(self, group: Sequence[Candidate]) -> None:
        """Replay by the contracts of a group, together where that is possible."""
        spool = self._at_hand.spool / "".join(each.letter for each in group)
        spool.mkdir()
        out = self._request.out / group[0].letter
        out.mkdir(exist_ok=True)
        at_hand = replace(self._at_hand, spool=spool, out=out)
        plan = at_hand.plan(group[0].book, self._request.span)
        seats = [Seat(each.book, WHOLE) for each in group]
        self.read += 1
        try:
            found, _ = observe_apart(self._engine, at_hand, plan, self._advance, self._tell, seats)
        except NotShared:
            # What is normal has changed on the way, and each contract learns it in its own way.
            for each in group:
                self.run([each])
            return
        for each, judged in zip(group, found, strict=True):
            out = self._request.out / each.letter
            out.mkdir(exist_ok=True)
            whole, _ = write([judged], spool, out)
            self.rows[each.letter] = whole.tally.rows
            self._engine.forget(out)
            self.events = self.events or sum(whole.tally.events.values())
