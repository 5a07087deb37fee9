"""Detectors by the names a contract uses."""

from __future__ import annotations

from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any

from driftline.detect.budget import run_of_data, run_of_segment, run_of_whole, split
from driftline.detect.correlation import Correlation
from driftline.detect.errors import ParameterError
from driftline.detect.evidence import Evidence
from driftline.detect.joint import Joint
from driftline.detect.law import Tolerances
from driftline.detect.river_adapter import RiverDetector
from driftline.detect.river_table import RIVER
from driftline.detect.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from driftline.contract import Contract
    from driftline.detect.bets import Aspect
    from driftline.detect.protocol import Detector
    from driftline.events.frame import Segment
    from driftline.stats import Reference

    Factory = Callable[[Reference, Contract, Mapping[str, Any], float], Detector]


def _tolerances(name: str, parameters: Mapping[str, Any]) -> Tolerances:
    known = {f.name for f in fields(Tolerances)}
    given = {}
    for key, value in parameters.items():
        field = key.removesuffix("_tolerance")
        if field not in known or field == key:
            names = ", ".join(sorted(f"{k}_tolerance" for k in known))
            msg = f"{name}.{key}: no such parameter, expected one of {names}"
            raise ParameterError(msg)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 100:
            msg = f"{name}.{key}: expected a number above 0, got {value!r}"
            raise ParameterError(msg)
        given[field] = float(value)
    return Tolerances(**given)


def _evidence(
    reference: Reference, contract: Contract, parameters: Mapping[str, Any], arl: float
) -> Evidence:
    return Evidence(reference, contract, arl, tolerances=_tolerances("evidence", parameters))


def _part(name: str, aspect: Aspect, only: frozenset[str] | None = None) -> Factory:
    def make(
        reference: Reference, contract: Contract, parameters: Mapping[str, Any], arl: float
    ) -> Detector:
        tolerances = _tolerances(name, parameters)
        return Evidence(
            reference, contract, arl, name=name, aspects=(aspect,), only=only, tolerances=tolerances
        )

    return make


def _tolerance(name: str, parameters: Mapping[str, Any]) -> dict[str, float]:
    unknown = sorted(set(parameters) - {"tolerance"})
    if unknown:
        msg = f"{name}.{unknown[0]}: no such parameter, expected tolerance"
        raise ParameterError(msg)
    for value in parameters.values():
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
            msg = f"{name}.tolerance: expected a number between 0 and 1, got {value!r}"
            raise ParameterError(msg)
    return {key: float(value) for key, value in parameters.items()}


def _correlation(
    reference: Reference, contract: Contract, parameters: Mapping[str, Any], arl: float
) -> Detector:
    return Correlation(reference, contract, arl, **_tolerance("correlation", parameters))


def _joint(
    reference: Reference,
    contract: Contract,  # noqa: ARG001
    parameters: Mapping[str, Any],
    arl: float,
) -> Detector:
    return Joint(reference, arl, **_tolerance("joint", parameters))


def _river(name: str) -> Factory:
    def make(
        reference: Reference, contract: Contract, parameters: Mapping[str, Any], arl: float
    ) -> Detector:
        return RiverDetector(name, reference, contract, parameters, arl)

    return make


STATISTICAL: dict[str, Factory] = {
    "evidence": _evidence,
    "missing": _part("missing", "missing"),
    "range": _part("range", "unseen", frozenset({"numeric"})),
    "unseen": _part("unseen", "unseen", frozenset({"categorical", "boolean"})),
    "correlation": _correlation,
    "joint": _joint,
    **{name: _river(name) for name in RIVER},
}
"""Detectors that draw on the budget. Each is given its mean run length in slots."""

PARTS = ("missing", "unseen", "range")
"""What `evidence` judges along with the rest, and what is judged without it all the same."""
CERTAIN = ("schema", "silence", "volume")
"""Always on, whether listed or not; the last two live in `Liveness`, as they must see gaps."""


def build(contract: Contract, reference: Reference) -> list[Detector]:
    """Return the detectors of a model: those its contract lists, and those that are always on.

    Raises
    ------
    ParameterError
        An unknown name, a name listed twice, or a parameter that the detector does not take.
    """
    plans: dict[str, Mapping[str, Any]] = {}
    for plan in contract.detectors:
        if plan.name in plans:
            msg = f"{contract.model}: $.detectors: {plan.name} is listed twice"
            raise ParameterError(msg)
        if plan.name not in STATISTICAL and plan.name not in CERTAIN:
            known = ", ".join(sorted([*STATISTICAL, *CERTAIN]))
            msg = f"{contract.model}: $.detectors: expected one of {known}, got {plan.name!r}"
            raise ParameterError(msg)
        if plan.name in CERTAIN and plan.parameters:
            msg = f"{contract.model}: $.detectors: {plan.name} takes no parameters"
            raise ParameterError(msg)
        plans[plan.name] = plan.parameters
    for part in PARTS:
        if "evidence" in plans:
            plans.pop(part, None)
        else:
            plans.setdefault(part, {})
    names = [name for name in plans if name in STATISTICAL]
    runs = split(names, slots_of_whole(contract, reference))
    built = [STATISTICAL[name](reference, contract, plans[name], runs[name]) for name in names]
    return [*built, Schema(reference)]


def build_segments(contract: Contract, reference: Reference) -> dict[Segment, Evidence]:
    """Return what watches each segment by itself: `evidence`, if the contract lists it.

    The segments are those that the reference knows, as many of the largest as the contract wants.
    """
    watched = _watched(contract, reference)
    run = run_of_segment(run_of_data(contract), len(watched))
    given = next((p.parameters for p in contract.detectors if p.name == "evidence"), {})
    return {segment: _evidence(own, contract, given, run) for segment, own in watched.items()}


def slots_of_whole(contract: Contract, reference: Reference) -> float:
    """Return the mean run length of all detectors that see the whole of a model, in slots."""
    return run_of_whole(run_of_data(contract), len(_watched(contract, reference)))


def _watched(contract: Contract, reference: Reference) -> dict[Segment, Reference]:
    if all(plan.name != "evidence" for plan in contract.detectors):
        return {}
    return dict(islice(reference.segments.items(), contract.segments.most))
