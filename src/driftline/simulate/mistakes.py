"""What serving may do wrong with a feature that training does right."""

from __future__ import annotations

import re
from math import nan
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Feature
    from driftline.simulate.traffic import Traffic

__all__ = ["MISTAKES", "Mistake", "mistake_objections", "read_mistake", "respelt"]

How = Literal[
    "factor", "shift", "null", "default", "lost", "stale", "round", "lower", "upper", "code", "swap"
]
MISTAKES = "x1000, +1sd, -2.5, null=0, default=0, lost, stale, round=10, lower, upper, code, swap=f"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]{1,2})?"
_OF_NUMBERS = ("factor", "shift", "round")
_OF_LEVELS = ("lower", "upper", "code")


class Mistake(NamedTuple):
    """One kind of mistake.

    Attributes
    ----------
    size
        Factor, shift or step of rounding; NaN where it has none.
    in_sd
        Whether a shift is told in healthy standard deviations.
    value
        What is served in place of a value, or the feature whose value is served.
    """

    how: How
    size: float = nan
    in_sd: bool = False
    value: str = ""


def read_mistake(form: str) -> Mistake | None:
    """Read a form such as ``x1000`` or ``null=0``; None where there is no such mistake."""
    if found := re.fullmatch(rf"[x×]({_NUMBER})", form):
        return Mistake("factor", float(found[1]))
    if found := re.fullmatch(rf"([-+]{_NUMBER})(sd)?", form):
        return Mistake("shift", float(found[1]), in_sd=found[2] is not None)
    if found := re.fullmatch(rf"round=({_NUMBER})", form):
        return Mistake("round", float(found[1]))
    how, equals, value = form.partition("=")
    if how not in get_args(How) or how in _OF_NUMBERS:
        return None
    if bool(value) != (how in {"null", "default", "swap"}) or (equals and not value):
        return None
    return Mistake(how, value=value)  # type: ignore[arg-type]  # one of them, as was looked


def respelt(how: How, levels: tuple[str, ...]) -> list[str]:
    """Return how each level is served: in lower or upper case, or as its code in digits."""
    if how == "code":
        return [str(at) for at in range(len(levels))]
    return [level.lower() if how == "lower" else level.upper() for level in levels]


def mistake_objections(fault: Fault, model: Traffic) -> list[str]:
    """Say why a skew cannot be planted in a model; nothing where it can."""
    name = fault.feature or ""
    feature, mistake = model.feature(name), read_mistake(fault.form or "")
    assert feature is not None
    if mistake is None:
        return [f"expected a mistake such as {MISTAKES}, got {fault.form or 'nothing'!r}"]
    how, size = mistake.how, mistake.size
    if how in _OF_NUMBERS and not feature.counted:
        return [f"expected a feature that is numeric or integer; {name} is {feature.kind}"]
    if how in _OF_LEVELS and feature.kind != "categorical":
        return [f"expected a feature that is categorical; {name} is {feature.kind}"]
    if how in {"factor", "shift", "round"} and (size == 0 or (how == "factor" and size == 1)):
        return [f"expected a {how} that changes anything, got {fault.form}"]
    if how in _OF_LEVELS and respelt(how, feature.levels) == list(feature.levels):
        return [f"the levels of {name} are written so already ({', '.join(feature.levels[:5])})"]
    if how == "null" and not feature.missing:
        return [f"{name} is never missing, so nothing would change"]
    if how in {"null", "default"}:
        return _value_objections(feature, mistake.value)
    return _swap_objections(feature, mistake.value, model) if how == "swap" else []


def _value_objections(feature: Feature, value: str) -> list[str]:
    if feature.counted and not re.fullmatch(rf"[-+]?{_NUMBER}", value):
        return [f"expected a number, as {feature.name} is {feature.kind}, got {value!r}"]
    if feature.kind == "boolean" and value not in {"true", "false"}:
        return [f"expected true or false, as {feature.name} is boolean, got {value!r}"]
    return []


def _swap_objections(feature: Feature, other: str, model: Traffic) -> list[str]:
    kinds = {"numeric", "integer"} if feature.counted else {feature.kind}
    able = [f.name for f in model.features if f.kind in kinds and f is not feature]
    if other not in able:
        wants = ", ".join(able[:20]) or "none"
        return [f"expected another feature of that kind ({wants}), got {other!r}"]
    return []
