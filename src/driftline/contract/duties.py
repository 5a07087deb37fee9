"""The part of the contract's table about people: who answers, what wakes them, what follows."""

from __future__ import annotations

from typing import Final

from driftline.contract import checks
from driftline.contract.blocks import BlockOf, Field, ListOf, MapOf
from driftline.contract.kinds import INSTANT, RATE, Choice, Duration, Text
from driftline.contract.names import FOUND, KINDS
from driftline.contract.types import (
    AlertPlan,
    Budget,
    Fallback,
    MaintenanceWindow,
    Owner,
    Retrain,
)

__all__ = ["ALERTS", "BUDGET", "FALLBACK", "MAINTENANCE", "NAME", "OWNER", "RETRAIN"]

NAME: Final = Text(longest=200)
ON: Final = ListOf(Choice(KINDS), f"a list of {', '.join(KINDS)}")

OWNER: Final = BlockOf(
    Owner,
    (
        Field("team", NAME, "The team that answers for the model."),
        Field("contact", NAME, "Where people reach the team: a channel, an address."),
        Field("escalation", NAME, "Who is called when the team does not answer."),
        Field("confirm_every", Duration("1d"), "How often owning it has to be confirmed."),
        Field(
            "escalate_after",
            Duration("1m", "30d"),
            "A page that nobody acknowledges for so long is escalated, once; never if left out.",
        ),
    ),
)

BUDGET: Final = BlockOf(
    Budget,
    (
        Field(
            "false_pages",
            RATE,
            "False pages that may come over all features, segments and detectors together.",
        ),
        Field(
            "false_notices",
            RATE,
            "False notices (they wake nobody) likewise; no early notices where left out.",
        ),
    ),
)

ALERTS: Final = BlockOf(
    AlertPlan,
    (
        Field(
            "severity",
            MapOf(
                Choice(("page", "notice")),
                f"a mapping from {', '.join(FOUND)} to page or notice",
                keys=FOUND,
                least=0,
            ),
            "Whether a kind of finding wakes people, in place of what its detector says. Notices "
            "of drift, missing and decision stand beside the budget of pages: these kinds can be "
            "made notices, and not pages.",
        ),
        Field(
            "flapping",
            RATE,
            "What comes back within this time is the same incident, reopened; at so many returns "
            "within it, it is told once as flapping, and then no more until it has been over for "
            "the time divided by that number.",
        ),
    ),
    (checks.severity_keeps_the_budget, checks.flapping_in_range),
)

MAINTENANCE: Final = BlockOf(
    MaintenanceWindow,
    (
        Field("since", INSTANT, "When it begins, the first time.", required=True),
        Field("until", INSTANT, "When it ends; with every, when it begins no more."),
        Field("every", Duration("1h"), "From one beginning to the next; once if left out."),
        Field("lasts", Duration("1m"), "How long each one lasts, with every."),
        Field("why", NAME, "What is being done."),
    ),
    (checks.maintenance_ends,),
)

RETRAIN: Final = BlockOf(
    Retrain,
    (
        Field("at_most_every", Duration("1m"), "Shortest time between two requests."),
        Field("max_age", Duration("1h"), "Age at which a model is retrained in any case."),
        Field("on", ON, "Kinds of incident that ask for it."),
    ),
)

FALLBACK: Final = BlockOf(
    Fallback,
    (
        Field("to", NAME, "What takes over: a version, a rule set, a person.", required=True),
        Field("on", ON, "Kinds of incident that engage it."),
        Field("release_after", Duration(), "How long all must be well before it is released."),
        Field("test_every", Duration("1d"), "How often it has to be tried."),
    ),
)
