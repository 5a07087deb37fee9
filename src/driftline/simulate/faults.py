"""Faults as data: what is planted, where, when and how large."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches

from driftline.contract.quantities import format_duration, parse_duration
from driftline.simulate.errors import ScenarioError
from driftline.simulate.kinds import KINDS, Detail, FaultKind, KindPlan, SizeUnit

__all__ = ["Fault", "parse_fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Attributes
    ----------
    feature
        None for a fault of the whole model.
    start, end
        Microseconds after the scenario's start; ``end`` None is "to the end". A ramp, or what
        tires, is at its full size at ``end`` and stays there. What follows predictions is changed
        for those made between start and end, whenever it comes.
    size, unit
        How large: in healthy standard deviations ("sd"), in the feature's own units ("own"), as a
        factor, as a share in (0, 1], as a difference of shares ("points"), in microseconds
        ("time"), or as a count. None is the kind's default.
    form
        What a schema fault does, one of `FORMS`; what mistake a skew is (`mistakes`).
    where
        Name and level of a categorical feature: rows of other levels stay healthy. None is all.
    detail
        What the kind's `Detail` is; None is its default.
    """

    kind: FaultKind
    model: str
    feature: str | None
    start: int
    end: int | None = None
    size: float | None = None
    unit: SizeUnit | None = None
    form: str | None = None
    where: tuple[str, str] | None = None
    detail: float | str | None = None

    def __str__(self) -> str:
        """Return the text that `parse_fault` reads back."""
        parts: list[str] = [self.kind, self.model]
        if self.feature is not None:
            parts.append(self.feature)
        if self.form:
            parts.append(self.form)
        elif self.size is not None and self.resolved_unit != "none":
            parts.append(_write_size(self.size, self.resolved_unit))
        if self.detail is not None and self.plan.detail is not None:
            parts.append(_write_detail(self.detail, self.plan.detail))
        until = "" if self.end is None else f"..{format_duration(self.end)}"
        among = "" if self.where is None else f" in {'='.join(self.where)}"
        return f"{':'.join(parts)}@{format_duration(self.start)}{until}{among}"

    @property
    def plan(self) -> KindPlan:
        """What this kind needs and does."""
        return KINDS[self.kind]

    @property
    def resolved_unit(self) -> SizeUnit:
        """Unit of `resolved_size`."""
        return self.unit or self.plan.sizes[0]

    @property
    def resolved_size(self) -> float:
        """The size, or the kind's default."""
        if self.size is not None:
            return self.size
        return self.plan.default or 0.0

    @property
    def share(self) -> float:
        """The detail, or the kind's default, where it is a number."""
        plan = self.plan.detail
        found = self.detail if self.detail is not None or plan is None else plan.default
        assert isinstance(found, float)
        return found

    @property
    def word(self) -> str | None:
        """The detail, or the kind's default, where it is a word."""
        plan = self.plan.detail
        found = self.detail if self.detail is not None or plan is None else plan.default
        assert not isinstance(found, float)
        return found


def _write_size(size: float, unit: SizeUnit) -> str:
    number = f"{size:.15g}"
    match unit:
        case "sd":
            return f"{size:+.15g}sd"
        case "own":
            return f"{size:+.15g}"
        case "factor":
            return f"x{number}"
        case "points":
            return f"{size * 100:+.13g}pp"
        case "time":
            return format_duration(round(size))
        case "count":
            return number
        case _:
            return f"{size * 100:.13g}%"


def _write_detail(detail: float | str, plan: Detail) -> str:
    if isinstance(detail, str):
        return detail
    return _write_size(detail, "count" if plan.unit == "count" else "share")


