"""Durations, rates, shares, dates and instants: from text to exact values and back.

Each ``parse_*`` raises ``ValueError`` for any other text, and reads back exactly what its
``format_*`` wrote.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Final

from driftline.contract.types import DAY, HOUR, MINUTE, SECOND, PlantedShift, Rate

UNITS: Final = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1_000, "us": 1}
LONGEST: Final = 36_500 * DAY
"""A century: more is a slip of the pen, and would overflow dates further on."""

_NUMBER: Final = r"[0-9]{1,20}(?:\.[0-9]{1,15})?"
DURATION: Final = rf"(?:{_NUMBER}(?:w|d|h|ms|us|m|s))+"
_TERM: Final = re.compile(rf"({_NUMBER})(w|d|h|ms|us|m|s)")
_UNITS: Final = UNITS | {"w": 7 * DAY}

_PERIODS: Final = {
    "sec": SECOND,
    "second": SECOND,
    "min": MINUTE,
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
} | _UNITS
_COUNT: Final = r"[0-9]{1,20}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?"
RATE: Final = (
    rf"{_COUNT}(?: per |/)(?:{DURATION}|{'|'.join(sorted(_PERIODS, key=len, reverse=True))})"
)
_RATE: Final = re.compile(rf"({_COUNT})(?: per |/)(.+)")
_SIZE: Final = r"[0-9]{1,3}(?:\.[0-9]{1,6})?"
SHIFT: Final = rf"mean[ :][-+]{_SIZE} ?sd|spread[ :]x{_SIZE}|(?:missing|mix|new)[ :]\+?{_SIZE}%"
PERCENT: Final = rf"{_NUMBER} ?%"
DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
INSTANT: Final = (
    rf"{DATE}(?:[Tt ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,6}})?)?"
    r"(?:[Zz]|[-+][0-9]{2}:[0-9]{2})?)?"
)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def parse_duration(text: str) -> int:
    """Read ``10s``, ``500ms``, ``1.5h``, ``1h30m`` as whole microseconds, 0 to a century."""
    if not re.fullmatch(DURATION, text):
        raise ValueError(text)
    total = sum(Decimal(number) * _UNITS[unit] for number, unit in _TERM.findall(text))
    if total != int(total) or total > LONGEST:
        raise ValueError(text)
    return int(total)


def format_duration(duration: int) -> str:
    """Write whole microseconds in the largest unit that gives a whole number: ``90m``, ``1d``."""
    if duration == 0:
        return "0s"
    unit, size = next((unit, size) for unit, size in UNITS.items() if duration % size == 0)
    return f"{duration // size}{unit}"


def parse_rate(text: str) -> Rate:
    """Read ``1 per 30d``, ``10/min``, ``0.5/h``; both numbers above zero."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    count, per = float(match[1]), match[2]
    length = _PERIODS[per] if per in _PERIODS else parse_duration(per)
    if not 0 < count < float("inf") or length <= 0:
        raise ValueError(text)
    return Rate(count=count, per=length)


def format_rate(rate: Rate) -> str:
    """Write a rate as ``1 per 30d``."""
    count = int(rate.count) if rate.count == int(rate.count) and rate.count < 1e15 else rate.count
    return f"{count} per {format_duration(rate.per)}"


def parse_shift(text: str) -> PlantedShift:
    """Read ``mean +1sd``, ``spread x2``, ``missing +20%``, ``mix 20%``, ``new 5%``; none is nil.

    A colon may stand for the blank: ``mean:+1sd``.
    """
    if not re.fullmatch(SHIFT, text):
        raise ValueError(text)
    what, size = re.split("[ :]", text, maxsplit=1)
    exact = Decimal(re.sub("[^-0-9.]", "", size))
    number = float(exact / 100 if size.endswith("%") else exact)
    good = {"mean": 0 < abs(number) <= 100, "spread": 0 < number <= 100 and number != 1}
    if not good.get(what, 0 < number < 1):
        raise ValueError(text)
    return PlantedShift(what=what, size=number)  # type: ignore[arg-type]  # one of the pattern's


def format_shift(shift: PlantedShift) -> str:
    """Write a shift as ``mean +1sd``."""
    size = abs(shift.size)
    share = shift.what not in {"mean", "spread"}
    # Written without an exponent, as it is read.
    number = f"{100 * size if share else size:.8f}".rstrip("0").rstrip(".")
    match shift.what:
        case "mean":
            return f"mean {'-' if shift.size < 0 else '+'}{number}sd"
        case "spread":
            return f"spread x{number}"
        case "missing":
            return f"missing +{number}%"
        case _:
            return f"{shift.what} {number}%"


def parse_percent(text: str) -> float:
    """Read ``5%`` as 0.05; from 0 to 1."""
    if not re.fullmatch(PERCENT, text):
        raise ValueError(text)
    # Decimal, so that 0.7% is the float that 0.007 is.
    share = float(Decimal(text.removesuffix("%").strip()) / 100)
    if share > 1:
        raise ValueError(text)
    return share


def parse_date(text: str) -> dt.date:
    """Read ``2027-06-01``."""
    if not re.fullmatch(DATE, text):
        raise ValueError(text)
    return dt.date.fromisoformat(text)


def parse_instant(text: str) -> int:
    """Read an RFC 3339 time or a date (midnight) as microseconds since the epoch.

    Without an offset it is UTC; years from 1900 to 2200.
    """
    if not re.fullmatch(INSTANT, text):
        raise ValueError(text)
    moment = dt.datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    if not 1900 <= moment.year <= 2200:
        raise ValueError(text)
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def format_instant(instant: int) -> str:
    """Write microseconds since the epoch as RFC 3339 in UTC."""
    moment = _EPOCH + dt.timedelta(microseconds=instant)
    return moment.isoformat().replace("+00:00", "Z")
