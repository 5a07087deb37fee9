"""Which incident is meant: by the beginning of its id, or the only one that is open."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.replay.summary import Found

__all__ = ["choose", "open_ones"]

NAMED = 8
"""Incidents that an error names."""


def open_ones(found: Sequence[Found]) -> list[Found]:
    """Return those that are not resolved, pages first, then the latest first."""
    still = [each for each in found if each.resolved_at is None]
    still.sort(key=lambda each: each.detected_at, reverse=True)
    return sorted(still, key=lambda each: each.severity != "page")


def choose(found: Sequence[Found], name: str | None) -> Found | None:
    """Return the incident that is meant.

    Parameters
    ----------
    name
        The beginning of its id, in either case; None for the only one that is open.

    Returns
    -------
    Found or None
        None where nothing was named and not exactly one is open.

    Raises
    ------
    UsageError
        No incident, or several, begin like that; the nearest are named.
    """
    if name is None:
        still = open_ones(found)
        return still[0] if len(still) == 1 else None
    wanted = name.strip().lower()
    fitting = [each for each in found if each.incident.startswith(wanted)] if wanted else []
    exact = [each for each in fitting if each.incident == wanted]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    if fitting:
        msg = f"{name}: expected one incident, got {len(fitting)}: {_named(fitting)}"
        raise UsageError(msg)
    if not found:
        msg = f"{name}: expected an incident, got none: no alert has been published"
        raise UsageError(msg)
    of_model = [each for each in found if each.model == name]
    if of_model:
        msg = f"{name}: expected an incident, got a model; its incidents: {_named(of_model[::-1])}"
        raise UsageError(msg)
    by_id = {each.incident: each for each in found}
    near = [by_id[each] for each in difflib.get_close_matches(wanted, by_id, NAMED, cutoff=0.5)]
    whose = "the nearest" if near else "the latest"
    msg = f"{name}: expected an incident, got no such; {whose}: {_named(near or found[::-1])}"
    raise UsageError(msg)


def _named(found: Sequence[Found]) -> str:
    told = [f"{e.incident} ({e.model}, {e.kind} of {e.feature or 'the model'})" for e in found]
    more = f" and {len(told) - NAMED:,} more" if len(told) > NAMED else ""
    return ", ".join(told[:NAMED]) + more
