"""From what events said to pairs: which class was predicted, how probable it was, what came.

Every row is read by itself, so that pairs cannot depend on how events were cut into batches. A row
that makes no sense is no pair; it is given back with the reason, to be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.ledger.classes import class_name, class_names, class_order
from driftline.ledger.pairs import Floats, Integers, Pairs
from driftline.ledger.residuals import LARGEST
from driftline.ledger.scorecard import MOST_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.ledger.task import Task

__all__ = ["Read", "read_rows"]

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Read:
    """What became of n rows.

    Attributes
    ----------
    pairs
        The pairs among them, in their order.
    rows
        Which rows they are, ascending, int64 of shape (len(pairs),).
    refused
        The others, by reason; each row stands under one, the first that applies.
    unscored
        Rows among the pairs whose score lies outside [0, 1]: it is no probability, and left out.
    """

    pairs: Pairs
    rows: Integers
    refused: dict[str, Integers]
    unscored: Integers


def read_rows(
    task: Task,
    prediction: Sequence[Any],
    label: Sequence[Any],
    *,
    score: Sequence[Any] | None = None,
    shares: Mapping[str, Sequence[Any]] | None = None,
    weight: Sequence[Any] | None = None,
    sign: npt.NDArray[np.int8] | None = None,
) -> Read:
    """Read joined rows; all columns have n values, None where there is none.

    Parameters
    ----------
    prediction
        A number, text or boolean. Of an object of classes the likeliest one, or None.
    score
        Probability of the positive class. Where the prediction is a probability itself, that is
        taken, and no score is asked for.
    shares
        Probability by class, of predictions that were objects of classes.
    weight
        Of the label; 1 where there is none.
    sign
        +1, or -1 where an earlier pair is taken back; +1 by default.

    Notes
    -----
    In batches of thousands 0.2 to 0.3 µs a row, 0.6 with shares of ten classes, 0.1 for a
    regression; 30 to 80 µs for 50 rows.
    """
    size = len(label)
    refusals = _Refusals(size)
    chance = np.full(size, np.nan)
    by_class: dict[str, Floats] = {}
    guess: list[str] | Floats
    truth: list[str] | Floats
    unscored = np.zeros(size, dtype=np.bool_)
    if task.regression:
        guess = _measures("prediction", prediction, refusals)
        truth = _measures("label", label, refusals)
    else:
        if score is not None:
            chance = _numbers(score)
            unscored = (chance < 0) | (chance > 1)
            chance[unscored] = np.nan
        by_class = _by_class(shares or {})
        guess, truth = _classes(task, prediction, label, chance, by_class, refusals)
        # Where the prediction was a probability, that has taken the score's place.
        unscored &= np.isnan(chance)
    weights = np.ones(size) if weight is None else np.nan_to_num(_numbers(weight), nan=1.0)
    refusals.add(_WEIGHT, (weights < 0) | (weights > MOST_WEIGHT))
    signs = np.ones(size, dtype=np.int8) if sign is None else sign
    pairs = Pairs(guess, chance, by_class, truth, weights, signs)
    rows = np.flatnonzero(refusals.good)
    if rows.size < size:
        pairs = pairs.take(rows)
    return Read(pairs, rows, refusals.by_reason, np.flatnonzero(unscored & refusals.good))


_WEIGHT = f"weight: expected 0 to {MOST_WEIGHT:.0f}"
_LABELS_UNTOLD = (
    "label: expected 0 or 1, as quality.positive does not say which class probabilities are of"
)


class _Refusals:
    """Which rows are still good, and why others are not."""

    def __init__(self, size: int) -> None:
        self.good = np.ones(size, dtype=np.bool_)
        self.by_reason: dict[str, Integers] = {}

    def add(self, reason: str, bad: Marks) -> None:
        """Refuse some rows, where nothing has before."""
        rows = np.flatnonzero(bad & self.good)
        if rows.size:
            self.by_reason[reason] = rows
            self.good[rows] = False


def _measures(name: str, column: Sequence[Any], refusals: _Refusals) -> Floats:
    """Return what a regression predicts or is told."""
    numbers = _numbers(column)
    refusals.add(f"{name}: expected a number", np.isnan(numbers))
    refusals.add(f"{name}: expected a number within ±{LARGEST:.1e}", np.abs(numbers) > LARGEST)
    return numbers


def _classes(
    task: Task,
    prediction: Sequence[Any],
    label: Sequence[Any],
    chance: Floats,
    shares: dict[str, Floats],
    refusals: _Refusals,
) -> tuple[list[str], list[str]]:
    """Return predicted classes and labels, by name; puts predicted probabilities into `chance`."""
    stated = _probabilities(task, prediction, shares, refusals)
    rows = np.flatnonzero(~np.isnan(stated)).tolist()
    guess: list[Any] = list(prediction)
    for row in rows:
        guess[row] = None
    guess = class_names(guess)
    truth = class_names(label)
    _fill_likeliest(guess, shares)
    positive, rest = task.chosen, task.rest
    if rows:
        for row, above in zip(rows, (stated[rows] >= task.threshold).tolist(), strict=True):
            guess[row] = positive if above else rest
        if task.positive is None:
            strange = [row for row in rows if truth[row] not in ("0", "1", None)]
            refusals.add(_LABELS_UNTOLD, _marked(strange, chance.size))
        for row in rows:
            if truth[row] is not None and truth[row] != positive:
                truth[row] = rest
        chance[rows] = stated[rows]
    for name, column in (("prediction", guess), ("label", truth)):
        if None in column:
            nothing = [row for row, value in enumerate(column) if value is None]
            refusals.add(f"{name}: expected a class", _marked(nothing, chance.size))
    return guess, truth  # type: ignore[return-value]  # rows without a class have been refused


def _probabilities(
    task: Task, prediction: Sequence[Any], shares: dict[str, Floats], refusals: _Refusals
) -> Floats:
    """Return those predictions that are probabilities of the positive class; NaN elsewhere."""
    if task.probabilities is False:
        return np.full(len(prediction), np.nan)
    numbers = _numbers(prediction)
    for share in shares.values():
        numbers[~np.isnan(share)] = np.nan
    if task.probabilities:
        outside = (numbers < 0) | (numbers > 1)
        refusals.add("prediction: expected a probability from 0 to 1", outside)
    else:
        outside = ~((numbers > 0) & (numbers < 1))
    numbers[outside] = np.nan
    return numbers


def _fill_likeliest(guess: list[Any], shares: dict[str, Floats]) -> None:
    """Predict the likeliest class where there are shares but no class; the first of several."""
    if not shares or None not in guess:
        return
    names = sorted(shares, key=class_order)
    table = np.nan_to_num(np.stack([shares[name] for name in names]), nan=-1.0)
    for row in np.flatnonzero((table >= 0).any(axis=0)).tolist():
        if guess[row] is None:
            guess[row] = names[int(table[:, row].argmax())]


def _by_class(shares: Mapping[str, Sequence[Any]]) -> dict[str, Floats]:
    """Return shares by the name of their class; two spellings of one class are one."""
    found: dict[str, Floats] = {}
    for spelling, column in shares.items():
        name, share = class_name(spelling), _numbers(column)
        found[name] = np.fmax(found[name], share) if name in found else share
    return found


def _marked(rows: list[int], size: int) -> Marks:
    marks = np.zeros(size, dtype=np.bool_)
    marks[rows] = True
    return marks


def _numbers(column: Sequence[Any]) -> Floats:
    """Return a fresh array of the finite numbers in a column, NaN for anything else."""
    plain = set(map(type, column)) <= _NUMERIC
    found = np.array(column if plain else [_number(value) for value in column], dtype=np.float64)
    found[np.isinf(found)] = np.nan
    return found


_NUMERIC: set[type] = {int, float, type(None)}


def _number(value: Any) -> Any:
    return value if type(value) in _NUMERIC else None
