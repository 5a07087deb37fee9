"""Summing claims: what was joined in one slot, by window of the predictions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from driftline.ledger.actrows import ActRows
from driftline.ledger.acts import Acts
from driftline.ledger.advice import Advice
from driftline.ledger.cell import Card, Cell
from driftline.ledger.claims import Columns
from driftline.ledger.classes import class_names
from driftline.ledger.delays import Delays
from driftline.ledger.entry import segment_of
from driftline.ledger.exposure import Exposure
from driftline.ledger.packing import WRONG_TYPE
from driftline.ledger.profile import ErrorProfile
from driftline.ledger.residuals import Residuals
from driftline.ledger.rows import read_rows
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.segments import in_order
from driftline.ledger.skew import Skew, SkewRows, Tolerance, Tolerances
from driftline.ledger.task import Task
from driftline.ledger.trialrows import read_trials
from driftline.ledger.trials import Trials
from driftline.stats.segments import OTHER_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.ledger.claims import Claims
    from driftline.ledger.pairs import Floats, Integers
    from driftline.ledger.rows import Read

__all__ = ["Summing"]

Key = TypeVar("Key")
UNSCORED = "score: expected a probability from 0 to 1"
ONE_TYPE, ANOTHER_TYPE = "a value of one type", "a value of another type"
MOST_REASONS = 20
"""Kinds of rows that make no pair, told apart in one cell; further ones are counted as one."""


@dataclass(frozen=True, slots=True)
class Summing:
    """What a contract asks to be summed of claims.

    Attributes
    ----------
    task
        How predictions and labels are to be read.
    quality
        Whether pairs are summed: the contract promises quality.
    advice
        Which decisions the contract asks for; None where it says nothing of decisions.
    tolerances
        When a served value is that of training; None where rows are not compared.
    """

    contract: Contract
    task: Task
    quality: bool
    advice: Advice | None
    tolerances: Tolerances | None

    @classmethod
    def of(cls, contract: Contract) -> Summing:
        """Read it from a contract."""
        return cls(
            contract,
            Task.of(contract),
            contract.quality is not None,
            None if contract.decision is None else Advice.of(contract),
            None if contract.skew is None else Tolerances(Tolerance(contract.skew.tolerance)),
        )

    def sum(self, groups: Mapping[Key, Claims]) -> dict[Key, Cell]:
        """Sum claims group by group, each claim as often as it is counted.

        Groups are read together and summed apart: there may be many of a few rows. Where claims are
        of segments each is summed once, in that of its segment, and the whole is their sum.
        """
        cells = {key: Cell.empty(self.task) for key in groups}
        owners = list(cells.values())
        parts: list[tuple[Cell, Segment, int]] = []
        made, paired, decided, tried, compared = (_Rows() for _ in range(5))
        rows = {"predicted": made, "first": paired, "paired": paired}
        rows |= {"decided": decided, "tried": tried, "compared": compared}
        for number, claims in enumerate(groups.values()):
            segments: list[Segment] = []
            if self.task.segments:
                for columns in claims.values():
                    segments += map(segment_of, columns.prediction, columns.served)
            places: Iterator[int] = repeat(number)
            if any(segments):
                found, apart = _apart(segments, self.task.segments, number, len(owners))
                places = iter(apart)
                parts += [(owners[number], *each) for each in found.items()]
                owners += [Cell.empty(self.task) for _ in found]
            for what, columns in claims.items():
                own = list(islice(places, len(columns)))
                if what in rows:
                    rows[what].take(own, what, columns)
                else:
                    _count(owners, what, own, columns.times)
        _count(owners, "predicted", made.groups, made.times)
        if self.quality and made:
            _add_made(owners, self.task, made)
        if self.quality and paired:
            _add_paired(owners, self.task, paired)
        if self.advice is not None and (made or decided):
            acts = _acts(self.advice, self.task, made, decided)
            for group, at in _parts_of(np.array([*made.groups, *decided.groups])):
                owners[group].acts = Acts.of(acts.take(at), self.advice)
            if self.quality:
                _add_followed(owners, self.task, self.advice, decided, acts)
        if self.quality and self.advice is not None and paired:
            _add_hidden(owners, self.task, self.advice, paired)
        if self.advice is not None and tried:
            _add_trials(owners, self.contract, self.task, tried)
        if self.tolerances is not None and compared:
            _add_skew(owners, self.tolerances, compared)
        for whole, segment, place in parts:
            whole.merge(owners[place])
            whole.segments[segment] = owners[place].part()
        return cells


def _apart(
    segments: Sequence[Segment], most: int, whole: int, first: int
) -> tuple[dict[Segment, int], list[int]]:
    """Return where each segment that is told apart is summed, and where each of these claims is.

    Places count from `first` on; that of claims without a segment is `whole`.
    """
    kept, _ = in_order(filter(None, segments), most)
    found: dict[Segment, int] = {}
    places = []
    for segment in segments:
        name = segment if segment in kept else OTHER_SEGMENT
        places.append(found.setdefault(name, first + len(found)) if segment else whole)
    return found, places


@dataclass(slots=True)
class _Rows(Columns):
    """Claims that are to be read, which group each is of, and whether it is a first pair."""

    groups: list[int] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)

    def take(self, groups: list[int], what: str, columns: Columns) -> None:
        self.extend(columns)
        self.groups += groups
        self.first += repeat(what == "first", len(columns))

    def where(self, rows: Iterable[int]) -> _Rows:
        """Return some rows, for `_read`."""
        picked = list(rows)
        found = _Rows(times=[self.times[row] for row in picked])
        found.groups = [self.groups[row] for row in picked]
        found.prediction = [self.prediction[row] for row in picked]
        found.label = [self.label[row] for row in picked]
        return found


def _count(cells: list[Cell], what: str, groups: list[int], times: list[int]) -> None:
    for group, rows in _parts_of(np.array(groups, dtype=np.int64)):
        cells[group].count(what, int(np.array(times, dtype=np.int64)[rows].sum()))


def _add_made(cells: list[Cell], task: Task, made: _Rows) -> None:
    """Sum predictions; any label will do to have them read as pairs are."""
    read = _read(task, made, label=0.0 if task.regression else "1")
    for group, rows in _split(made, read.rows):
        pairs = read.pairs.take(rows)
        if task.regression:
            cells[group].exposure = ErrorProfile.of(replace(pairs, label=pairs.predicted))
        else:
            cells[group].exposure = Exposure.of_pairs(pairs)


def _add_paired(cells: list[Cell], task: Task, paired: _Rows) -> None:
    read = _read(task, paired)
    for reason, refused in {**read.refused, UNSCORED: read.unscored}.items():
        for row in refused.tolist():
            counts = cells[paired.groups[row]].counts
            known = reason in counts or len(counts) < MOST_REASONS
            cells[paired.groups[row]].count(reason if known else "…", paired.times[row])
    both = zip(paired.label, paired.prediction, strict=True)
    took = np.array([after[0] - made[0] for after, made in both], dtype=np.int64)[read.rows]
    first = np.array(paired.first, dtype=np.bool_)[read.rows]
    for group, rows in _split(paired, read.rows):
        cell, pairs = cells[group], read.pairs.take(rows)
        if task.regression:
            cell.card, cell.profile = Residuals.of(pairs), ErrorProfile.of(pairs)
        else:
            cell.card = Scorecard.of(pairs)
        own = rows[first[rows]]
        if own.size < rows.size:
            pairs = read.pairs.take(own)
        cell.count("labelled", int(pairs.sign.sum(dtype=np.int64)))
        guess, truth = pairs.predicted, pairs.label
        if isinstance(guess, np.ndarray) or isinstance(truth, np.ndarray):
            guess = truth = ["all"] * own.size
        cell.delays = Delays.of(guess, truth, took[own], pairs.sign)


def _split(rows: _Rows, read: Integers) -> Iterator[tuple[int, Integers]]:
    """Yield each group with its places among the rows that were read."""
    return _parts_of(np.array(rows.groups, dtype=np.int64)[read])


def _read(task: Task, rows: _Rows, label: float | str | None = None) -> Read:
    """Read claims; with a `label` as if it were that of all of them."""
    bodies = [body for _, body in rows.prediction]
    labels: list[Any] = [label] * len(bodies)
    weights: list[Any] | None = None
    if label is None:
        told = [body for _, body in rows.label]
        labels, weights = [each[0] for each in told], [each[1] for each in told]
    names = sorted({name for body in bodies if body[2] for name, _ in body[2]})
    shares = {
        name: [dict(body[2]).get(name) if body[2] else None for body in bodies] for name in names
    }
    return read_rows(
        task,
        [body[0] for body in bodies],
        labels,
        score=[body[1] for body in bodies],
        shares=shares,
        weight=weights,
        sign=np.array(rows.times, dtype=np.int8),
    )


def _acts(advice: Advice, task: Task, made: _Rows, decided: _Rows) -> ActRows:
    """Return predictions as they come, and then what is done about them."""
    about = [*made.prediction, *decided.prediction]
    said, score = [body[0] for _, body in about], _scores(task, [body for _, body in about])
    arms = [body[3] for _, body in about]
    done = [*made.decision, *decided.decision]
    within = advice.within
    latency = [0 if d is None else d[0] - a[0] for a, d in zip(about, done, strict=True)]
    bodies = [(None,) * 5 if d is None else d[1] for d in done]
    advised = advice.recommended(said, score)
    told = [*made.label, *decided.label]
    labels = [None if label is None else label[1][0] for label in told]
    return ActRows(
        score=score,
        due=advice.due(said, score, arms),
        held=np.array([arm == advice.baseline for arm in arms], dtype=np.bool_),
        sign=np.array([*made.times, *decided.times], dtype=np.int8),
        decided=np.array([d is not None for d in done], dtype=np.bool_),
        recommended=[a if b[1] is None else b[1] for a, b in zip(advised, bodies, strict=True)],
        arm=[a if b[3] is None else b[3] for a, b in zip(arms, bodies, strict=True)],
        action=[body[0] for body in bodies],
        actor=[body[2] for body in bodies],
        latency=np.array(latency, dtype=np.int64),
        late=np.array([within is not None and took > within for took in latency], dtype=np.bool_),
        label=class_names(labels),
    )


def _add_hidden(cells: list[Cell], task: Task, advice: Advice, paired: _Rows) -> None:
    """Sum pairs of predictions that nobody was shown apart."""
    arms = (body[3] for _, body in paired.prediction)
    hidden = paired.where(row for row, arm in enumerate(arms) if arm == advice.baseline)
    for group, card in _cards(task, hidden):
        cells[group].hidden = card


def _add_followed(
    cells: list[Cell], task: Task, advice: Advice, decided: _Rows, acts: ActRows
) -> None:
    """Sum pairs whose decision followed the prediction apart."""
    known = acts.followed(advice)[len(acts) - len(decided) :]
    kept = []
    for row, (label, follows) in enumerate(zip(decided.label, known, strict=True)):
        if label is None or follows is None:
            continue
        what = "labels that followed" if follows else "labels that did not"
        cells[decided.groups[row]].count(what, decided.times[row])
        if follows:
            kept.append(row)
    followed = decided.where(kept)
    for group, card in _cards(task, followed):
        cells[group].followed = card


def _cards(task: Task, rows: _Rows) -> Iterator[tuple[int, Card]]:
    if not rows:
        return
    read = _read(task, rows)
    for group, at in _split(rows, read.rows):
        pairs = read.pairs.take(at)
        yield group, Residuals.of(pairs) if task.regression else Scorecard.of(pairs)


def _add_trials(cells: list[Cell], contract: Contract, task: Task, tried: _Rows) -> None:
    bodies = [body for _, body in tried.prediction]
    done = [(None,) * 5 if told is None else told[1] for told in tried.decision]
    rows = read_trials(
        contract,
        [body[0] for _, body in tried.outcome],
        [([b[3] for b in each], [b[4] for b in each]) for each in (done, bodies)],
        score=_scores(task, bodies).tolist(),
        sign=np.array(tried.times, dtype=np.int8),
    )
    for group, at in _parts_of(np.array(tried.groups, dtype=np.int64)):
        cells[group].trials = Trials.of(rows.take(at))


def _add_skew(cells: list[Cell], tolerances: Tolerances, compared: _Rows) -> None:
    bodies = [body for _, body in compared.served]
    served = _columns([body[2] for body in bodies])
    trained = _columns([body[2] for _, body in compared.trained])
    for name in served.keys() & trained.keys():
        _tell_types_apart(served[name], trained[name])
    rows = SkewRows.of(
        [body[0] for body in bodies],
        np.array([ts for ts, _ in compared.served], dtype=np.int64),
        served,
        trained,
        entities=[body[1] for body in bodies],
        sign=np.array(compared.times, dtype=np.int8),
    )
    for group, at in _parts_of(np.array(compared.groups, dtype=np.int64)):
        cells[group].skew = Skew.of(rows.take(at), tolerances)


def _tell_types_apart(served: list[Any], trained: list[Any]) -> None:
    """Say of values of different types no more than that they are.

    Which of them is the wrong one depends on whether whoever read it knew the reference by then.
    """
    for row, (one, other) in enumerate(zip(served, trained, strict=True)):
        if one is None or other is None or one == other == WRONG_TYPE:
            continue
        if WRONG_TYPE in (one, other) or _type(one) is not _type(other):
            served[row], trained[row] = ANOTHER_TYPE, ONE_TYPE


def _type(value: Any) -> type:
    return float if type(value) is int else type(value)


def _columns(rows: Sequence[tuple[tuple[str, Any], ...]]) -> dict[str, list[Any]]:
    """Return rows of named values as columns, None where a row does not name one."""
    out: dict[str, list[Any]] = {}
    for at, row in enumerate(rows):
        for name, value in row:
            if name not in out:
                out[name] = [None] * len(rows)
            out[name][at] = value
    return out


def _scores(task: Task, bodies: Sequence[tuple[Any, ...]]) -> Floats:
    """Return the probability of the positive class, NaN where there is none."""
    shares = task.chosen
    out = np.full(len(bodies), np.nan)
    for row, (said, score, named, *_) in enumerate(bodies):
        found = score
        if found is None and named:
            found = dict(named).get(shares)
        if found is None and isinstance(said, float):
            found = said
        if found is not None:
            out[row] = found
    return out


def _parts_of(groups: Integers) -> Iterator[tuple[int, Integers]]:
    """Yield each group with its places."""
    if not groups.size:
        return  # numpy splits nothing into one part
    order = np.argsort(groups, kind="stable")
    found, starts = np.unique(groups[order], return_index=True)
    yield from zip(found.tolist(), np.split(order, starts[1:]), strict=True)
