"""Faults as data: what is planted, where, when and how large."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from driftline.contract.quantities import format_duration, parse_duration
from driftline.simulate.errors import ScenarioError
from driftline.simulate.features import NEW_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.simulate.features import Feature, FeatureKind
    from driftline.simulate.traffic import Traffic

__all__ = ["FORMS", "KINDS", "Fault", "FaultKind", "KindPlan", "check_faults", "parse_fault"]

FaultKind = Literal[
    "mean", "spread", "shape", "mix", "new_category", "missing", "unit", "correlation", "stuck",
    "silence", "schema", "ramp",
]  # fmt: skip
SizeUnit = Literal["sd", "own", "factor", "share", "form", "none"]

NUMBERS: tuple[FeatureKind, ...] = ("numeric", "integer")
ANY: tuple[FeatureKind, ...] = ("numeric", "integer", "categorical", "boolean")
FORMS = ("vanish", "string", "number", "appear")


@dataclass(frozen=True)
class KindPlan:
    """What a kind of fault needs and does.

    Attributes
    ----------
    applies
        Kinds of feature it can hit; empty where it hits the whole model.
    sizes
        Units its size may have; the first is the default's.
    default
        Size where none is given; None where one must be given.
    world
        True where the world itself changed, so that labels follow; False where something between
        the world and the model broke.
    shows_as
        Kinds of finding that name it rightly.
    """

    applies: tuple[FeatureKind, ...]
    sizes: tuple[SizeUnit, ...]
    default: float | None
    world: bool
    shows_as: tuple[str, ...]
    example: str
    about: str


KINDS: dict[FaultKind, KindPlan] = {
    "mean": KindPlan(NUMBERS, ("sd", "own"), 1.0, True, ("drift",), "+1sd or -2.5",
                     "values move by a constant"),
    "spread": KindPlan(NUMBERS, ("factor",), 2.0, True, ("drift",), "x2",
                       "deviations from the mean are multiplied"),
    "shape": KindPlan(NUMBERS, ("none",), 0.0, True, ("drift",), "",
                      "two humps with the same mean and sd"),
    "mix": KindPlan(("categorical",), ("share",), 0.2, True, ("drift",), "20%",
                    "so much of the traffic moves from the commonest level to the rarest"),
    "new_category": KindPlan(("categorical",), ("share",), 0.05, True, ("drift",), "5%",
                             f"so many rows get the level {NEW_LEVEL!r}"),
    "missing": KindPlan(ANY, ("share",), 0.2, False, ("missing",), "20%",
                        "so many rows lose the value"),
    "unit": KindPlan(NUMBERS, ("factor",), 1000.0, False, ("drift",), "x1000",
                     "values come in another unit"),
    "correlation": KindPlan(ANY, ("none",), 0.0, True, ("drift",), "",
                            "same values, but no longer with their row; marginals unchanged"),
    "stuck": KindPlan(ANY, ("none",), 0.0, False, ("drift",), "", "the last value is repeated"),
    "silence": KindPlan((), ("none",), 0.0, False, ("silence", "volume"), "",
                        "the model sends nothing"),
    "schema": KindPlan(ANY, ("form",), None, False, ("schema", "missing"), "vanish",
                       "vanish, string (numbers as text), number (text as numbers), appear"),
    "ramp": KindPlan(NUMBERS, ("sd", "own"), 1.0, True, ("drift",), "+1sd",
                     "a mean that grows from start to end and then stays; needs an end"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Attributes
    ----------
    feature
        None for a fault of the whole model (silence).
    start, end
        Microseconds after the scenario's start; ``end`` None is "to the end". A ramp is at its full
        size at ``end`` and stays there.
    size, unit
        How large: in healthy standard deviations ("sd"), in the feature's own units ("own"), as a
        factor, or as a share in (0, 1]. None is the kind's default.
    form
        What a schema fault does, one of `FORMS`.
    where
        Name and level of a categorical feature: rows of other levels stay healthy. None is all.
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

    def __str__(self) -> str:
        """Return the text that `parse_fault` reads back."""
        parts: list[str] = [self.kind, self.model]
        if self.feature is not None:
            parts.append(self.feature)
        if self.form:
            parts.append(self.form)
        elif self.size is not None and self.resolved_unit != "none":
            parts.append(_write_size(self.size, self.resolved_unit))
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


def _write_size(size: float, unit: SizeUnit) -> str:
    number = f"{size:.15g}"
    match unit:
        case "sd":
            return f"{size:+.15g}sd"
        case "own":
            return f"{size:+.15g}"
        case "factor":
            return f"x{number}"
        case _:
            return f"{size * 100:.13g}%"


def parse_fault(text: str) -> Fault:
    """Read ``kind:model[:feature[:size]]@start[..end][ in feature=level]``.

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
    most = 3 if plan.applies else 1
    least = 2 if plan.applies else 1
    if not least <= len(rest) <= most or not all(rest):
        needs = "kind:model:feature[:size]" if plan.applies else "kind:model"
        msg = f"fault {text!r}: expected {needs} before the @, got {what!r}"
        raise ScenarioError(msg)
    start, end = _read_span(text, when)
    where = _read_where(text, among) if among else None
    feature = rest[1] if plan.applies else None
    size = rest[2] if len(rest) == most and plan.applies else None
    if size is None:
        return Fault(kind, rest[0], feature, start, end, where=where)
    if "form" in plan.sizes:
        return Fault(kind, rest[0], feature, start, end, unit="form", form=size, where=where)
    number, unit = _read_size(text, size, plan)
    return Fault(kind, rest[0], feature, start, end, number, unit, where=where)


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
    number = r"(?:[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]{1,2})?)"
    forms: dict[SizeUnit, str] = {
        "sd": rf"([-+]?{number})sd",
        "own": rf"([-+]?{number})",
        "factor": rf"[x×]({number})",
        "share": rf"\+?({number}) ?%?",
    }
    for unit in plan.sizes:
        match = re.fullmatch(forms[unit], size) if unit in forms else None
        if match is not None:
            return float(match[1]) / (100 if size.endswith("%") else 1), unit
    wants = f"a size like {plan.example}" if plan.example else "no size"
    msg = f"fault {text!r}: expected {wants}, got {size!r}"
    raise ScenarioError(msg)


