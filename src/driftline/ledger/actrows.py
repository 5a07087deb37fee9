"""Predictions and decisions about them, as columns that `acts` counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.ledger.advice import LEAVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from driftline.ledger.advice import Advice
    from driftline.ledger.pairs import Floats, Integers

    Marks = npt.NDArray[np.bool_]

__all__ = ["ActRows"]


@dataclass(frozen=True, slots=True)
class ActRows:
    """n predictions, or n decisions about predictions, as the join finds them.

    A prediction makes one row when it comes. Its decision makes one more, with all that the
    prediction's row had, when both are there; when another decision or a label comes, the row
    before is taken back and one with what is known then takes its place.

    Attributes
    ----------
    score
        Of the prediction, NaN where it has none, (n,).
    due
        Whether the prediction asks for a decision (`Advice.due`): it depends on the prediction's
        own event alone, and is the same in both of its rows, (n,).
    held
        Whether nobody was shown the prediction, as its own event says: its arm is the baseline
        one. It is not `due` then, (n,).
    sign
        +1, or -1 where an earlier row is taken back, (n,).
    decided
        Whether it is the row of a decision, (n,). What follows is only read of those.
    recommended
        What the decision says was recommended, else what the contract does (`Advice.recommended`):
        `LEAVE` is to leave it; None where nobody says. n of them.
    arm
        As the decision says, else the prediction; None where neither does.
    action, actor
        What was done, and by whom; None where nobody says who.
    latency
        From the prediction to the decision, event time in microseconds; below 0 where it was
        decided before, (n,).
    late
        Whether that is more than the contract allows, (n,).
    label
        Class of the label, by `classes.class_name`; None where there is none yet.
    """

    score: Floats
    due: Marks
    held: Marks
    sign: npt.NDArray[np.int8]
    decided: Marks
    recommended: Sequence[str | None]
    arm: Sequence[str | None]
    action: Sequence[str | None]
    actor: Sequence[str | None]
    latency: Integers
    late: Marks
    label: Sequence[str | None]

    def __len__(self) -> int:
        return int(self.sign.size)

    def take(self, rows: Integers) -> ActRows:
        """Return some of the rows, in the order given."""
        picked = rows.tolist()

        def some(values: Sequence[str | None]) -> list[str | None]:
            return [values[row] for row in picked]

        return ActRows(
            score=self.score[rows],
            due=self.due[rows],
            held=self.held[rows],
            sign=self.sign[rows],
            decided=self.decided[rows],
            recommended=some(self.recommended),
            arm=some(self.arm),
            action=some(self.action),
            actor=some(self.actor),
            latency=self.latency[rows],
            late=self.late[rows],
            label=some(self.label),
        )

    def followed(self, advice: Advice) -> list[bool | None]:
        """Return whether each decision followed the model; None where it did neither."""
        out: list[bool | None] = []
        for said, done, arm in zip(self.recommended, self.action, self.arm, strict=True):
            if said is None or done is None or arm == advice.baseline:
                out.append(None)
            else:
                out.append(done != advice.action if said == LEAVE else done == said)
        return out
