"""How worried one should be about a model, and why, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from driftline.events.time import format_ts, short_ts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["HEALED_BY", "Concern", "Level", "Worry", "silent", "worry"]


WHOLE = "the whole model"
"""What an incident is about that names no feature."""


class Level(IntEnum):
    """From well to worst: what wakes people first, then what nobody answers for."""

    WELL = 0
    UNSETTLED = 1
    DRILL_FAILED = 2
    SILENT = 3
    UNOWNED = 4
    VIOLATED = 5
    NOTICE = 6
    TAKEN = 7
    PAGE = 8

    @property
    def word(self) -> str:
        """How people read it."""
        return _WORDS[self]


_WORDS = {
    Level.WELL: "well",
    Level.UNSETTLED: "unsettled",
    Level.DRILL_FAILED: "drill failed",
    Level.SILENT: "silent",
    Level.UNOWNED: "no owner",
    Level.VIOLATED: "contract broken",
    Level.NOTICE: "notice",
    Level.TAKEN: "page, taken",
    Level.PAGE: "page",
}
_UNOWNED = ("no_contract", "no_owner", "no_contact")
HEALED_BY: Mapping[str, tuple[str, ...]] = {
    "owner_unconfirmed": ("owner_confirmed",),
    "fallback_untested": ("fallback_tested",),
    "threshold_review_overdue": ("threshold_reviewed",),
    "retraining_overdue": ("retrained", "deployed"),
}
"""Kinds of lifecycle events after which a violation is one no more."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One open incident, as far as it matters here.

    Attributes
    ----------
    text
        What happened, in a sentence.
    status
        ``open``, ``acknowledged``, ``silenced`` or ``judged`` (as false, or as expected).
    by
        Who said so.
    since
        Event time, microseconds.
    """

    severity: str
    text: str
    status: str
    since: int
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Worry:
    """A level, and within it what weighs more.

    Attributes
    ----------
    weight
        How many there are of what makes the level.
    since
        When the oldest of them began, event time in microseconds; None where that is no moment.
    """

    level: Level
    weight: int
    since: int | None
    why: str


def worry(
    open_incidents: Sequence[Concern],
    violations: Mapping[str, str],
    drill: str | None,
) -> Worry:
    """Judge a model.

    Parameters
    ----------
    violations
        Texts of what breaks the contract now, by code.
    drill
        What the last drill planted, where it did not ring; else None.
    """
    pages = [each for each in open_incidents if each.severity == "page"]
    waiting = [each for each in pages if each.status == "open"]
    notices = [each for each in open_incidents if each.severity != "page"]
    for level, found in (
        (Level.PAGE, waiting),
        (Level.TAKEN, pages),
        (Level.NOTICE, [each for each in notices if each.status == "open"]),
    ):
        if found:
            return _of_incidents(level, found)
    broken = {code: text for code, text in violations.items() if not code.startswith("no_")}
    if broken:
        return _of_texts(Level.VIOLATED, broken)
    unowned = {code: violations[code] for code in _UNOWNED if code in violations}
    if unowned:
        return _of_texts(Level.UNOWNED, unowned)
    if drill is not None:
        return Worry(Level.DRILL_FAILED, 1, None, f"The last drill did not ring: {drill}")
    if violations:
        return _of_texts(Level.UNSETTLED, violations)
    return Worry(Level.WELL, 0, None, "Nothing is wrong with it")


def silent(heard: int) -> str:
    """Say that nothing has come of a model any more."""
    return f"Nothing has been heard of it since {short_ts(format_ts(heard))}"


def _of_incidents(level: Level, found: Sequence[Concern]) -> Worry:
    first = min(found, key=lambda each: each.since)
    taken = {
        "acknowledged": f"{first.by} is on it: ",
        "silenced": f"Silenced by {first.by}: ",
        "judged": f"Judged by {first.by}, still open: ",
    }
    what = "page" if first.severity == "page" else "notice"
    rest = len(found) - 1
    more = f"; and {rest:,} more {what}{'' if rest == 1 else 's'}" if rest else ""
    why = f"{taken.get(first.status, '')}{first.text}{more}"
    return Worry(level, len(found), first.since, why)


def _of_texts(level: Level, texts: Mapping[str, str]) -> Worry:
    first, *rest = texts.values()
    more = f"; and {len(rest)} more" if rest else ""
    return Worry(level, len(texts), None, f"{first[:1].upper()}{first[1:]}{more}")
