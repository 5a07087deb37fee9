"""Event time: RFC 3339 or epoch numbers in, microseconds since the epoch inside, RFC 3339 out."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.events.errors import Fault
from driftline.events.wording import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["format_ts", "parse_ts", "parse_ts_column", "read_ts"]

FIRST_YEAR, LAST_YEAR = 1900, 2200
EXPECTED = "a time: RFC 3339, epoch seconds or epoch milliseconds"
SECOND = 1_000_000
_EPOCH = dt.date(1970, 1, 1).toordinal()
_TEXT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)
_MONTHS = [(year, month) for year in range(FIRST_YEAR, LAST_YEAR + 2) for month in range(1, 13)]
_MONTH_START = np.array([dt.date(*ym, 1).toordinal() - _EPOCH for ym in _MONTHS], dtype=np.int64)
_LOWEST = int(_MONTH_START[0]) * 86_400 * SECOND
_HIGHEST = int(_MONTH_START[-12]) * 86_400 * SECOND
_MONTH_DAYS = np.diff(_MONTH_START, append=_MONTH_START[-1] + 31)
_VECTOR_ROWS = 16
"""Below this many values a loop is faster than setting up the arrays."""


def parse_ts(value: object, path: str = "$.ts") -> int:
    """Read one event time.

    Parameters
    ----------
    value
        A string in RFC 3339 with any offset (also with a blank for the 'T', without seconds, or a
        date alone, which is its midnight; no offset is UTC; digits beyond microseconds are cut
        off), or a number: epoch seconds where 1e8 <= abs < 1e11, milliseconds where
        1e11 <= abs < 1e14.
    path
        What to call it in a fault.

    Returns
    -------
    int
        Microseconds since the epoch.

    Raises
    ------
    Fault
        It is none of these, lies outside the years 1900 to 2200, or is exactly the epoch.

    Examples
    --------
    >>> parse_ts("2026-11-23T21:02:24.5+01:00") == parse_ts(1795464144.5)
    True
    """
    if isinstance(value, str):
        return _from_text(value, path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(path, EXPECTED, brief(value), code="time")
    return _from_number(value, path)


def short_ts(text: str) -> str:
    """Return what `format_ts` wrote as people read it: to the second, without letters."""
    return text.removesuffix("Z").partition(".")[0].replace("T", " ")


def read_ts(text: str) -> int:
    """Read back what `format_ts` wrote, in microseconds since the epoch.

    Unlike a producer's, a time of our own may be the epoch itself: a window may well end there.

    Examples
    --------
    >>> read_ts(format_ts(0))
    0
    """
    return _instant(text, "$.time")


def format_ts(us: int) -> str:
    """Write microseconds since the epoch as RFC 3339 in UTC, with no more digits than needed.

    Examples
    --------
    >>> format_ts(1795464144500000)
    '2026-11-23T20:02:24.500Z'
    """
    seconds, fraction = divmod(us, SECOND)
    days, second = divmod(seconds, 86_400)
    text = f"{dt.date.fromordinal(days + _EPOCH).isoformat()}T"
    text += f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    if fraction % 1000:
        return f"{text}.{fraction:06d}Z"
    return f"{text}.{fraction // 1000:03d}Z" if fraction else f"{text}Z"


def parse_ts_column(values: Sequence[Any]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Read many event times.

    Strings of one length and form cost about 0.1 µs each, numbers of one type less.

    Returns
    -------
    us
        int64 of shape (n,): what `parse_ts` gives, 0 in faulty rows.
    faulty
        Rows that `parse_ts` refuses.
    """
    types = set(map(type, values))
    if len(values) >= _VECTOR_ROWS:
        if types == {str} and len(set(map(len, values))) == 1:
            us, fine = _text_column(values)
            return _patch(values, us, np.flatnonzero(~fine).tolist())
        if types == {float}:
            return _number_column(np.array(values, dtype=np.float64), values)
        if types == {int} and max(values) < 1e14 and min(values) > -1e14:
            return _number_column(np.array(values, dtype=np.int64), values)
    return _patch(values, np.zeros(len(values), dtype=np.int64), range(len(values)))


def _patch(
    values: Sequence[Any], us: npt.NDArray[np.int64], rows: Sequence[int]
) -> tuple[npt.NDArray[np.int64], list[int]]:
    faulty = []
    for row in rows:
        try:
            us[row] = parse_ts(values[row])
        except Fault:
            us[row] = 0
            faulty.append(row)
    return us, faulty


def _from_text(value: str, path: str) -> int:
    return _within(_instant(value, path), value, path)


