"""What is told of skew: findings, and messages for the `windows` topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.plain import plain, plain_or_none
from driftline.detect.protocol import Finding
from driftline.events.time import format_ts
from driftline.events.window_event import window_event
from driftline.ledger.segments import about
from driftline.ledger.sequences import rates
from driftline.ledger.skew.levels import said
from driftline.stats.wording import percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.detect.protocol import Severity
    from driftline.events.frame import Segment
    from driftline.ledger.skew.plan import Plan
    from driftline.ledger.skew.rates import Change
    from driftline.ledger.skew.window import SkewWindow

__all__ = ["MOST_EXAMPLES", "Example", "Told", "cleared", "raised", "window_messages"]

MOST_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Example:
    """One row that shows it."""

    id: str
    ts: int
    served: Any
    trained: Any

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        at = format_ts(self.ts)
        return {"prediction_id": self.id, "ts": at, "served": self.served, "training": self.trained}


@dataclass(frozen=True, slots=True)
class Told:
    """What was found out about a feature when it was last told.

    Attributes
    ----------
    began
        When the earliest of the rows that show it was served, microseconds.
    rows, explained
        Rows that were looked at, and those among them that `text` is true of.
    size
        How large the difference is, in widths of the middle half of training's values; None where
        it is not one of numbers.
    """

    kind: str
    text: str
    details: dict[str, Any]
    began: int
    rows: int
    explained: int
    size: float | None
    examples: tuple[Example, ...]


def raised(
    plan: Plan, feature: str, told: Told, change: Change, severity: Severity, end: int
) -> Finding:
    """Return the finding that serving and training differ."""
    text = f"{told.text} in {percent(change.share)} of {change.pairs:,} pairs"
    if told.examples:
        shown = told.examples[0]
        text += f" (e.g. {said(shown.served)} against {said(shown.trained)})"
    if told.explained < told.rows:
        text += f"; so it is in {told.explained} of {told.rows} rows looked at"
    return Finding(
        state="raised",
        effect=plain(change.share),
        text=text,
        log_e=plain(change.log_e),
        **_about(plan, feature, told, severity, end),
        evidence={
            "mistake": told.kind,
            **told.details,
            "pairs": change.pairs,
            "mismatched": change.mismatched,
            "allowed": plan.rate,
            "arrived_since": format_ts(change.since),
            "size": plain_or_none(told.size),
            "rows": told.rows,
            "explained": told.explained,
            "examples": [each.to_json() for each in told.examples],
        },
    )


def cleared(
    plan: Plan, feature: str, told: Told, pairs: int, mismatched: int, severity: Severity, end: int
) -> Finding:
    """Return the finding that they agree again."""
    return Finding(
        state="cleared",
        effect=0.0,
        text=f"served as training has it again: {mismatched:,} of {pairs:,} pairs differ",
        **_about(plan, feature, told, severity, end),
        evidence={"mistake": told.kind, "pairs": pairs, "mismatched": mismatched},
    )


def _about(plan: Plan, feature: str, told: Told, severity: Severity, end: int) -> dict[str, Any]:
    """Return what a finding says either way."""
    return {
        "model": plan.model,
        "feature": feature,
        "kind": "skew",
        "detector": "skew",
        "severity": severity,
        "change_point": min(told.began, end),
        "detected_at": end,
        "effect_unit": "share of pairs",
    }


def window_messages(
    plan: Plan,
    start: int,
    window: SkewWindow,
    open_now: Mapping[str, Told],
    unheard: Mapping[str, str],
) -> list[tuple[bytes, bytes]]:
    """Return what is told of the pairs that arrived in one window, and of its segments' pairs.

    Parameters
    ----------
    open_now
        Features that a finding stands on.
    unheard
        Features that are not compared, and why.

    Returns
    -------
    Key and JSON of each. A segment's features have no mistake: what is wrong is found out of all
    pairs together.
    """
    whole = _window_message(plan, start, (), window, open_now, unheard)
    parts = sorted(window.segments.items())
    return [whole, *(_window_message(plan, start, *part, {}, unheard) for part in parts)]


def _window_message(
    plan: Plan,
    start: int,
    segment: Segment,
    window: SkewWindow,
    open_now: Mapping[str, Told],
    unheard: Mapping[str, str],
) -> tuple[bytes, bytes]:
    tallies = window.tallies
    names = sorted(tallies)
    compared = np.array([tallies[name].compared for name in names], dtype=np.float64)
    wrong = np.array([tallies[name].mismatched for name in names], dtype=np.float64)
    low, high = rates(np.maximum(wrong, 0), np.maximum(compared, 0))
    features = {}
    for at, name in enumerate(names):
        tally, told = tallies[name], open_now.get(name)
        features[name] = {
            "pairs": tally.compared,
            "same": tally.same,
            "differ": tally.differ,
            "filled": tally.filled,
            "lost": tally.lost,
            "mismatched": plain(tally.mismatched / tally.compared) if tally.compared > 0 else None,
            "interval": [plain(float(low[at])), plain(float(high[at]))],
            "mistake": None if told is None else told.kind,
            "text": None if told is None else told.text,
        }
    body = {
        "kind": "skew",
        "model": plan.model,
        "segment": dict(segment),
        "start": format_ts(start),
        "end": format_ts(start + plan.span),
        "final": True,
        "allowed": plan.rate,
        "pairs": window.rows,
        "features": features,
        "not_compared": dict(sorted(unheard.items())),
    }
    return window_event(about(f"{plan.model}|skew|{start}", segment), body)
