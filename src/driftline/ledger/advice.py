"""What a contract says of decisions: which predictions ask for one, for what, and how soon."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from driftline.contract import DAY
from driftline.ledger.classes import class_name, class_names
from driftline.ledger.trialrows import baseline_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from driftline.contract import Contract
    from driftline.ledger.pairs import Floats

    Marks = npt.NDArray[np.bool_]

__all__ = ["LEAVE", "MOST_WAITING", "Advice", "decision_span", "judging_span"]

LEAVE = ""
"""The recommendation to leave it, where the contract says when to act and it is not then."""
MOST_WAITING = 60
"""Windows that may wait for decisions at a time."""

_CONDITION = re.compile(r"(score|prediction) *(>=|<=|==|!=|>|<) *(.+)")
_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Advice:
    """When a prediction asks for a decision, as far as that can be told from it alone.

    Attributes
    ----------
    action
        What is done where the contract acts; None where it does not say.
    positive
        Name of the class for which that is right; None where nobody says: "1" of "0" and "1" then.
    baseline
        The arm whose predictions nobody is shown.
    within
        How soon a decision is due, microseconds; None where the contract does not say.
    column, compare, bound
        The condition ``act_when``, where it is about the score or the prediction.
    """

    action: str | None
    positive: str | None
    baseline: str
    within: int | None
    column: str | None = None
    compare: str = ""
    bound: float | str = math.nan

    @classmethod
    def of(cls, contract: Contract) -> Advice:
        """Read it from a contract that has a decision policy."""
        decision, quality = contract.decision, contract.quality
        if decision is None:
            msg = f"contract of {contract.model}: expected decision, got none"
            raise ValueError(msg)
        positive = quality.positive if quality is not None else None
        found = _CONDITION.fullmatch(decision.act_when.strip()) if decision.act_when else None
        column, compare, bound = (None, "", math.nan) if found is None else found.groups()
        return cls(
            action=decision.action,
            positive=None if positive is None else class_name(positive),
            baseline=baseline_of(contract)[0],
            within=decision.within,
            column=column,
            compare=compare,
            bound=_literal(bound) if isinstance(bound, str) else bound,
        )

    @property
    def told(self) -> bool:
        """Whether it can be told of a prediction by itself whether a decision is asked for."""
        return self.column is not None

    def due(
        self, prediction: Sequence[Any], score: Floats, arm: Sequence[str | None] | None = None
    ) -> Marks:
        """Return which predictions ask for a decision, shape (n,).

        All do of which nothing else is known: not those that ``act_when`` says to leave, nor those
        of the baseline arm. It depends on the prediction's own event alone, so that a prediction
        and its decision, whenever it comes, are counted on the same side.

        Parameters
        ----------
        prediction
            As the event has it, or the likeliest class.
        score
            NaN where there is none: a prediction that is a number is the score then.
        arm
            As the prediction's event has it; None: no event names one.
        """
        due = self._met(prediction, score) != 0
        if arm is not None and self.baseline in arm:
            due &= np.array([name != self.baseline for name in arm], dtype=np.bool_)
        return due

    def recommended(self, prediction: Sequence[Any], score: Floats) -> list[str | None]:
        """Return the action the contract asks for: `LEAVE` where none, None where nobody says."""
        if self.action is None:
            return [None] * len(prediction)
        said = {1: self.action, 0: LEAVE, -1: None}
        return [said[met] for met in self._met(prediction, score).tolist()]

    def _met(self, prediction: Sequence[Any], score: Floats) -> npt.NDArray[np.int8]:
        """Return 1 where the condition is met, 0 where it is not, -1 where that cannot be told."""
        met = np.full(len(prediction), -1, dtype=np.int8)
        if self.column is None:
            return met
        compare = _COMPARE[self.compare]
        if isinstance(self.bound, str):
            if self.column == "prediction" and self.compare in {"==", "!="}:
                for row, name in enumerate(class_names(prediction)):
                    if name is not None:
                        met[row] = compare(name, self.bound)
            return met
        said = np.array([_number(value) for value in prediction], dtype=np.float64)
        first, second = (score, said) if self.column == "score" else (said, score)
        value = np.where(np.isnan(first), second, first)
        known = ~np.isnan(value)
        met[known] = compare(value[known], self.bound)
        return met


def decision_span(contract: Contract) -> int:
    """Return the length of the windows of predictions whose decisions are told together.

    The window of the promised quality, or a day where none is promised; the smallest multiple of it
    that is at least a `MOST_WAITING`-th of ``within``, as windows wait for their decisions.
    Microseconds, whole slots.
    """
    window, decision = contract.span, contract.decision
    within = decision.within if decision is not None else None
    return window * max(1, -(-(within or 0) // (MOST_WAITING * window)))


def judging_span(contract: Contract) -> int:
    """Return the length of the spans of predictions whose decisions are judged together.

    As many windows (`decision_span`) as make a day or more: people and their work have a daily
    cycle, and of shorter spans each night would be a change. Microseconds.
    """
    window = decision_span(contract)
    return -(-DAY // window) * window


def _literal(text: str) -> float | str:
    if text[:1] in {'"', "'"}:
        return class_name(text[1:-1])
    return float(text)


def _number(value: Any) -> float:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain else math.nan
