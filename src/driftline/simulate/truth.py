"""The truth beside simulated traffic: what was planted, where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.contract.quantities import format_instant

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
        ``size``, ``unit``, ``form``, ``shows_as``: the kinds of alert that name it rightly; and
        ``where``, if it is not everywhere) and ``events``.
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
        "faults": [_fault(fault, scenario.start) for fault in scenario.faults],
        "events": dict(sorted(counts.items())) if counts is not None else None,
    }


def _fault(fault: Fault, start: int) -> dict[str, Any]:
    unit = fault.resolved_unit
    sized = unit not in {"form", "none"}
    return {
        "fault": str(fault),
        "kind": fault.kind,
        "model": fault.model,
        "feature": fault.feature,
        "start": format_instant(start + fault.start),
        "end": None if fault.end is None else format_instant(start + fault.end),
        "size": fault.resolved_size if sized else None,
        "unit": unit if sized else None,
        "form": fault.form,
        **({"where": dict([fault.where])} if fault.where is not None else {}),
        "shows_as": list(fault.plan.shows_as),
    }