def check_faults(faults: Iterable[Fault], models: Iterable[Traffic]) -> None:
    """Hold faults against the models they are planted in.

    Raises
    ------
    ScenarioError
        With everything that is wrong, one fault a line.
    """
    by_name = {model.name: model for model in models}
    wrong = [f"fault {str(f)!r}: {text}" for f in faults for text in _objections(f, by_name)]
    if wrong:
        raise ScenarioError("\n".join(wrong))


def _objections(fault: Fault, models: dict[str, Traffic]) -> list[str]:
    found = []
    if fault.end is not None and fault.end <= fault.start:
        found.append("expected an end after the start")
    if fault.kind == "ramp" and fault.end is None:
        found.append("a ramp needs an end: the moment of its full size, as in @10m..40m")
    model = models.get(fault.model)
    if model is None:
        found.append(f"expected a model among {', '.join(models)}, got {fault.model!r}")
        return found
    if fault.where is not None:
        found += _place_objections(fault, model)
    if not fault.plan.applies:
        return found
    name = fault.feature or ""
    feature = model.feature(name)
    if fault.kind == "schema":
        return found + _form_objections(fault, feature)
    if feature is None:
        names = [f.name for f in model.features]
        close = get_close_matches(name, names, 1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(names[:20])}"
        return [*found, f"{fault.model} has no feature {name!r}; {hint}"]
    if feature.kind not in fault.plan.applies:
        wants = " or ".join(fault.plan.applies)
        return [*found, f"expected a feature that is {wants}; {name} is {feature.kind}"]
    return found + _size_objections(fault, feature)


def _place_objections(fault: Fault, model: Traffic) -> list[str]:
    assert fault.where is not None
    if fault.kind in {"schema", "silence"}:
        return [f"{fault.kind} is of the whole model, it has no part in {fault.where[0]}"]
    name, level = fault.where
    feature = model.feature(name)
    if feature is None or level not in feature.levels:
        levels = ", ".join(feature.levels) if feature is not None else "none"
        return [f"expected a level of {name} ({levels}), got {level!r}"]
    return []


def _form_objections(fault: Fault, feature: Feature | None) -> list[str]:
    if fault.form not in FORMS:
        return [f"expected one of {', '.join(FORMS)}, got {fault.form or 'nothing'}"]
    if fault.form == "appear":
        there = feature is not None
        return [f"{fault.feature} is there already: nothing can appear"] if there else []
    if feature is None:
        return [f"{fault.model} has no feature {fault.feature!r}"]
    if fault.form == "number" and feature.kind != "categorical":
        return [f"expected a categorical feature; {feature.name} is {feature.kind}"]
    if fault.form == "string" and feature.kind == "categorical":
        return [f"expected a feature that is not text already; {feature.name} is categorical"]
    return []


def _size_objections(fault: Fault, feature: Feature) -> list[str]:
    size, unit = fault.resolved_size, fault.resolved_unit
    if unit not in fault.plan.sizes:
        return [f"expected a size in {' or '.join(fault.plan.sizes)}, got {unit}"]
    if unit == "share" and not 0 < size <= 1:
        return [f"expected a share above 0 and up to 100%, got {size:g}"]
    if unit == "factor" and (size <= 0 or size == 1):
        return [f"expected a factor above 0 other than 1, got {size:g}"]
    if unit in {"sd", "own"} and size == 0:
        return ["expected a size other than 0"]
    if fault.kind == "mix":
        assert feature.shares is not None
        top = float(feature.shares.max())
        if size > top:
            return [f"the commonest level has only {top:.1%} of the traffic, got {size:.1%}"]
    if fault.kind == "correlation" and not feature.moves_with:
        return [f"{feature.name} is correlated with nothing, so nothing would change"]
    return []
