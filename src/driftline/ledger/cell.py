"""What joining has brought: sums over the claims of one model, one slot and one quality window."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from driftline.events.frame import segment_of
from driftline.ledger.acts import Acts
from driftline.ledger.coarse import coarse_card, coarse_exposure
from driftline.ledger.delays import Delays
from driftline.ledger.exposure import Exposure
from driftline.ledger.profile import ErrorProfile
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.segments import MOST_SEGMENTS, gather
from driftline.ledger.skew.sums import Skew
from driftline.ledger.trials import Trials

if TYPE_CHECKING:
    from driftline.events.frame import Segment
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
    segments
        The same of its segments' rows, as far as that is kept: see `part`. Rows without a segment
        are in the whole alone.
    most
        Segments told apart: the first in order of name; further ones are one (`OTHER_SEGMENT`).
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
    segments: dict[Segment, Cell] = field(default_factory=dict)
    most: int = MOST_SEGMENTS

    @classmethod
    def empty(cls, task: Task) -> Cell:
        """Return the sums of nothing."""
        if task.regression:
            return cls(Residuals.empty(), ErrorProfile.empty(), most=task.segments)
        return cls(Scorecard.empty(), Exposure.empty(), most=task.segments)

    def _nothing(self) -> Cell:
        return Cell(type(self.card).empty(), type(self.exposure).empty(), most=self.most)

    def __bool__(self) -> bool:
        """Return whether it differs from the sums of nothing."""
        if self.counts:
            return True
        # What two segments have between them may come to nothing in the whole.
        return self._own_values() != self._nothing().to_values() or any(self.segments.values())

    def part(self) -> Cell:
        """Return what is kept of it as one of the segments of a whole.

        Cards and exposures with rounded codes (`coarse`), and all of counts, acts and trials. Of
        skew how many pairs mismatch, without the rows that show it. Nothing of delays, and of what
        is only looked at as a whole.
        """
        found = Cell(coarse_card(self.card), coarse_exposure(self.exposure), most=self.most)
        found.counts = dict(self.counts)
        found.skew = Skew(self.skew.rows, dict(self.skew.tallies))
        # As in `merge`: there may be many, and most contracts ask for one of them only.
        if self.acts:
            found.acts = self.acts.part()
        if self.trials:
            found.trials.merge(self.trials)
        return found

    def judged(self) -> Cell:
        """Return it with nothing in its segments but what tells how good predictions are."""
        if not self.segments:
            return self
        rest: dict[str, Any] = {"acts": Acts(), "trials": Trials(), "skew": Skew()}
        parts = {segment: replace(part, **rest) for segment, part in self.segments.items()}
        return replace(self, segments=parts)

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
        if other.segments:
            gather(self.segments, other.segments, self.most, self._nothing)

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
        for part in self.segments.values():
            part.settle()
        self.segments = {segment: part for segment, part in self.segments.items() if part}

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
        if not self.segments:
            return self._own_values()
        parts = [
            [segment, {n: v for n, v in part.to_values().items() if n not in _NOT_OF_PARTS}]
            for segment, part in sorted(self.segments.items())
        ]
        return self._own_values() | {"segments": parts}

    def _own_values(self) -> dict[str, Any]:
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
        found = cls(
            empty.card.from_values(values["card"]),
            empty.exposure.from_values(values["exposure"]),
            ErrorProfile.from_values(values["profile"]) if "profile" in values else empty.profile,
            Delays.from_values(values["delays"]) if "delays" in values else empty.delays,
            dict(values["counts"]),
            Acts.from_values(values["acts"]) if "acts" in values else Acts(),
            Trials.from_values(values["trials"]) if "trials" in values else Trials(),
            Skew.from_values(values["skew"]) if "skew" in values else Skew(),
            empty.card.from_values(values["followed"]) if "followed" in values else None,
            empty.card.from_values(values["hidden"]) if "hidden" in values else None,
            most=task.segments,
        )
        if task.segments:
            parts = values.get("segments", ())
            found.segments = {segment_of(name): cls.from_values(task, raw) for name, raw in parts}
            # A contract may ask for fewer than it did.
            gather(found.segments, {}, found.most, found._nothing)
        return found


_NOT_OF_PARTS = frozenset({"profile", "delays"})
"""What is not kept of segments, and empty there."""


def _merged(mine: Card | None, other: Card | None) -> Card | None:
    if mine is None or other is None:
        return mine or other
    mine.merge(other)  # type: ignore[arg-type]
    return mine
