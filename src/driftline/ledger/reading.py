"""How a scorecard is read: as a binary task with a positive class, or as one of many classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from driftline.ledger.classes import class_name, positive_of
from driftline.ledger.scorecard import ANOTHER, OTHER, ScoreTable

if TYPE_CHECKING:
    from driftline.ledger.scorecard import Scorecard

__all__ = ["ClassSums", "Reading"]


class ClassSums(NamedTuple):
    """Weights of one class, in thousandths: predicted rightly, predicted, and as label."""

    hits: int
    predicted: int
    labelled: int


@dataclass(frozen=True)
class Reading:
    """A scorecard, and what it takes to make metrics of it.

    Attributes
    ----------
    told_positive
        The positive class of a binary task, in any spelling. Where nobody says, it is "1" if there
        are no others than "0" and "1", else the last class in order, as in scikit-learn. Tell it
        where windows may hold one class only.
    told_binary
        Whether the task has two classes: metrics are then those of the positive one, else averages
        over the classes ("macro"). Where nobody says, it has if the card does not know a third.
    """

    card: Scorecard
    told_positive: str | None = None
    told_binary: bool | None = None

    @cached_property
    def binary(self) -> bool:
        """Whether metrics are those of the positive class."""
        if self.told_binary is not None:
            return self.told_binary
        return len(self.classes) <= 2 and OTHER not in self.sums

    @cached_property
    def positive(self) -> str:
        """The positive class of a binary task."""
        if self.told_positive is not None:
            return class_name(self.told_positive)
        return positive_of(self.classes)

    @cached_property
    def classes(self) -> list[str]:
        """Classes told apart, in order."""
        return self.card.classes

    @cached_property
    def sums(self) -> dict[str, ClassSums]:
        """By class, of those predicted or labelled; further ones together as `OTHER`."""
        found: dict[str, list[int]] = {}
        for (predicted, label), weight in self.card.confusion.items():
            came = OTHER if label == ANOTHER else label
            found.setdefault(predicted, [0, 0, 0])[1] += weight
            found.setdefault(came, [0, 0, 0])[2] += weight
            if predicted == label:
                found[predicted][0] += weight
        return {name: ClassSums(*each) for name, each in sorted(found.items())}

    @cached_property
    def table(self) -> ScoreTable:
        """Probabilities of the positive class."""
        return self.card.table(self.positive, scored=True)

    @cached_property
    def tables(self) -> dict[str, ScoreTable]:
        """Probabilities of each class, where predictions were objects of classes."""
        told = self.card.present.keys() | self.card.absent.keys()
        return {name: self.card.table(name) for name in self.classes if name in told}
