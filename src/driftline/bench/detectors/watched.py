"""A model under watch: its own detectors and incidents, slot after slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.bench.detectors.law import FIRST
from driftline.contract import Budget, Contract, DetectorPlan, Rate
from driftline.detect import RIVER, STATISTICAL
from driftline.incidents import Context, Incidents
from driftline.pipeline import watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.bench.detectors.panes import Needs
    from driftline.detect import Finding
    from driftline.incidents import Change
    from driftline.stats import Pane, Reference

__all__ = ["Watched", "contract_for", "is_page", "needs_of"]

COUNT_READERS = frozenset({"evidence", "missing", "range", "unseen"})
"""Detectors that read a pane's counts and nothing else of it; so do river's on means of slots."""
PAIR_READERS = frozenset({"correlation", "joint"})
"""Detectors that read counts and co-moments."""


def contract_for(slot: int, budget: Rate | None, detectors: Sequence[str] | None) -> Contract:
    """Return a contract that says only what a run is about.

    Parameters
    ----------
    slot
        Microseconds.
    budget, detectors
        None for the contract's own defaults.
    """
    contract = Contract(model="bench", slot=slot)
    return Contract(
        model="bench",
        slot=slot,
        budget=contract.budget if budget is None else Budget(false_pages=budget),
        detectors=contract.detectors
        if detectors is None
        else tuple(DetectorPlan(name=name) for name in detectors),
    )


def needs_of(contract: Contract) -> Needs:
    """Return what the contract's detectors read of a pane."""
    needs: Needs = "counts"
    for plan in contract.detectors:
        if plan.name in PAIR_READERS:
            needs = "pairs"
        elif plan.name in RIVER:
            if plan.parameters or RIVER[plan.name].values != "mean":
                return "values"
        elif plan.name in STATISTICAL and plan.name not in COUNT_READERS:
            return "values"
    return needs


class Watched:
    """The detectors of a contract, built on a reference as a worker builds them, and incidents."""

    def __init__(self, contract: Contract, reference: Reference) -> None:
        self._slot = contract.slot
        self._watched = watched.Watched(contract, reference)
        self._incidents = Incidents(contract)

    def step(self, number: int, pane: Pane) -> tuple[list[Finding], list[Change]]:
        """Show a pane to the detectors; return what they found and what became of it.

        Parameters
        ----------
        number
            The slot, counted from `driftline.bench.detectors.law.FIRST`.
        """
        start = FIRST + number * self._slot
        slot = self._watched.slot(start, start + self._slot, pane)
        findings = self._watched.step(slot, {})
        if not findings:
            return findings, []
        return findings, self._incidents.on_findings(findings, Context(slot.end, slot.reference))


def is_page(change: Change) -> bool:
    """Return whether a change of an incident wakes somebody.

    An incident that opens as a page does, one that becomes a page, and one that comes back as a
    page after it was resolved; what joins an incident that people know of does not.
    """
    woken = change.state in {"opened", "escalated", "reopened"}
    return woken and change.incident.severity == "page"
