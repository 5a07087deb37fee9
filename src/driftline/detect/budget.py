"""The budget of false pages, as mean run lengths of the detectors that may break it.

The rule: what is certain (schema, silence, a promised rate, a failed drill) costs nothing. The
statistical detectors that stand together share the budget in proportion to their `SHARES`, those of
river sharing theirs alike; one that stands alone takes all of it. A detector with the share s of a
budget of one false page in A slots works with a mean time to a false alarm of A / s slots, over all
features: within it features are averaged, weighted by importance, so a hundred dull ones cost an
important one the logarithm of a hundred.

Where the contract promises quality, the alarm on it takes the part `QUALITY`; so do the watch on
decisions (`DECISIONS`) and the comparison of rows (`SKEW`). What watches the data shares the rest.

Where segments are watched each by itself, they take the part `SEGMENTS` of the budget and share it
alike, whatever their size: twenty cost each of them the logarithm of twenty. The whole works with
what is left; without segments it has everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Contract

SHARES = {"evidence": 0.6, "correlation": 0.1, "joint": 0.05}
QUALITY = 0.1
"""Part of the budget that the alarm on promised quality takes, where quality is promised."""
LOOPS = 0.05
"""How often a feedback loop may be suspected falsely, beside one false page: that is told to the
systems around the model and wakes nobody, so it stands beside the budget of pages."""
DECISIONS = 0.1
"""Part of the budget that the watch on decisions takes, where the contract has a policy for them.
Only that nobody acts at all is a page; the rest of what it says are notices."""
SKEW = 0.1
"""Part of the budget that comparing served rows with training's takes, where that is asked for."""
OTHERS = 0.25
"""Part of the budget that all other detectors share."""
SEGMENTS = 0.2
"""Part of the budget that segments take together, where there are any."""
LEAST_SLOTS = 10.0
"""A shorter mean run than this is no detector; budgets looser than it are read as this."""


def budget_slots(contract: Contract) -> float:
    """Return the promised mean time between false pages of a model, in slots."""
    allowed = contract.budget.false_pages
    return max(LEAST_SLOTS, allowed.per / max(allowed.count, 1e-12) / contract.slot)


def run_of_data(contract: Contract) -> float:
    """Return the mean run length of all that watch a model's data together, in slots."""
    asked = ((QUALITY, contract.quality), (DECISIONS, contract.decision), (SKEW, contract.skew))
    rest = 1.0 - sum(part for part, wanted in asked if wanted is not None)
    return budget_slots(contract) / rest


def run_of_quality(contract: Contract) -> float:
    """Return the mean run length of the alarm on promised quality, in its steps."""
    return budget_slots(contract) * contract.slot / contract.step / QUALITY


def run_of_skew(contract: Contract) -> float:
    """Return the mean run length of the comparison of served rows, in its steps."""
    return budget_slots(contract) * contract.slot / contract.step / SKEW


def run_of_loops(contract: Contract) -> float:
    """Return the mean run length of what watches for feedback loops, in quality windows."""
    window = contract.slot if contract.quality is None else contract.quality.span
    return budget_slots(contract) * contract.slot / window / LOOPS


def run_of_decisions(contract: Contract, span: int) -> float:
    """Return the mean run length of the watch on decisions, in spans judged.

    Parameters
    ----------
    span
        Length of such a span, microseconds (`ledger.advice.judging_span`).
    """
    return max(LEAST_SLOTS, budget_slots(contract) * contract.slot / span / DECISIONS)


def notice_gain(contract: Contract) -> float:
    """Return how many times as often a notice may be false as a page; 1 where there are none."""
    pages, notices = contract.budget.false_pages, contract.budget.false_notices
    if notices is None:
        return 1.0
    return max(1.0, notices.count / notices.per / max(pages.count / pages.per, 1e-300))


def run_of_whole(slots: float, segments: int) -> float:
    """Return the mean run length left to the detectors of the whole, beside so many segments.

    Parameters
    ----------
    slots
        Mean run length promised for the model, in slots.
    """
    return slots / (1 - SEGMENTS) if segments else slots


def run_of_segment(slots: float, segments: int) -> float:
    """Return the mean run length of each of so many segments, in slots."""
    return slots * segments / SEGMENTS


def split(names: Sequence[str], slots: float) -> dict[str, float]:
    """Split a budget over statistical detectors.

    Parameters
    ----------
    names
        The statistical detectors of one model, each once.
    slots
        Mean run length promised for all of them together, in slots.

    Returns
    -------
    Mean run length for each name; the sum of their inverses is the inverse of `slots`.
    """
    others = [name for name in names if name not in SHARES]
    part = {name: SHARES.get(name, OTHERS / max(1, len(others))) for name in names}
    whole = sum(part.values())
    return {name: slots * whole / part[name] for name in names}