def parse_fault(text: str) -> Fault:
    """Read ``kind:model[:feature][:size[:detail]]@start[..end][ in feature=level]``.

    For example ``mean:m:age:+1sd@10m``, or ``mean:m:age:+1sd@10m in country=DE``.

    Raises
    ------
    ScenarioError
        Saying which part is wrong and what belongs there.
    """
    what, at, rest_of = text.strip().rpartition("@")
    when, _, among = rest_of.partition(" in ")
    if not at:
        msg = f"fault {text!r}: expected kind:model[:feature[:size]]@start[..end], got no @"
        raise ScenarioError(msg)
    # A model or a level may hold anything but a colon; sizes never do.
    kind, *rest = what.split(":")
    if kind not in KINDS:
        close = get_close_matches(kind, KINDS, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        msg = f"fault {text!r}: expected a kind among {', '.join(KINDS)}, got {kind!r}{hint}"
        raise ScenarioError(msg)
    plan = KINDS[kind]
    named = 2 if plan.applies else 1
    # A feature may be followed by a size that is none, to be told so.
    sized = 1 if plan.applies or plan.sizes != ("none",) else 0
    most = named + sized + (plan.detail is not None)
    if not named <= len(rest) <= most or not all(rest):
        msg = f"fault {text!r}: expected {_needs(plan)} before the @, got {what!r}"
        raise ScenarioError(msg)
    start, end = _read_span(text, when)
    where = _read_where(text, among) if among else None
    feature = rest[1] if plan.applies else None
    size, detail = [*rest[named:], None, None][:2]
    more = (
        None if detail is None or plan.detail is None else _read_detail(text, detail, plan.detail)
    )
    if size is None:
        return Fault(kind, rest[0], feature, start, end, where=where)
    if "form" in plan.sizes:
        made = Fault(kind, rest[0], feature, start, end, unit="form", form=size, where=where)
        return replace(made, detail=more)
    number, unit = _read_size(text, size, plan)
    return Fault(kind, rest[0], feature, start, end, number, unit, where=where, detail=more)


def _needs(plan: KindPlan) -> str:
    feature = ":feature" if plan.applies else ""
    detail = f"[:{plan.detail.name}]" if plan.detail is not None else ""
    size = f"[:size{detail}]" if plan.applies or plan.sizes != ("none",) else ""
    return f"kind:model{feature}{size}"


def _read_span(text: str, when: str) -> tuple[int, int | None]:
    first, dots, last = when.partition("..")
    try:
        return parse_duration(first), parse_duration(last) if dots else None
    except ValueError as error:
        msg = f"fault {text!r}: expected a time like 10m or 10m..25m after the @, got {when!r}"
        raise ScenarioError(msg) from error


def _read_where(text: str, among: str) -> tuple[str, str]:
    name, equals, level = among.strip().partition("=")
    if not (name and equals and level):
        msg = f"fault {text!r}: expected feature=level after in, got {among!r}"
        raise ScenarioError(msg)
    return name, level


def _read_size(text: str, size: str, plan: KindPlan) -> tuple[float, SizeUnit]:
    for unit in plan.sizes:
        if unit == "time":
            try:
                return float(parse_duration(size)), unit
            except ValueError:
                continue
        match = re.fullmatch(_SIZES[unit], size) if unit in _SIZES else None
        if match is not None:
            percent = size.endswith(("%", "pp"))
            return float(match[1]) / (100 if percent else 1), unit
    wants = f"a size like {plan.example}" if plan.example else "no size"
    msg = f"fault {text!r}: expected {wants}, got {size!r}"
    raise ScenarioError(msg)


def _read_detail(text: str, detail: str, plan: Detail) -> float | str:
    if plan.unit == "class":
        return detail
    wants = {
        "word": f"one of {', '.join(plan.words)}",
        "share": "a share like 5%",
        "count": "a whole number",
    }
    if plan.unit == "word":
        if detail in plan.words:
            return detail
    else:
        match = re.fullmatch(_SIZES["count" if plan.unit == "count" else "share"], detail)
        if match is not None:
            return float(match[1]) / (100 if detail.endswith("%") else 1)
    msg = f"fault {text!r}: {plan.name}: expected {wants[plan.unit]}, got {detail!r}"
    raise ScenarioError(msg)


_NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]{1,2})?)"
_SIZES: dict[SizeUnit, str] = {
    "sd": rf"([-+]?{_NUMBER})sd",
    "own": rf"([-+]?{_NUMBER})",
    "factor": rf"[x×]({_NUMBER})",
    "share": rf"\+?({_NUMBER}) ?%?",
    "points": rf"([-+]?{_NUMBER})pp",
    "count": r"([0-9]{1,6})",
}
