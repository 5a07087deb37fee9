"""The truth beside simulated traffic: what was planted, where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.contract.quantities import format_instant
from driftline.simulate.people import USUAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.simulate.faults import Fault
    from driftline.simulate.scenario import Scenario

__all__ = ["truth"]


def truth(scenario: Scenario, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Describe a scenario as JSON values, times as RFC 3339.

    Parameters
    ----------
    counts
        Events by type, where they were counted.

    Returns
    -------
    dict
        ``scenario``, ``faults`` (each with ``kind``, ``model``, ``feature``, ``start``, ``end``,
        ``size``, ``unit``, ``form``, ``shows_as``: the kinds of alert that name it rightly; what
        its kind may say beside (`kinds.Detail`), as ``adherence``; ``usual``, what people do where
        nothing else is planted; and ``where``, if it is not everywhere) and ``events``. A time is
        in seconds, as unit "s"; shares and points are parts of 1.
    """
    return {
        "scenario": {
            "models": [{"model": m.name, "kind": m.kind, "calm": m.calm} for m in scenario.models],
            "start": format_instant(scenario.start),
            "end": None if scenario.end is None else format_instant(scenario.end),
            "rate_per_s": scenario.rate,
            "seed": scenario.seed,
            "following": sorted(scenario.following),
            "label_delay_s": scenario.label_delay / 1e6,
            **({"segment": list(scenario.segment)} if scenario.segment else {}),
        },
        "faults": [_fault(fault, scenario) for fault in scenario.faults],
        "events": dict(sorted(counts.items())) if counts is not None else None,
    }


def _fault(fault: Fault, scenario: Scenario) -> dict[str, Any]:
    unit, start = fault.resolved_unit, scenario.start
    sized = unit not in {"form", "none"}
    timed = unit == "time"
    size = fault.resolved_size / 1e6 if timed else fault.resolved_size
    return {
        "fault": str(fault),
        "kind": fault.kind,
        "model": fault.model,
        "feature": fault.feature,
        "start": format_instant(start + fault.start),
        "end": None if fault.end is None else format_instant(start + fault.end),
        "size": size if sized else None,
        "unit": ("s" if timed else unit) if sized else None,
        "form": fault.form,
        **_detail(fault, scenario),
        **({"usual": USUAL} if fault.kind == "people" else {}),
        **({"where": dict([fault.where])} if fault.where is not None else {}),
        "shows_as": list(fault.plan.shows_as),
    }


def _detail(fault: Fault, scenario: Scenario) -> dict[str, Any]:
    detail = fault.plan.detail
    if detail is None:
        return {}
    if detail.unit != "class":
        return {detail.name: fault.share if isinstance(detail.default, float) else fault.word}
    (model,) = (model for model in scenario.models if model.name == fault.model)
    return {detail.name: fault.word or model.classes[-1]}
