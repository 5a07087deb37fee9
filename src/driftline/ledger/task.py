"""What kind of predictions a model makes, as far as its contract says."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.ledger.classes import class_name
from driftline.ledger.metrics import metric
from driftline.ledger.segments import MOST_SEGMENTS, most_segments

if TYPE_CHECKING:
    from driftline.contract import Contract

__all__ = ["THRESHOLD", "Task", "acting_threshold"]

THRESHOLD = 0.5
_AT_LEAST = re.compile(r"(?:score|prediction) *(>=?) *([0-9.eE+-]+)")


@dataclass(frozen=True, slots=True)
class Task:
    """How rows are to be read.

    Attributes
    ----------
    regression
        Whether predictions and labels are numbers; they are classes otherwise.
    positive
        Name of the class that probabilities are of; None where nobody says: "1" then.
    threshold
        A probability of at least this predicts the positive class.
    probabilities
        Whether a prediction that is a number is a probability. None: it is one if it lies strictly
        between 0 and 1, and a class otherwise. Say True where that is known, as a probability that
        was rounded to 0 or 1 is taken for a class otherwise.
    segments
        Segments that rows are summed apart by, beside one of all others; 0: none are.
    """

    regression: bool = False
    positive: str | None = None
    threshold: float = THRESHOLD
    probabilities: bool | None = None
    segments: int = MOST_SEGMENTS

    @classmethod
    def of(cls, contract: Contract, *, probabilities: bool | None = None) -> Task:
        """Read it from a contract.

        The promised metric says which kind of task it is; the threshold is that of ``act_when``
        where this is about the score: "score >= 0.6".
        """
        quality, acts_from = contract.quality, acting_threshold(contract)
        positive = None if quality is None else quality.positive
        return cls(
            regression=quality is not None and metric(quality.metric).task == "regression",
            positive=None if positive is None else class_name(positive),
            threshold=THRESHOLD if acts_from is None else acts_from,
            probabilities=probabilities,
            segments=most_segments(contract),
        )

    @property
    def chosen(self) -> str:
        """The positive class of predictions that are probabilities."""
        return "1" if self.positive is None else self.positive

    @property
    def rest(self) -> str:
        """Every other class than the positive one, where predictions are its probabilities."""
        return {"1": "0", "0": "1"}.get(self.chosen, f"not {self.chosen}")


def acting_threshold(contract: Contract) -> float | None:
    """Return the score from which on a contract acts; None where ``act_when`` is about no score."""
    act_when = contract.decision.act_when if contract.decision is not None else None
    found = _AT_LEAST.fullmatch(act_when.strip()) if act_when else None
    if found is None:
        return None
    try:
        bound = float(found[2])
    except ValueError:
        return None
    return math.nextafter(bound, math.inf) if found[1] == ">" else bound
