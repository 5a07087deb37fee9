"""The same stream in other units: the alerts have to be the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.bench.detectors.law import EVENTS, Law, Rows, Traffic, times
from driftline.bench.detectors.marginals import lognormal, normal, poisson, student
from driftline.bench.detectors.panes import fold_events
from driftline.bench.detectors.watched import Watched, contract_for
from driftline.contract import SECOND, Rate
from driftline.stats import Reference

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.detect import Finding

__all__ = ["UNITS", "Same", "compare"]

UNITS = ((1.0, 0.0), (1e-6, 0.0), (1e-3, 0.0), (1e3, 0.0), (1e6, 0.0), (1.0, 1e9))
"""Factor and offset: a value x is told as ``factor · x + offset``; the first is compared with."""
STEP = 1 / 1024
"""Values are drawn on this grid, or an offset of 1e9 would tie values that were apart."""
SLOTS, CHANGES = 400, {0: (100, 200, 1.0), 5: (200, 300, -1.5), 10: (300, 400, 0.7)}
"""By column: from which slot to which it is moved, by how much."""
REFERENCE_SLOTS = 200

Told = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Same:
    """What a stream led to in one unit: findings, and whether they are those of the first."""

    factor: float
    offset: float
    findings: int
    identical: bool

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "factor": self.factor,
            "offset": self.offset,
            "findings": self.findings,
            "identical": self.identical,
        }


def compare(seed: int, detectors: tuple[str, ...] | None) -> list[Same]:
    """Watch one stream with planted changes in all units."""
    law = Law(
        "units",
        "columns of numbers",
        (normal(), lognormal(), student(2.5), poisson(1.0)) * 5,
        10 * SECOND,
        REFERENCE_SLOTS * EVENTS,
    )
    rows = (REFERENCE_SLOTS + SLOTS) * EVENTS
    values = np.round(Traffic(law, np.random.default_rng(seed)).block(0, rows) / STEP) * STEP
    for column, (start, end, by) in CHANGES.items():
        at = slice((REFERENCE_SLOTS + start) * EVENTS, (REFERENCE_SLOTS + end) * EVENTS)
        values[at, column] += by
    told = [_watch(law, factor * values + offset, detectors) for factor, offset in UNITS]
    return [
        Same(factor, offset, len(found), found == told[0])
        for (factor, offset), found in zip(UNITS, told, strict=True)
    ]


def _watch(law: Law, values: npt.NDArray[np.float64], detectors: tuple[str, ...] | None) -> Told:
    budget = Rate(count=1, per=4_000 * law.slot)
    contract = contract_for(law.slot, budget, detectors)
    before, after = values[: law.rows], values[law.rows :]
    rows, ts = Rows(law, before), times(law, 0, law.rows)
    reference = Reference.build(contract.model, rows, ts=ts, slot=law.slot)
    watched = Watched(contract, reference)
    found = []
    panes = fold_events(law, reference, after, REFERENCE_SLOTS, contract.sample)
    for number, pane in enumerate(panes, REFERENCE_SLOTS):
        found += [_without_units(finding) for finding in watched.step(number, pane)[0]]
    return tuple(found)


def _without_units(finding: Finding) -> tuple[Any, ...]:
    """Return all of a finding that is not told in the feature's own units."""
    return (
        finding.state,
        finding.feature,
        finding.kind,
        finding.detector,
        finding.severity,
        finding.change_point,
        finding.detected_at,
        finding.effect,
        finding.log_e,
    )
