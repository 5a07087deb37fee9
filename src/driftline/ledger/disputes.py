"""Overrides with a label: whether the person was right, or the model."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from driftline.ledger.acts import Acts
from driftline.ledger.sequences import rates

__all__ = ["ALPHA", "Dispute", "Disputes"]

ALPHA = 0.01
"""Chance, over all time since the count began, that overrides are called right that are right in
half of the cases or fewer."""
LEAST_LABELLED = 20
"""Labelled overrides below which nothing is said."""


class Dispute(NamedTuple):
    """How often a label proved the person right who overrode the model, and how often the model."""

    person: int
    model: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """Part of the labelled overrides in which the person was right."""
        rows = self.person + self.model
        return self.person / rows if rows > 0 else None


class Disputes:
    """Adds up the overrides that a label can judge, whenever it comes.

    One row is one override: exactly one of the two was right. The person's share has a confidence
    sequence (`sequences.rates`): raised when it is above a half for certain, however often one
    looks; cleared when as many have turned out for the model, and all begins afresh. In the median
    a share of 60 % takes some 330 labels to be told, 70 % takes 80, and 80 % takes 32.

    It is about the overrides that have labels. Where an action decides whether a label comes (a
    loan that is refused is never paid back), those are the overrides in one direction only: which
    ones they are is told with it.
    """

    def __init__(self) -> None:
        self._sums = Acts.empty()
        self.open = False

    def step(self, came: Acts) -> Literal["raised", "cleared"] | None:
        """Take what was joined in a slot."""
        overrides = {
            direction: row for direction, row in came.directions.items() if not direction[2]
        }
        if not overrides:
            return None
        self._sums.merge(Acts(directions=overrides))
        if not any(row[1:].any() for row in overrides.values()):
            return None
        found = self.found
        rows = found.person + found.model
        if not self.open and rows >= LEAST_LABELLED and found.low > 0.5:
            self.open = True
            return "raised"
        if self.open and 2 * found.person <= rows:
            self.open, self._sums = False, Acts.empty()
            return "cleared"
        return None

    @property
    def found(self) -> Dispute:
        """What the labels have said so far, with certainty."""
        person = sum(int(row[1]) for row in self._sums.directions.values())
        model = sum(int(row[2]) for row in self._sums.directions.values())
        # Below 0 where one is taken back before it came.
        person, model = max(0, person), max(0, model)
        low, high = rates(person, person + model, alpha=ALPHA)
        return Dispute(person, model, float(low), float(high))

    @property
    def directions(self) -> list[tuple[str, str, int, int]]:
        """Recommended and taken action, right for the person and for the model; most first."""
        found = [
            (said, done, max(0, int(row[1])), max(0, int(row[2])))
            for (said, done, _), row in self._sums.directions.items()
        ]
        return sorted(found, key=lambda each: (-each[2] - each[3], each))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"sums": self._sums.to_values(), "open": self.open}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._sums = Acts.from_values(state["sums"])
        self.open = bool(state["open"])
