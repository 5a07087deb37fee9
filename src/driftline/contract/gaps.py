"""What a contract leaves open that a responsible deployment would have settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.contract.types import Contract, Retrain

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is missing or overdue.

    Attributes
    ----------
    code
        Stable name, such as ``no_owner``; at most one gap of a code for a contract.
    path
        Where it belongs in the contract: ``$.owner.team``.
    text
        What is missing and what follows from it, one line.
    """

    code: str
    path: str
    text: str


def gaps(contract: Contract, today: dt.date) -> list[Gap]:
    """List what is missing for a responsible deployment.

    Parameters
    ----------
    contract
        Any contract. One of defaults alone, as `Book.of` gives for a model without a contract,
        has a single gap: ``no_contract``.
    today
        The day that review and deprecation are judged on; a date is overdue from the day after it.
    """
    if not contract.stated and contract == Contract(model=contract.model):
        text = "nobody has written a contract: who owns it, and what is broken, is undefined"
        return [Gap("no_contract", "$", text)]
    return [*_people(contract), *_plans(contract), *_dates(contract, today)]


def _people(contract: Contract) -> Iterator[Gap]:
    owner = contract.owner
    if owner is None or owner.team is None:
        yield Gap("no_owner", "$.owner.team", "no team answers for the model")
    if owner is None or owner.contact is None:
        yield Gap("no_contact", "$.owner.contact", "nobody can be reached when it breaks")
    if contract.runbook is None:
        yield Gap("no_runbook", "$.runbook", "nothing says what to do when it pages")


def _plans(contract: Contract) -> Iterator[Gap]:
    if contract.fallback is None:
        yield Gap("no_fallback", "$.fallback", "nothing takes over when it cannot be trusted")
    # A policy may well consist of defaults, but somebody has to have said so.
    if "retrain" not in contract.stated and contract.retrain == Retrain():
        yield Gap("no_retrain_policy", "$.retrain", "nobody has said when it is retrained")
    decision = contract.decision
    if decision is None or (decision.act_when is None and decision.action is None):
        text = "nothing says what its predictions change"
        yield Gap("no_decision_policy", "$.decision", text)


def _dates(contract: Contract, today: dt.date) -> Iterator[Gap]:
    if contract.review_by is None:
        yield Gap("no_review_date", "$.review_by", "nothing makes anyone look at it again")
    elif contract.review_by < today:
        text = f"the review was due by {contract.review_by}"
        yield Gap("review_overdue", "$.review_by", text)
    if contract.deprecate_after is None:
        yield Gap("no_deprecation_date", "$.deprecate_after", "nothing ends its life")
    elif contract.deprecate_after < today:
        text = f"it was to be out of use after {contract.deprecate_after}"
        yield Gap("deprecation_overdue", "$.deprecate_after", text)
