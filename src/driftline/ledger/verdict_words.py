"""The verdict on a model's worth, in words for whoever pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.contract import DAY
from driftline.ledger.sequences import LEAST_RARER, LEAST_ROWS
from driftline.ledger.verdict import PERIOD

if TYPE_CHECKING:
    from driftline.ledger.verdict import Verdict

__all__ = ["amount", "count", "words"]

MANY_REFUSED = 0.1
"""Share of decisions that are not used from which on it is said."""


def words(verdict: Verdict, rarer: float) -> str:
    """Return what a verdict says, a few sentences.

    Parameters
    ----------
    rarer
        Decisions of the smaller arm that its scatter rests on: told while they are too few.
    """
    if verdict.reason is not None:
        return _unknown(verdict)
    text = _open(verdict, rarer) if verdict.answer == "cannot tell yet" else _settled(verdict)
    return text + _refused(verdict)


def amount(value: float, *, signed: bool = False) -> str:
    """Return a figure to three digits; thousands are set apart."""
    rounded = float(f"{value:.3g}")
    sign = "+" if signed and rounded > 0 else ""
    return sign + (f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}")


def count(value: float) -> str:
    """Return a number of decisions to two digits."""
    return f"{float(f'{value:.2g}'):,.0f}"


def _settled(verdict: Verdict) -> str:
    assert verdict.effect is not None
    side, sign = ("more", 1) if verdict.answer == "better" else ("less", -1)
    text = (
        f"Acting on the model is {verdict.answer} than the arm {verdict.baseline.name}: it brings "
        f"{amount(sign * verdict.effect)} {side} per decision "
        f"({_between(verdict.low, verdict.high, sign)}), over {verdict.rows:,} decisions."
    )
    if verdict.per_period is not None:
        total, low, high = verdict.per_period
        text += (
            f" At the present rate that is about {amount(sign * total)} {side} every "
            f"{PERIOD // DAY} days ({_between(low, high, sign)})."
        )
    return text


def _between(low: float | None, high: float | None, sign: int) -> str:
    bounds = (low, high) if sign > 0 else (high, low)
    told = zip(("at least", "at most"), bounds, strict=True)
    return ", ".join(f"{word} {amount(sign * each)}" for word, each in told if each is not None)


def _open(verdict: Verdict, rarer: float) -> str:
    text = f"Cannot tell yet whether acting on the model beats the arm {verdict.baseline.name}"
    low, high, least = verdict.low, verdict.high, verdict.least_effect
    used = verdict.baseline.used + verdict.model.used
    if verdict.rows < LEAST_ROWS:
        text += (
            f": {max(verdict.rows, 0):,} decisions count so far, and {LEAST_ROWS} are needed; "
            f"{used - verdict.rows:,} before them only taught what outcomes to expect."
        )
    elif low is None or high is None or verdict.effect is None:
        text += (
            f": {used:,} decisions have an outcome, and in the smaller arm {int(rarer):,} of them "
            f"are of the rarer kind that tells arms apart, where {LEAST_RARER} are needed."
        )
    else:
        text += (
            f": the difference per decision lies between {amount(low, signed=True)} and "
            f"{amount(high, signed=True)} (so far {amount(verdict.effect, signed=True)}), over "
            f"{verdict.rows:,} decisions."
        )
        if least is not None and max(-low, high) < least:
            return (
                f"{text} Whichever it is, it is smaller than {amount(least)}, the smallest worth "
                "knowing: there is no need to wait."
            )
        if least is not None and high < least:
            text += (
                f" That it brings {amount(least)} more, the smallest worth knowing, is ruled out."
            )
        if verdict.more_at_effect:
            text += (
                f" If it is as it looks now, about {count(verdict.more_at_effect)} more will tell."
            )
    if least is not None and verdict.more_at_least:
        text += (
            f" A difference of {amount(least)}, the smallest worth knowing, takes about "
            f"{count(verdict.more_at_least)} more."
        )
    return text


def _unknown(verdict: Verdict) -> str:
    text = (
        f"Whether acting on the model is better cannot be known from these data: {verdict.reason}. "
        f"What to do: {verdict.advice}."
    )
    if verdict.association is None:
        return text
    side = "more" if verdict.association >= 0 else "less"
    return (
        f"{text} Association, not uplift: decisions of the arm model brought "
        f"{amount(abs(verdict.association))} {side} each than those of the arm "
        f"{verdict.baseline.name}, which may be because others were chosen for it."
    )


def _refused(verdict: Verdict) -> str:
    refused = sum(verdict.refused.values())
    whole = refused + verdict.baseline.used + verdict.model.used
    if refused <= MANY_REFUSED * whole:
        return ""
    reason = max(sorted(verdict.refused), key=verdict.refused.__getitem__)
    return (
        f" {refused:,} of {whole:,} decisions could not be used, most of them for this reason: "
        f"{reason}."
    )
