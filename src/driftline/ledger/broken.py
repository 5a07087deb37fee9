"""A broken promise of quality, told as a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.events.time import format_ts
from driftline.ledger.segments import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from driftline.contract import Quality as Plan
    from driftline.events.frame import Segment
    from driftline.ledger.cell import Card, Cell
    from driftline.ledger.promised import Change
    from driftline.ledger.telling import Classes

__all__ = ["Losing", "broken", "first_broken", "losing"]

MOST_NAMED = 3
"""Segments that a finding names."""
LEAST_ROWS = 20
"""Labelled rows below which a segment is not named."""


class Losing(NamedTuple):
    """A segment that falls short of the promise: its value of the metric, and on how many rows."""

    segment: Segment
    value: float
    rows: int

    def words(self) -> str:
        """Return it in words: "country=PT: 0.71 over 1,203 labels"."""
        return f"{name_of(self.segment)}: {self.value:.4g} over {self.rows:,} labels"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"segment": dict(self.segment), "value": plain(self.value), "labels": self.rows}


def losing(cells: Iterable[Cell], plan: Plan, classes: Classes) -> list[Losing]:
    """Return the segments that carry a loss, those with most rows times shortfall first.

    Parameters
    ----------
    cells
        Of the windows that are concerned, added up. None has a promise of its own: which segments
        fall short by chance alone is not told apart.
    """
    cards: dict[Segment, Card] = {}
    for cell in cells:
        for segment, part in cell.segments.items():
            if segment not in cards:
                cards[segment] = type(part.card).empty()
            cards[segment].merge(part.card)  # type: ignore[arg-type]
    bound, sign = _bound(plan), _sign(plan)
    lost: list[tuple[float, Losing]] = []
    for segment, card in cards.items():
        value = None
        if card.rows >= LEAST_ROWS:
            value = classes.evaluate(card, [plan.metric])[plan.metric]
        if value is not None and sign * (bound - value) > 0:
            loss = sign * (bound - value) * card.rows
            lost.append((-loss, Losing(segment, value, card.rows)))
    return [each for _, each in sorted(lost)[:MOST_NAMED]]


def broken(
    model: str,
    plan: Plan,
    change: Change | None,
    state: Literal["raised", "cleared"],
    end: int,
    *,
    began: int,
    biased: str | None,
    worst: Sequence[Losing] = (),
    mistaken: str | None = None,
) -> Finding:
    """Tell that a promise is broken, or kept again.

    Parameters
    ----------
    change
        What the alarm says of it.
    end
        End of the slot in which that was seen, microseconds.
    began
        Start of the first window of predictions that is concerned, microseconds.
    biased
        Why the labels that are there are no fair sample; nobody is woken by those.
    worst
        Segments that carry the loss: see `losing`.
    mistaken
        Why the promise, and not the model, may be wrong.
    """
    bound = _bound(plan)
    value, since, rows = (bound, end, 0)
    if change is not None:
        value, since, rows = change.value, change.since, change.rows
    side = "at least" if plan.at_least is not None else "at most"
    text = f"{plan.metric} {value:.4g} over {rows:,} labels; promised {side} {bound:g}"
    if worst:
        text += f"; worst in {', '.join(each.words() for each in worst)}"
    if mistaken is not None:
        text += f"; {mistaken}"
    if state == "cleared":
        text = f"{plan.metric} is as promised again ({side} {bound:g})"
    return Finding(
        state=state,
        model=model,
        feature=None,
        kind="quality",
        detector="quality",
        severity="page" if biased is None else "notice",
        change_point=began,
        detected_at=end,
        effect=plain(value - bound) if state == "raised" else 0.0,
        effect_unit=plan.metric,
        text=text,
        log_e=None,
        evidence={
            "metric": plan.metric,
            "value": plain(value),
            "promised": bound,
            "labels": rows,
            "labels_since": format_ts(since),
            "early_labels": biased,
            **({"segments": [each.to_json() for each in worst]} if worst else {}),
        },
    )


def first_broken(measured: Sequence[tuple[int, int, float]], plan: Plan, *, default: int) -> int:
    """Return the start of the window of predictions from which on the promise is broken.

    Of all windows the one from which on rows times shortfall add up to most: labels come late, and
    what is to be found out is what happened when the predictions were made.

    Parameters
    ----------
    measured
        Start, labelled rows and promised metric of windows, in order.
    default
        Where no window falls short.
    """
    bound, sign = _bound(plan), _sign(plan)
    best, total, began = 0.0, 0.0, default
    for window, rows, value in reversed(measured):
        total += sign * (bound - value) * rows
        if total > best:
            best, began = total, window
    return began


def _sign(plan: Plan) -> float:
    return 1.0 if plan.at_least is not None else -1.0


def _bound(plan: Plan) -> float:
    bound = plan.at_least if plan.at_least is not None else plan.at_most
    assert bound is not None
    return bound
