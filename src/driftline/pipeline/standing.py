"""How a model stands in detect, for whoever watches driftline itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from driftline.contract import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.detect.protocol import Severity

__all__ = ["MONTH", "Standing"]

MONTH = 30 * DAY
"""Microseconds; what a budget of false pages is told for."""


class Standing(NamedTuple):
    """One model at one moment.

    Attributes
    ----------
    open
        Severity of each open incident, by its id.
    pages
        Pages of the last `MONTH` of event time, by verdict; None is unjudged.
    warming_up
        No slot has been judged yet: there is no reference, or no event since the start.
    drill_due
        A drill is due or under way, and has not ended.
    """

    model: str
    open: Mapping[str, Severity]
    pages: Mapping[str | None, int]
    warming_up: bool
    drill_due: bool
