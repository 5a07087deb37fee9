"""What follows predictions: labels, decisions and outcomes, as columns before they are encoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.simulate.encode import ABSENT, number_tokens, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.frame import EventType
    from driftline.simulate.encode import Tokens
    from driftline.simulate.place import Marks, Rows
    from driftline.simulate.traffic import Traffic

    Delays = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.int64]

__all__ = ["REASONS", "Aftermath", "Part"]

DECISION_DELAY_US = 2_000_000
OVERRIDE_SHARE = 0.04
POLICY, HUMAN = 0, 1
REASONS = ("", "knows the case", "data looks wrong", "an exception")
"""Why people override; the first is no reason."""


class Part(NamedTuple):
    """Events of one type: which rows have one, how long after the prediction, and its fields."""

    type: EventType
    rows: Marks
    delay: Delays
    fields: dict[str, Tokens]


@dataclass(slots=True)
class Aftermath:
    """What follows n predictions.

    Call order: `draw`, then `decide` once the scores are known, `earn` once it is settled what was
    done, and `parts`; plants change the columns in between. What is drawn by lot is drawn before
    the scores are known, so that the same comes of a row whatever was said of it.

    Attributes
    ----------
    labels
        What really came of each row.
    first
        What its first label says, where that is another value and corrected later; else None.
    labelled, corrected
        Time to the first label, and from there to its correction, microseconds; shape (n,).
    lost, wrong
        Rows that get no label; rows whose first label is wrong.
    share, holdout
        Probability of the baseline's arm, and which rows are in it; shape (n,).
    choices, said, done
        Names of all actions, and what was recommended and done, as places among them.
    drawn, human
        An action by lot, and rows that somebody touches where nobody's way to decide is planted.
    names, actors, reasons
        Who may decide, who did, as places, and why (places in `REASONS`); None: no reason is told.
    decided, ignored
        Time to the decision, microseconds, and rows that get none.
    looped, used
        Rows in a loop, and those of them whose decision and label follow the prediction.
    value, won
        What came of the decisions, and rows where that is 1 for a success and 0 for none.
    rng
        What the decisions are worth is drawn from it, after all the rest.
    """

    labels: list[Any]
    holdout: Marks
    share: npt.NDArray[np.float64]
    choices: list[str]
    drawn: Codes
    human: Marks
    decided: Delays
    labelled: Delays
    rng: np.random.Generator
    first: list[Any] | None = None
    corrected: Delays = field(init=False)
    lost: Marks = field(init=False)
    wrong: Marks = field(init=False)
    ignored: Marks = field(init=False)
    looped: Marks = field(init=False)
    used: Marks = field(init=False)
    won: Marks = field(init=False)
    said: Codes = field(init=False)
    done: Codes = field(init=False)
    names: list[str] = field(default_factory=lambda: ["policy", "human"])
    actors: Codes = field(init=False)
    reasons: Codes | None = None
    value: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        n = self.labelled.size
        self.lost, self.wrong, self.ignored, self.won = np.zeros((4, n), dtype=np.bool_)
        self.looped, self.used = np.zeros((2, n), dtype=np.bool_)
        self.said = self.done = self.actors = self.corrected = np.zeros(n, dtype=np.int64)
        self.value = np.zeros(n)

    @classmethod
    def draw(
        cls,
        model: Traffic,
        rows: Rows,
        earned: npt.NDArray[np.float64],
        share: npt.NDArray[np.float64],
        label_delay: int,
    ) -> Aftermath:
        """Draw what comes of rows, and what chance has to do with their decisions.

        Parameters
        ----------
        earned
            The scores that the true features earn, shape (n,).
        share
            Probability of the baseline's arm, shape (n,).
        label_delay
            Mean time to the label, microseconds: half of it for certain, and an exponential half.
        """
        n, rng = rows.size, rows.rng("following")
        labels = model.label(earned, rng)
        holdout = rng.random(n) < share
        choices = sorted(set(model.act(np.array([-np.inf, np.inf]))))
        drawn = rng.integers(0, len(choices), n)
        human = rng.random(n) < OVERRIDE_SHARE
        decided = np.ceil(rng.exponential(DECISION_DELAY_US, n)).astype(np.int64)
        half = label_delay / 2
        labelled = np.ceil(half + rng.exponential(half, n)).astype(np.int64)
        return cls(labels, holdout, share, choices, drawn, human, decided, labelled, rng)

    def decide(self, recommended: Sequence[str]) -> None:
        """Let the policy decide; the holdout is decided by lot, and so is what people touch."""
        self.said = self.places(recommended)
        self.done = np.where(self.holdout | self.human, self.drawn, self.said)
        self.actors = np.where(self.human, HUMAN, POLICY)

    def places(self, actions: Sequence[str]) -> Codes:
        """Return actions as places among `choices`, int64 of shape (n,)."""
        return np.searchsorted(np.array(self.choices), np.array(actions, dtype=np.str_))

    @property
    def others(self) -> Codes:
        """For each row another action than the recommended one, int64 of shape (n,)."""
        return (self.said + 1) % len(self.choices)

    def close_loop(self) -> None:
        """Let decisions follow the predictions that are used, and no others of a loop."""
        own = np.where(self.used, self.said, self.others)
        self.done = np.where(self.looped, own, self.done)
        person = np.maximum(self.actors, HUMAN)
        self.actors = np.where(self.looped & ~self.used, person, self.actors)
        self.ignored = self.ignored & ~self.used

    def earn(self, model: Traffic) -> None:
        """Work out what came of what was done."""
        done = [self.choices[at] for at in self.done.tolist()]
        self.value = model.worth(done, self.labels, self.rng)

    @property
    def arms(self) -> dict[str, Tokens]:
        """Arm of each row, and the probability that it had to get there, encoded."""
        return {
            "arm": _named(["model", "holdout"], self.holdout.astype(np.int64)),
            "propensity": number_tokens(np.where(self.holdout, self.share, 1 - self.share)),
        }

    def parts(self) -> list[Part]:
        """Return all events, by type; `lifecycle` and training's rows are no part of them."""
        decision = {
            "action": _named(self.choices, self.done),
            "recommended": _named(self.choices, self.said),
            "actor": _named(self.names, self.actors),
            **self.arms,
        }
        if self.reasons is not None:
            why = np.array([ABSENT, *tokens(REASONS[1:])], dtype=object)
            decision["reason"] = why[self.reasons].tolist()
        label = tokens(self.labels if self.first is None else self.first)
        outcome = {
            "value": number_tokens(self.value),
            "kind": _named(["margin", "success"], self.won.astype(np.int64)),
        }
        settled = np.maximum(self.labelled, self.decided) + 1_000_000
        parts = [
            Part("decision", ~self.ignored, self.decided, decision),
            Part("label", ~self.lost, self.labelled, {"label": label}),
            Part("outcome", ~self.ignored, settled, outcome),
        ]
        if self.first is not None:
            mended = {"label": tokens(self.labels)}
            late = self.labelled + self.corrected
            parts.append(Part("label", self.wrong & ~self.lost, late, mended))
        return parts


def _named(names: Sequence[str], places: Codes) -> Tokens:
    table = np.array(tokens(names), dtype=object)
    return table[places].tolist()
