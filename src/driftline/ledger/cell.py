"""What joining has brought: sums over the claims of one model, one slot and one quality window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from driftline.ledger.acts import Acts
from driftline.ledger.delays import Delays
from driftline.ledger.exposure import Exposure
from driftline.ledger.profile import ErrorProfile
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.skew.sums import Skew
from driftline.ledger.trials import Trials

if TYPE_CHECKING:
    from driftline.ledger.task import Task

__all__ = ["Card", "Cell"]

Card = Scorecard | Residuals


@dataclass(slots=True)
class Cell:
    """Sums that merge bit for bit in any order.

    Attributes
    ----------
    card
        Predictions with their labels.
    exposure
        Predictions, labelled or not: of a regression by what was predicted.
    profile
        Of a regression, errors by what was predicted.
    delays
        How long first labels took.
    counts
        Whole numbers by name: ``predicted``, ``labelled``, and what made no difference (``again``,
        ``repeated``, ``too late``), ``waiting`` labels, and rows that make no sense, by reason.
    acts
        What was done about predictions.
    trials
        What came of it, where chance had a part in what was done.
    skew
        Rows that were served, held against the same rows as training makes them.
    followed, hidden
        Of the pairs in `card`, those whose decision did what was recommended, and those whose
        prediction nobody was shown.
    """

    card: Card
    exposure: Exposure | ErrorProfile
    profile: ErrorProfile = field(default_factory=ErrorProfile.empty)
    delays: Delays = field(default_factory=Delays)
    counts: dict[str, int] = field(default_factory=dict)
    acts: Acts = field(default_factory=Acts)
    trials: Trials = field(default_factory=Trials)
    skew: Skew = field(default_factory=Skew)
    followed: Card | None = None
    hidden: Card | None = None

    @classmethod
    def empty(cls, task: Task) -> Cell:
        """Return the sums of nothing."""
        if task.regression:
            return cls(Residuals.empty(), ErrorProfile.empty())
        return cls(Scorecard.empty(), Exposure.empty())

    def __bool__(self) -> bool:
        """Return whether it differs from the sums of nothing."""
        if self.counts:
            return True
        nothing = Cell(type(self.card).empty(), type(self.exposure).empty())
        return self.to_values() != nothing.to_values()

    def merge(self, other: Cell) -> None:
        """Add the sums of another cell, of the same task."""
        self.card.merge(other.card)  # type: ignore[arg-type]
        self.exposure.merge(other.exposure)  # type: ignore[arg-type]
        self.profile.merge(other.profile)
        self.delays.merge(other.delays)
        # What a contract does not ask for is empty in every cell, and there may be many cells.
        if other.acts:
            self.acts.merge(other.acts)
        if other.trials:
            self.trials.merge(other.trials)
        if other.skew:
            self.skew.merge(other.skew)
        self.followed = _merged(self.followed, other.followed)
        self.hidden = _merged(self.hidden, other.hidden)
        for name, count in other.counts.items():
            self.count(name, count)

    def count(self, name: str, count: int) -> None:
        """Add to one of the counts; what has come to nothing is forgotten."""
        total = self.counts.get(name, 0) + count
        if total:
            self.counts[name] = total
        else:
            self.counts.pop(name, None)

    def settle(self) -> None:
        """Forget what came and was taken back, once all that was joined in a slot is in it."""
        self.acts.settle()
        self.skew.settle()

    def unlabelled(self) -> dict[str, int]:
        """Return how many predictions of each class have no label yet."""
        labelled = {
            name: int(counts.weights.sum()) for name, counts in self.delays.by_predicted.items()
        }
        if isinstance(self.exposure, Exposure):
            made = self.exposure.by_class()
        else:
            made = {"all": self.counts.get("predicted", 0)}
        return {name: count - labelled.get(name, 0) for name, count in made.items()}

    def to_values(self) -> dict[str, Any]:
        """Return JSON values, in one order: equal sums give equal bytes."""
        told: dict[str, Any] = {}
        asked: dict[str, Acts | Trials | Skew] = {
            "acts": self.acts, "trials": self.trials, "skew": self.skew
        }  # fmt: skip
        told |= {name: each.to_values() for name, each in asked.items() if each}
        nothing = type(self.card).empty().to_values()
        for name, card in (("followed", self.followed), ("hidden", self.hidden)):
            if card is not None and (values := card.to_values()) != nothing:
                told[name] = values
        return {
            "card": self.card.to_values(),
            "exposure": self.exposure.to_values(),
            "profile": self.profile.to_values(),
            "delays": self.delays.to_values(),
            "counts": dict(sorted(self.counts.items())),
            **told,
        }

    @classmethod
    def from_values(cls, task: Task, values: dict[str, Any]) -> Cell:
        """Return what `to_values` wrote."""
        empty = cls.empty(task)
        return cls(
            empty.card.from_values(values["card"]),
            empty.exposure.from_values(values["exposure"]),
            ErrorProfile.from_values(values["profile"]),
            Delays.from_values(values["delays"]),
            dict(values["counts"]),
            Acts.from_values(values["acts"]) if "acts" in values else Acts(),
            Trials.from_values(values["trials"]) if "trials" in values else Trials(),
            Skew.from_values(values["skew"]) if "skew" in values else Skew(),
            empty.card.from_values(values["followed"]) if "followed" in values else None,
            empty.card.from_values(values["hidden"]) if "hidden" in values else None,
        )


def _merged(mine: Card | None, other: Card | None) -> Card | None:
    if mine is None or other is None:
        return mine or other
    mine.merge(other)  # type: ignore[arg-type]
    return mine
