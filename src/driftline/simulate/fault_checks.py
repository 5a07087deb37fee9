"""Whether faults can be planted in the models that they name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from driftline.simulate.errors import ScenarioError
from driftline.simulate.kinds import FORMS
from driftline.simulate.mistakes import mistake_objections
from driftline.simulate.retraining import LEAST_ROWS, design_width

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Feature
    from driftline.simulate.kinds import Following
    from driftline.simulate.traffic import Traffic

__all__ = ["check_faults"]

OPTIONS: dict[Following, str] = {
    "label": "labels", "decision": "decisions", "outcome": "outcomes", "features": "training",
}  # fmt: skip
MOST_PEOPLE = 200
MOST_TRAINED = 100
"""Columns of the largest model that can be trained anew."""


def check_faults(
    faults: Iterable[Fault],
    models: Iterable[Traffic],
    following: Collection[Following] = (),
) -> None:
    """Hold faults against the models they are planted in.

    Parameters
    ----------
    following
        Types of event that follow predictions.

    Raises
    ------
    ScenarioError
        With everything that is wrong, one fault a line.
    """
    by_name = {model.name: model for model in models}
    faults = list(faults)
    wrong = [
        f"fault {str(f)!r}: {text}"
        for f in faults
        for text in [*_objections(f, by_name), *_company(f, faults, following)]
    ]
    if wrong:
        raise ScenarioError("\n".join(wrong))


def _company(fault: Fault, faults: list[Fault], following: Collection[Following]) -> list[str]:
    """Say what is missing beside a fault."""
    found, plan = [], fault.plan
    if plan.needs is not None and plan.needs not in following:
        found.append(f"expected --with {OPTIONS[plan.needs]}: without them it changes nothing")
    same = [f for f in faults if f.model == fault.model]
    if plan.beside is not None and not any(f.kind == plan.beside for f in same):
        found.append(f"expected a fault of kind {plan.beside} in {fault.model} beside it, got none")
    if fault.kind == "retrain" and next(f for f in same if f.kind == "retrain") is not fault:
        found.append("expected one fault of kind retrain in a model, got another")
    return found


def _objections(fault: Fault, models: dict[str, Traffic]) -> list[str]:
    found = []
    if fault.end is not None and fault.end <= fault.start:
        found.append("expected an end after the start")
    if fault.kind in {"ramp", "tire"} and fault.end is None:
        what = "a ramp" if fault.kind == "ramp" else fault.kind
        found.append(f"{what} needs an end: the moment of its full size, as in @10m..40m")
    model = models.get(fault.model)
    if model is None:
        found.append(f"expected a model among {', '.join(models)}, got {fault.model!r}")
        return found
    if fault.where is not None:
        found += _place_objections(fault, model)
    if not fault.plan.applies:
        return found + _whole_objections(fault, model)
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
    if fault.kind == "skew":
        return found + mistake_objections(fault, model) + _share_objections(fault.share)
    return found + _size_objections(fault, feature)


def _share_objections(share: float) -> list[str]:
    good = 0 < share <= 1
    return [] if good else [f"expected a share above 0 and up to 100%, got {share:g}"]


def _whole_objections(fault: Fault, model: Traffic) -> list[str]:
    """Say what is wrong with a fault that has no feature."""
    size, plan = fault.resolved_size, fault.plan
    if fault.size is None and plan.default is None:
        return [f"expected a size like {plan.example}, got none"]
    match fault.kind:
        case "label_bias":
            if not model.classes:
                return [
                    f"expected a model that predicts classes; labels of {model.name} are numbers"
                ]
            if fault.word is not None and fault.word not in model.classes:
                return [f"expected a class among {', '.join(model.classes)}, got {fault.word!r}"]
            return [] if size > 1 else [f"expected a factor above 1, got {size:g}"]
        case "late":
            return [] if size > 0 and size != 1 else [f"expected a factor above 0, got {size:g}"]
        case "label_delay" | "rubber_stamp":
            return [] if size > 0 else ["expected a time above 0"]
        case "people":
            good = 1 <= size <= MOST_PEOPLE
            return [] if good else [f"expected 1 to {MOST_PEOPLE} people, got {size:g}"]
        case "holdout":
            return [] if 0 <= size < 1 else [f"expected a share from 0 to below 100%, got {size:g}"]
        case "uplift":
            arms = f"{fault.share:.4g} in the holdout, {fault.share + size:.4g} in the model's arm"
            good = 0 < fault.share < 1 and 0 <= fault.share + size <= 1
            return [] if good else [f"expected shares from 0 to 100% in both arms, got {arms}"]
        case "retrain":
            return _training_objections(fault, model)
        case "loop":
            return _share_objections(size) + _share_objections(fault.share)
    return _share_objections(size) if "share" in plan.sizes else []


def _training_objections(fault: Fault, model: Traffic) -> list[str]:
    if model.classes:
        return [f"expected a model that predicts numbers; {model.name} predicts classes"]
    width = design_width(model)
    if width > MOST_TRAINED:
        return [f"expected a model of at most {MOST_TRAINED} columns, got {width} in {model.name}"]
    if fault.resolved_size <= 0:
        return ["expected a time above 0"]
    least, most = max(100, LEAST_ROWS * width), 20_000
    if not least <= fault.share <= most:
        return [f"expected {least} to {most:,} rows to train on, got {fault.share:g}"]
    return []


def _place_objections(fault: Fault, model: Traffic) -> list[str]:
    assert fault.where is not None
    if fault.kind in {"schema", "silence", "retrain"}:
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
    if unit == "share" and (found := _share_objections(size)):
        return found
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
