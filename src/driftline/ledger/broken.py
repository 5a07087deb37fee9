"""A broken promise of quality, told as a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.events.time import format_ts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Quality as Plan
    from driftline.ledger.promised import Change


def broken(
    model: str,
    plan: Plan,
    change: Change | None,
    state: Literal["raised", "cleared"],
    end: int,
    *,
    began: int,
    biased: str | None,
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
    """
    bound = _bound(plan)
    value, since, rows = (bound, end, 0)
    if change is not None:
        value, since, rows = change.value, change.since, change.rows
    side = "at least" if plan.at_least is not None else "at most"
    text = f"{plan.metric} {value:.4g} over {rows:,} labels; promised {side} {bound:g}"
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
    bound, sign = _bound(plan), 1.0 if plan.at_least is not None else -1.0
    best, total, began = 0.0, 0.0, default
    for window, rows, value in reversed(measured):
        total += sign * (bound - value) * rows
        if total > best:
            best, began = total, window
    return began


def _bound(plan: Plan) -> float:
    bound = plan.at_least if plan.at_least is not None else plan.at_most
    assert bound is not None
    return bound