def _instant(value: str, path: str) -> int:
    match = _TEXT.fullmatch(value)
    if match is None:
        raise Fault(path, EXPECTED, brief(value), code="time")
    year, month, day, hour, minute, second, fraction, _, sign, off_h, off_m = match.groups()
    try:
        date = dt.date(int(year), int(month), int(day))
        # A leap second (:60) is the first second of the next minute, as POSIX clocks have it.
        seconds = int(second or 0)
        dt.time(int(hour or 0), int(minute or 0), min(seconds, 59) if seconds <= 60 else seconds)
        dt.time(int(off_h or 0), int(off_m or 0))
    except ValueError as error:
        raise Fault(path, EXPECTED, f"{brief(value)} ({error})", code="time") from None
    seconds += int(hour or 0) * 3600 + int(minute or 0) * 60
    seconds += (date.toordinal() - _EPOCH) * 86_400
    offset = int(off_h or 0) * 3600 + int(off_m or 0) * 60
    seconds += offset if sign == "-" else -offset
    return seconds * SECOND + int((fraction or "0").ljust(6, "0")[:6])


def _from_number(value: float, path: str) -> int:
    size = abs(value)
    if 1e8 <= size < 1e11:
        return _within(_scaled(value, SECOND), value, path)
    if 1e11 <= size < 1e14:
        return _within(_scaled(value, 1000), value, path)
    if size < 1e8:
        hint = "falls in 1970" if size < 31_536_000 else "falls before 1974"
    elif 1e14 <= size < 1e17:
        hint = "looks like microseconds"
    elif 1e17 <= size < 1e20:
        hint = "looks like nanoseconds"
    else:
        hint = "not a time"
    raise Fault(path, EXPECTED, f"{brief(value)} ({hint})", code="time")


def _scaled(value: float, factor: int) -> int:
    return value * factor if isinstance(value, int) else round(value * float(factor))


def _within(us: int, value: object, path: str) -> int:
    if us == 0:
        raise Fault(
            path, EXPECTED, f"{brief(value)} (the epoch itself: an unset clock)", code="time"
        )
    if not _LOWEST <= us < _HIGHEST:
        expected = f"a time between the years {FIRST_YEAR} and {LAST_YEAR}"
        raise Fault(path, expected, brief(value), code="time")
    return us


def _number_column(
    numbers: npt.NDArray[Any], values: Sequence[float]
) -> tuple[npt.NDArray[np.int64], list[int]]:
    size = np.abs(numbers)
    fine = (size >= 1e8) & (size < 1e14)
    # In the numbers' own type: integers stay exact, floats round half to even as `round` does.
    factor = np.where(size < 1e11, SECOND, 1000).astype(numbers.dtype)
    us = np.rint(np.where(fine, numbers, 0) * factor).astype(np.int64)
    fine &= (us >= _LOWEST) & (us < _HIGHEST) & (us != 0)
    return _patch(values, us, np.flatnonzero(~fine).tolist())


def _text_column(values: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Read strings of one length that look like the first; say which rows it could vouch for."""
    rows, length, text = len(values), len(values[0]), "".join(values)
    nothing = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
    match = _TEXT.fullmatch(values[0])
    if match is None or match[6] is None or not text.isascii():
        return nothing
    # One contiguous line for each character position: every step below is a pass over bytes.
    flat = np.frombuffer(text.encode("ascii"), dtype=np.uint8).reshape(rows, length)
    lines = np.ascontiguousarray(flat.T)
    fine = np.ones(rows, dtype=np.bool_)
    digits = lines - np.uint8(ord("0"))
    signs = {4: "-", 7: "-", 13: ":", 16: ":"}
    if match[7] is not None:
        signs[19] = "."
    tail = length
    if match[8] is not None or match[9] is not None:
        tail = match.start(8 if match[8] is not None else 9)
    for at in range(length):
        if at == 10:
            fine &= (lines[10] == ord("T")) | (lines[10] == ord(" "))
        elif at in signs:
            fine &= lines[at] == ord(signs[at])
        elif at < tail:
            fine &= digits[at] <= 9
        else:  # the offset must be the first row's, character for character
            fine &= lines[at] == ord(values[0][at])

    def number(start: int, end: int) -> npt.NDArray[np.int64]:
        total = digits[start].astype(np.int64)
        for at in range(start + 1, end):
            total = total * 10 + digits[at]
        return total

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    fine &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12)
    fine &= (hour <= 23) & (minute <= 59) & (second <= 59)
    slot = np.where(fine, (year - FIRST_YEAR) * 12 + month - 1, 0)
    fine &= (day >= 1) & (day <= _MONTH_DAYS[slot])
    seconds = (_MONTH_START[slot] + day - 1) * 86_400 + hour * 3600 + minute * 60 + second
    if match[9] is not None:
        offset = int(match[10]) * 3600 + int(match[11]) * 60
        seconds += offset if match[9] == "-" else -offset
        fine &= int(match[10]) <= 23 and int(match[11]) <= 59
    us = seconds * SECOND
    if match[7] is not None:
        kept = min(len(match[7]), 6)
        us += number(20, 20 + kept) * 10 ** (6 - kept)
    fine &= (us >= _LOWEST) & (us < _HIGHEST) & (us != 0)
    us[~fine] = 0
    return us, fine
