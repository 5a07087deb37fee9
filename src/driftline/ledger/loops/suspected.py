"""A suspected feedback loop: what speaks for it, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from driftline.detect.plain import plain
from driftline.events.time import format_ts

__all__ = ["LoopSuspected", "advise", "holdout_share"]

LEAST_SHARE, MOST_SHARE = 0.01, 0.2
"""Bounds of the holdout that is asked for."""
TELLING = 0.2
"""Part by which labels are to lie nearer to shown predictions for a holdout to show it."""
CERTAINTY = 10.0
"""Rows that it takes to be certain of a difference of one standard deviation."""
USUAL_DEVIATION = 0.8
"""Standard deviation of absolute errors over their mean, where it is not known: normal errors."""


@dataclass(frozen=True, slots=True)
class LoopSuspected:
    """Says that a model's own actions seem to shape the labels that it is judged by.

    Attributes
    ----------
    model
        Its name.
    at
        End of the window that showed it, microseconds.
    since
        Start of the window in which it seems to have begun; None where that cannot be told.
    by
        What made it suspect, the strongest first: ``holdout``, ``lineage``, ``spread`` or
        ``exposure``.
    retrains
        How often the model was retrained since then.
    version
        Of the model, where it was told with the last retraining.
    signals
        What each signal says, by name, as JSON values; ``state`` is ``unknown`` where a deployment
        does not tell what it needs.
    text
        All that in one line.
    advice
        What to do, one line each.
    """

    model: str
    at: int
    since: int | None
    by: tuple[str, ...]
    retrains: int
    version: str | None = None
    signals: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    advice: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "at": format_ts(self.at),
            "since": None if self.since is None else format_ts(self.since),
            "by": list(self.by),
            "retrains": self.retrains,
            "version": self.version,
            "signals": self.signals,
            "text": self.text,
            "advice": list(self.advice),
        }


def holdout_share(rows_a_period: float, deviation: float | None) -> float:
    """Return the share of predictions to hide for a loop to be certain after a period, rounded up.

    Parameters
    ----------
    rows_a_period
        Labelled rows in a period.
    deviation
        Standard deviation of the loss over its mean; None: that of normal errors.

    Examples
    --------
    >>> holdout_share(30_000, None)
    0.01
    >>> holdout_share(3_000, None)
    0.06
    """
    need = CERTAINTY * ((deviation or USUAL_DEVIATION) / TELLING) ** 2
    share = -(-100 * need // max(rows_a_period, 1.0)) / 100
    return plain(min(max(share, LEAST_SHARE), MOST_SHARE))


def advise(by: tuple[str, ...], share: float, *, held_out: bool) -> tuple[str, ...]:
    """Return what to do about a loop.

    Parameters
    ----------
    by
        As in `LoopSuspected`.
    share
        As `holdout_share` gives it.
    held_out
        Whether there is a holdout already.
    """
    lines = [
        "trust no rise of quality until labels that no prediction has touched confirm it",
        "keep labels that no prediction touched apart: train and measure on them, or weigh them up",
    ]
    if held_out:
        lines.insert(0, "take the holdout's quality for the model's: the rest is flattered")
    else:
        lines.insert(
            0, f'hide the prediction of {share:.0%} of the rows, drawn at random (arm "holdout")'
        )
    if "exposure" in by:
        lines.append("explore: recommend at random in a few percent, with the propensity logged")
    return tuple(lines)
